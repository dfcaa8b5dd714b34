-- Calls of two legs whose messages cross or fork, or that outlive their script: whatever happens on the wire, a call
-- begins once, is answered at most once and ends once (RFC 3261 s9.1, s13.2.2.4, s14, s15; RFC 3311 s5.2; RFC 3515).
local world = require "route.world"

describe("a call of two legs:", function()
    local net, alice, bob, callees

    local function open(more)
        more = more or {}
        net, alice, callees = world.open {
            body = more.body or world.two_legs 'refer = "handle", ', more = world.NOTES, auto_cancel = more.auto_cancel,
        }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    -- Both may say something before either hears the other.
    local function slow()
        net:impair { delay = 0.05 }
    end

    local function answer()
        open()
        world.answer(alice, bob, { sdp = true })
        slow()
    end

    -- An answered call. @return that party, the other one
    local function answered(who)
        answer()
        if who == "caller" then
            return alice, bob
        end
        return bob, alice
    end

    local function expect_seen(...)
        net:settle(40)
        assert.same({ ... }, world.seen(net))
        net:impair {}
        world.finish_hidden(net)
    end

    -- A call in which `from` hangs up, for each of the two. @tparam function run(from, to)
    local function each_party(run)
        for _, who in ipairs { "caller", "callee" } do
            run(answered(who))
            expect_seen("start - -", "answer - -", "end bye " .. who)
            net:close()
        end
        open()
    end

    describe("CANCEL and 200 that cross (s9.1):", function()
        local function ring()
            open { auto_cancel = false }
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive "INVITE"
            bob:reply(invite, 180)
            alice:receive(180)
            slow()
            return invite
        end

        it("the 200 was first: the call is up, and the caller ends it", function()
            local invite = ring()
            bob:reply(invite, 200, { sdp = true })
            alice:cancel()
            alice:receive { status = 200, method = "CANCEL" }
            alice:receive { status = 200, method = "INVITE" }
            bob:receive "ACK"
            assert.equal(0, world.count_received(net, "bob", "CANCEL"))
            world.hang_up(alice, bob)
            expect_seen("start - -", "answer - -", "end bye caller")
        end)

        it("the CANCEL was first: the caller gets 487, the callee ACK and BYE", function()
            local invite = ring()
            alice:cancel()
            net:advance(0.06)
            bob:reply(invite, 200, { sdp = true })
            alice:receive { status = 200, method = "CANCEL" }
            alice:receive(487)
            bob:receive "ACK"
            bob:reply(bob:receive "BYE", 200)
            bob:reply(bob:receive "CANCEL", 200)
            assert.equal(0, world.count_received(net, "alice", "BYE"))
            expect_seen("start - -", "failed cancelled caller", "end cancelled caller")
        end)
    end)

    describe("what crosses BYE (s15):", function()
        it("another BYE: both are answered here, and it ends once", function()
            each_party(function(from, to)
                from:hangup()
                to:hangup()
                from:receive { status = 200, method = "BYE" }
                to:receive { status = 200, method = "BYE" }
                to:reply(to:receive "BYE", 200)
                assert.equal(0, world.count_received(net, from.name, "BYE"))
            end)
        end)

        for _, method in ipairs { "UPDATE", "INVITE", "INFO", "REFER", "OPTIONS" } do
            it(("%s of the other party: 481, and the far side hears none of it"):format(method), function()
                each_party(function(from, to)
                    local before = world.count_received(net, from.name, method)
                    from:hangup()
                    to:request(to.call, method, {
                        sdp = method == "UPDATE" or method == "INVITE",
                        headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" },
                    })
                    from:receive { status = 200, method = "BYE" }
                    to:receive { status = 481, method = method }
                    to:reply(to:receive "BYE", 200)
                    assert.equal(before, world.count_received(net, from.name, method))
                end)
            end)

        end

        for _, method in ipairs { "UPDATE", "INVITE", "INFO", "OPTIONS" } do
            it(("%s that was sent first and waits for its answer: 487 (s15.1.2)"):format(method), function()
                each_party(function(from, to)
                    to:request(to.call, method, { sdp = method == "UPDATE" or method == "INVITE" })
                    local request = from:receive(method)
                    from:hangup()
                    to:receive { status = 487, method = method }
                    to:reply(to:receive "BYE", 200)
                    from:receive { status = 200, method = "BYE" }
                    from:reply(request, 481)
                end)
            end)
        end

        it("REFER that was taken: the party who stays hangs up, and the target is cancelled (RFC 5589)", function()
            answer()
            bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
            bob:receive(202)
            bob:reply(bob:receive "NOTIFY", 200)
            local invite = callees.carol:receive "INVITE"
            callees.carol:reply(invite, 180)
            alice:hangup()
            alice:receive { status = 200, method = "BYE" }
            callees.carol:receive "CANCEL"
            bob:reply(bob:receive "NOTIFY", 200) -- of the 180
            bob:reply(bob:receive "BYE", 200)
            expect_seen("start - -", "answer - -", "end bye caller")
        end)

        it("REFER and BYE of the same party: the transfer goes on without it", function()
            answer()
            bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
            bob:hangup()
            bob:receive { status = 202, method = "REFER" }
            bob:receive { status = 200, method = "BYE" }
            callees.carol:reply(callees.carol:receive "INVITE", 200, { sdp = true })
            alice:reply(alice:receive "INVITE", 200, { sdp = true })
            alice:receive "ACK"
            callees.carol:receive "ACK"
            bob:reply(bob:receive "NOTIFY", 481)
            world.hang_up(alice, callees.carol)
            expect_seen("start - -", "answer - -", "end bye caller")
        end)

        it("the end of our own making: each BYE is answered", function()
            answer()
            net:impair {}
            net:command("calls", "end", alice.call.id)
            alice:hangup()
            alice:receive { status = 200, method = "BYE" }
            bob:reply(bob:receive "BYE", 200)
            alice:reply(alice:receive "BYE", 200)
            expect_seen("start - -", "answer - -", "end local engine")
        end)
    end)

    for _, method in ipairs { "INVITE", "UPDATE" } do
        it(("two offers by %s that cross: both get 491, the call goes on, one tries again (s14, RFC 3311 s5.2)")
            :format(method), function()
            each_party(function(from, to)
                from:request(from.call, method, { sdp = true })
                to:request(to.call, method, { sdp = true })
                to:receive { status = 491, method = method } -- of ours: the other one is on its way
                to:reply(to:receive(method), 491) -- as it was when that came
                from:receive { status = 491, method = method }
                net:advance(3)
                assert.equal(1, net:status().dialogs)
                to:request(to.call, method, { sdp = true })
                from:reply(from:receive(method), 200, { sdp = true })
                to:receive { status = 200, method = method }
                if method == "INVITE" then
                    from:receive "ACK"
                end
                world.hang_up(from, to)
                assert.equal(1, net:status().counters["call.glare"])
            end)
        end)
    end

    it("re-INVITE and UPDATE that cross: 491 to whoever came second (RFC 3311 s5.2)", function()
        each_party(function(from, to)
            from:reinvite { sdp = true }
            to:update { sdp = true }
            to:receive { status = 491, method = "UPDATE" }
            to:reply(to:receive "INVITE", 200, { sdp = true })
            from:receive { status = 200, method = "INVITE" }
            to:receive "ACK"
            world.hang_up(from, to)
        end)
    end)

    describe("forked early dialogs (s13.2.2.4):", function()
        -- The callee's proxy forks: three early dialogs, each with a tag of ours for the caller.
        local function ring(options)
            open(options)
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite, tags = bob:receive "INVITE", {}
            for _, tag in ipairs { "one", "two", "three" } do
                bob:reply(invite, 183, { to_tag = tag, sdp = true })
                tags[tag] = alice:receive(183):tag "To"
            end
            assert.is_true(tags.one ~= tags.two and tags.two ~= tags.three)
            slow()
            return invite, tags
        end

        it("the one that answers is the call", function()
            local invite, tags = ring()
            bob:reply(invite, 200, { to_tag = "two", sdp = true })
            assert.equal(tags.two, alice:receive { status = 200, method = "INVITE" }:tag "To")
            assert.equal("two", bob:receive "ACK":tag "To")
            alice:hangup()
            local bye = bob:receive "BYE"
            assert.equal("two", bye:tag "To")
            bob:reply(bye, 200)
            alice:receive { status = 200, method = "BYE" }
            expect_seen("start - -", "answer - -", "end bye caller")
        end)

        it("of two that answer at once the first is, the other gets ACK and BYE", function()
            local invite, tags = ring()
            bob:reply(invite, 200, { to_tag = "three", sdp = true })
            bob:reply(invite, 200, { to_tag = "one", sdp = true })
            assert.equal(tags.three, alice:receive { status = 200, method = "INVITE" }:tag "To")
            local bye = bob:receive "BYE"
            assert.equal("one", bye:tag "To")
            bob:reply(bye, 200)
            net:advance(0.2)
            assert.equal(1, world.count_received(net, "alice", 200))
            alice:hangup()
            bye = bob:receive "BYE"
            assert.equal("three", bye:tag "To")
            bob:reply(bye, 200)
            alice:receive { status = 200, method = "BYE" }
            expect_seen("start - -", "answer - -", "end bye caller")
        end)

        it("one CANCEL gives up all of them", function()
            ring()
            alice:cancel()
            alice:receive { status = 200, method = "CANCEL" }
            bob:receive "CANCEL"
            alice:receive(487)
            expect_seen("start - -", "failed cancelled caller", "end cancelled caller")
        end)
    end)

    describe("that outlives its script (a reload):", function()
        local OLD = [[
            local call = assert(sip.call.bridge(req, {
                to = "sip:bob@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" },
                refer = "handle",
            }))
            for _, name in ipairs { "ringing", "answer", "dtmf", "transfer", "end" } do
                call:on(name, function(event)
                    sip.log.info("seen old %s %s", event.name, event.reason or event.digit or event.status)
                end)
            end
        ]]

        local function reload()
            assert.is_true(net:reload { source = world.route("req:reply(403)", [[
                for _, name in ipairs { "start", "answer", "failed", "end" } do
                    event_route["dialog:" .. name] = function(event) sip.log.info("seen new %s", event.name) end
                end
            ]]) })
        end

        it("the handlers of the old generation run, from the ringing to the end", function()
            open { body = OLD }
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive "INVITE"
            reload()
            bob:reply(invite, 180)
            alice:receive(180)
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200)
            bob:receive "ACK"
            alice:ask("INFO", { body = "Signal=7\r\n", content_type = "application/dtmf-relay" })
            bob:reply(bob:receive "INFO", 200)
            alice:receive(200)
            bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
            bob:receive(202)
            bob:reply(bob:receive "NOTIFY", 200)
            callees.carol:reply(callees.carol:receive "INVITE", 603)
            bob:reply(bob:receive "NOTIFY", 200)
            world.hang_up(bob, alice)
            expect_seen("start - -", "old ringing 180", "answer - -", "old answer 200", "old dtmf 7",
                "old transfer 603", "end bye callee", "old end bye")
            alice:invite "sip:bob@example.net"
            alice:receive(403)
        end)

        it("and those of a proxied call that is tracked, with its on_end", function()
            open { body = [[
                assert(sip.dialog.track(req, { max_duration_s = 50, warn_s = 10, on_end = function(event)
                    sip.log.info("seen old on_end %s", event.reason)
                end }))
                req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
            ]] }
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive "INVITE"
            reload()
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200)
            bob:receive "ACK"
            for _, party in ipairs { bob, alice } do
                party:reply(party:receive("BYE", 51), 200)
            end
            net:settle(40)
            assert.same({ "start - -", "answer - -", "old on_end duration", "end duration engine" }, world.seen(net))
        end)
    end)
end)
