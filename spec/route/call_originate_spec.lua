-- A call that begins here: sip.call.originate calls one party and then another, and joins them (RFC 3725 s4.3).
local lab = require "lunasip.lab"
local world = require "route.world"

-- The script originates when it is told to by OPTIONS, from a timer: a handler that has no call.
local ROUTE = [[
local sip = require "lunasip"
local calls = {}
local function log(event)
    sip.log.info("%%s from=%%s status=%%s reason=%%s by=%%s", event.name, tostring(event.from), tostring(event.status),
        tostring(event.reason), tostring(event.ended_by))
end
local function call()
    local call, err = sip.call.originate {
        from = "sip:alice@192.0.2.10:5060", to = "sip:bob@10.0.0.20:5060", from_interface = "public",
        interface = "private", media = { from = "public", to = "private" }, on_end = log, %s
    }
    sip.log.info("originated: %%s", call and "yes" or err)
    if not call then return end
    calls[1] = call
    call:on("ringing", log)
    call:on("answer", log)
    call:on("transfer", log)
    call:on("dtmf", function(event) sip.log.info("key %%s of the %%s", event.digit, event.from) end)
    %s
end
function request_route(req)
    if req.method == "OPTIONS" then
        if req:header "X-End" then calls[1]:hangup('Q.850;cause=16') else sip.timer.after(0.1, call) end
        return req:reply(200)
    end
    if req.method ~= "ACK" then req:reply(481) end
end
event_route["dialog:start"] = function(event) sip.log.info("start %%s", event.from_uri) end
event_route["dialog:answer"] = function(event) sip.log.info("answered %%s", event.to_uri) end
event_route["dialog:failed"] = function(event) sip.log.info("failed %%s", tostring(event.status)) end
]]

