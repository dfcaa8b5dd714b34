-- ctl calls show: the story of a call, from the flight recorder.
local world = require "route.world"

describe("the story of a call", function()
    local net, alice, bob

    after_each(function()
        net:close()
    end)

    local function open(options)
        local callees
        options = options or {}
        options.body = options.body or world.TO_BOB
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    -- Its messages; what was decided about it stands apart.
    local function story(id)
        local lines = {}
        for _, entry in ipairs(net:command("calls", "show", id).data or {}) do
            assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", entry.time)
            if entry.direction == "--" then goto next end
            lines[#lines + 1] = ("%d %s %s %s %s %s"):format(entry.ms, entry.direction, entry.interface, entry.peer,
                entry.line:gsub(" SIP/2.0$", ""):gsub("^SIP/2.0 ", ""), entry.cseq)
            ::next::
        end
        return lines
    end

    it("is each of its messages, in order, while it runs and afterwards", function()
        open { workers = 3 }
        alice:invite "sip:bob@example.net"
        local id, invite = alice.call.id, bob:receive "INVITE"
        net:advance(0.4)
        bob:reply(invite, 200)
        alice:receive(200)
        bob:receive "ACK"
        assert.equal(7, #story(id))
        world.hang_up(bob, alice)
        world.answer(alice, bob) -- another one
        world.hang_up(bob, alice)
        assert.equal(11, #story(id))
        assert.same({
            "0 in public 192.0.2.10:5060 INVITE sip:bob@example.net 1 INVITE",
            "0 out private 10.0.0.20:5060 INVITE sip:bob@example.net 1 INVITE",
            "0 out public 192.0.2.10:5060 100 Trying 1 INVITE",
        }, { unpack(story(id), 1, 3) })
        assert.equal("400 in private 10.0.0.20:5060 200 OK 1 INVITE", story(id)[4])
        assert.equal("400 out public 192.0.2.10:5060 BYE sip:alice@192.0.2.10:5060 1 BYE", story(id)[9])
    end)

    -- Messages by their start lines, decisions as they are told, without the folder of the script.
    local function decisions(id)
        local lines = {}
        for _, entry in ipairs(net:command("calls", "show", id).data or {}) do
            local line = entry.line:gsub(" SIP/2.0$", ""):gsub("^SIP/2.0 ", ""):gsub(" %S+(:%d+)$", " script%1")
            lines[#lines + 1] = ("%s %s"):format(entry.direction, line)
        end
        return lines
    end

    it("tells what the script decided, in which route and line, and what it logged", function()
        open {
            conf = { dispatcher = { sets = { [1] = { "sip:10.0.0.20:5060" } } } },
            body = [[
                sip.log.info("for $rU")
                sip.log.debug("not for the story")
                sip.dispatcher.select(req, 1, "priority")
                req:record_route()
                req:relay { interface = "private", on_failure = "NEXT" }
            ]],
            more = [[function failure_route.NEXT(req, reply)
                sip.log.warning("%d", reply.status)
                req:reply(480)
            end]],
        }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(480)
        net:advance(0.01)
        assert.same({
            "in INVITE sip:bob@example.net",
            "-- log info: for bob",
            "-- dispatcher set 1 sip:10.0.0.20:5060: request_route script:13",
            "-- relay to sip:10.0.0.20:5060: request_route script:15",
            "out INVITE sip:bob@example.net",
            "out 100 Trying",
            "in 486 Busy Here",
            "out ACK sip:bob@example.net",
            "-- log warning: 486",
            "-- reply 480: failure_route.NEXT script:20",
            "out 480 Temporarily Unavailable",
            "in ACK sip:bob@example.net",
        }, decisions(alice.call.id))
    end)

    it("of a call whose Call-ID is masked is told by either", function()
        open { workers = 3, body = [[
            sip.dialog.track(req, { hide = true, hide_call_id = true })
            req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
        ]] }
        local invite = world.answer(alice, bob)
        local id = alice.call.id
        world.hang_up(bob, alice)
        local whole = story(id)
        assert.equal(11, #whole)
        assert.same(whole, story(invite:header "Call-ID"))
    end)

    it("of two legs is both of them, and those of a transfer, told by any of their Call-IDs", function()
        local callees
        net, alice, callees = world.open { workers = 3, body = [[
            local call = sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" })
            call:on("answer", function() call:transfer "sip:carol@10.0.0.21:5060" end)
        ]] }
        bob = callees.bob
        local invite = world.answer(alice, bob, { sdp = true })
        local id, carol = alice.call.id, callees.carol
        local again = carol:receive("INVITE", 5)
        carol:reply(again, 200, { sdp = true })
        alice:reply(alice:receive "INVITE", 200, { sdp = true })
        carol:receive "ACK"
        bob:reply(bob:receive "BYE", 200)
        world.hang_up(carol, alice)
        local whole, lines, found = story(id), {}, 0
        for _, entry in ipairs(net:command("calls", "show", id).data) do
            lines[#lines + 1] = entry.direction .. " " .. entry.line
        end
        local told = table.concat(lines, "\n")
        for _, line in ipairs {
            "-- bridge to sip:bob@10.0.0.20:5060: request_route ", "out INVITE sip:bob@10.0.0.20:5060",
            "-- transfer the callee to sip:carol@10.0.0.21:5060: ", "out INVITE sip:carol@10.0.0.21:5060",
            "out BYE sip:bob@",
        } do
            local at = told:find(line, found + 1, true)
            assert.is_truthy(at, line .. "\n" .. told)
            found = at
        end
        assert.same(whole, story(invite:header "Call-ID"))
        assert.same(whole, story(again:header "Call-ID"))
    end)

    it("is not known of a call that never was", function()
        open()
        local answer = net:command("calls", "show", "nobody")
        assert.equal(1, answer.code)
        assert.matches("knows no such call", answer.text)
        assert.equal(2, net:command("calls", "show").code)
    end)

    it("has no place for what phones say all day", function()
        open { body = [[ req:reply(200) ]] }
        alice:send(world.raw { method = "OPTIONS", call_id = "Call-ID: probe" })
        alice:receive(200)
        assert.same({}, story "probe")
        alice:send(world.raw { method = "MESSAGE", call_id = "Call-ID: said", branch = "said" })
        alice:receive(200)
        assert.equal(2, #story "said")
    end)

    it("is not kept with dialog.recorder_mib = 0", function()
        open { conf = { dialog = { recorder_mib = 0 } } }
        world.answer(alice, bob)
        assert.same({}, story(alice.call.id))
        world.hang_up(alice, bob)
    end)
end)
