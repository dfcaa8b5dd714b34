-- Topology hiding: towards a hidden interface the engine looks like the other party itself. What a proxy would show
-- by Via (RFC 3261 s16.6 8), Record-Route (s16.6 4), Contact (s8.1.1.8), Call-ID and Warning (s20.43) stays here, and
-- everything within the call still finds its way, by what the dialog knows of both sides (s12.2.1.1).
local ffi = require "ffi"
local world = require "route.world"
local ask = world.ask

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

-- From names a host, and that is the script's.
local function hidden(options, to)
    return ([[
        assert(sip.dialog.track(req, { %s }))
        req["$fu"] = "sip:alice@example.net"
        %s
    ]]):format(options, to or [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]])
end

local BOTH = "hide = true, hide_call_id = true"

describe("a call whose topology is hidden", function()
    local net, alice, bob, callees

    local function open(body, options)
        options = options or {}
        options.body = body
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function assert_hidden()
        assert.no_address("10.0.0.", "public")
        assert.no_address("192.0.2.", "private")
        assert.no_address("@192", "private")
    end

    it("shows neither side an address of the other, in any message", function()
        open([[sip.media.manage(req, { from = "public", to = "private" })]] .. hidden(BOTH))
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        assert.equal(1, #invite:values "Via")
        assert.is_nil(invite:header "Record-Route")
        assert.equal("<sip:alice@10.0.0.1:5060>", invite:header "Contact")
        bob:reply(invite, 180)
        assert.equal("<sip:bob@192.0.2.1:5060>", alice:receive(180):header "Contact")
        bob:reply(invite, 200, { sdp = true })
        local ok = alice:receive(200)
        assert.is_nil(ok:header "Record-Route")
        assert.equal(alice.call.id, ok:header "Call-ID")
        bob:receive "ACK"
        for _, method in ipairs { "INFO", "UPDATE", "MESSAGE", "OPTIONS" } do
            ask(alice, bob, method)
            ask(bob, alice, method)
        end
        ask(alice, bob, "INVITE", { sdp = true })
        ask(bob, alice, "INVITE", { sdp = true })
        world.hang_up(bob, alice)
        assert_hidden()
    end)

    it("sends requests to the Contact of whom they are for", function()
        open(hidden(BOTH))
        world.answer(alice, bob)
        local info = ask(alice, bob, "INFO")
        assert.equal("sip:bob@10.0.0.20:5060", info.uri)
        assert.is_nil(info:header "Route")
        assert.equal("sip:alice@192.0.2.10:5060", ask(bob, alice, "INFO").uri)
        world.hang_up(alice, bob)
    end)

    it("follows a new Contact of either side (target refresh, s12.2.1.2)", function()
        open(hidden(BOTH))
        world.answer(alice, bob)
        alice.contact = "<sip:alice@192.0.2.10:5060;line=2>"
        ask(alice, bob, "UPDATE")
        assert.equal("sip:alice@192.0.2.10:5060;line=2", ask(bob, alice, "INFO").uri)
        bob.contact = "<sip:desk@10.0.0.20:5060>"
        ask(alice, bob, "INVITE")
        assert.equal("sip:desk@10.0.0.20:5060", ask(alice, bob, "INFO").uri)
        world.hang_up(bob, alice)
        assert_hidden()
    end)

    it("keeps the user and the parameters of a Contact, and nothing that could hold an address", function()
        open(hidden(BOTH))
        alice.contact = [["Alice" <sip:10.0.0.9@192.0.2.10:5060;alias=192.0.2.10~5060~1>;isfocus;q=0.5]]
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("<sip:10.0.0.1:5060>;isfocus;q=0.5", invite:header "Contact")
        bob:reply(invite, 486)
        alice:receive(486)
        assert_hidden()
    end)

    it("has another Call-ID for the callee, whichever worker it hashes to", function()
        open(hidden(BOTH), { workers = 3 })
        for i = 1, 6 do
            local invite = world.answer(alice, bob)
            assert.matches("^%w+$", invite:header "Call-ID")
            local from, to = alice, bob
            if i % 2 == 0 then
                from, to = bob, alice
            end
            ask(from, to, "INFO")
            world.hang_up(from, to)
        end
        assert.equal(0, net:status().dialogs)
        assert_hidden()
    end)

    it("keeps the caller's Call-ID when only the path is hidden", function()
        open(hidden "hide = true")
        local invite = world.answer(alice, bob)
        assert.equal(alice.call.id, invite:header "Call-ID")
        world.hang_up(alice, bob)
        assert.no_address("10.0.0.", "public")
        assert.no_address("192.0.2.", "private", { except = "Call-ID" })
    end)

    it("gives a refusal back on its own path, its Contact and Warning masked", function()
        open(hidden(BOTH))
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 302, { headers = {
            { "Warning", [[399 10.0.0.20 "moved, for good"]] },
            { "Contact", "<sip:carol@10.0.0.21>;q=0.7, <sip:dave@10.0.0.22>" },
        } })
        local moved = alice:receive(302)
        assert.equal("<sip:carol@192.0.2.1:5060>;q=0.7, <sip:dave@192.0.2.1:5060>", moved:header "Contact")
        assert.equal([[399 192.0.2.1 "moved, for good"]], moved:header "Warning")
        assert_hidden()
    end)

    it("is given up by the caller", function()
        open(hidden(BOTH))
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive { status = 200, method = "CANCEL" }
        alice:receive(487)
        net:settle()
        assert_hidden()
    end)

    it("passes a 2xx that is repeated as the same bytes, and its ACK each time", function()
        open(hidden(BOTH), { auto_ack = false })
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        local first = alice:receive(200)
        net:advance(2)
        local seen = world.count_received(net, "alice", 200)
        assert.is_true(seen > 2)
        for _, entry in ipairs(net.journal) do
            if entry.agent == "alice" and entry.message.status == 200 then
                assert.equal(first.bytes, entry.message.bytes)
            end
        end
        alice:ack()
        bob:receive "ACK"
        world.hang_up(alice, bob)
        assert_hidden()
    end)

    it("forks: each early dialog has PRACK and UPDATE of its own (RFC 3262, RFC 3311)", function()
        open(hidden(BOTH, [[
            req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", interface = "private" }
        ]]))
        local carol = callees.carol
        alice:invite("sip:bob@example.net", { headers = { Supported = "100rel" } })
        local invites = { [bob] = bob:receive "INVITE", [carol] = carol:receive "INVITE" }
        for _, callee in ipairs { bob, carol } do
            callee:reply(invites[callee], 183, { reliable = true })
            local ringing = alice:receive(183)
            alice:prack(ringing)
            local prack = callee:receive "PRACK"
            assert.equal(callee.uri, prack.uri)
            callee:reply(prack, 200)
            alice:receive { status = 200, method = "PRACK" }
            alice:request(alice.call, "UPDATE", { dialog = alice.call.dialogs[ringing:tag "To"] })
            callee:reply(callee:receive "UPDATE", 200)
            alice:receive { status = 200, method = "UPDATE" }
            world.ask(callee, alice, "UPDATE")
        end
        carol:reply(invites[carol], 200)
        alice:receive { status = 200, method = "INVITE" }
        carol:receive "ACK"
        world.hang_up(alice, carol)
        assert_hidden()
    end)

    it("gives the second 2xx of a fork back, too, and ends each leg on its own (s13.2.2.4)", function()
        open(hidden(BOTH), { auto_cancel = false })
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        for _, tag in ipairs { "one", "two" } do
            bob:reply(invite, 200, { to_tag = tag })
            assert.equal(tag, alice:receive { status = 200, method = "INVITE" }:tag "To")
            bob:receive "ACK"
        end
        for _, tag in ipairs { "one", "two" } do
            alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[tag] })
            local bye = bob:receive "BYE"
            assert.equal(tag, bye:tag "To")
            bob:reply(bye, 200)
            alice:receive { status = 200, method = "BYE" }
        end
        assert.equal(0, net:status().dialogs)
        assert_hidden()
    end)

    it("keeps the other proxies of each side on the path of that side alone", function()
        open(hidden(BOTH), { auto_ack = false })
        local edge = net:agent { name = "edge", address = "10.0.0.99:5060", side = "private" }
        alice:invite("sip:bob@example.net", { headers = { ["Record-Route"] = "<sip:192.0.2.10;lr>" } })
        local invite = bob:receive "INVITE"
        assert.is_nil(invite:header "Record-Route")
        bob:reply(invite, 200, { headers = { ["Record-Route"] = "<sip:10.0.0.99;lr>" } })
        assert.same({ "<sip:192.0.2.10;lr>" }, alice:receive(200):values "Record-Route")
        alice.call.route = {} -- the proxy of her own side takes itself off
        alice:ack()
        local ack = edge:receive "ACK"
        assert.equal("<sip:10.0.0.99;lr>", ack:header "Route")
        assert.equal("sip:bob@10.0.0.20:5060", ack.uri)
        bob:hangup()
        local bye = alice:receive "BYE"
        assert.same({ "<sip:192.0.2.10;lr>" }, bye:values "Route")
        alice:reply(bye, 200)
        bob:receive { status = 200, method = "BYE" }
        assert_hidden()
    end)

    it("is ended from here with BYEs that each side knows for its own", function()
        open(hidden("max_duration_s = 5, " .. BOTH))
        local invite = world.answer(alice, bob)
        local to_bob, to_alice = bob:receive("BYE", 6), alice:receive "BYE"
        assert.equal(invite:header "Call-ID", to_bob:header "Call-ID")
        assert.equal(alice.call.id, to_alice:header "Call-ID")
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:settle()
        assert_hidden()
    end)

    it("survives BYEs that cross, and an ACK that comes after the end goes nowhere", function()
        open(hidden(BOTH), { auto_ack = false })
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:hangup()
        alice:request(alice.call, "BYE")
        local to_alice, to_bob = alice:receive "BYE", bob:receive "BYE"
        alice:reply(to_alice, 200)
        bob:receive { status = 200, method = "BYE" }
        bob:reply(to_bob, 200)
        alice:receive { status = 200, method = "BYE" }
        alice:ack()
        net:settle()
        assert.equal(0, net:status().dialogs)
        assert.equal(0, world.count_received(net, "bob", "ACK"))
        assert_hidden()
    end)

    it("is answered 200 on its own path when its dialog has ended meanwhile", function()
        open(hidden(BOTH))
        world.answer(alice, bob)
        alice:hangup()
        alice:request(alice.call, "INFO")
        local bye, info = bob:receive "BYE", bob:receive "INFO"
        bob:reply(bye, 200)
        alice:receive { status = 200, method = "BYE" }
        bob:reply(info, 200)
        local ok = alice:receive { status = 200, method = "INFO" }
        assert.equal(alice.call.id, ok:header "Call-ID")
        assert_hidden()
    end)

    it("goes on across a reload", function()
        open(hidden(BOTH))
        world.answer(alice, bob)
        assert.is_true(net:reload { source = world.route "req:reply(403)" })
        ask(alice, bob, "INFO")
        world.hang_up(bob, alice)
        assert_hidden()
    end)

    it("is tried at the next gateway, hidden as before", function()
        open(hidden(BOTH, [[
            req:relay { to = "sip:10.0.0.21:5060", interface = "private", on_failure = "NEXT" }
        ]]), { more = [[function failure_route.NEXT(req)
            assert(sip.dialog.track(req, { hide = true }))
            req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
        end]] })
        alice:invite "sip:bob@example.net"
        callees.carol:reply(callees.carol:receive "INVITE", 503)
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        world.hang_up(bob, alice)
        assert_hidden()
    end)

    it("cannot be forwarded without state, but for its ACK", function()
        open(hidden(BOTH), { route = [[
            local sip = require "lunasip"
            function request_route(req)
                if req:in_dialog() then
                    req:loose_route()
                    if req.method == "INFO" then
                        local ok, err = req:forward()
                        return req:reply(ok and 500 or 488, err)
                    end
                    return req:relay()
                end
                sip.dialog.track(req, { hide = true })
                req["$fu"] = "sip:alice@example.net"
                req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
            end
        ]] })
        world.answer(alice, bob)
        alice:request(alice.call, "INFO")
        alice:receive(488)
        world.hang_up(alice, bob)
    end)

    it("survives any allocation that fails, leaks nothing and shows nothing", function()
        open([[sip.media.manage(req, { from = "public", to = "private" })
            local call = sip.dialog.track(req, { hide = true, hide_call_id = true, max_duration_s = 3 })
            if not call then return req:reply(500) end
            req["$fu"] = "sip:alice@example.net"
            if not req:relay { to = "sip:10.0.0.20:5060", interface = "private" } then req:reply(500) end
        ]], { auto_cancel = true })
        local engine = require("lunasip.stage").library
        for n = 0, 240 do
            alice:send(world.raw {
                call_id = "Call-ID: poor-" .. n .. "@192.0.2.10", branch = "poor" .. n,
                headers = { "Record-Route: <sip:192.0.2.10;lr>", "P-Asserted-Identity: <sip:alice@192.0.2.10>" },
            })
            engine.memory_fail_after(n % 80)
            net:advance(0.01)
            engine.memory_fail_never()
            local invite = table.remove(bob.queue, 1)
            if invite and invite.method == "INVITE" then
                bob:reply(invite, n < 80 and 180 or 200, { headers = { Warning = "399 10.0.0.20 x" } })
                engine.memory_fail_after(n % 80)
                net:advance(0.01)
                engine.memory_fail_never()
            end
            net:advance(0.2)
            bob.queue = {}
        end
        net:advance(40)
        assert_hidden()
    end)
