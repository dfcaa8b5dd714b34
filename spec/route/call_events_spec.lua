-- What a script hears of a call of two legs: call:on("ringing" | "answer" | "dtmf" | "end", fn); keys that are pressed
-- come as telephone-events of the relay (RFC 4733) and in INFO (RFC 6086).
local world = require "route.world"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    local call = assert(sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" },
    }))
    local function tell(event)
        sip.log.info("%s status=%s digit=%s ms=%s from=%s via=%s reason=%s by=%s", event.name, tostring(event.status),
            tostring(event.digit), tostring(event.duration_ms), tostring(event.from), tostring(event.via),
            tostring(event.reason), tostring(event.ended_by))
        if event.digit == "*" then
            assert(event.call:hangup "SIP;cause=200")
        elseif event.digit == "#" then
            assert(event.call:on "dtmf") -- enough
        elseif event.digit == "9" then
            sip.sleep(1)
            sip.log.info "slept"
        end
    end
    for _, name in ipairs { "ringing", "answer", "dtmf", "end" } do
        assert(call:on(name, tell))
    end
    sip.timer.after(100, function()
        local ok, err = call:on("end", tell)
        sip.log.info("late: %s %s", tostring(ok), tostring(err))
    end)
end
]]

describe("what a script hears of a call of two legs", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { route = ROUTE }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    local function count(pattern)
        return world.count_logged(net, pattern)
    end

    local function finish()
        world.finish(net)
    end

    it("is each other provisional response, the answer, and the end with its reason", function()
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        for _, status in ipairs { 180, 180, 183 } do
            bob:reply(invite, status)
        end
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        assert.equal(1, count "ringing status=180")
        assert.equal(1, count "ringing status=183")
        assert.truthy(net:logged "answer status=200")
        world.hang_up(bob, alice)
        assert.truthy(net:logged "end status=nil .* reason=bye by=callee")
        net:advance(101)
        assert.truthy(net:logged "late: nil the call has ended")
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        assert.truthy(net:logged "end status=486 .* reason=failed by=nil")
        finish()
    end)

    it("are keys among the RTP of either party, each once (RFC 4733 s2.5.1.4)", function()
        world.answer(alice, bob, { sdp = true })
        alice:send_rtp(3)
        alice:dial "12"
        bob:dial "D"
        net:advance(2)
        for _, line in ipairs { "digit=1 ms=60 from=caller via=rtp", "digit=2 ms=60 from=caller via=rtp",
            "digit=D ms=60 from=callee via=rtp" } do
            assert.equal(1, count(line), line)
        end
        assert.equal(3, net:status().counters["media.dtmf"])
        assert.equal(13, bob:received_rtp()[1].packets) -- they pass all the same
        world.hang_up(alice, bob)
        finish()
    end)

    it("are keys in INFO, which passes all the same", function()
        world.answer(alice, bob, { sdp = true })
        local bodies = {
            { alice, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "digit=5 ms=160 from=caller via=info" },
            { bob, "application/dtmf-relay", "Duration= 90\r\nSignal= 11\r\n", "digit=# ms=90 from=callee via=info" },
            { alice, "application/dtmf; charset=utf-8", "8", "digit=8" }, -- not heard: the # ended that
            { alice, "text/plain", "7", "digit=7" },
        }
        for i, given in ipairs(bodies) do
            local from, to = given[1], given[1] == alice and bob or alice
            from:ask("INFO", { content_type = given[2], body = given[3] })
            local info = to:receive "INFO"
            assert.equal(given[3], info.body)
            to:reply(info, 200)
            from:receive(200)
            assert.equal(i <= 2 and 1 or 0, count(given[4]), given[4])
        end
        world.hang_up(alice, bob)
        finish()
    end)

    it("may end the call, or wait in the function while the call goes on and ends", function()
        world.answer(alice, bob, { sdp = true })
        alice:ask("INFO", { content_type = "application/dtmf", body = "9" })
        bob:reply(bob:receive "INFO", 200)
        alice:receive(200)
        alice:ask("INFO", { content_type = "application/dtmf", body = "*" })
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.equal("SIP;cause=200", bye:header "Reason")
            agent:reply(bye, 200)
        end
        assert.truthy(net:logged "end .* reason=script by=engine")
        net:advance(2)
        assert.truthy(net:logged "slept")
        finish()
    end)

    it("belongs to the generation that the call began in", function()
        world.answer(alice, bob, { sdp = true })
        assert(net:reload { source = "function request_route(req) req:reply(503) end" })
        bob:dial "4"
        net:advance(1)
        assert.equal(1, count "digit=4")
        world.hang_up(bob, alice)
        assert.truthy(net:logged "reason=bye by=callee")
        finish()
    end)

    it("is not told faster than anybody dials", function()
        world.answer(alice, bob, { sdp = true })
        for stamp = 1, 50 do -- fifty digits in fifty packets at once
            alice.call.streams[1].rtp:send(alice.call.streams[1].peer,
                "\128\101" .. string.char(0, stamp) .. string.char(0, 0, stamp, 0) .. "\0\0\0\1" .. "\3\128\0\80")
        end
        net:advance(1)
        assert.equal(1, net:status().counters["media.dtmf"])
        assert.is_true(net:status().counters["media.dtmf_dropped"] >= 48)
        world.hang_up(alice, bob)
        finish()
    end)
end)

describe("call:on", function()
    it("says what is wrong with its arguments", function()
        local net, alice = world.open { body = [[
            local call = assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
            for _, arguments in ipairs { { "tone", print }, { "dtmf", 5 }, { 7, print } } do
                local ok, err = pcall(call.on, call, arguments[1], arguments[2])
                assert(not ok)
                sip.log.info("%s", err)
            end
            call:hangup()
        ]] }
        alice:invite "sip:bob@example.net"
        alice:receive(503)
        assert.truthy(net:logged "there is no event 'tone'")
        assert.truthy(net:logged "a function is expected, not a number")
        assert.truthy(net:logged "an event is a text, not a number")
        net:close()
    end)
end)
