-- INVITE with Replaces for a leg of a call of two legs (RFC 3891): who sends it takes the place of that leg's party.
local world = require "route.world"

local BODY = [[
    if req:header "Replaces" then
        if req["$fU"] == "mallory" then return req:reply(403) end
        local call, err, status = sip.call.replace(req)
        if not call then
            sip.log.info("not replaced: %%s", err)
            return req:reply(status)
        end
        return
    end
    local call = assert(sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" }, %s
    }))
    call:on("transfer", function(event) sip.log.info("transfer: %%d", event.status) end)
    call:on("end", function(event) sip.log.info("end: %%s by %%s", event.reason, tostring(event.ended_by)) end)
]]

describe("INVITE with Replaces (RFC 3891)", function()
    local net, alice, bob, carol, erin

    local function open(given)
        local callees
        given = given or {}
        given.body = BODY:format(given.options or "")
        net, alice, callees = world.open(given)
        bob, carol = callees.bob, callees.carol
        erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
    end

    after_each(function()
        net:close()
    end)

    -- The name of a call, as its party would tell it to somebody: our tag is the to-tag.
    local function name_of(first, invite, more)
        local call_id = invite:header "Call-ID"
        if first then -- the caller's
            local call = alice.call
            local dialog
            for _, one in pairs(call.dialogs) do dialog = one end
            return ("%s;to-tag=%s;from-tag=%s%s"):format(call.id, dialog.remote_tag, call.local_tag, more or "")
        end
        return ("%s;to-tag=%s;from-tag=%s%s"):format(call_id, invite:tag "From",
            bob.calls[call_id].local_tag, more or "")
    end

    local function finish()
        world.finish_hidden(net)
        assert.equal(0, net:status().counters["script.error"])
    end

    local function replace(agent, name, options)
        options = options or {}
        options.headers = options.headers or {}
        options.headers.Replaces = name
        options.headers.Require = options.headers.Require or "replaces"
        if options.sdp == nil then options.sdp = true end
        agent:invite("sip:bob@example.net", options)
    end

    local function talk(first, second)
        world.talk(net, first, second)
    end

    it("is sent BYE after its ACK, or when none comes in 64*T1; says it itself instead (RFC 3261 s15)", function()
        open()
        carol.auto_ack = false
        for _, way in ipairs { "ack", "nothing", "bye" } do
            local invite = world.answer(alice, bob, { sdp = true })
            replace(carol, name_of(false, invite))
            alice:reply(alice:receive "INVITE", 200, { sdp = true })
            carol:receive { status = 200, method = "INVITE" }
            alice:receive "ACK"
            bob:reply(bob:receive "BYE", 200)
            alice:hangup()
            alice:receive { status = 200, method = "BYE" }
            carol:receive_nothing("BYE", 5)
            if way == "ack" then
                carol:ack()
            elseif way == "bye" then
                carol:ask "BYE"
                carol:receive { status = 200, method = "BYE" }
                local seen = world.count_received(net, "carol", 200)
                carol:receive_nothing("BYE", 40)
                assert.equal(seen, world.count_received(net, "carol", 200))
            end
            if way ~= "bye" then
                carol:reply(carol:receive("BYE", way == "ack" and 1 or 40), 200)
            end
            finish()
        end
    end)

    it("gets no answer to its challenges: the credentials are for whom the script has called", function()
        open { options = [[credentials = { username = "office", password = "secret" }]] }
        local invite = world.answer(alice, bob, { sdp = true })
        replace(carol, name_of(false, invite))
        alice:reply(alice:receive "INVITE", 200, { sdp = true })
        carol:receive { status = 200, method = "INVITE" }
        bob:reply(bob:receive "BYE", 200)
        alice:receive "ACK"
        alice:ask "INFO"
        local challenge = 'Digest realm="carol", nonce="of carol", algorithm=MD5, qop="auth"'
        carol:reply(carol:receive "INFO", 401, { headers = { ["WWW-Authenticate"] = challenge } })
        alice:receive { status = 403, method = "INFO" }
        world.hang_up(alice, carol)
        finish()
    end)

    it("replaces the callee: re-INVITE with its offer, 200 with the answer, BYE to the other", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        replace(carol, name_of(false, invite))
        local again = alice:receive "INVITE"
        assert.is_truthy(again:tag "To")
        alice:reply(again, 200, { sdp = true })
        alice:receive "ACK"
        local answer = carol:receive { status = 200, method = "INVITE" }
        assert.matches("m=audio", answer.body)
        assert.is_truthy(answer:header "Contact")
        bob:reply(bob:receive "BYE", 200)
        assert.truthy(net:logged "transfer: 200")
        assert.equal(1, net:status().counters["call.transferred"])
        talk(alice, carol)
        world.ask(alice, carol, "INFO")
        world.ask(carol, alice, "INVITE", { sdp = true })
        world.ask(alice, carol, "INVITE", { sdp = true })
        world.hang_up(carol, alice)
        assert.truthy(net:logged "end: bye by callee")
        finish()
    end)

    it("replaces the caller likewise", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        replace(erin, name_of(true, invite))
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        bob:receive "ACK"
        erin:receive { status = 200, method = "INVITE" }
        alice:reply(alice:receive "BYE", 200)
        talk(bob, erin)
        world.ask(erin, bob, "INFO")
        world.ask(bob, erin, "INVITE", { sdp = true })
        world.hang_up(bob, erin)
        finish()
    end)

    -- A call belongs to a worker by its Call-ID, and this one has another than the call that it names.
    it("replaces a party of a call of any other worker, too, with everything that follows", function()
        open { workers = 4 }
        for _ = 1, 12 do
            local invite = world.answer(alice, bob, { sdp = true })
            replace(carol, name_of(false, invite))
            alice:reply(alice:receive "INVITE", 200, { sdp = true })
            alice:receive "ACK"
            carol:receive { status = 200, method = "INVITE" }
            bob:reply(bob:receive "BYE", 200)
            world.ask(carol, alice, "INFO")
            world.ask(alice, carol, "INFO")
            world.hang_up(carol, alice)
        end
        assert.equal(12, net:status().counters["call.transferred"])
        assert.is_true(net:status().counters["sip.handed_over"] > 0)
        finish()
    end)

    it("of our own that came back to us is answered to the worker that sent it", function()
        open { workers = 4, options = [[refer = "handle",]] }
        world.answer(alice, bob, { sdp = true })
        for i = 1, 4 do
            bob:ask("REFER", { headers = {
                ["Refer-To"] = ("<sip:erin@10.0.0.1?Replaces=nobody%d%%3Bto-tag%%3Da%%3Bfrom-tag%%3Db>"):format(i),
            } })
            bob:receive(202)
            repeat
                local notify = bob:receive "NOTIFY"
                bob:reply(notify, 200)
            until notify:header "Subscription-State":find "^terminated"
            assert.truthy(net:logged "transfer: 481")
        end
        world.hang_up(alice, bob)
        finish()
    end)

    it("stays where its own Call-ID belongs beyond limits.dialogs, and finds no call", function()
        open { workers = 4, conf = { limits = { dialogs = 1 } } }
        for i = 1, 24 do
            replace(carol, ("nobody%d@192.0.2.1;to-tag=a;from-tag=b"):format(i))
            carol:receive(481)
        end
        assert.is_true(net:status().counters["dialog.limit"] > 0)
        finish()
    end)

    it("is refused as s3 says: 481 unknown, 486 early-only, 603 over, 400 malformed", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        local name = name_of(false, invite)
        for given, status in pairs {
            ["nobody@192.0.2.1;to-tag=a;from-tag=b"] = 481, [name:gsub("from%-tag=.*", "from-tag=x")] = 481,
            [name:gsub("to%-tag=[^;]*", "to-tag=x")] = 481, [name .. ";early-only"] = 486,
            [name:match "^[^;]*"] = 400,
        } do
            replace(carol, given)
            assert.equal(status, carol:receive(status).status, given)
        end
        replace(carol, name, { sdp = false })
        carol:receive(488)
        replace(carol, name, { headers = { Require = "replaces, moon" } })
        carol:receive(420)
        world.hang_up(alice, bob)
        replace(carol, name)
        carol:receive(603)
        finish()
    end)

    it("of an early dialog is refused 481", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        replace(carol, name_of(false, invite, ";early-only"))
        carol:receive(481)
        bob:reply(invite, 486)
        alice:receive(486)
        finish()
    end)

    it("is the script's to allow", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        local mallory = net:agent { name = "mallory", address = "10.0.0.66:5060", side = "private" }
        replace(mallory, name_of(false, invite))
        mallory:receive(403)
        world.hang_up(alice, bob)
        finish()
    end)

    it("that the party that stays refuses leaves the call as it was, as does a CANCEL", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        replace(carol, name_of(false, invite))
        alice:reply(alice:receive "INVITE", 488)
        carol:receive(488)
        replace(carol, name_of(false, invite))
        local again = alice:receive "INVITE"
        alice:reply(again, 180)
        carol:cancel()
        carol:receive { status = 487, method = "INVITE" }
        alice:receive "CANCEL"
        alice:reply(again, 487)
        alice:receive "ACK"
        talk(alice, bob)
        world.hang_up(alice, bob)
        finish()
    end)

    it("is refused 491 while another transfer is under way, and 487 when the call ends meanwhile", function()
        open()
        local invite = world.answer(alice, bob, { sdp = true })
        replace(carol, name_of(false, invite))
        local again = alice:receive "INVITE"
        replace(erin, name_of(true, invite))
        erin:receive(491)
        bob:ask "BYE"
        bob:receive { status = 200, method = "BYE" }
        alice:reply(again, 200, { sdp = true })
        carol:receive { status = 200, method = "INVITE" }
        alice:receive "ACK"
        talk(alice, carol)
        world.hang_up(carol, alice)
        finish()
    end)

    it("has its 200 repeated until the ACK comes, and ends the call without one (RFC 3261 s13.3.1.4)", function()
        open { auto_ack = false }
        carol.auto_ack = false
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        alice:ack()
        bob:receive "ACK"
        replace(carol, name_of(false, invite))
        alice:reply(alice:receive "INVITE", 200, { sdp = true })
        alice:receive "ACK"
        carol:receive { status = 200, method = "INVITE" }
        bob:reply(bob:receive "BYE", 200)
        net:advance(4)
        assert.is_true(world.count_received(net, "carol", 200) >= 4)
        net:advance(28)
        carol:reply(carol:receive "BYE", 200)
        alice:reply(alice:receive "BYE", 200)
        assert.equal(1, net:status().counters["call.unacknowledged"])
        net:settle(40)
    end)
end)
