-- Keepalive of a call: OPTIONS within the dialog (RFC 3261 s11, s12.2.1.1) to both parties. Of a proxied call its
-- numbers lie between those of the parties, each of which goes on counting as it does: CSeq is translated on the way.
local ffi = require "ffi"
local world = require "route.world"

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

describe("the keepalive of a call of two legs", function()
    local net, alice, bob, callees

    local function open(options, more)
        net, alice, callees = world.open {
            body = world.two_legs(("keepalive = { %s }, %s"):format(options or "interval_s = 30", more or "")),
            more = [[event_route["dialog:end"] = function(event)
                sip.log.info("ended: %s by %s", event.reason, event.ended_by)
            end]],
        }
        bob = callees.bob
        alice.auto_options, bob.auto_options = false, false
    end

    after_each(function()
        net:close()
    end)

    local function expect_end()
        for _, party in ipairs { bob, alice } do
            local bye = party:receive("BYE", 40)
            assert.equal([[SIP;cause=408;text="Keepalive failed"]], bye:header "Reason")
            party:reply(bye, 200)
        end
        world.finish_hidden(net)
        assert.equal(1, net:status().counters["dialog.keepalive"])
        assert.truthy(net:logged "ended: keepalive by engine")
    end

    it("asks each party on its own leg, with the numbers of that leg", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        for round = 1, 2 do
            net:advance(30)
            local to_bob, to_alice = bob:receive "OPTIONS", alice:receive "OPTIONS"
            assert.same({ invite:header "Call-ID", invite.cseq + round, "sip:bob@10.0.0.20:5060" },
                { to_bob:header "Call-ID", to_bob.cseq, to_bob.uri })
            assert.same({ alice.call.id, round, "sip:alice@192.0.2.10:5060" },
                { to_alice:header "Call-ID", to_alice.cseq, to_alice.uri })
            assert.equal(bob.call.local_tag, to_bob:tag "To")
            assert.equal(alice.call.local_tag, to_alice:tag "To")
            bob:reply(to_bob, 200)
            alice:reply(to_alice, 405) -- a sign of life all the same
        end
        world.ask(alice, bob, "INFO")
        world.hang_up(alice, bob)
        world.finish_hidden(net)
    end)

    for _, case in ipairs {
        { name = "481 once", rounds = 1, act = function(party, options) party:reply(options, 481) end },
        { name = "408 twice in a row", rounds = 2, act = function(party, options) party:reply(options, 408) end },
        { name = "nothing twice in a row", rounds = 2, act = function() end },
    } do
        for _, who in ipairs { "caller", "callee" } do
            it(("ends both legs when the %s says %s (RFC 5057 s5.1)"):format(who, case.name), function()
                open "interval_s = 40"
                world.answer(alice, bob, { sdp = true })
                local party, other = alice, bob
                if who == "callee" then
                    party, other = bob, alice
                end
                other.auto_options = true
                for round = 1, case.rounds do
                    assert.equal(1, net:status().dialogs)
                    case.act(party, party:receive("OPTIONS", 41))
                    net:advance(round == case.rounds and 0 or 0.01)
                end
                expect_end()
            end)
        end
    end

    it("asks nobody before the answer, and whoever took a party's place after a transfer", function()
        open(nil, [[refer = "handle", ]])
        local carol = callees.carol
        alice.auto_options = true
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        bob:receive_nothing("OPTIONS", 70)
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        local asked = bob:receive("OPTIONS", 31)
        world.replace(bob, alice, carol)
        bob:reply(asked, 481) -- he is out of it: nothing that ends the call
        for _ = 1, 2 do
            carol:reply(carol:receive("OPTIONS", 31), 200)
        end
        assert.equal(1, net:status().dialogs)
        world.hang_up(alice, carol)
        world.finish_hidden(net)
    end)

    it("keeps the call from being idle, and goes on across a reload", function()
        net, alice, callees = world.open {
            body = world.two_legs "keepalive = { interval_s = 30 }", conf = { limits = { dialog_idle_s = 60 } },
        }
        bob = callees.bob
        world.answer(alice, bob, { sdp = true })
        assert.is_true(net:reload { source = world.route "req:reply(403)" })
        alice.auto_options, bob.auto_options = true, true
        net:advance(200)
        assert.equal(1, net:status().dialogs)
        world.hang_up(alice, bob)
        world.finish_hidden(net)
    end)

    it("raises at the script's line for what cannot be meant", function()
        world.expect_misuse(function(options)
            open(options)
            return net, alice
        end, {
            ["interval = 30"] = "call.bridge: keepalive has no option 'interval'",
            [""] = "call.bridge: keepalive.interval_s is a number of seconds",
            ["interval_s = 30, failures = 0"] = "keepalive.failures must be a whole number",
        })
        open()
    end)
end)

