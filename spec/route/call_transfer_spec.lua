-- One party of a call of two legs is replaced: REFER handled, passed or refused, call:transfer (RFC 3515, RFC 5589 s6,
-- RFC 3891, RFC 3420).
local world = require "route.world"

local BODY = [[
    local call = assert(sip.call.bridge(req, {
        to = "sip:" .. (req:header "X-To" or "bob@10.0.0.20:5060"), interface = "private",
        media = { from = "public", to = "private" }, %s
    }))
    call:on("transfer", function(event) sip.log.info("transfer: %%d", event.status) end)
    call:on("end", function(event) sip.log.info("end: %%s by %%s", event.reason, tostring(event.ended_by)) end)
    %s
]]
local HANDLE = [[refer = "handle"]]

describe("a transfer within a call of two legs", function()
    local net, alice, bob, carol

    local function open(options, more, given)
        local callees
        given = given or {}
        given.body = BODY:format(options or HANDLE, more or "")
        net, alice, callees = world.open(given)
        bob, carol = callees.bob, callees.carol
    end

    after_each(function()
        net:close()
    end)

    local function finish()
        world.finish_hidden(net)
    end

    local function refer(agent, to, headers)
        headers = headers or {}
        headers["Refer-To"] = to or "<sip:carol@10.0.0.21:5060>"
        return agent:ask("REFER", { headers = headers })
    end

    -- An answered call, in which bob refers alice to carol.
    local function referred()
        world.answer(alice, bob, { sdp = true })
        refer(bob)
        bob:receive(202)
    end

    -- The next NOTIFY of the transfer, answered. @return its status line
    local function notified(agent, state)
        local notify = agent:receive "NOTIFY"
        assert.matches("^refer", notify:header "Event")
        assert.matches("^" .. state, notify:header "Subscription-State")
        assert.matches("^message/sipfrag", notify:header "Content-Type")
        assert.is_truthy(notify:header "Contact")
        agent:reply(notify, 200)
        return (notify.body:gsub("\r\n$", ""))
    end

    -- Carol answers with an offer, who stays gets it in a re-INVITE and answers, carol gets that in the ACK
    local function join(invite, stays)
        carol:reply(invite, 200, { sdp = true })
        local again = stays:receive "INVITE"
        assert.is_truthy(again:tag "To")
        stays:reply(again, 200, { sdp = true })
        local ack = carol:receive "ACK"
        assert.matches("m=audio", ack.body)
        stays:receive "ACK"
    end

    local function talk(first, second)
        world.talk(net, first, second)
    end

    it("by the callee replaces it: 202, NOTIFYs, INVITE, re-INVITE, BYE; media follow (RFC 5589 s6.1)", function()
        open()
        local first = world.answer(alice, bob, { sdp = true })
        assert.matches("REFER", first:header "Allow")
        refer(bob)
        assert.is_truthy(bob:receive(202):header "Contact")
        assert.equal("SIP/2.0 100 Trying", notified(bob, "active"))
        local invite = carol:receive "INVITE"
        assert.equal("", invite.body)
        assert.equal("sip:carol@10.0.0.21:5060", invite.uri)
        assert.not_equal(first:header "Call-ID", invite:header "Call-ID")
        assert.equal(first:header "From":gsub(";tag.*", ""), (invite:header "From":gsub(";tag.*", "")))
        carol:reply(invite, 180)
        assert.equal("SIP/2.0 180 Ringing", notified(bob, "active"))
        join(invite, alice)
        assert.equal("SIP/2.0 200 OK", notified(bob, "terminated"))
        bob:reply(bob:receive "BYE", 200)
        assert.truthy(net:logged "transfer: 200")
        assert.equal(1, net:status().counters["call.transferred"])
        talk(alice, carol)
        world.ask(alice, carol, "INFO")
        world.ask(carol, alice, "INVITE", { sdp = true })
        world.hang_up(carol, alice)
        assert.truthy(net:logged "end: bye by callee")
        finish()
    end)

    it("by the caller replaces it likewise", function()
        open()
        world.answer(alice, bob, { sdp = true })
        local dave = net:agent { name = "erin", address = "192.0.2.11:5060" }
        refer(alice, "<sip:erin@192.0.2.11:5060>")
        alice:receive(202)
        assert.equal("SIP/2.0 100 Trying", notified(alice, "active"))
        local invite = dave:receive "INVITE"
        carol = dave
        join(invite, bob)
        assert.equal("SIP/2.0 200 OK", notified(alice, "terminated"))
        alice:reply(alice:receive "BYE", 200)
        talk(bob, dave)
        world.ask(bob, dave, "INFO")
        world.ask(bob, dave, "INVITE", { sdp = true })
        world.hang_up(dave, bob)
        finish()
    end)

    it("that the target refuses leaves the call as it was", function()
        open()
        world.answer(alice, bob, { sdp = true })
        for _, status in ipairs { 486, 302 } do
            refer(bob)
            bob:receive(202)
            notified(bob, "active")
            carol:reply(carol:receive "INVITE", status)
            assert.matches(status == 486 and "^SIP/2.0 486" or "^SIP/2.0 480", notified(bob, "terminated"))
        end
        talk(alice, bob)
        world.hang_up(alice, bob)
        assert.equal(0, net:status().counters["call.transferred"])
        finish()
    end)

    it("that nobody answers ends with Timer C, or with the call (s9.1)", function()
        open()
        referred()
        notified(bob, "active")
        carol:reply(carol:receive "INVITE", 180)
        notified(bob, "active")
        net:settle(181)
        carol:receive "CANCEL"
        assert.matches("^SIP/2.0 408", notified(bob, "terminated"))
        refer(bob)
        bob:receive(202)
        assert.equal("refer;id=" .. bob.call.cseq, bob:receive "NOTIFY":header "Event") -- s2.4.6
        carol:reply(carol:receive "INVITE", 180)
        net:settle(1)
        alice:hangup()
        alice:receive(200)
        carol:receive "CANCEL"
        bob:reply(bob:receive "BYE", 200)
        finish()
    end)

    it("goes on when the transferor hangs up at once; BYE and REFER cross (RFC 5589 s6.1)", function()
        open()
        referred()
        notified(bob, "active")
        bob:ask "BYE"
        bob:receive { status = 200, method = "BYE" }
        alice:receive_nothing("BYE", 1)
        join(carol:receive "INVITE", alice)
        bob:receive_nothing("BYE", 1)
        talk(alice, carol)
        world.hang_up(alice, carol)
        finish()
        referred()
        notified(bob, "active")
        bob:ask "BYE"
        bob:receive { status = 200, method = "BYE" }
        carol:reply(carol:receive "INVITE", 603)
        alice:reply(alice:receive "BYE", 200)
        finish()
    end)

    it("crosses BYEs: of the transferor with ours, of the party that stays with the answer", function()
        open()
        referred()
        join(carol:receive "INVITE", alice)
        bob:ask "BYE"
        bob:receive { status = 200, method = "BYE" }
        bob:reply(bob:receive "BYE", 200)
        world.hang_up(alice, carol)
        finish()
        referred()
        local invite = carol:receive "INVITE"
        alice:ask "BYE"
        alice:receive { status = 200, method = "BYE" }
        carol:reply(invite, 200, { sdp = true })
        carol:receive "ACK"
        carol:reply(carol:receive "BYE", 200)
        bob:reply(bob:receive "BYE", 200)
        finish()
    end)

    it("waits for an offer that is under way, and tries again after 491 (RFC 3261 s14.1)", function()
        open()
        referred()
        local invite = carol:receive "INVITE"
        alice:reinvite { sdp = { "audio", direction = "sendonly" } }
        local own = bob:receive "INVITE"
        carol:reply(invite, 200, { sdp = true })
        alice:receive_nothing("INVITE", 1)
        bob:reply(own, 200, { sdp = { "audio", direction = "recvonly" } })
        alice:receive { status = 200, method = "INVITE" }
        local again = alice:receive "INVITE"
        alice:reinvite { sdp = true } -- meets ours
        alice:receive { status = 491, method = "INVITE" }
        alice:reply(again, 491)
        again = alice:receive("INVITE", 6)
        alice:reply(again, 200, { sdp = true })
        alice:receive "ACK"
        carol:receive "ACK"
        net:settle(1)
        world.hang_up(alice, carol)
        finish()
    end)

    it("ends the target's leg when the party that stays refuses its offer", function()
        open()
        referred()
        notified(bob, "active")
        carol:reply(carol:receive "INVITE", 200, { sdp = true })
        alice:reply(alice:receive "INVITE", 488)
        carol:receive "ACK"
        carol:reply(carol:receive "BYE", 200)
        assert.matches("^SIP/2.0 488", notified(bob, "terminated"))
        talk(alice, bob)
        world.hang_up(bob, alice)
        finish()
    end)

    it("with Replaces names the target's own dialog, of another call through us (RFC 3891, RFC 5589 s7)", function()
        open()
        world.answer(alice, bob, { sdp = true })
        local first = bob.call
        local erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
        erin:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        local dialog = erin:receive(200)
        bob:receive "ACK"
        local second = bob.call
        -- Bob has both on his telephone, and joins them
        local replaces = ("%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s"):format(second.id, second.remote_tag, second.local_tag)
        bob.call = first
        refer(bob, ("<sip:erin@192.0.2.11:5060?Replaces=%s>"):format(replaces))
        bob:receive(202)
        local invite = erin:receive "INVITE"
        assert.equal(("%s;to-tag=%s;from-tag=%s"):format(dialog:header "Call-ID", dialog:tag "From", dialog:tag "To"),
            invite:header "Replaces")
        assert.equal("replaces", invite:header "Require")
        local old = erin.calls[dialog:header "Call-ID"]
        erin:reply(invite, 200, { sdp = true })
        local again = alice:receive "INVITE"
        alice:reply(again, 200, { sdp = true })
        erin:receive "ACK"
        alice:receive "ACK"
        erin:request(old, "BYE") -- as RFC 3891 s3 has it
        for _ = 1, 2 do
            bob:reply(bob:receive "BYE", 200)
        end
        net:settle(1)
        erin.call = erin.calls[invite:header "Call-ID"]
        world.hang_up(alice, erin)
        net:settle(40)
        assert.equal(0, net:status().dialogs)
        assert.equal(0, net:status().transactions)
    end)

    it("with Replaces finds the target's own dialog on any other worker, too (RFC 5589 s7)", function()
        open(nil, nil, { workers = 4 })
        local erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
        for _ = 1, 8 do
            world.answer(alice, bob, { sdp = true })
            local first = bob.call
            erin:invite("sip:bob@example.net", { sdp = true })
            bob:reply(bob:receive "INVITE", 200, { sdp = true })
            local dialog = erin:receive(200)
            bob:receive "ACK"
            local second = bob.call
            bob.call = first
            refer(bob, ("<sip:erin@192.0.2.11:5060?Replaces=%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s>"):format(second.id,
                second.remote_tag, second.local_tag))
            bob:receive(202)
            assert.equal("SIP/2.0 100 Trying", notified(bob, "active"))
            local invite = erin:receive "INVITE"
            assert.equal(("%s;to-tag=%s;from-tag=%s"):format(dialog:header "Call-ID", dialog:tag "From",
                dialog:tag "To"), invite:header "Replaces")
            erin:reply(invite, 200, { sdp = true })
            alice:reply(alice:receive "INVITE", 200, { sdp = true })
            erin:receive "ACK"
            alice:receive "ACK"
            assert.equal("SIP/2.0 200 OK", notified(bob, "terminated"))
            erin:request(erin.calls[dialog:header "Call-ID"], "BYE")
            for _ = 1, 2 do
                bob:reply(bob:receive "BYE", 200)
            end
            erin:receive { status = 200, method = "BYE" }
            erin.call = erin.calls[invite:header "Call-ID"]
            world.hang_up(alice, erin)
        end
        net:settle(40)
        assert.equal(0, net:status().dialogs)
    end)

    it("with Replaces that knows one tag only stays as it is (RFC 3891 s3)", function()
        open()
        world.answer(alice, bob, { sdp = true })
        local first = bob.call
        local erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
        erin:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        erin:receive(200)
        bob:receive "ACK"
        local second = bob.call
        bob.call = first
        local guess = ("%s;to-tag=%s;from-tag=guessed"):format(second.id, second.remote_tag)
        local escaped = guess:gsub(";", "%%3B"):gsub("=", "%%3D")
        refer(bob, ("<sip:carol@10.0.0.21:5060?Replaces=%s>"):format(escaped))
        bob:receive(202)
        local invite = carol:receive "INVITE"
        assert.equal(guess, invite:header "Replaces")
        carol:reply(invite, 481)
        net:settle(1)
        world.hang_up(alice, bob)
        bob.call = second
        erin:hangup()
        bob:reply(bob:receive "BYE", 200)
        net:settle(40)
        assert.equal(0, net:status().dialogs)
    end)

    it("is the script's to make, too: call:transfer", function()
        open("", [[
            sip.timer.after(5, function()
                local ok, err = call:transfer("sip:carol@10.0.0.21:5060")
                sip.log.info("begun: %s %s", tostring(ok), tostring(err))
                sip.log.info("twice: %s", tostring(call:transfer("sip:carol@10.0.0.21:5060")))
            end)
            sip.timer.after(20, function() call:hangup() end)
        ]])
        world.answer(alice, bob, { sdp = true })
        net:advance(6)
        assert.truthy(net:logged "begun: true nil")
        assert.truthy(net:logged "twice: nil")
        join(carol:receive "INVITE", alice)
        assert.equal(0, world.count_received(net, "bob", "NOTIFY"))
        bob:reply(bob:receive "BYE", 200)
        net:advance(20)
        for _, agent in ipairs { alice, carol } do
            agent:reply(agent:receive "BYE", 200)
        end
        assert.truthy(net:logged "end: script by engine")
        finish()
    end)

    it("is refused with what is wrong with it (RFC 3515 s2.4.2, s2.4.4)", function()
        open(HANDLE, nil, { conf = { limits = { branches = 1 } } })
        world.answer(alice, bob, { sdp = true })
        for _, target in ipairs { "tel:1234", "<sip:carol@10.0.0.21;method=BYE>",
            "<sip:carol@10.0.0.21?Replaces=a%0D%0AX>" } do
            refer(bob, target)
            bob:receive { status = 400, method = "REFER" }
        end
        bob:ask "REFER"
        bob:receive { status = 400, method = "REFER" }
        refer(bob)
        bob:receive(202)
        carol:reply(carol:receive "INVITE", 486)
        refer(bob)
        bob:receive { status = 403, method = "REFER" } -- limits.branches
        bob:ask("NOTIFY", { headers = { Event = "refer" } })
        bob:receive { status = 489, method = "NOTIFY" }
        world.hang_up(bob, alice)
        finish()
    end)

    it("counts for limits.branches where it cannot even be sent, too", function()
        open(HANDLE, nil, { conf = { limits = { branches = 3 } } })
        world.answer(alice, bob, { sdp = true })
        for _, status in ipairs { 404, 404, 404, 403, 403 } do
            refer(bob, "<sip:carol@[2001:db8::1]>")
            bob:receive { status = status, method = "REFER" }
        end
        assert.equal(2, net:status().counters["route.branch_limit"])
        world.hang_up(bob, alice)
        finish()
    end)

    it("passes to the other party where the script wants that", function()
        open [[refer = "pass"]]
        world.answer(alice, bob, { sdp = true })
        refer(bob, "<sip:carol@example.net>", { ["Referred-By"] = "<sip:bob@example.net>" })
        local passed = alice:receive "REFER"
        assert.equal("<sip:carol@example.net>", passed:header "Refer-To")
        assert.equal("<sip:bob@example.net>", passed:header "Referred-By")
        assert.equal("<sip:bob@192.0.2.1:5060>", passed:header "Contact")
        alice:reply(passed, 202)
        bob:receive(202)
        alice:ask("NOTIFY", {
            headers = { Event = "refer", ["Subscription-State"] = "terminated;reason=noresource" },
            body = "SIP/2.0 200 OK\r\n", content_type = "message/sipfrag;version=2.0",
        })
        assert.equal("SIP/2.0 200 OK", notified(bob, "terminated"))
        alice:receive { status = 200, method = "NOTIFY" }
        world.hang_up(alice, bob)
        finish()
    end)

    it("passes, and its NOTIFY may find no subscription any more: the call goes on (RFC 5057 s5.1)", function()
        open [[refer = "pass"]]
        world.answer(alice, bob, { sdp = true })
        for _, status in ipairs { 481, 408 } do
            alice:ask("NOTIFY", {
                headers = { Event = "refer", ["Subscription-State"] = "terminated;reason=noresource" },
                body = "SIP/2.0 200 OK\r\n", content_type = "message/sipfrag;version=2.0",
            })
            bob:reply(bob:receive "NOTIFY", status)
            if status == 481 then alice:receive { status = 481, method = "NOTIFY" } end -- 408: RFC 4320 s4.2
        end
        bob:receive_nothing("BYE", 1)
        talk(alice, bob)
        world.hang_up(alice, bob)
        finish()
    end)

    it("is refused where the script says nothing: whoever may refer makes us call anybody", function()
        open ""
        world.answer(alice, bob, { sdp = true })
        refer(bob)
        assert.is_nil(bob:receive(405):header "Allow":find "REFER")
        bob:ask("NOTIFY", { headers = { Event = "refer" } })
        bob:receive(489)
        world.hang_up(alice, bob)
        finish()
    end)
end)
