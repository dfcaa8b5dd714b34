local world = require "route.world"

describe("CANCEL processing (RFC 3261 §9, §16.10)", function()
    local net, alice, callees, bob

    local function open(options)
        options.body = options.body or world.TO_BOB
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function is_cancel_ok(msg)
        return msg.status == 200 and msg.cseq_method == "CANCEL"
    end

    it("after a provisional response: 200, the branch is cancelled, its 487 goes up", function()
        open { auto_cancel = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(is_cancel_ok)
        local cancel = bob:receive "CANCEL"
        assert.equal(invite.uri, cancel.uri)
        assert.equal(invite:values "Via"[1], cancel:values "Via"[1])
        assert.equal(invite.cseq, cancel.cseq)
        alice:receive_nothing(487, 1)
        bob:reply(cancel, 200)
        bob:reply(invite, 487)
        alice:receive(487)
    end)

    it("before a provisional response: waits for one (§9.1)", function()
        open { auto_cancel = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        alice:cancel()
        alice:receive(is_cancel_ok)
        bob:receive_nothing("CANCEL", 0.4)
        bob:reply(invite, 100)
        bob:reply(bob:receive "CANCEL", 200)
        bob:reply(invite, 487)
        alice:receive(487)
    end)

    it("of a branch that never answers: 487 all the same", function()
        open {}
        alice:invite "sip:bob@example.net"
        bob:receive "INVITE"
        alice:cancel()
        alice:receive(487, 40)
    end)

    it("of a branch that rings on: 487 after 64*T1 (§9.1)", function()
        open { auto_cancel = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        alice:cancel()
        bob:reply(bob:receive "CANCEL", 200)
        alice:receive(487, 40)
    end)

    it("reaches all branches of a fork, one 487 goes up", function()
        open { body = world.parallel() }
        alice:invite "sip:all@example.net"
        for _, name in ipairs { "bob", "carol", "dave" } do
            callees[name]:reply(callees[name]:receive "INVITE", 180)
        end
        alice:receive(180)
        net:advance(0.1)
        alice:cancel()
        for _, name in ipairs { "bob", "carol", "dave" } do
            callees[name]:receive "CANCEL"
        end
        alice:receive(487)
        net:advance(1)
        assert.equal(1, world.count_received(net, "alice", 487))
    end)

    it("keeps serial forking from going on", function()
        open { body = [[req:fork { { uri = "sip:b@10.0.0.20", q = 0.9 }, { uri = "sip:c@10.0.0.21", q = 0.5 } }]] }
        alice:invite "sip:all@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(487)
        callees.carol:receive_nothing("INVITE", 1)
    end)

    it("carries its Reason on (RFC 3326)", function()
        open {}
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        local via = alice.call.last_sent:match "\r\n(Via: [^\r\n]+)"
        alice:send(world.raw {
            method = "CANCEL", via = via, from = alice.call.last_sent:match "\r\n(From: [^\r\n]+)",
            to = alice.call.last_sent:match "\r\n(To: [^\r\n]+)",
            call_id = "Call-ID: " .. alice.call.id,
            headers = { 'Reason: SIP ;cause=200 ;text="Call completed elsewhere"' },
        })
        assert.equal('SIP ;cause=200 ;text="Call completed elsewhere"', bob:receive "CANCEL":header "Reason")
        alice:receive(487)
    end)

    it("that crosses a 2xx changes nothing", function()
        open { auto_cancel = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        bob:reply(invite, 200)
        alice:cancel()
        alice:receive(function(msg) return msg.status == 200 and msg.cseq_method == "INVITE" end)
        alice:receive(is_cancel_ok)
        world.hang_up(alice, bob)
    end)

    it("of ours that crosses a 2xx: that is ended with a number above those of PRACK (§12.2.1.1)", function()
        open { auto_cancel = false }
        alice:invite("sip:bob@example.net", { headers = { Supported = "100rel" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { reliable = true })
        alice:prack(alice:receive(183))
        local prack = bob:receive "PRACK"
        bob:reply(prack, 200)
        alice:receive { status = 200, method = "PRACK" }
        net:command("calls", "end", alice.call.id)
        alice:receive(503)
        bob:reply(invite, 200)
        assert.equal(invite.cseq, bob:receive("ACK").cseq)
        local bye = bob:receive "BYE"
        assert.is_true(bye.cseq > prack.cseq)
        bob:reply(bye, 200)
        bob:reply(bob:receive "CANCEL", 200)
        world.finish(net)
    end)

    it("that meets nothing reaches request_route, whose answer is stateless", function()
        open { body = 'sip.log.info("stray %s", req.method) req:reply(481, "Call/Transaction Does Not Exist")' }
        alice:send(world.raw { method = "CANCEL" })
        assert.equal("Call/Transaction Does Not Exist", alice:receive(481).reason)
        assert.is_string(net:logged "stray CANCEL")
        assert.equal(0, net:status().transactions)
        bob:receive_nothing "CANCEL"
    end)

    it("that meets nothing and is dropped is not answered", function()
        open { body = "req:drop()" }
        alice:send(world.raw { method = "CANCEL" })
        alice:receive_nothing(function(msg) return msg.status end, 1)
    end)

    it("that meets nothing, and of which the script says nothing, is answered 500", function()
        open { body = "local _ = req" }
        alice:send(world.raw { method = "CANCEL" })
        alice:receive(500)
        assert.is_string(net:logged "neither relayed, answered nor dropped this CANCEL")
    end)

    it("that meets nothing can be answered once, and not relayed afterwards", function()
        open { body = [[
            req:reply(481)
            sip.log.info("reply %s", select(2, req:reply(200)))
            sip.log.info("relay %s", select(2, req:relay { to = "sip:10.0.0.20", interface = "private" }))]] }
        alice:send(world.raw { method = "CANCEL" })
        alice:receive(481)
        assert.is_string(net:logged "reply .+state")
        assert.is_string(net:logged "relay .+state")
        bob:receive_nothing "CANCEL"
    end)

    for _, verb in ipairs { "forward", "relay" } do
        it("of an INVITE that was forwarded statelessly goes the same way with its branch, by " .. verb, function()
            open { auto_cancel = false, route = [[
                function request_route(req)
                    req["$du"] = "sip:10.0.0.20" req.send_interface = "private"
                    if req.method == "CANCEL" then req:]] .. verb .. [[() else req:forward() end
                end]] }
            alice:send(world.raw {})
            local invite = bob:receive "INVITE"
            bob:reply(invite, 180)
            alice:receive(180)
            alice:send(world.raw { method = "CANCEL" })
            local cancel = bob:receive "CANCEL"
            assert.equal(invite:values "Via"[1], cancel:values "Via"[1])
            assert.equal(0, net:status().transactions)
            bob:reply(cancel, 200)
            alice:receive(is_cancel_ok)
            bob:reply(invite, 487)
            alice:receive(487)
            alice:send(world.raw { method = "ACK", to = "To: <sip:bob@example.net>;tag=x" })
            assert.equal(invite:values "Via"[1], bob:receive "ACK":values "Via"[1])
            bob.resending = {}
        end)
    end

    it("that meets nothing and is insane is refused before the route sees it", function()
        open { body = "error 'never'" }
        alice:send(world.raw { method = "CANCEL", uri = "mailto:bob@example.net" })
        alice:receive(416)
    end)

    it("that meets nothing waits behind a handler of its call", function()
        open { body = [[
            if req.method == "INFO" then sip.sleep(1) end
            sip.log.info("saw %s", req.method)
            req:reply(481)]] }
        alice:send(world.raw { method = "INFO" })
        alice:send(world.raw { method = "CANCEL", branch = "other" })
        alice:receive_nothing(481, 0.9)
        alice:receive(function(msg) return msg.status == 481 and msg.cseq_method == "INFO" end)
        alice:receive(function(msg) return msg.status == 481 and msg.cseq_method == "CANCEL" end)
    end)

    it("repeated: is answered again, sent on once", function()
        open {}
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:cancel()
        alice:receive(487)
        net:advance(1)
        assert.equal(2, world.count_received(net, "alice", 200))
        assert.equal(1, world.count_received(net, "bob", "CANCEL"))
    end)

    describe("while a handler waits", function()
        local SLEEPS = [[
            local ok, err = sip.sleep(2)
            sip.log.info("slept: %s %s", ok, err)
            local sent, why = req:relay { to = "sip:10.0.0.20", interface = "private" }
            sip.log.info("relay: %s %s", sent, why)]]

        it("200 and 487 at once; relay gives nil, cancelled", function()
            open { body = SLEEPS }
            alice:invite "sip:bob@example.net"
            net:advance(0.5)
            local before = net:now()
            alice:cancel()
            alice:receive(is_cancel_ok)
            alice:receive(487)
            assert.is_true(net:now() - before < 0.1)
            net:advance(3)
            assert.is_string(net:logged "relay: nil cancelled")
            bob:receive_nothing "INVITE"
            assert.is_nil(net:logged "neither relayed")
        end)

        it("a name that is looked up: the same", function()
            open { body = [[
                local sent, why = req:relay { to = "sip:slow.example" }
                sip.log.info("relay: %s %s", sent, why)
                if not sent then req:reply(500) end]] }
            alice:invite "sip:bob@example.net"
            alice:cancel()
            alice:receive(487)
            net:advance(5)
            assert.equal(0, world.count_received(net, "alice", 500))
        end)

        it("a branch route: the same", function()
            open {
                body = [[
                    local sent, why = req:relay { to = "sip:10.0.0.20", on_branch = "SLOW" }
                    sip.log.info("relay: %s %s", sent, why)]],
                more = "function branch_route.SLOW() sip.sleep(2) end",
            }
            alice:invite "sip:bob@example.net"
            net:advance(0.5)
            alice:cancel()
            alice:receive(487)
            net:advance(3)
            assert.is_string(net:logged "relay: nil cancelled")
            bob:receive_nothing "INVITE"
        end)

        it("a failure route: the same", function()
            open {
                body = [[req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "SLOW" }]],
                more = [[function failure_route.SLOW(req)
                    sip.sleep(2)
                    local sent, why = req:relay { to = "sip:10.0.0.21" }
                    sip.log.info("relay: %s %s", sent, why)
                end]],
            }
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 500)
            net:advance(0.5)
            alice:cancel()
            alice:receive(487)
            net:advance(3)
            callees.carol:receive_nothing "INVITE"
            assert.equal(0, world.count_received(net, "alice", 500))
        end)

        it("an onreply route that holds a 2xx: the call is answered", function()
            open { more = "function onreply_route(reply) if reply.status == 200 then sip.sleep(1) end end" }
            alice:invite "sip:bob@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, 180)
            alice:receive(180)
            bob:reply(invite, 200)
            net:advance(0.5)
            alice:cancel()
            alice:receive(function(msg) return msg.status == 200 and msg.cseq_method == "INVITE" end)
            world.hang_up(alice, bob)
        end)
    end)
end)

describe("Timer C and the time-outs of a branch (RFC 3261 §16.6 11, §16.7 2, §16.8)", function()
    local net, alice, callees, bob

    local function open(options)
        options.body = options.body or world.TO_BOB
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    it("a branch that rings for more than 3 minutes is cancelled; 408 goes up", function()
        open {}
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        bob:receive_nothing("CANCEL", 179)
        bob:receive("CANCEL", 2)
        alice:receive(408)
    end)

    it("each provisional response but 100 begins it anew", function()
        open {}
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        net:advance(100)
        bob:reply(invite, 183)
        bob:receive_nothing("CANCEL", 170)
        bob:receive("CANCEL", 12)
        alice:receive(408)
    end)

    it("100 does not", function()
        open {}
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        net:advance(100)
        bob:reply(invite, 100)
        bob:receive("CANCEL", 82)
        alice:receive(408)
    end)

    it("timeout_ms: no answer at all for so long is a 408", function()
        open { body = 'req:relay { to = "sip:10.0.0.20", interface = "private", timeout_ms = 1500 }' }
        alice:invite "sip:bob@example.net"
        bob:receive "INVITE"
        alice:receive_nothing(408, 1.4)
        alice:receive(408, 0.2)
    end)

    it("timeout_ms does not end a branch that rings", function()
        open { body = 'req:relay { to = "sip:10.0.0.20", interface = "private", timeout_ms = 1500 }' }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive_nothing(408, 20)
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("ringing_timeout_ms counts from the first provisional response, 100 included, and ends in 408", function()
        open { body = 'req:relay { to = "sip:10.0.0.20", interface = "private", ringing_timeout_ms = 5000 }' }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 100)
        net:advance(3)
        bob:reply(invite, 180)
        bob:receive_nothing("CANCEL", 1.9)
        bob:receive("CANCEL", 0.2)
        alice:receive(408)
    end)

    it("is no matter of other methods", function()
        open {}
        alice:ask("MESSAGE", { uri = "sip:bob@example.net", body = "hello" })
        local msg = bob:receive "MESSAGE"
        bob:reply(msg, 183)
        net:advance(20)
        bob:reply(msg, 200)
        alice:receive(200)
        net:advance(300)
        assert.is_nil(net:logged "rang too long")
    end)
end)