end)

describe("a call that is hidden from one side", function()
    local net, alice, bob

    after_each(function()
        net:close()
    end)

    local function open(body)
        local callees
        net, alice, callees = world.open { body = body }
        bob = callees.bob
    end

    local function talk(caller, callee)
        for _, method in ipairs { "INFO", "UPDATE" } do
            ask(caller, callee, method)
            ask(callee, caller, method)
        end
    end

    it("shows the callee's side everything when the caller's is hidden", function()
        open [[
            assert(sip.dialog.track(req, { hide = "public" }))
            req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
        ]]
        local invite = world.answer(alice, bob)
        assert.equal(2, #invite:values "Via")
        assert.equal(2, #invite:values "Record-Route")
        assert.equal(alice.contact, invite:header "Contact")
        talk(alice, bob)
        world.hang_up(bob, alice)
        assert.no_address("10.0.0.", "public")
    end)

    it("gives a caller who is not hidden from a route to the other side", function()
        open [[
            assert(sip.dialog.track(req, { hide = { "public" }, hide_call_id = true }))
            req["$fu"] = "sip:bob@example.net"
            req:relay { to = "sip:192.0.2.10:5060", interface = "public" }
        ]]
        bob:invite("sip:alice@example.net", { headers = { ["Record-Route"] = "<sip:10.0.0.20;lr>" } })
        local invite = alice:receive "INVITE"
        assert.equal(1, #invite:values "Via")
        alice:reply(invite, 200)
        local ok = bob:receive(200)
        assert.same({ "<sip:192.0.2.1:5060;lr;r2=on>", "<sip:10.0.0.1:5060;lr;r2=on>", "<sip:10.0.0.20;lr>" },
            ok:values "Record-Route")
        assert.equal(alice.contact, ok:header "Contact")
        table.remove(bob.call.route, 1) -- its own
        alice:receive "ACK"
        talk(bob, alice)
        world.hang_up(bob, alice)
        assert.no_address("10.0.0.", "public")
    end)

    it("is named by interfaces that there are", function()
        world.expect_misuse(function(options)
            open("sip.dialog.track(req, { " .. options .. " })")
            return net, alice
        end, {
            [ [=[hide = "publik"]=] ] = "hide names an interface that listen has not: publik",
            [ [=[hide = 1]=] ] = "hide is true, an interface or a list of them",
            [ [=[hide = {}]=] ] = "hide is true, an interface or a list of them",
            [ [=[hide = { 1 }]=] ] = "hide names interfaces by texts, not by a number",
        })
        open "req:reply(486)"
    end)
end)
