-- What seldom happens to a call of two legs: loops, numbers that PRACK took, answers that cross, strangers.
local world = require "route.world"

local PLAIN = [[assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" %s }))]]

local function bridge(options)
    return PLAIN:format(options and ", " .. options or "")
end

describe("a call of two legs", function()
    local net, alice, bob

    local function open(options)
        options = options or {}
        options.body = options.body or bridge()
        local callees
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    local function finish()
        world.finish(net)
    end

    it("takes a hop from Max-Forwards, of what comes later, too, to the last (s16.6 3, RFC 7332)", function()
        open()
        for _, hops in ipairs { 70, 2, 1 } do
            alice:invite("sip:bob@example.net", { max_forwards = hops })
            local invite = bob:receive "INVITE"
            assert.equal(tostring(hops - 1), invite:header "Max-Forwards")
            bob:reply(invite, 200)
            alice:receive(200)
            bob:receive "ACK"
            alice:ask("INFO", { max_forwards = hops })
            local info = bob:receive "INFO"
            assert.equal(tostring(hops - 1), info:header "Max-Forwards")
            bob:reply(info, 200)
            alice:receive(200)
            world.hang_up(alice, bob)
            finish()
        end
        alice:invite("sip:bob@example.net", { max_forwards = 0 })
        alice:receive(483)
        finish()
        world.answer(alice, bob)
        alice:ask("INFO", { max_forwards = 0 })
        alice:receive(483)
        world.hang_up(alice, bob)
        finish()
    end)

    it("may lead to us again, as another one of two legs", function()
        open { body = [[
            if req.interface == "public" then
                assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.1:5060", interface = "private" }))
            else
                assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
            end
        ]] }
        for _, from_bob in ipairs { false, true } do
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            bob:receive "ACK"
            world.ask(alice, bob, "INFO")
            world.ask(bob, alice, "INFO")
            if from_bob then
                world.hang_up(bob, alice)
            else
                world.hang_up(alice, bob)
            end
            finish()
        end
    end)

    it("ends a second fork's 2xx with a number above those of its PRACK (s12.2.1.1)", function()
        open()
        local function early(invite, tag)
            bob:reply(invite, 183, { to_tag = tag, headers = { Require = "100rel", RSeq = "5" } })
            alice:prack(alice:receive(183))
            local prack = bob:receive "PRACK"
            bob:reply(prack, 200)
            alice:receive { status = 200, method = "PRACK" }
            return prack.cseq
        end
        alice:invite("sip:bob@example.net", { headers = { Supported = "100rel" } })
        local invite = bob:receive "INVITE"
        local one, two = early(invite, "one"), early(invite, "two")
        assert.is_true(one < two)
        bob:reply(invite, 200, { to_tag = "one" })
        alice:receive { status = 200, method = "INVITE" }
        assert.equal("one", bob:receive("ACK"):tag "To")
        bob:reply(invite, 200, { to_tag = "two" })
        assert.equal("two", bob:receive("ACK"):tag "To")
        local bye = bob:receive "BYE"
        assert.equal("two", bye:tag "To")
        assert.is_true(bye.cseq > two)
        bob:reply(bye, 200)
        bob.call.local_tag = "one"
        world.hang_up(alice, bob)
        finish()
    end)

    it("refuses numbers below that of the INVITE, of a BYE, too (s12.2.2)", function()
        open()
        alice:invite "sip:bob@example.net" -- numbered 1
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        alice:request(alice.call, "INFO", { cseq = 0 })
        alice:receive { status = 500, method = "INFO" }
        alice:request(alice.call, "INFO", { cseq = 9 })
        bob:reply(bob:receive "INFO", 200)
        alice:receive(200)
        alice:request(alice.call, "BYE", { cseq = 8 })
        alice:receive { status = 500, method = "BYE" }
        assert.equal(1, net:status().dialogs)
        alice.call.cseq = 9
        world.hang_up(alice, bob)
        finish()
    end)

    it("gives the CANCEL its Reason when it is ended from here", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        net:command("calls", "end", alice.call.id)
        assert.matches("^SIP;", bob:receive("CANCEL"):header "Reason")
        alice:receive(503)
        finish()
    end)

    it("passes OPTIONS whose answer describes the callee (s11.2)", function()
        open { body = world.two_legs() }
        world.answer(alice, bob, { sdp = true })
        alice:ask "OPTIONS"
        bob:reply(bob:receive "OPTIONS", 200, { sdp = true })
        assert.not_matches("10%.0%.0%.20", alice:receive({ status = 200, method = "OPTIONS" }).body)
        alice:update()
        bob:reply(bob:receive "UPDATE", 200, { sdp = true })
        assert.not_matches("10%.0%.0%.20", alice:receive({ status = 200, method = "UPDATE" }).body)
        world.hang_up(alice, bob)
        finish()
    end)

    it("keeps both parties where they were when the 200 of a re-INVITE crosses its CANCEL (s9.1)", function()
        open { auto_cancel = false }
        world.answer(alice, bob)
        for _ = 1, 3 do
            alice:reinvite()
            local invite = bob:receive "INVITE"
            bob:reply(invite, 100)
            net:settle(0.1)
            alice:cancel()
            bob:reply(invite, 200)
            bob:receive "ACK"
            bob:reply(bob:receive "CANCEL", 200)
            alice:receive { status = 200, method = "INVITE" }
            net:settle(33)
            assert.equal(0, net:status().transactions)
        end
        alice:reinvite()
        bob:receive "INVITE" -- and no provisional response: the CANCEL waits (s9.1)
        alice:cancel()
        net:settle(1)
        assert.equal(0, world.count_received(net, "alice", 487))
        world.hang_up(alice, bob)
        alice:receive(487)
        finish()
    end)

    it("acknowledges the 200 of a re-INVITE that rang too long", function()
        open { auto_cancel = false, conf = { timers = { c_ms = 181000 } } }
        world.answer(alice, bob)
        alice:reinvite()
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        net:settle(182)
        alice:receive { status = 408, method = "INVITE" }
        bob:reply(invite, 200)
        assert.equal(invite.cseq, bob:receive("ACK").cseq)
        bob:reply(bob:receive "CANCEL", 200)
        net:settle(40)
        assert.equal(0, net:status().transactions)
        world.hang_up(bob, alice)
        finish()
    end)

    it("may be ended by the end of another, while all are", function()
        open { body = [[
            local call = assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
            local i = #calls + 1
            calls[i] = call
            call:on("end", function()
                if i % 2 == 1 and calls[i + 1] then calls[i + 1]:hangup() end
            end)
        ]], more = "calls = {}" }
        for _, is_answered in ipairs { false, true } do
            for _ = 1, 4 do
                alice:invite "sip:bob@example.net"
                local invite = bob:receive "INVITE"
                bob:reply(invite, is_answered and 200 or 180)
                alice:receive(is_answered and 200 or 180)
            end
            net:settle(1)
            net:command("calls", "end", "--all")
            for _, agent in ipairs(is_answered and { alice, bob } or {}) do
                for _ = 1, 4 do
                    agent:reply(agent:receive "BYE", 200)
                end
            end
            finish()
        end
    end)

    it("keeps limits.dialog_legs of forks, however many 2xx come; each is acknowledged", function()
        open { conf = { limits = { dialog_legs = 3 } } }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { to_tag = "one" })
        alice:receive(200)
        bob:receive "ACK"
        for i = 2, 9 do
            bob:reply(invite, 200, { to_tag = "fork" .. i })
            assert.equal("fork" .. i, bob:receive("ACK"):tag "To")
        end
        for i = 2, 4 do -- the first one beyond the limit
            local bye = bob:receive "BYE"
            assert.equal("fork" .. i, bye:tag "To")
            bob:reply(bye, 200)
        end
        bob:receive_nothing("BYE", 1)
        assert.equal(6, net:status().counters["dialog.leg_limit"])
        bob.call.local_tag = "one"
        world.hang_up(alice, bob)
        finish()
    end)

    it("goes through ourselves as a proxy where its route set says so (s12.1.2)", function()
        open { route = [[
            local sip = require "lunasip"
            function request_route(req)
                if req:in_dialog() then
                    if req:loose_route() or req.method == "ACK" then
                        sip.log.info("proxied %s", req.method)
                        assert(req:relay())
                    else
                        req:reply(481)
                    end
                elseif req.interface == "public" then
                    assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.1:5060", interface = "private" }))
                else
                    req:record_route()
                    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
                end
            end
        ]] }
        world.answer(alice, bob)
        assert.truthy(net:logged "proxied ACK")
        world.ask(alice, bob, "INFO")
        assert.truthy(net:logged "proxied INFO")
        world.hang_up(alice, bob)
        assert.truthy(net:logged "proxied BYE")
        finish()
    end)

    it("takes the route set of the 200, not that of a provisional response (s13.2.2.4)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180, { headers = { ["Record-Route"] = "<sip:10.0.0.21:5060;lr>" } })
        alice:receive(180)
        bob:reply(invite, 200)
        alice:receive(200)
        assert.is_nil(bob:receive("ACK"):header "Route")
        world.hang_up(alice, bob)
        finish()
    end)

    it("repeats its 200 no more once the caller has said BYE instead of ACK (s15)", function()
        open { auto_ack = false, body = [[
            local call = assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
            call:on("answer", function(event) event.call:hangup "SIP;cause=480" end)
        ]] }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        bob:reply(bob:receive "BYE", 200)
        alice:ask "BYE"
        alice:receive { status = 200, method = "BYE" }
        local seen = world.count_received(net, "alice", 200)
        alice:receive_nothing("BYE", 40)
        assert.equal(seen, world.count_received(net, "alice", 200))
        finish()
    end)

    it("says no BYE to a caller whose INVITE is refused because the answer cannot be passed", function()
        open { body = world.two_legs() }
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { body = "this is no SDP\r\n" })
        alice:receive(500)
        bob:receive "ACK"
        bob:reply(bob:receive "BYE", 200)
        alice:receive_nothing("BYE", 1)
        finish()
    end)

    it("does not come about by a 200 without Contact, which nobody could acknowledge (s12.1.1)", function()
        open()
        bob.contact = ""
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(500)
        net:settle(40)
        finish()
    end)
end)
