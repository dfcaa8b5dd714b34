-- Session timers of a call of two legs (RFC 4028): towards the caller the engine is the UAS, towards the callee the
-- UAC, and each leg is agreed on, refreshed and ended by itself.
local world = require "route.world"

local PATIENT = { media_limits = { timeout_s = 86400, silent_timeout_s = 86400 } } -- nobody talks
local UPDATES = "INVITE, ACK, BYE, CANCEL, UPDATE"
local OURS = { ["Session-Expires"] = "600;refresher=uac" }
local HIS = { ["Session-Expires"] = "600;refresher=uas", Require = "timer" }
local HERS = { Supported = "timer" } -- the caller knows timers, and refreshes then

describe("session timers of a call of two legs (RFC 4028):", function()
    local net, alice, bob, callees

    local function open(timer, more, beside)
        net, alice, callees = world.open {
            body = world.two_legs(("session_timer = { %s }, %s"):format(timer or "expires_s = 600", more or "")),
            more = beside, conf = PATIENT,
        }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function with(headers, more)
        local all = {}
        for _, given in ipairs { headers or {}, more or {} } do
            for name, value in pairs(given) do
                all[name] = value
            end
        end
        return all
    end

    -- An answered call with SDP. @return the INVITE as bob saw it, the 200 as alice did
    local function answer(asked, answered)
        alice:invite("sip:bob@example.net", { sdp = true, headers = asked })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { sdp = true, headers = answered })
        local ok = alice:receive(200)
        bob:receive "ACK"
        return invite, ok
    end

    local function finish(from, to)
        world.hang_up(from or alice, to or bob)
        world.finish_hidden(net)
    end

    local function expect_end()
        local to_bob, to_alice = bob:receive "BYE", alice:receive "BYE"
        for _, bye in ipairs { to_bob, to_alice } do
            assert.equal([[SIP;cause=408;text="Session timer expired"]], bye:header "Reason")
        end
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        world.finish(net)
        assert.equal(1, net:status().counters["dialog.session"])
    end

    -- The engine refreshes by that method; the party agrees. @return the request
    local function refreshed(party, method, seconds, headers)
        local request = party:receive(method, seconds)
        party:reply(request, 200, { sdp = method == "INVITE", headers = headers or HIS })
        if method == "INVITE" then
            party:receive "ACK"
        end
        return request
    end

    describe("s7, as UAC of the callee:", function()
        it("asks for what the script wants, and leaves it to the callee who refreshes", function()
            open()
            local hers = { Supported = "timer", ["Session-Expires"] = "3600;refresher=uas", ["Min-SE"] = "120" }
            local invite = answer(hers, HIS)
            assert.same({ "600" }, invite:values "Session-Expires")
            assert.is_nil(invite:header "Min-SE")
            assert.truthy(table.concat(invite:values "Supported", ","):find("timer", 1, true))
            finish()
        end)

        it("says the shortest interval that it takes", function()
            open "expires_s = 900, min_s = 300"
            assert.equal("300", answer(nil, HIS):header "Min-SE")
            finish()
        end)

        it("asks for more after 422 (s7.3), and for no less ever after (s7.4)", function()
            open()
            alice:invite("sip:bob@example.net", { sdp = true, headers = HERS })
            local first = bob:receive "INVITE"
            bob:reply(first, 422, { headers = { ["Min-SE"] = "1200" } })
            local second = bob:receive "INVITE"
            assert.same({ "1200", "1200" }, { second:header "Session-Expires", second:header "Min-SE" })
            assert.equal(first:header "Call-ID", second:header "Call-ID")
            assert.equal(first:tag "From", second:tag "From")
            assert.equal(first.cseq + 1, second.cseq)
            assert.equal(first.body, second.body)
            bob:reply(second, 200, { sdp = true, headers = {
                ["Session-Expires"] = "1200;refresher=uac", Allow = UPDATES,
            } })
            local ok = alice:receive(200)
            assert.equal("600;refresher=uac", ok:header "Session-Expires") -- hers is her own
            bob:receive "ACK"
            net:advance(300)
            alice:update { headers = with(HERS, { ["Session-Expires"] = "600;refresher=uac" }) }
            alice:receive(200)
            local refresh = refreshed(bob, "UPDATE", 301, { ["Session-Expires"] = "1200;refresher=uac" })
            assert.same({ "1200;refresher=uac", "1200" },
                { refresh:header "Session-Expires", refresh:header "Min-SE" })
            finish()
        end)

        it("gives up a callee that says 422 for ever, or without a reason; the caller sees no 422", function()
            open()
            for step, most in pairs { [600] = 20, [0] = 1 } do
                alice:invite "sip:bob@example.net"
                local tries = 0
                repeat
                    local invite = bob:receive "INVITE"
                    tries = tries + 1
                    bob:reply(invite, 422, { headers = { ["Min-SE"] = tostring(600 + step * tries) } })
                    bob:receive "ACK"
                    net:advance(0.01)
                until not bob.queue[1]
                assert.is_true(tries >= 1 and tries <= most)
                assert.is_nil(alice:receive(500):header "Min-SE")
            end
            assert.equal(1, net:status().counters["route.branch_limit"])
            world.finish_hidden(net)
        end)

        it("refreshes by itself a callee that knows no timers, at half of the interval (s7.2)", function()
            open()
            answer(HERS, { Allow = UPDATES })
            alice:receive_nothing("UPDATE", 299)
            local refresh = refreshed(bob, "UPDATE", 2, {})
            assert.equal("", refresh.body)
            assert.equal("600;refresher=uac", refresh:header "Session-Expires")
            assert.equal("<sip:alice@10.0.0.1:5060>", refresh:header "Contact")
            finish()
        end)

        it("leaves it to a callee that wants to refresh, and ends the call when it does not (s10)", function()
            open("expires_s = 600", nil, [[event_route["dialog:end"] = function(event)
                sip.log.info("ended: %s by %s", event.reason, event.ended_by)
            end]])
            answer(nil, with(HIS, { Allow = UPDATES }))
            alice.auto_update = true
            bob:receive_nothing("UPDATE", 299)
            refreshed(alice, "INVITE", 2) -- she knows no timers: that is our work
            net:advance(266)
            assert.equal(1, net:status().dialogs)
            net:advance(2) -- 32 s before its end
            expect_end()
            assert.truthy(net:logged "ended: session by engine")
        end)

        it("ends it a third of the interval before, where that is less", function()
            open "expires_s = 90"
            answer(with(HERS, { ["Session-Expires"] = "90;refresher=uac" }),
                { ["Session-Expires"] = "90;refresher=uas", Require = "timer" })
            net:advance(59)
            assert.equal(1, net:status().dialogs)
            net:advance(1.1)
            expect_end()
        end)
    end)

    describe("s9, as UAS of the caller:", function()
        -- What the 200 says to an INVITE that asks so.
        local function said(timer, asked)
            open(timer)
            local _, ok = answer(asked, HIS)
            finish()
            return ok:header "Session-Expires", table.concat(ok:values "Require", ",")
        end

        it("has whoever asks refresh, unless it wants otherwise (table 2)", function()
            assert.same({ "600;refresher=uac", "timer" }, { said(nil, { Supported = "timer" }) })
        end)

        it("refreshes where the caller wants so", function()
            assert.same({ "300;refresher=uas", "timer" },
                { said(nil, { Supported = "timer", ["Session-Expires"] = "300;refresher=uas" }) })
        end)

        it("refreshes where the caller knows no timers, and requires nothing of it", function()
            assert.same({ "600;refresher=uas", "" }, { said(nil, nil) })
        end)

        it("takes what a proxy before it wants, for a caller that knows no timers", function()
            assert.same({ "400;refresher=uas", "" }, { said(nil, { ["Session-Expires"] = "400" }) })
        end)

        it("lowers what is too long, to no less than Min-SE, and never raises", function()
            assert.same({ "600;refresher=uac", "timer" },
                { said(nil, { Supported = "timer", ["Session-Expires"] = "3600" }) })
            net:close()
            assert.same({ "1200;refresher=uac", "timer" },
                { said(nil, { Supported = "timer", ["Session-Expires"] = "3600", ["Min-SE"] = "1200" }) })
            net:close()
            assert.same({ "200;refresher=uac", "timer" },
                { said("expires_s = 600, min_s = 200", { Supported = "timer", ["Session-Expires"] = "200" }) })
        end)

        it("refuses 422 with Min-SE what is too short; the callee hears nothing, and the retry passes", function()
            open "expires_s = 600, min_s = 300"
            alice:invite("sip:bob@example.net", { headers = { Supported = "timer", ["Session-Expires"] = "120" } })
            assert.equal("300", alice:receive(422):header "Min-SE")
            assert.equal(0, world.count_received(net, "bob", "INVITE"))
            assert.equal(0, net:status().dialogs)
            alice:request(alice.call, "INVITE", { sdp = true, headers = {
                Supported = "timer", ["Session-Expires"] = "300", ["Min-SE"] = "300",
            } })
            bob:reply(bob:receive "INVITE", 200, { sdp = true, headers = HIS })
            assert.equal("300;refresher=uac", alice:receive(200):header "Session-Expires")
            bob:receive "ACK"
            finish()
        end)

        it("refuses a refresh that is too short, too, and the call goes on", function()
            open "expires_s = 600, min_s = 300"
            answer(HERS, HIS)
            for _, party in ipairs { alice, bob } do
                for _, method in ipairs { "UPDATE", "INVITE" } do
                    party:request(party.call, method, {
                        headers = { Supported = "timer", ["Session-Expires"] = "100" },
                    })
                    assert.equal("300", party:receive { status = 422, method = method }:header "Min-SE")
                end
            end
            finish()
        end)

        it("answers an UPDATE without an offer by itself: the other leg has a session of its own", function()
            open()
            answer(HERS, with(HIS, { Allow = UPDATES }))
            alice.contact = "<sip:moved@192.0.2.10:5060>"
            alice:update { headers = with(HERS, { ["Session-Expires"] = "500;refresher=uac" }) }
            local ok = alice:receive { status = 200, method = "UPDATE" }
            assert.equal("500;refresher=uac", ok:header "Session-Expires")
            assert.equal("timer", ok:header "Require")
            assert.equal("<sip:bob@192.0.2.1:5060>", ok:header "Contact")
            bob:update { headers = with(HERS, { ["Session-Expires"] = "600;refresher=uac" }) }
            bob:receive { status = 200, method = "UPDATE" }
            assert.equal(0, world.count_received(net, "alice", "UPDATE"))
            assert.equal(0, world.count_received(net, "bob", "UPDATE"))
            bob:ask "INFO" -- she has moved (RFC 3261 s12.2.2)
            local info = alice:receive "INFO"
            assert.equal("sip:moved@192.0.2.10:5060", info.uri)
            alice:reply(info, 200)
            bob:receive(200)
            finish()
        end)

        it("passes an UPDATE with an offer, each leg with its own interval", function()
            open()
            answer(HERS, OURS)
            alice:update { sdp = true, headers = with(HERS, { ["Session-Expires"] = "300;refresher=uac" }) }
            local update = bob:receive "UPDATE"
            assert.equal("600;refresher=uac", update:header "Session-Expires")
            bob:reply(update, 200, { sdp = true, headers = OURS })
            local ok = alice:receive { status = 200, method = "UPDATE" }
            assert.equal("300;refresher=uac", ok:header "Session-Expires")
            finish()
        end)
    end)

    describe("s7.4, refreshes of ours:", function()
        it("are UPDATE where the party's Allow lists it, else a re-INVITE with the SDP that it got last", function()
            open()
            local invite, ok = answer(nil, OURS)
            local to_alice = refreshed(alice, "INVITE", 301)
            assert.equal(ok.body, to_alice.body)
            assert.equal("application/sdp", to_alice:header "Content-Type")
            assert.equal("600;refresher=uac", to_alice:header "Session-Expires")
            assert.equal(invite.body, refreshed(bob, "INVITE", 1).body)
            finish()
        end)

        it("repeat what was agreed on last: hold, from either side, or an answer in the ACK", function()
            open()
            alice.auto_ack = false
            alice:invite("sip:bob@example.net", { headers = { Allow = "INVITE, ACK, BYE" } })
            bob:reply(bob:receive "INVITE", 200, { sdp = true, headers = OURS })
            local offer = alice:receive(200).body
            alice:ack(nil, { sdp = true })
            local last = bob:receive "ACK".body
            alice.auto_ack = true
            for round = 1, 2 do
                assert.equal(offer, refreshed(alice, "INVITE", 301).body)
                assert.equal(last, refreshed(bob, "INVITE", 1, OURS).body)
                local from, to = alice, bob
                if round == 2 then
                    from, to = bob, alice
                end
                from:reinvite { sdp = { "audio", direction = "sendonly" } }
                local held = to:receive "INVITE"
                to:reply(held, 200, { sdp = { "audio", direction = "recvonly" }, headers = OURS })
                local answered = from:receive { status = 200, method = "INVITE" }.body
                to:receive "ACK"
                offer = round == 1 and answered or held.body
                last = round == 1 and held.body or answered
                assert.equal(1, #net:media())
            end
            assert.equal(offer, refreshed(alice, "INVITE", 301).body)
            assert.equal(last, refreshed(bob, "INVITE", 1, OURS).body)
            finish()
        end)

        it("do not repeat an offer that was refused", function()
            open()
            local invite = answer(nil, OURS)
            alice:reinvite { sdp = { "audio", direction = "sendonly" } }
            bob:reply(bob:receive "INVITE", 488)
            alice:receive(488)
            alice.auto_options = true
            assert.equal(invite.body, refreshed(bob, "INVITE", 301, OURS).body)
            refreshed(alice, "INVITE", 1)
            finish()
        end)

        it("fall back to a re-INVITE when UPDATE is refused as unknown, and stay with it", function()
            open()
            answer(HERS, with(OURS, { Allow = UPDATES }))
            for round = 1, 2 do
                if round == 1 then
                    bob:reply(bob:receive("UPDATE", 301), 501)
                end
                refreshed(bob, "INVITE", 301, OURS)
                alice:update { headers = with(HERS, { ["Session-Expires"] = "600" }) }
                alice:receive(200)
            end
            assert.equal(1, world.count_received(net, "bob", "UPDATE"))
            finish()
        end)

        it("ask for more after 422, with the next number", function()
            open()
            answer(HERS, with(OURS, { Allow = UPDATES }))
            local first = bob:receive("UPDATE", 301)
            bob:reply(first, 422, { headers = { ["Min-SE"] = "700" } })
            local second = refreshed(bob, "UPDATE", 1, { ["Session-Expires"] = "700;refresher=uac" })
            assert.same({ "700;refresher=uac", "700" }, { second:header "Session-Expires", second:header "Min-SE" })
            assert.equal(first.cseq + 1, second.cseq)
            finish()
        end)

        it("come again after 491, and after another refusal, while there is time (s10)", function()
            open()
            answer(HERS, with(OURS, { Allow = UPDATES }))
            bob:reply(bob:receive("UPDATE", 301), 491)
            bob:receive_nothing("UPDATE", 2) -- the Call-ID is ours: 2.1 to 4 s (RFC 3261 s14.1)
            bob:reply(bob:receive("UPDATE", 2.1), 503)
            bob:receive_nothing("UPDATE", 120)
            refreshed(bob, "UPDATE", 20)
            alice:update { headers = with(HERS, { ["Session-Expires"] = "600" }) }
            alice:receive(200)
            finish()
        end)

        it("that are all refused let the session end", function()
            open()
            answer(with(HERS, { ["Session-Expires"] = "600" }), with(OURS, { Allow = UPDATES }))
            local refused = 0
            for _ = 1, 290 do
                net:advance(2)
                local update = table.remove(bob.queue, 1)
                if not update or update.method ~= "UPDATE" then
                    table.insert(bob.queue, update)
                else
                    refused = refused + 1
                    bob:reply(update, 503)
                end
            end
            assert.is_true(refused > 3 and refused < 12)
            expect_end()
        end)

        for _, case in ipairs {
            { name = "408", act = function(refresh) bob:reply(refresh, 408) end },
            { name = "481", act = function(refresh) bob:reply(refresh, 481) end },
            { name = "nothing", act = function() end, seconds = 33 },
        } do
            it("that are answered " .. case.name .. " end the call at once (s10)", function()
                open()
                answer(HERS, with(OURS, { Allow = UPDATES }))
                case.act(bob:receive("UPDATE", 301))
                net:advance(case.seconds or 0)
                expect_end()
            end)
        end

        it("wait while an offer is under way (RFC 3261 s14.1)", function()
            open()
            answer(HERS, OURS)
            net:advance(299)
            alice:reinvite { sdp = true, headers = HERS }
            local invite = bob:receive "INVITE"
            bob:receive_nothing("INVITE", 3)
            bob:reply(invite, 200, { sdp = true, headers = OURS })
            alice:receive { status = 200, method = "INVITE" }
            bob:receive "ACK"
            bob:receive_nothing("INVITE", 5) -- that one was a refresh, too
            finish()
        end)

        it("refuse an offer that crosses them 491 (RFC 3261 s14.2), and repeat their ACK", function()
            open()
            answer(HERS, OURS)
            local refresh = bob:receive("INVITE", 301)
            alice:reinvite { sdp = true }
            alice:receive { status = 491, method = "INVITE" }
            bob:reply(refresh, 200, { sdp = true, headers = OURS })
            bob:receive "ACK"
            bob:reply(refresh, 200, { sdp = true, headers = OURS, to_tag = bob.call.local_tag })
            bob:receive "ACK"
            finish()
        end)

        it("carry credentials where the callee wants them", function()
            open(nil, [[credentials = { username = "us", password = "secret" }, ]])
            answer(HERS, with(OURS, { Allow = UPDATES }))
            local challenge = { headers = { ["WWW-Authenticate"] = 'Digest realm="trunk", nonce="1", qop="auth"' } }
            bob:reply(bob:receive("UPDATE", 301), 401, challenge)
            assert.matches('uri="sip:bob@10%.0%.0%.20', refreshed(bob, "UPDATE", 1):header "Authorization")
            finish()
        end)
    end)

    it("every 2xx to INVITE or UPDATE of either side begins the interval anew (s7.2, s9)", function()
        open()
        answer(HERS, with(HIS, { Allow = UPDATES }))
        for _, method in ipairs { "INVITE", "UPDATE" } do
            for _, pair in ipairs { { alice, bob }, { bob, alice } } do
                local from, to = pair[1], pair[2]
                net:advance(500)
                from:request(from.call, method, { sdp = true, headers = with(HERS, { ["Session-Expires"] = "600" }) })
                to:reply(to:receive(method), 200, { sdp = true, headers = HIS })
                from:receive { status = 200, method = method }
                if method == "INVITE" then
                    to:receive "ACK"
                end
            end
        end
        net:advance(567)
        assert.equal(1, net:status().dialogs)
        net:advance(2)
        expect_end()
    end)

    it("an early UPDATE begins nothing: the 2xx to the INVITE does", function()
        open "expires_s = 90"
        alice:invite("sip:bob@example.net", { sdp = true, headers = { Supported = "100rel, timer" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { sdp = true, reliable = true })
        alice:prack(alice:receive(183))
        bob:reply(bob:receive "PRACK", 200)
        alice:receive { status = 200, method = "PRACK" }
        alice:update { sdp = true, headers = HERS }
        bob:reply(bob:receive "UPDATE", 200, { sdp = true })
        alice:receive { status = 200, method = "UPDATE" }
        net:advance(80)
        bob:reply(invite, 200, { headers = { ["Session-Expires"] = "90;refresher=uas", Require = "timer" } })
        alice:receive { status = 200, method = "INVITE" }
        bob:receive "ACK"
        net:advance(59)
        assert.equal(1, net:status().dialogs)
        net:advance(2)
        expect_end()
    end)

    it("a party that is put in another's place is asked anew, and the one who stays goes on", function()
        open(nil, [[refer = "handle", ]])
        local carol = callees.carol
        answer(with(HERS, { Allow = UPDATES }), with(OURS, { Allow = UPDATES }))
        net:advance(200)
        bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
        bob:receive(202)
        bob:reply(bob:receive "NOTIFY", 200)
        local invite = carol:receive "INVITE"
        assert.is_nil(invite:header "Session-Expires")
        assert.same({ "timer" }, invite:values "Supported")
        carol:reply(invite, 200, { sdp = true })
        local stay = alice:receive "INVITE"
        assert.equal("600;refresher=uas", stay:header "Session-Expires")
        alice:reply(stay, 200, { sdp = true, headers = HIS })
        alice:receive "ACK"
        local last = carol:receive "ACK".body
        bob:reply(bob:receive "NOTIFY", 200)
        bob:reply(bob:receive "BYE", 200)
        local refresh = carol:receive("INVITE", 301) -- she knows neither timers nor UPDATE
        assert.equal(last, refresh.body)
        carol:reply(refresh, 422, { headers = { ["Min-SE"] = "1000" } })
        assert.equal("1000", refreshed(carol, "INVITE", 1, { ["Session-Expires"] = "1000;refresher=uac" })
            :header "Session-Expires":match "%d+")
        finish(alice, carol)
    end)

    it("a party that comes by an INVITE with Replaces is answered as a caller would be (RFC 3891)", function()
        net, alice, callees = world.open { conf = PATIENT, body = [[
            if req:header "Replaces" then return assert(sip.call.replace(req)) end
        ]] .. world.two_legs "session_timer = { expires_s = 600 }, " }
        bob = callees.bob
        for _, case in ipairs {
            { asked = "300;refresher=uas", said = "300;refresher=uas", is_ours = true },
            { asked = nil, said = "600;refresher=uac" },
        } do
            local invite = answer(HERS, OURS)
            local carol = callees.carol
            carol:invite("sip:office@10.0.0.1:5060", { sdp = true, headers = {
                Replaces = ("%s;to-tag=%s;from-tag=%s"):format(bob.call.id, invite:tag "From", bob.call.local_tag),
                Require = "replaces", Supported = "timer", Allow = UPDATES, ["Session-Expires"] = case.asked,
            } })
            alice:reply(alice:receive "INVITE", 200, { sdp = true, headers = HIS })
            assert.equal(case.said, carol:receive(200):header "Session-Expires")
            alice:receive "ACK"
            bob:reply(bob:receive "BYE", 200)
            if case.is_ours then
                refreshed(carol, "UPDATE", 151)
            else
                carol:receive_nothing("UPDATE", 400)
            end
            finish(alice, carol)
        end
    end)

    it("the timer of a tracked call is that of its legs, if it is tracked before", function()
        net, alice, callees = world.open { conf = PATIENT, body = "assert(sip.dialog.track(req, { session_timer ="
            .. " { expires_s = 300 } }))" .. world.two_legs() .. [[
            local _, err = sip.dialog.track(req, { session_timer = {} })
            sip.log.info("too late: %s", err)
        ]] }
        bob = callees.bob
        assert.equal("300", answer(HERS, HIS):header "Session-Expires")
        assert.truthy(net:logged "too late: session_timer comes too late")
        finish()
    end)

    it("goes on across a reload", function()
        open()
        answer(HERS, with(OURS, { Allow = UPDATES }))
        assert.is_true(net:reload { source = world.route "req:reply(403)" })
        refreshed(bob, "UPDATE", 301)
        finish()
    end)

    it("raises at the script's line for what cannot be meant", function()
        world.expect_misuse(function(timer)
            open(timer)
            return net, alice
        end, {
            ["expires = 600"] = "call.bridge: session_timer has no option 'expires'",
            ["min_s = 60"] = "call.bridge: session_timer.min_s is at least 90",
        })
        open()
    end)
end)