describe("a call that begins here (RFC 3725 s4.3)", function()
    local net, alice, bob, carol, click

    local function open(options, more, given)
        local callees
        given = given or {}
        given.route = ROUTE:format(options or "", more or "")
        net, alice, callees = world.open(given)
        bob, carol = callees.bob, callees.carol
        click = net:agent { name = "click", address = "192.0.2.99:5060" }
    end

    after_each(function()
        net:close()
    end)

    local said = 0

    local function ask(header)
        said = said + 1
        click:send(world.raw {
            method = "OPTIONS", uri = "sip:click@192.0.2.1", call_id = "Call-ID: click-" .. said,
            via = "Via: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bKclick" .. said, headers = { header },
        })
        click:receive(200)
    end

    local function say(header)
        ask(header)
        net:advance(0.2)
    end

    local function finish()
        world.finish_hidden(net)
        assert.equal(0, net:status().counters["script.error"])
    end

    -- Alice answers and hears nothing yet. @return the INVITE to bob
    local function answer_first()
        say()
        local invite = alice:receive "INVITE"
        assert.equal("", invite.body)
        alice:reply(invite, 180)
        alice:reply(invite, 200, { sdp = true })
        local held = alice:receive "ACK".body
        assert.matches("m=audio 9 RTP/AVP", held)
        assert.matches("c=IN IP4 0.0.0.0", held, 1, true)
        return bob:receive "INVITE", invite
    end

    local function join(invite)
        bob:reply(invite, 200, { sdp = true })
        local again = alice:receive "INVITE"
        assert.matches("m=audio", again.body)
        alice:reply(again, 200, { sdp = true })
        alice:receive "ACK"
        assert.matches("m=audio", bob:receive "ACK".body)
        return again
    end

    local function talk(first, second)
        world.talk(net, first, second)
    end

    it("rings the first, then the second, and joins them through the relay", function()
        open()
        local invite, first = answer_first()
        assert.equal("sip:bob@10.0.0.20:5060", invite.uri)
        assert.equal("", invite.body)
        assert.not_equal(first:header "Call-ID", invite:header "Call-ID")
        assert.matches("^<sip:alice@10.0.0.1>", invite:header "From")
        assert.matches("^<sip:bob@192.0.2.1>", first:header "From")
        bob:reply(invite, 180)
        local again = join(invite)
        assert.equal(first:header "Call-ID", again:header "Call-ID")
        talk(alice, bob)
        for _, line in ipairs {
            "originated: yes", "start sip:alice@192.0.2.10:5060", "ringing from=caller status=180",
            "answer from=caller status=200", "ringing from=callee status=180", "answer from=callee status=200",
            "answered sip:bob@10.0.0.20:5060",
        } do
            assert.truthy(net:logged(line), line)
        end
        world.hang_up(alice, bob)
        assert.truthy(net:logged "end from=nil status=nil reason=bye by=caller")
        assert.equal(1, net:status().counters["call.originated"])
        finish()
    end)

    it("passes what either says afterwards: re-INVITE both ways, INFO, keys, BYE of the second", function()
        open()
        join(answer_first())
        alice:ask("INFO", { content_type = "application/dtmf-relay", body = "Signal=5\r\n" })
        bob:reply(bob:receive "INFO", 200)
        alice:receive(200)
        assert.truthy(net:logged "key 5 of the caller")
        world.ask(bob, alice, "INVITE", { sdp = true })
        world.ask(alice, bob, "INVITE", { sdp = true })
        talk(alice, bob)
        world.hang_up(bob, alice)
        assert.truthy(net:logged "reason=bye by=callee")
        finish()
    end)

    it("cancels the second when the first hangs up while it rings (RFC 3261 s9.1)", function()
        open()
        local invite = answer_first()
        bob:reply(invite, 180)
        alice:ask "BYE"
        alice:receive { status = 200, method = "BYE" }
        bob:receive "CANCEL"
        assert.truthy(net:logged "reason=cancelled by=caller")
        finish()
    end)

    it("says BYE with Reason to the first when the second refuses (RFC 3326)", function()
        open()
        for _, case in ipairs { { 486, 486 }, { 603, 603 }, { 302, 480 }, { 401, 401 } } do
            local invite = answer_first()
            bob:reply(invite, case[1])
            local bye = alice:receive "BYE"
            assert.matches("SIP;cause=" .. case[2] .. ";text=", bye:header "Reason")
            alice:reply(bye, 200)
            assert.truthy(net:logged("failed " .. case[2]))
            finish()
        end
    end)

    it("says so to the script when the first refuses, or does not answer", function()
        open "ringing_timeout_ms = 20000"
        say()
        alice:reply(alice:receive "INVITE", 486)
        alice:receive "ACK"
        assert.truthy(net:logged "end from=nil status=486 reason=failed")
        say()
        alice:reply(alice:receive "INVITE", 180)
        net:advance(19)
        alice:receive_nothing("CANCEL", 0.5)
        net:advance(1)
        local cancel = alice:receive "CANCEL"
        alice:reply(cancel, 200)
        assert.truthy(net:logged "failed 408")
        bob:receive_nothing("INVITE", 1)
        net:settle(40)
    end)

    it("gives up a party that says nothing (timeout_ms)", function()
        open("timeout_ms = 3000", nil, { auto_cancel = true })
        answer_first()
        net:advance(3)
        local bye = alice:receive "BYE"
        assert.matches("cause=408", bye:header "Reason")
        alice:reply(bye, 200)
        finish()
    end)

    it("ends the second whose 200 crosses the BYE of the first", function()
        open()
        local invite = answer_first()
        net:impair { delay = 0.05 }
        bob:reply(invite, 200, { sdp = true })
        alice:ask "BYE"
        alice:receive { status = 200, method = "BYE" }
        net:settle(1)
        bob:reply(bob:receive "BYE", 200)
        net:settle(40)
    end)

    it("ends a first whose 200 crosses our CANCEL", function()
        open()
        say()
        local invite = alice:receive "INVITE"
        alice:reply(invite, 180)
        say "X-End: 1"
        local cancel = alice:receive "CANCEL"
        assert.equal("Q.850;cause=16", cancel:header "Reason")
        alice:reply(cancel, 200)
        alice:reply(invite, 200, { sdp = true })
        alice:receive "ACK"
        alice:reply(alice:receive "BYE", 200)
        assert.truthy(net:logged "reason=script by=engine")
        finish()
    end)

    it("answers challenges of either with the credentials (RFC 3261 s22)", function()
        open [[credentials = { username = "office", password = "secret" }]]
        say()
        local invite = alice:receive "INVITE"
        alice:reply(invite, 401, { headers = { ["WWW-Authenticate"] = 'Digest realm="a", nonce="n1"' } })
        invite = alice:receive "INVITE"
        assert.matches('username="office"', invite:header "Authorization")
        alice:reply(invite, 200, { sdp = true })
        alice:receive "ACK"
        local second = bob:receive "INVITE"
        bob:reply(second, 407, { headers = { ["Proxy-Authenticate"] = 'Digest realm="b", nonce="n2"' } })
        second = bob:receive "INVITE"
        assert.matches('realm="b"', second:header "Proxy-Authorization")
        bob:reply(second, 200, { sdp = true })
        local again = alice:receive "INVITE"
        alice:reply(again, 401, { headers = { ["WWW-Authenticate"] = 'Digest realm="a", nonce="n3"' } })
        again = alice:receive "INVITE"
        assert.matches('nonce="n3"', again:header "Authorization")
        assert.matches('uri="sip:alice@192.0.2.10', again:header "Authorization")
        alice:reply(again, 200, { sdp = true })
        alice:receive "ACK"
        bob:receive "ACK"
        world.hang_up(alice, bob)
        finish()
    end)

    it("follows redirections of either when the script wants it (s8.1.3.4)", function()
        open [[redirect = "follow"]]
        local erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
        say()
        alice:reply(alice:receive "INVITE", 302, { headers = { Contact = "<sip:erin@192.0.2.11:5060>" } })
        erin:reply(erin:receive "INVITE", 200, { sdp = true })
        erin:receive "ACK"
        bob:reply(bob:receive "INVITE", 302, { headers = { Contact = "<sip:carol@10.0.0.21:5060>" } })
        carol:reply(carol:receive "INVITE", 200, { sdp = true })
        erin:reply(erin:receive "INVITE", 200, { sdp = true })
        erin:receive "ACK"
        carol:receive "ACK"
        world.hang_up(carol, erin)
        net:settle(40)
    end)

    it("tries again after glare: the first offers while the second answers (s14.1)", function()
        open()
        local invite = answer_first()
        alice:reinvite { sdp = true }
        alice:receive(491)
        bob:reply(invite, 200, { sdp = true })
        local again = alice:receive "INVITE"
        alice:reply(again, 491)
        alice:receive "ACK"
        net:advance(5)
        alice:reply(alice:receive "INVITE", 200, { sdp = true })
        alice:receive "ACK"
        bob:receive "ACK"
        talk(alice, bob)
        world.hang_up(bob, alice)
        finish()
    end)

    it("answers what the first says while the second rings: keys, OPTIONS, REFER", function()
        open([[refer = "handle"]])
        local invite = answer_first()
        alice:ask("INFO", { content_type = "application/dtmf", body = "7" })
        alice:receive(200)
        assert.truthy(net:logged "key 7 of the caller")
        alice:ask "OPTIONS"
        assert.matches("INVITE", alice:receive(200):header "Allow")
        alice:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
        alice:receive(491)
        alice:ask "MESSAGE"
        alice:receive(480)
        join(invite)
        world.hang_up(alice, bob)
        finish()
    end)

    it("repeats the ACK to a first that did not get it, and to the second (s13.2.2.4)", function()
        open()
        say()
        local invite = alice:receive "INVITE"
        alice:reply(invite, 200, { sdp = true })
        alice:receive "ACK"
        alice:reply(invite, 200, { sdp = true })
        assert.matches("c=IN IP4 0.0.0.0", alice:receive "ACK".body, 1, true)
        local second = bob:receive "INVITE"
        join(second)
        bob:reply(second, 200, { sdp = true })
        assert.matches("m=audio", bob:receive "ACK".body)
        world.hang_up(alice, bob)
        finish()
    end)

    it("can be transferred like any other (RFC 5589 s6.1)", function()
        open [[refer = "handle"]]
        join(answer_first())
        world.replace(bob, alice, carol)
        assert.truthy(net:logged "transfer from=nil status=200")
        world.hang_up(alice, carol)
        finish()
    end)

    it("ends a first that brings no offer, or one that cannot be held (RFC 3264)", function()
        open()
        for _, answer in ipairs {
            {}, { content_type = "application/sdp", body = "v=0\r\nm=audio 4000 RTP/SAVP 0\r\n" },
        } do
            say()
            alice:reply(alice:receive "INVITE", 200, answer)
            alice:receive "ACK"
            alice:reply(alice:receive "BYE", 200)
            assert.truthy(net:logged "failed 488")
            net:settle(40)
        end
    end)

    it("counts in profiles, lasts as long as it may, and has variables (sip.dialog.track)", function()
        open("", [[
            local dlg
            dlg = assert(sip.dialog.track(call, { max_duration_s = 30, on_end = function(event)
                sip.log.info("tracked %s %s", event.reason, tostring(dlg.vars.who))
            end }))
            dlg.vars.who = "click"
            assert(dlg:set_profile("click", "out", { limit = 1 }))
            sip.log.info("count %d", sip.dialog.count("click"))
        ]])
        join(answer_first())
        assert.truthy(net:logged "count 1")
        net:advance(29)
        alice:receive_nothing("BYE", 0.5)
        net:advance(1)
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.matches("Maximum duration", bye:header "Reason")
            agent:reply(bye, 200)
        end
        assert.truthy(net:logged "reason=duration by=engine")
        assert.truthy(net:logged "tracked duration click")
        finish()
    end)

    local AUDIO = "v=0\r\no=x 7 7 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0 8\r\n"
    local VIDEO = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"

    local function lines_of(body, kind)
        local out = {}
        for line in body:gmatch("(" .. kind .. "=[^\r\n]*)") do out[#out + 1] = line end
        return out
    end

    local function sdp(body)
        return { content_type = "application/sdp", body = body }
    end

    for _, media in ipairs { "media = false,", "" } do
        it("is one session to the first: one o=, and no stream goes (RFC 3264 s8) " .. media, function()
            open(media)
            say()
            local mine = AUDIO:format("192.0.2.10", "192.0.2.10", 4000)
            local its = AUDIO:format("10.0.0.20", "10.0.0.20", 5000)
            alice:reply(alice:receive "INVITE", 200, sdp(mine .. VIDEO))
            local held = alice:receive "ACK".body
            assert.same({ "m=audio 9 RTP/AVP 0 8", "m=video 9 RTP/AVP 96" }, lines_of(held, "m"))
            assert.same({ "o=- 1 1 IN IP4 192.0.2.1" }, lines_of(held, "o"))
            local second = bob:receive "INVITE"
            bob:reply(second, 200, sdp(its))
            for version = 2, 3 do
                local again = alice:receive "INVITE"
                assert.same({ ("o=- 1 %d IN IP4 192.0.2.1"):format(version) }, lines_of(again.body, "o"))
                local streams = lines_of(again.body, "m")
                assert.equal(2, #streams)
                assert.equal("m=video 0 RTP/AVP 96", streams[2])
                alice:reply(again, 200, sdp(mine .. "m=video 0 RTP/AVP 96\r\n"))
                local answer = version == 2 and bob:receive "ACK" or bob:receive { status = 200, method = "INVITE" }
                assert.equal(1, #lines_of(answer.body, "m"))
                alice:receive "ACK"
                if version == 2 then
                    bob:request(bob.calls[second:header "Call-ID"], "INVITE", sdp(its))
                end
            end
            world.hang_up(alice, bob)
            net:settle(40)
        end)
    end

    it("leaves a record: who was called, when each answered, what the relay measured", function()
        open("", nil, { conf = { records = {} } })
        join(answer_first())
        talk(alice, bob)
        world.hang_up(bob, alice)
        bob:reply(answer_first(), 486)
        alice:reply(alice:receive "BYE", 200)
        answer_first()
        alice:ask "BYE"
        alice:receive { status = 200, method = "BYE" }
        say()
        alice:reply(alice:receive "INVITE", 404)
        alice:receive "ACK"
        net:settle(40)
        local records = net:records()
        assert.equal(4, #records)
        local answered = records[1]
        assert.same({ "answered", 200, "bye", "callee", "sip:alice@192.0.2.10:5060", "sip:bob@10.0.0.20:5060" },
            { answered.outcome, answered.status, answered["end"], answered.ended_by, answered.caller.uri,
                answered.to_uri })
        assert.same({ "192.0.2.10:5060", "public", "10.0.0.20:5060", "private" },
            { answered.caller.source, answered.caller.interface, answered.callee.source, answered.callee.interface })
        assert.same({ 10, 10 }, { answered.media[1].caller.packets, answered.media[1].callee.packets })
        assert.is_true(answered.times_ms.answer >= answered.times_ms.invite)
        local tried = {}
        for i, record in ipairs(records) do
            tried[i] = { record.outcome, record.status }
            for _, one in ipairs(record.tries) do
                table.insert(tried[i], one.uri:match "sip:(%a+)" .. " " .. tostring(one.status))
            end
        end
        assert.same({
            { "answered", 200, "alice 200", "bob 200" }, { "failed", 486, "alice 200", "bob 486" },
            { "cancelled", 487, "alice 200", "bob nil" }, { "failed", 404, "alice 404" },
        }, tried)
    end)

    it("goes on across a reload, with the functions of its script", function()
        open()
        local invite = answer_first()
        assert(net:reload { source = "function request_route(req) req:reply(403) end" })
        join(invite)
        talk(alice, bob)
        world.hang_up(alice, bob)
        assert.truthy(net:logged "answer from=callee status=200")
        assert.truthy(net:logged "end from=nil status=nil reason=bye by=caller")
        finish()
    end)

    it("belongs to the worker that began it, whichever that is", function()
        open("", nil, { workers = 4 })
        for _ = 1, 8 do
            join(answer_first())
            world.hang_up(bob, alice)
        end
        assert.equal(8, net:status().counters["call.originated"])
        finish()
    end)

    it("is begun no more than limits.dialogs allow", function()
        open("", nil, { conf = { limits = { dialogs = 1 } } })
        local invite = answer_first()
        ask()
        net:advance(0.2)
        assert.truthy(net:logged "originated: a configured limit is reached")
        assert.equal(1, net:status().counters["dialog.limit"])
        join(invite)
        world.hang_up(alice, bob)
        finish()
    end)

    it("is ended by ctl while the second rings, which is cancelled", function()
        open()
        local invite = answer_first()
        bob:reply(invite, 180)
        assert.equal(0, net:command("calls", "end", net:calls()[1].call_id).code)
        bob:receive "CANCEL"
        assert.matches("Ended by the operator", alice:receive "BYE":header "Reason")
        net:settle(40)
    end)

    it("is ended by ctl while the first rings", function()
        open()
        say()
        alice:reply(alice:receive "INVITE", 180)
        assert.equal(0, net:command("calls", "end", net:calls()[1].call_id).code)
        alice:reply(alice:receive "CANCEL", 200)
        net:settle(40)
    end)

    it("is not begun while the engine drains, and says why it is not", function()
        open()
        ask()
        assert.equal(0, net:command("drain").code)
        net:advance(0.2)
        assert.truthy(net:logged "originated: no new calls are taken")
        alice:receive_nothing("INVITE", 1)
    end)
end)

describe("sip.call.originate", function()
    local function fault(options)
        local net = lab.new { route = ([[
            local sip = require "lunasip"
            function request_route(req)
                local ok, call, err = pcall(sip.call.originate, %s)
                sip.log.info("%%s|%%s", tostring(ok and call), tostring(ok and err or call))
                req:reply(200)
            end
        ]]):format(options) }
        local click = net:agent { name = "click", address = "192.0.2.99:5060" }
        click:send(world.raw {
            method = "OPTIONS", uri = "sip:click@192.0.2.1", via = "Via: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bK1",
        })
        click:receive(200)
        local log = net:logged "|"
        net:close()
        return log
    end

    it("returns nil and why, and has sent nothing", function()
        for options, text in pairs {
            [ [[{ from = "alice", to = "sip:bob@10.0.0.20" }]] ] = "nil|not a SIP URI",
            [ [[{ from = "sip:alice@192.0.2.10", to = "bob" }]] ] = "nil|not a SIP URI",
            [ [[{ from = "sip:alice@192.0.2.10", to = "sip:b@10.0.0.20", interface = "moon" }]] ] = "nil|not a SIP URI",
            [ [[{ from = "sip:alice@192.0.2.10", to = "sip:b@10.0.0.20", trunk = "moon" }]] ] = "nil|the configuration",
        } do
            assert.matches(text, fault(options), 1, true)
        end
    end)

    it("raises for misuse", function()
        for options, text in pairs {
            [ [["alice"]] ] = "a table of options is needed",
            [ [[{ from = "sip:a@b" }]] ] = "from and to are needed",
            [ [[{ from = "sip:a@b", to = "sip:c@d", form = 1 }]] ] = "no option 'form'",
            [ [[{ from = "sip:a@b", to = "sip:c@d", timeout_ms = 0.5 }]] ] = "timeout_ms is a whole number",
            [ [[{ from = "sip:a@b", to = "sip:c@d", from_headers = { Via = "x" } }]] ] = "Via is made by the engine",
        } do
            assert.matches(text, fault(options), 1, true)
        end
    end)
end)