describe("the keepalive of a proxied call", function()
    local net, alice, bob, callees

    local function open(options, more)
        net, alice, callees = world.open {
            body = ([[assert(sip.dialog.track(req, { %s }))
                req["$fu"] = "sip:alice@example.net"]]):format(options or "keepalive = { interval_s = 30 }")
                .. [[ req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]],
            more = more,
        }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    -- One round; both agree. @return what bob and what alice got
    local function round()
        net:advance(30)
        local to_bob, to_alice = bob:receive "OPTIONS", alice:receive "OPTIONS"
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:advance(0.001)
        return to_bob, to_alice
    end

    local function expect_end()
        local to_bob, to_alice = bob:receive("BYE", 40), alice:receive("BYE", 40)
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:settle()
        assert.equal(0, net:status().dialogs)
        assert.equal(1, net:status().counters["dialog.keepalive"])
        return to_bob, to_alice
    end

    -- @return the request as `to` got it; `from` has its own number back
    local function ask(from, to, method, options)
        from:request(from.call, method, options)
        local number = from.call.cseq
        local request = to:receive(method)
        to:reply(request, 200)
        assert.equal(number, from:receive { status = 200, method = method }.cseq)
        return request
    end

    it("asks each party as the other would", function()
        open()
        local invite = world.answer(alice, bob)
        local to_bob, to_alice = round()
        assert.same({ alice.call.local_tag, bob.call.local_tag }, { to_bob:tag "From", to_bob:tag "To" })
        assert.same({ bob.call.local_tag, alice.call.local_tag }, { to_alice:tag "From", to_alice:tag "To" })
        assert.equal("sip:bob@10.0.0.20:5060", to_bob.uri)
        assert.equal("sip:alice@192.0.2.10:5060", to_alice.uri)
        assert.equal(invite:header "Call-ID", to_bob:header "Call-ID")
        assert.equal(invite.cseq + 1, to_bob.cseq)
        to_bob, to_alice = round()
        assert.equal(invite.cseq + 2, to_bob.cseq)
        assert.equal(2, to_alice.cseq)
        world.hang_up(alice, bob)
        net:advance(100)
        assert.equal(2, world.count_received(net, "bob", "OPTIONS"))
    end)

    it("asks nobody before the answer", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        net:advance(100)
        assert.equal(0, world.count_received(net, "bob", "OPTIONS"))
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("leaves each party its own numbers: requests go on higher, responses come back as sent", function()
        open()
        world.answer(alice, bob)
        assert.equal(2, ask(alice, bob, "INFO").cseq)
        round()
        round()
        assert.equal(5, ask(alice, bob, "INFO").cseq) -- her third
        assert.equal(3, ask(bob, alice, "INFO").cseq) -- his first
        round()
        assert.equal(7, ask(alice, bob, "UPDATE").cseq)
        assert.equal(5, ask(bob, alice, "UPDATE").cseq)
        world.hang_up(bob, alice)
    end)

    it("counts the ACK of a re-INVITE like its INVITE, though a keepalive comes between", function()
        open()
        alice.auto_ack = false
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        alice:ack()
        bob:receive "ACK"
        round()
        net:advance(29.5)
        alice:reinvite()
        local invite = bob:receive "INVITE"
        assert.equal(3, invite.cseq)
        bob:reply(invite, 200)
        alice:receive(200)
        local to_bob, to_alice = bob:receive "OPTIONS", alice:receive "OPTIONS"
        assert.equal(4, to_bob.cseq)
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        alice:ack()
        assert.equal(3, bob:receive "ACK".cseq)
        assert.equal(5, ask(alice, bob, "INFO").cseq)
        world.hang_up(alice, bob)
    end)

    it("counts in RAck, too (RFC 3262 s7.2)", function()
        open()
        world.answer(alice, bob)
        round()
        alice:reinvite { headers = { Supported = "100rel" } }
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { reliable = true })
        alice:prack(alice:receive(183))
        local prack = bob:receive "PRACK"
        assert.equal("1 3 INVITE", prack:header "RAck")
        assert.equal(4, prack.cseq)
        bob:reply(prack, 200)
        alice:receive { status = 200, method = "PRACK" }
        bob:reply(invite, 200)
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        world.hang_up(alice, bob)
    end)

    it("ends the call at once when a party knows it no more (481, RFC 5057 s5.1)", function()
        open("keepalive = { interval_s = 30 }", [[event_route["dialog:end"] = function(event)
            sip.log.info("ended: %s by %s", event.reason, event.ended_by)
        end]])
        world.answer(alice, bob)
        net:advance(30)
        bob:reply(bob:receive "OPTIONS", 481)
        alice:reply(alice:receive "OPTIONS", 200)
        local to_bob = expect_end()
        assert.equal([[SIP;cause=408;text="Keepalive failed"]], to_bob:header "Reason")
        assert.equal(3, to_bob.cseq)
        assert.truthy(net:logged "ended: keepalive by engine")
    end)

    for _, case in ipairs {
        { name = "408", act = function(party, options) party:reply(options, 408) end },
        { name = "nothing", act = function() end },
    } do
        it("ends the call when the caller says " .. case.name .. " twice in a row", function()
            open "keepalive = { interval_s = 40 }"
            world.answer(alice, bob)
            bob.auto_options = true
            case.act(alice, alice:receive("OPTIONS", 41))
            assert.equal(1, net:status().dialogs)
            case.act(alice, alice:receive("OPTIONS", 41))
            expect_end()
        end)
    end

    it("takes any other answer for a sign of life", function()
        open "keepalive = { interval_s = 30, failures = 1 }"
        world.answer(alice, bob)
        for _, status in ipairs { 200, 405, 501, 486, 500 } do
            net:advance(30)
            bob:reply(bob:receive "OPTIONS", status)
            alice:reply(alice:receive "OPTIONS", status)
            net:advance(0.001)
        end
        assert.equal(1, net:status().dialogs)
        world.hang_up(bob, alice)
    end)

    it("forgets what failed once an answer comes", function()
        open "keepalive = { interval_s = 30, failures = 2 }"
        world.answer(alice, bob)
        alice.auto_options = true
        for _, status in ipairs { 408, 200, 408, 200 } do
            net:advance(30)
            bob:reply(bob:receive "OPTIONS", status)
        end
        net:advance(0.001)
        assert.equal(1, net:status().dialogs)
        world.hang_up(alice, bob)
    end)

    it("shows nothing of a hidden call", function()
        open "keepalive = { interval_s = 30 }, hide = true, hide_call_id = true"
        world.answer(alice, bob)
        round()
        ask(alice, bob, "INFO")
        ask(bob, alice, "INFO")
        round()
        world.hang_up(bob, alice)
        assert.no_address("10.0.0.", "public")
        assert.no_address("192.0.2.", "private")
    end)

    it("goes on across a reload", function()
        open()
        world.answer(alice, bob)
        assert.is_true(net:reload { source = world.route "req:reply(403)" })
        round()
        world.hang_up(alice, bob)
    end)

    it("raises at the script's line for what cannot be meant", function()
        world.expect_misuse(function(options)
            open(options)
            return net, alice
        end, {
            ["keepalive = 30"] = "keepalive is { interval_s =, failures = }, not a number",
            ["keepalive = { interval = 30 }"] = "keepalive has no option 'interval'",
            ["keepalive = {}"] = "keepalive.interval_s is a number of seconds",
            ["keepalive = { interval_s = 30, failures = 0 }"] = "keepalive.failures must be a whole number",
        })
        open()
    end)

    it("survives any allocation that fails, and leaks nothing", function()
        open "keepalive = { interval_s = 5, failures = 1 }, max_duration_s = 22"
        local engine = require("lunasip.stage").library
        for n = 0, 60 do
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            bob:receive "ACK"
            net:advance(4.99)
            engine.memory_fail_after(n)
            net:advance(0.02)
            engine.memory_fail_never()
            alice:request(alice.call, "INFO", { once = true })
            engine.memory_fail_after(n)
            net:advance(0.02)
            engine.memory_fail_never()
            net:advance(90)
            alice.queue, bob.queue = {}, {}
        end
    end)
end)
