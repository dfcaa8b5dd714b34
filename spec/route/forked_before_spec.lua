-- A proxy before us forks an INVITE, and several of its branches come through us, all with the same Call-ID, From tag
-- and CSeq: one dialog here. What becomes of one of them is not what becomes of the others (RFC 3261 s16.6, s16.7).
local world = require "route.world"

local HOST = [[local host = req["$rU"] == "bob" and "10.0.0.20:5060" or "10.0.0.21:5060"]]
local PROXIED = HOST .. [[
    req:record_route()
    %s
    req:relay { to = "sip:" .. host, interface = "private" }
]]
local TWO_LEGS = HOST .. [[
    local call, err = sip.call.bridge(req, { to = "sip:" .. host, interface = "private" %s })
    if not call then req:reply(500) end
]]
local MANAGE = [[assert(sip.media.manage(req, { from = "public", to = "private" }))]]

describe("an INVITE that a proxy before us has forked", function()
    local net, alice, bob, carol

    local function open(body, conf)
        local callees
        net, alice, callees = world.open { body = body, conf = conf }
        bob, carol = callees.bob, callees.carol
    end

    after_each(function()
        net:close()
    end)

    -- Alice stands for that proxy, too. @return the INVITE as bob got it
    local function call_both()
        alice:invite("sip:bob@example.net", { sdp = true })
        local at_bob = bob:receive "INVITE"
        alice:send((alice.call.last_sent:gsub("INVITE sip:bob", "INVITE sip:carol"):gsub("branch=z9hG4bK", "%0x")))
        net:settle(0.1)
        return at_bob
    end

    local function answer_and_end(at_bob, has_media)
        bob:reply(at_bob, 180)
        alice:receive(180)
        bob:reply(at_bob, 200, { sdp = true })
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        assert.equal(1, net:status().dialogs)
        if has_media then
            alice:send_rtp(10)
            bob:send_rtp(10)
            net:advance(1)
            assert.equal(10, bob:received_rtp()[1].packets)
            assert.equal(10, alice:received_rtp()[1].packets)
        end
        world.hang_up(alice, bob)
        world.finish(net)
    end

    for _, manage in ipairs { "", MANAGE } do
        local has_media = manage ~= ""
        local with = has_media and ", with media" or ""
        it("goes on when another one of them is refused" .. with, function()
            open(PROXIED:format(manage))
            local at_bob = call_both()
            carol:reply(carol:receive "INVITE", 486)
            alice:receive(486)
            answer_and_end(at_bob, has_media)
        end)

        it("is ended from here with all of them" .. with, function()
            open(PROXIED:format(manage))
            call_both()
            net:command("calls", "end", alice.call.id)
            alice:receive(503)
            alice:receive(503)
            world.finish(net)
        end)

        it("as a call of two legs stands alone: the others are merged requests (s8.2.2.2)" .. with, function()
            open(TWO_LEGS:format(has_media and ', media = { from = "public", to = "private" }' or ""))
            local at_bob = call_both()
            local ports = net:status().media.ports
            alice:receive(482)
            assert.equal(ports, net:status().media.ports)
            answer_and_end(at_bob, has_media)
        end)
    end

    it("is hidden as the first of them is: one Call-ID on the other side", function()
        open(HOST .. [[
            assert(sip.dialog.track(req, { hide = "private", hide_call_id = true }))
            req:relay { to = "sip:" .. host, interface = "private" }
        ]])
        local at_bob = call_both()
        local at_carol = carol:receive "INVITE"
        assert.equal(at_bob:header "Call-ID", at_carol:header "Call-ID")
        assert.not_equal(alice.call.id, at_bob:header "Call-ID")
        carol:reply(at_carol, 486)
        alice:receive(486)
        bob:reply(at_bob, 200)
        alice:receive(200)
        bob:receive "ACK"
        net:settle(40) -- nothing is left of the INVITEs
        world.hang_up(bob, alice)
        world.finish(net)
    end)

    it("runs in the generation that the call began in, whose handlers hear of its end", function()
        for _, body in ipairs {
            [[ local call = sip.call.bridge(req, { to = "sip:10.0.0.20:5060", interface = "private" })
               if not call then return req:reply(500) end
               call:on("end", function() sip.log.info "NAME heard" end) ]],
            [[ sip.dialog.track(req, { on_end = function() sip.log.info "NAME heard" end })
               req:relay { to = "sip:10.0.0.20:5060", interface = "private" } ]],
        } do
            local route = world.route(([[sip.log.info "NAME runs" ]] .. body), "")
            net, alice, carol = world.open { route = route:gsub("NAME", "old") }
            bob = carol.bob
            world.answer(alice, bob)
            net:reload { source = route:gsub("NAME", "new") }
            alice:send(world.raw {
                from = ("From: <sip:alice@example.net>;tag=%s"):format(alice.call.local_tag),
                call_id = "Call-ID: " .. alice.call.id, cseq = 7,
            })
            net:advance(1)
            local again = bob.queue[1]
            if again and again.method == "INVITE" then
                bob:reply(bob:receive "INVITE", 486)
            end
            alice:receive(again and 486 or 500)
            net:settle(40)
            world.hang_up(alice, bob)
            assert.is_nil(net:logged "new runs")
            assert.truthy(net:logged "old heard")
            world.finish(net)
            if body:find "bridge" then net:close() end
        end
    end)

    it("has one record with its own outcome, and what became of each (engine/record)", function()
        open(PROXIED:format "", { records = {} })
        local at_bob = call_both()
        carol:reply(carol:receive "INVITE", 486, { headers = { Reason = "Q.850;cause=17" } })
        alice:receive(486)
        answer_and_end(at_bob)
        local list = net:records()
        assert.equal(1, #list)
        local r = list[1]
        assert.same({ "answered", 200, "OK" }, { r.outcome, r.status, r.reason })
        assert.is_nil(r.reason_header)
        assert.same({ 200, 486 }, { r.tries[1].status, r.tries[2].status })
    end)

    it("as a call of two legs is no other one later", function()
        open(TWO_LEGS:format "")
        world.answer(alice, bob)
        alice:send(world.raw {
            from = ("From: <sip:alice@example.net>;tag=%s"):format(alice.call.local_tag),
            call_id = "Call-ID: " .. alice.call.id, cseq = 7,
        })
        alice:receive(500)
        world.hang_up(alice, bob)
        world.finish(net)
    end)
end)
