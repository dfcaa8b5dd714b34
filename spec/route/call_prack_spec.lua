-- Provisional responses that must arrive, in calls of two legs: each leg has them or not (RFC 3262, RFC 6337).
local world = require "route.world"

describe("reliable provisional responses (RFC 3262) between two legs", function()
    local net, alice, bob

    local function open(options, more)
        local callees
        more = more or {}
        more.body = world.two_legs(options)
        net, alice, callees = world.open(more)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function finish()
        world.finish_hidden(net)
    end

    local function talk_and_hang_up()
        world.talk(net, alice, bob)
        world.hang_up(alice, bob)
        finish()
    end

    local function invite(known, options)
        options = options or {}
        options.headers = known and { [known] = "100rel" }
        alice:invite("sip:bob@example.net", options)
        return bob:receive "INVITE"
    end

    -- RSeq, CSeq and method of what a PRACK acknowledges
    local function assert_rack(prack, rseq, of)
        assert.equal(("%s %d INVITE"):format(rseq, of.cseq), prack:header "RAck")
    end

    it("go from end to end where both know them: RSeq of that leg, PRACK and its answer pass (s3, s4)", function()
        for _, known in ipairs { "Supported", "Require" } do
            open()
            local at_bob = invite(known, { sdp = true })
            assert.equal("100rel", at_bob:header "Supported")
            assert.is_nil(at_bob:header "Require")
            assert.matches("PRACK", at_bob:header "Allow")
            bob:reply(at_bob, 183, { sdp = true, reliable = true })
            local early = alice:receive(183)
            assert.equal("100rel", early:header "Require")
            assert.is_truthy(tonumber(early:header "RSeq"))
            assert.equal(0, world.count_received(net, "bob", "PRACK"))
            alice:prack(early)
            local prack = bob:receive "PRACK"
            assert_rack(prack, 1, at_bob)
            bob:reply(prack, 200)
            alice:receive { status = 200, method = "PRACK" }
            bob:reply(at_bob, 180, { reliable = true })
            local ringing = alice:receive(180)
            assert.equal(early:header "RSeq" + 1, tonumber(ringing:header "RSeq"))
            alice:prack(ringing)
            prack = bob:receive "PRACK"
            assert_rack(prack, 2, at_bob)
            bob:reply(prack, 200)
            alice:receive { status = 200, method = "PRACK" }
            bob:reply(at_bob, 200)
            assert.is_nil(alice:receive { status = 200, method = "INVITE" }:header "RSeq")
            bob:receive "ACK"
            talk_and_hang_up()
            if known == "Supported" then
                net:close()
            end
        end
    end)

    it("that only the callee knows are acknowledged here; the 2xx repeats what they answered", function()
        open()
        local at_bob = invite(nil, { sdp = true })
        bob:reply(at_bob, 183, { sdp = true, reliable = true })
        local early = alice:receive(183)
        assert.is_nil(early:header "RSeq")
        assert.is_nil(early:header "Require")
        local prack = bob:receive "PRACK"
        assert_rack(prack, 1, at_bob)
        assert.equal(bob.call.local_tag, prack:tag "To")
        bob:reply(prack, 200)
        bob:reply(at_bob, 200)
        local ok = alice:receive(200)
        assert.equal(early.body, ok.body)
        bob:receive "ACK"
        talk_and_hang_up()
    end)

    it("that only the caller requires are made here, repeated, and acknowledged (s3)", function()
        open()
        local at_bob = invite("Require", { sdp = true })
        bob:reply(at_bob, 180)
        local ringing = alice:receive(180)
        assert.is_truthy(ringing:header "RSeq")
        bob:reply(at_bob, 183, { sdp = true })
        bob:reply(at_bob, 182)
        net:settle(2)
        assert.equal(3, world.count_received(net, "alice", 180)) -- at 0, 0.5 and 1.5 s
        alice:prack(ringing)
        alice:receive { status = 200, method = "PRACK" }
        local early = alice:receive(183)
        bob:reply(at_bob, 200, { sdp = true }) -- waits for the PRACK of the SDP
        alice:receive_nothing({ status = 200, method = "INVITE" }, 0.2)
        alice:prack(early)
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        assert.equal(0, world.count_received(net, "bob", "PRACK"))
        assert.equal(0, world.count_received(net, "alice", 182))
        talk_and_hang_up()
    end)

    it("carry an offer and its answer in PRACK; the 2xx brings none (s5, RFC 6337 s3.1.1)", function()
        open()
        local at_bob = invite "Supported"
        assert.equal("", at_bob.body)
        bob:reply(at_bob, 183, { sdp = true, reliable = true })
        local early = alice:receive(183)
        assert.matches("192%.0%.2%.1", early.body)
        alice:prack(early, { sdp = true })
        local prack = bob:receive "PRACK"
        assert.matches("10%.0%.0%.1", prack.body)
        bob:reply(prack, 200)
        alice:receive { status = 200, method = "PRACK" }
        bob:reply(at_bob, 200, { sdp = true }) -- said again, as some do
        assert.equal("", alice:receive({ status = 200, method = "INVITE" }).body)
        assert.equal("", bob:receive("ACK").body)
        talk_and_hang_up()
    end)

    it("leave room for another offer in PRACK or UPDATE before the answer (s5, RFC 3311 s5.1)", function()
        open()
        local at_bob = invite("Supported", { sdp = true })
        bob:reply(at_bob, 183, { sdp = true, reliable = true })
        local early = alice:receive(183)
        bob:update { sdp = true }
        bob:receive { status = 491, method = "UPDATE" }
        alice:prack(early, { sdp = { "audio", direction = "sendonly" } })
        local prack = bob:receive "PRACK"
        assert.matches("a=sendonly", prack.body)
        bob:reply(prack, 200, { sdp = { "audio", direction = "recvonly" } })
        assert.matches("a=recvonly", alice:receive({ status = 200, method = "PRACK" }).body)
        bob:update { sdp = true }
        local update = alice:receive "UPDATE"
        alice:reply(update, 200, { sdp = true })
        bob:receive { status = 200, method = "UPDATE" }
        bob:reply(at_bob, 200)
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        talk_and_hang_up()
    end)

    it("are not offered to a callee whose offer no PRACK of the caller could answer", function()
        open()
        local at_bob = invite()
        assert.is_nil(at_bob:header "Supported")
        bob:reply(at_bob, 183, { reliable = true }) -- against the rules: a plain one to us
        alice:receive(183)
        bob:receive_nothing("PRACK", 1)
        bob:reply(at_bob, 486)
        alice:receive(486)
        finish()
    end)

    it("are refused where the script wants none (RFC 3261 s8.2.2.3)", function()
        open "prack = false"
        alice:invite("sip:bob@example.net", { headers = { Require = "100rel" } })
        assert.equal("100rel", alice:receive(420):header "Unsupported")
        assert.is_nil(invite("Supported", { sdp = true }):header "Supported")
        bob:reply(bob.pending[next(bob.pending)], 486)
        alice:receive(486)
        finish()
    end)

    it("that come again, or before their turn, are not acknowledged twice (s4)", function()
        open()
        local at_bob = invite("Supported", { sdp = true })
        bob:reply(at_bob, 183, { reliable = true, headers = { ["X-First"] = "1" } })
        net:settle(2) -- the callee repeats it, and so do we
        local early = alice:receive(183)
        alice:prack(early)
        bob:reply(bob:receive "PRACK", 200)
        alice:receive { status = 200, method = "PRACK" }
        alice:request(alice.call, "PRACK", { headers = { RAck = early:header "RSeq" .. " 1 INVITE" } })
        alice:receive { status = 481, method = "PRACK" }
        bob:reply(at_bob, 180, { headers = { Require = "100rel", RSeq = "9" } })
        alice:receive_nothing(180, 1)
        bob:reply(at_bob, 486)
        alice:receive(486)
        finish()
    end)

    it("that nobody acknowledges end the call with 504 after 64*T1 (s3)", function()
        open("", { auto_cancel = false })
        local at_bob = invite("Require", { sdp = true })
        bob:reply(at_bob, 183, { sdp = true })
        alice:receive(183)
        bob:reply(at_bob, 200, { sdp = true }) -- held for ever
        alice:receive(504, 33)
        bob:receive "ACK"
        bob:reply(bob:receive "BYE", 200)
        assert.equal(1, net:status().counters["call.unpracked"])
        finish()
        at_bob = invite("Require", { sdp = true })
        bob:reply(at_bob, 183)
        alice:receive(183)
        alice:receive(504, 33)
        bob:reply(bob:receive "CANCEL", 200)
        bob:reply(at_bob, 487)
        finish()
    end)

    it("are not repeated any more once the caller gives up or the callee refuses (s3)", function()
        open()
        for _, way in ipairs { "cancel", "refuse" } do
            local at_bob = invite("Supported", { sdp = true })
            bob:reply(at_bob, 183, { sdp = true, reliable = true })
            alice:receive(183)
            if way == "cancel" then
                alice:cancel()
                bob:receive "CANCEL"
            else
                bob:reply(at_bob, 480)
            end
            alice:receive(way == "cancel" and 487 or 480)
            local seen = world.count_received(net, "alice", 183)
            net:settle(5)
            assert.equal(seen, world.count_received(net, "alice", 183))
            finish()
        end
    end)

    it("are those of each fork by itself (s3)", function()
        open()
        local at_bob = invite("Supported", { sdp = true })
        local function early(tag, rseq)
            bob:reply(at_bob, 183, { to_tag = tag, headers = { Require = "100rel", RSeq = rseq } })
            return alice:receive(183)
        end
        local one, two = early("one", "5"), early("two", "70")
        assert.not_equal(one:tag "To", two:tag "To")
        alice:prack(two)
        local prack = bob:receive "PRACK"
        assert_rack(prack, 70, at_bob)
        assert.equal("two", prack:tag "To")
        bob:reply(prack, 200)
        alice:prack(one)
        prack = bob:receive "PRACK"
        assert_rack(prack, 5, at_bob)
        assert.equal("one", prack:tag "To")
        bob:reply(prack, 200)
        bob:reply(at_bob, 200, { to_tag = "one", sdp = true })
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        bob.call.local_tag = "one"
        world.hang_up(alice, bob)
        finish()
    end)

    describe("of a re-INVITE, from either side:", function()
        local function each(options, run)
            for _, who in ipairs { "caller", "callee" } do
                open(options)
                world.answer(alice, bob, { sdp = true })
                if who == "caller" then
                    run(alice, bob)
                else
                    run(bob, alice)
                end
                world.hang_up(alice, bob)
                finish()
                net:close()
            end
            open()
        end

        it("go from end to end where both know them; a new target counts from then on (RFC 6141 s4.4)", function()
            for _, known in ipairs { "Supported", "Require" } do
                each(nil, function(from, to)
                    from.contact = from.contact and from.contact:gsub("@", ".moved@")
                        or ("<sip:moved@%s>"):format(from.address)
                    from:reinvite { sdp = true, headers = { [known] = "100rel" } }
                    local offer = to:receive "INVITE"
                    assert.equal("100rel", offer:header "Supported")
                    assert.is_nil(offer:header "Require")
                    to:reply(offer, 183, { sdp = true, reliable = true })
                    local early = from:receive(183)
                    assert.equal("100rel", early:header "Require")
                    assert.truthy(#early.body > 0)
                    to:ask "INFO"
                    local info = from:receive "INFO"
                    assert.matches("moved@", info.uri)
                    from:reply(info, 200)
                    to:receive { status = 200, method = "INFO" }
                    assert.equal(0, world.count_received(net, to.name, "PRACK"))
                    from:prack(early)
                    local prack = to:receive "PRACK"
                    assert_rack(prack, 1, offer)
                    to:reply(prack, 200)
                    from:receive { status = 200, method = "PRACK" }
                    to:reply(offer, 200)
                    assert.equal("", from:receive { status = 200, method = "INVITE" }.body)
                    to:receive "ACK"
                end)
            end
        end)

        it("that only who answers knows are acknowledged here; the 2xx repeats what was answered", function()
            each(nil, function(from, to)
                from:reinvite { sdp = true }
                local offer = to:receive "INVITE"
                to:reply(offer, 183, { sdp = true, reliable = true })
                local early = from:receive(183)
                assert.is_nil(early:header "RSeq")
                to:reply(to:receive "PRACK", 200)
                to:reply(offer, 200)
                assert.equal(early.body, from:receive { status = 200, method = "INVITE" }.body)
                to:receive "ACK"
            end)
        end)

        it("that only who asks requires are made here, and hold back a 2xx (s3)", function()
            each(nil, function(from, to)
                from:reinvite { sdp = true, headers = { Require = "100rel" } }
                local offer = to:receive "INVITE"
                to:reply(offer, 183, { sdp = true })
                local early = from:receive(183)
                to:reply(offer, 200, { sdp = true })
                from:receive_nothing({ status = 200, method = "INVITE" }, 2)
                assert.is_true(world.count_received(net, from.name, 183) > 1)
                from:prack(early)
                from:receive { status = 200, method = "PRACK" }
                from:receive { status = 200, method = "INVITE" }
                to:receive "ACK"
                assert.equal(0, world.count_received(net, to.name, "PRACK"))
            end)
        end)

        it("that nobody acknowledges end it with 504, and not the call (s3)", function()
            each(nil, function(from, to)
                from:reinvite { sdp = true, headers = { Supported = "100rel" } }
                local offer = to:receive "INVITE"
                to:reply(offer, 183, { sdp = true, reliable = true })
                to.resending = {} -- we have it
                from:receive(183)
                from:receive(504, 33)
                if to.auto_cancel then
                    to:receive "CANCEL"
                else
                    to:reply(to:receive "CANCEL", 200)
                    to:reply(offer, 487)
                end
                net:advance(1)
                assert.equal(1, net:status().dialogs)
                assert.equal(1, net:status().counters["call.unpracked"])
            end)
        end)

        it("are forgotten by the next one", function()
            each(nil, function(from, to)
                for round = 1, 3 do
                    from:reinvite { sdp = true, headers = { Supported = "100rel" } }
                    local offer = to:receive "INVITE"
                    to:reply(offer, 183, { sdp = true, reliable = true })
                    local early = from:receive(183)
                    if round ~= 2 then
                        from:prack(early)
                        to:reply(to:receive "PRACK", 200)
                        from:receive { status = 200, method = "PRACK" }
                        to:reply(offer, 200)
                        from:receive { status = 200, method = "INVITE" }
                    else
                        to.resending = {}
                        to:reply(offer, 488)
                        from:receive(488)
                        from:prack(early)
                        from:receive { status = 481, method = "PRACK" }
                    end
                    to:receive "ACK"
                end
            end)
        end)

        it("are refused where the script wants none (RFC 3261 s8.2.2.3)", function()
            each("prack = false, ", function(from)
                from:reinvite { sdp = true, headers = { Require = "100rel" } }
                assert.equal("100rel", from:receive(420):header "Unsupported")
            end)
        end)
    end)
end)
