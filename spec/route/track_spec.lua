-- Calls in the script's hands: sip.dialog.track, its handle, its variables and its events. A proxy may end a call
-- only as each party would hear it from the other (RFC 3261 s12.2.1.1, s15.1.1); why is in Reason (RFC 3326).
local ffi = require "ffi"
local world = require "route.world"

local TO_BOB = [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]

-- What happened, one word each, kept where the spec can read it: in the next reply's X-Events.
local EVENTS = [[
seen = {}
local function note(event)
    local word = event.name .. ":" .. tostring(event.dialog and event.dialog.vars.account)
    word = word .. (event.reason and ":" .. event.reason or "")
    seen[#seen + 1] = word .. (event.status and ":" .. event.status or "")
end
event_route["dialog:start"] = note
event_route["dialog:answer"] = note
event_route["dialog:end"] = note
event_route["dialog:failed"] = note
]]

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

describe("a tracked call", function()
    local net, alice, bob

    local function open(body, more, options)
        options = options or {}
        options.body, options.more = body, more
        local callees
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    -- What the script noted: asked by a request of its own.
    local ASK = [[
        if req.method == "OPTIONS" then
            return req:reply(200, "OK", { headers = { ["X-Seen"] = table.concat(seen, " ") } })
        end
    ]]
    local function seen()
        local n = #net.journal
        alice:send(world.raw { method = "OPTIONS", branch = "seen" .. n, call_id = "Call-ID: asks" .. n })
        return alice:receive(200):header "X-Seen"
    end

    local function take_byes()
        local to_bob, to_alice = bob:receive "BYE", alice:receive "BYE"
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:settle()
        return to_bob, to_alice
    end

    it("is record-routed without a word, and ends by BYE to both when it has lasted long enough", function()
        open([[assert(sip.dialog.track(req, { max_duration_s = 30 })) ]] .. TO_BOB)
        local invite = world.answer(alice, bob)
        assert.truthy(invite:header "Record-Route")
        net:advance(29)
        assert.equal(1, net:status().dialogs)
        local to_bob, to_alice = take_byes()
        assert.equal([[SIP;cause=200;text="Maximum duration reached"]], to_bob:header "Reason")
        assert.equal([[SIP;cause=200;text="Maximum duration reached"]], to_alice:header "Reason")
        assert.same({ alice.call.local_tag, bob.call.local_tag }, { to_bob:tag "From", to_bob:tag "To" })
        assert.same({ bob.call.local_tag, alice.call.local_tag }, { to_alice:tag "From", to_alice:tag "To" })
        assert.equal(alice.call.cseq + 1, tonumber(to_bob:header("CSeq"):match "%d+"))
        assert.equal(0, net:status().dialogs)
        assert.equal(1, net:status().counters["dialog.duration"])
    end)

    it("counts its duration from the answer, not from the INVITE", function()
        open([[sip.dialog.track(req, { max_duration_s = 30 }) ]] .. TO_BOB)
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        net:advance(60)
        bob:reply(invite, 200)
        alice:receive(200)
        bob:receive "ACK"
        net:advance(29)
        assert.equal(1, net:status().dialogs)
        take_byes()
    end)

    it("is warned of before its duration is over, and may get more", function()
        open([[
            sip.dialog.track(req, { max_duration_s = 60, warn_s = 30 })
        ]] .. TO_BOB, [[
            event_route["dialog:warning"] = function(event)
                sip.log.info("%s after %d s", event.name, event.duration_s)
                if event.duration_s < 60 then event.dialog:set_max_duration(100) end
            end]])
        world.answer(alice, bob)
        net:advance(29.9)
        assert.is_nil(net:logged "dialog:warning")
        net:advance(39)
        assert.truthy(net:logged "dialog:warning after 30 s")
        assert.is_nil(net:logged "dialog:warning after 70 s")
        net:advance(2)
        assert.truthy(net:logged "dialog:warning after 70 s")
        assert.equal(1, net:status().dialogs)
        net:advance(28)
        take_byes()
    end)

    it("may get another duration while it lasts", function()
        open([[
            local dlg = sip.dialog.track(req, { max_duration_s = 30 })
            sip.timer.after(20, function() assert(dlg:set_max_duration(50)) end)
        ]] .. TO_BOB)
        world.answer(alice, bob)
        net:advance(49)
        assert.equal(1, net:status().dialogs)
        take_byes()
    end)

    it("is ended by dlg:bye with its reason", function()
        open([[
            local dlg = sip.dialog.track(req)
            sip.timer.after(3, function()
                assert(dlg.state == "confirmed" and dlg.duration_s > 2)
                assert(dlg:bye { reason = 'no "credit"' })
                assert(select(2, dlg:bye()) == "the call has ended")
            end)
        ]] .. TO_BOB)
        world.answer(alice, bob)
        local to_bob, to_alice = take_byes()
        assert.equal([[SIP;cause=200;text="no \"credit\""]], to_bob:header "Reason")
        assert.equal([[SIP;cause=200;text="no \"credit\""]], to_alice:header "Reason")
    end)

    it("is ended only when the answer that its handler saw has gone on", function()
        open([[sip.dialog.track(req) ]] .. TO_BOB, [[
            event_route["dialog:answer"] = function(event) event.dialog:bye { reason = "Q.850;cause=16" } end
        ]])
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        local to_bob = take_byes()
        assert.equal("Q.850;cause=16", to_bob:header "Reason")
    end)

    it("that nobody has answered is cancelled, and refused 503", function()
        open([[
            local dlg = sip.dialog.track(req)
            sip.timer.after(3, function() dlg:bye() end)
        ]] .. TO_BOB)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        bob:receive "CANCEL"
        alice:receive(503)
        net:settle()
        assert.equal(0, net:status().dialogs)
    end)

    it("keeps variables, in every handler and as $dlg_var", function()
        open(ASK .. [[
            local dlg = sip.dialog.track(req, { on_end = function(event)
                seen[#seen + 1] = "on_end:" .. event.dialog.vars.account .. ":" .. event.dialog.vars.seconds
            end })
            dlg.vars.account = "4711"
            req["$dlg_var(seconds)"] = 12.5
            dlg.vars.prepaid = true
            assert(dlg.vars.account == "4711" and dlg.vars.prepaid == true and dlg.vars.missing == nil)
            assert(req["$dlg_var(account)"] == "4711" and dlg.vars.seconds == 12.5)
            dlg.vars.prepaid = nil
            assert(dlg.vars.prepaid == nil and sip.dialog.of(req).vars.account == "4711")
        ]] .. TO_BOB, EVENTS .. [[
            function onreply_route(reply) reply:set_header("X-Account", reply["$dlg_var(account)"]) end
        ]])
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        assert.equal("4711", alice:receive(200):header "X-Account")
        bob:receive "ACK"
        world.hang_up(alice, bob)
        assert.equal("dialog:start:nil dialog:answer:4711:200 on_end:4711:12.5 dialog:end:4711:bye", seen())
    end)

    it("has room for dialog.vars_bytes of them, and says so", function()
        open([[
            local dlg = sip.dialog.track(req)
            dlg.vars.a = ("x"):rep(40)
            assert(not pcall(function() dlg.vars.b = ("x"):rep(30) end))
            dlg.vars.a = nil
            dlg.vars.b = ("x"):rep(30)
        ]] .. TO_BOB, nil, { conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            dialog = { vars_bytes = 64 },
        } })
        world.answer(alice, bob)
        assert.equal(1, net:status().counters["dialog.vars_limit"])
        world.hang_up(alice, bob)
    end)

    it("that fails runs dialog:failed, with the status that the caller got, then dialog:end", function()
        open(ASK .. [[ sip.dialog.track(req).vars.account = "4711" ]] .. TO_BOB, EVENTS)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        assert.equal("dialog:start:nil dialog:failed:4711:failed:486 dialog:end:4711:failed:486", seen())
    end)

    it("that the caller gives up fails as cancelled", function()
        open(ASK .. [[ sip.dialog.track(req).vars.account = "4711" ]] .. TO_BOB, EVENTS)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(200)
        alice:receive(487)
        net:settle()
        assert.equal("dialog:start:nil dialog:failed:4711:cancelled:487 dialog:end:4711:cancelled:487", seen())
    end)

    it("says who ended it", function()
        open(ASK .. [[
            sip.dialog.track(req, { max_duration_s = 3, on_end = function(event)
                seen[#seen + 1] = tostring(event.ended_by)
            end })
        ]] .. TO_BOB, "seen = {}")
        world.answer(alice, bob)
        world.hang_up(alice, bob)
        world.answer(alice, bob)
        world.hang_up(bob, alice)
        world.answer(alice, bob)
        take_byes()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(200)
        alice:receive(487)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        assert.equal("caller callee engine caller nil", seen())
    end)

    it("that the script refuses after all runs on_end", function()
        open([[
            sip.dialog.track(req, { on_end = function(event)
                sip.log.info("ended %s %s", event.reason, event.status)
            end })
            req:reply(503)
        ]])
        alice:invite "sip:bob@example.net"
        alice:receive(503)
        net:settle()
        assert.truthy(net:logged "ended failed 503")
    end)

    it("keeps its variables for an on_end that waits", function()
        open(ASK .. [[
            sip.dialog.track(req, { on_end = function(event)
                sip.sleep(2)
                seen[#seen + 1] = event.dialog.state .. ":" .. event.dialog.vars.account
            end }).vars.account = "4711"
        ]] .. TO_BOB, "seen = {}")
        world.answer(alice, bob)
        world.hang_up(bob, alice)
        net:advance(3)
        assert.equal("terminated:4711", seen())
    end)

    it("runs the handlers of the generation that it began in", function()
        local body = [[
            sip.dialog.track(req, { max_duration_s = 3, on_end = function() sip.shared.seen:incr "old" end })
        ]] .. TO_BOB
        local conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } }, shared = { "seen" },
        }
        open(body, [[event_route["dialog:end"] = function() sip.shared.seen:incr "old_event" end]], { conf = conf })
        world.answer(alice, bob)
        assert.is_true(net:reload { source = world.route([[
            local seen = sip.shared.seen
            req:reply(200, "OK", { headers = { ["X-Seen"] = seen:get "old" .. " " .. seen:get "old_event" } })
        ]], [[event_route["dialog:end"] = function() error "mine is newer" end]]) })
        take_byes()
        assert.equal("1 1", seen())
    end)

    it("loses its on_end function with the generation when script.generations is reached", function()
        local conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            script = { generations = 1 },
        }
        open([[sip.dialog.track(req, { on_end = function() error "gone" end }).vars.account = "4711" ]] .. TO_BOB, nil,
            { conf = conf })
        world.answer(alice, bob)
        assert.is_true(net:reload { source = world.route(ASK .. TO_BOB, EVENTS) })
        assert.truthy(net:logged "the functions of 1 calls went with generation 1")
        world.hang_up(alice, bob)
        assert.equal("dialog:end:4711:bye", seen())
    end)

    it("is none where there is no call that it could be", function()
        open(ASK .. [[
            if req.method == "MESSAGE" then
                local dlg, err = sip.dialog.track(req)
                return req:reply(dlg and 200 or 400, err)
            end
            req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
            local dlg, err = sip.dialog.track(req)
            seen[#seen + 1] = tostring(dlg) .. ":" .. err .. ":" .. tostring(sip.dialog.of(req))
        ]], "seen = {}")
        alice:send(world.raw { method = "MESSAGE" })
        assert.equal("this begins no call that could be tracked", alice:receive(400).reason)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        assert.equal("nil:this begins no call that could be tracked:nil", seen())
    end)

    it("raises at the script's line for what cannot be meant", function()
        world.expect_misuse(function(body)
            open(body)
            return net, alice
        end, {
            [ [=[sip.dialog.track(req, { max_duration = 3 })]=] ] = "there is no option 'max_duration'",
            [ [=[sip.dialog.track(req, { max_duration_s = "3" })]=] ] = "max_duration_s is a number of seconds",
            [ [=[sip.dialog.track(req, { on_end = "x" })]=] ] = "on_end is a function",
            [ [=[sip.dialog.track(req).state = 1]=] ] = "dialog.state cannot be written; vars and record can",
            [ [=[sip.dialog.track(req):bye { reason = "a\nb" }]=] ] = "a reason has no control characters",
            [ [=[sip.dialog.track(req).vars.x = {}]=] ] = "a value is a text, a number or a boolean",
        })
        open "req:reply(486)"
    end)

    it("survives any allocation that fails, and leaks nothing", function()
        open([[
            local dlg = sip.dialog.track(req, { max_duration_s = 30, on_end = function() end })
            if dlg then pcall(function() dlg.vars.account = "4711" end) dlg:bye { reason = "x" } end
        ]] .. TO_BOB)
        local engine = require("lunasip.stage").library
        for n = 0, 150 do
            alice:send(world.raw { call_id = "Call-ID: poor-" .. n, branch = "poor" .. n })
            engine.memory_fail_after(n)
            net:advance(0.01)
            engine.memory_fail_never()
            net:advance(40)
        end
    end)

    it("is possible on every worker", function()
        open("sip.dialog.track(req, { max_duration_s = 3 }) " .. TO_BOB, nil, { workers = 3 })
        for _ = 1, 6 do
            world.answer(alice, bob)
            take_byes()
        end
    end)
end)
