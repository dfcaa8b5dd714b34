-- The record of a call: one for each that ends, whichever way, with who ended it and when.
local ffi = require "ffi"
local world = require "route.world"

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

local TO_BOB = [[req:record_route() req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]
local MEDIA = [[sip.media.manage(req, { from = "public", to = "private" }) ]]
local BRIDGE = [[
local call, err = sip.call.bridge(req, { to = "sip:4711@10.0.0.20:5060", interface = "private", media = true })
if not call then req:reply(500, err) end
]]

describe("the record of a call", function()
    local net, alice, bob, callees

    local function open(body, options)
        options = options or {}
        options.body = body or TO_BOB
        options.conf = options.conf or { records = {} }
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    -- The only record.
    local function record()
        net:settle()
        local list = net:records()
        assert.equal(1, #list)
        return list[1]
    end

    local function talk(ring_s, talk_s)
        alice:invite("sip:4711@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        net:advance(0.2)
        bob:reply(invite, 180)
        alice:receive(180)
        net:advance(ring_s or 2)
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        net:advance(talk_s or 10)
        return invite
    end

    local function hang_up(who, other)
        who:hangup()
        other:reply(other:receive "BYE", 200)
        who:receive(200)
    end

    it("has parties, times and the end by the caller's BYE", function()
        open()
        talk()
        local call_id = alice.call.id
        assert.same({}, net:records())
        hang_up(alice, bob)
        local r = record()
        assert.equal(1, r.version)
        assert.equal(call_id, r.call_id)
        assert.same({ "sip:alice@192.0.2.10:5060", "alice", "192.0.2.10:5060", "public" },
            { r.caller.uri, r.caller.user, r.caller.source, r.caller.interface })
        assert.same({ "10.0.0.20:5060", "private", call_id }, { r.callee.source, r.callee.interface, r.callee.call_id })
        assert.same({ "sip:4711@example.net", "4711" }, { r.ruri, r.ruri_user })
        assert.equal("4711", r.to_user)
        assert.same({ "answered", 200, "OK", "bye", "caller" },
            { r.outcome, r.status, r.reason, r["end"], r.ended_by })
        assert.near(200, r.pdd_ms, 5)
        assert.near(2000, r.ringing_ms, 5)
        assert.near(10000, r.duration_ms, 5)
        assert.equal(r.duration_ms, r.times_ms["end"] - r.times_ms.answer)
        assert.equal(r.pdd_ms, r.times_ms.progress - r.times_ms.invite)
        assert.equal(1, r.generation)
        assert.equal(1, #r.tries)
        assert.same({ "sip:10.0.0.20:5060", "10.0.0.20:5060", 200 },
            { r.tries[1].uri, r.tries[1].destination, r.tries[1].status })
        assert.equal(1, net:status().counters["records.made"])
        assert.equal(0, net:status().counters["records.dropped"])
    end)

    it("names the callee who hangs up, and Q.850 (RFC 3326)", function()
        open()
        talk()
        bob:ask("BYE", { headers = { Reason = 'Q.850;cause=31;text="Normal, unspecified"' } })
        alice:reply(alice:receive "BYE", 200)
        bob:receive(200)
        local r = record()
        assert.same({ "callee", 31, 'Q.850;cause=31;text="Normal, unspecified"' },
            { r.ended_by, r.q850, r.reason_header })
    end)

    it("ends when the BYE came, however long its answer takes", function()
        open()
        talk(1, 5)
        alice:hangup()
        bob:receive "BYE" -- and never answers
        local r = record()
        assert.near(5000, r.duration_ms, 5)
        assert.equal("caller", r.ended_by)
    end)

    it("tells CANCEL", function()
        open()
        alice:invite "sip:4711@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        net:advance(3)
        alice:hangup()
        alice:receive(487)
        local r = record()
        assert.same({ "cancelled", 487, "caller", 0 }, { r.outcome, r.status, r.ended_by, r.duration_ms })
        assert.near(3000, r.ringing_ms, 5)
        assert.is_nil(r.times_ms.answer)
    end)

    it("tells a refusal of the callee, its phrase and cause", function()
        open()
        alice:invite "sip:4711@example.net"
        bob:reply(bob:receive "INVITE", 486, { reason = "Besetzt", headers = { Reason = "Q.850;cause=17" } })
        alice:receive(486)
        local r = record()
        assert.same({ "failed", 486, "callee", 17 }, { r.outcome, r.status, r.ended_by, r.q850 })
        assert.equal("Besetzt", r.reason)
        assert.equal(486, r.tries[1].status)
    end)

    it("tells silence", function()
        open()
        alice:invite "sip:4711@example.net"
        bob:receive "INVITE"
        alice:receive(408, 40)
        local r = record()
        assert.same({ "failed", 408, "engine" }, { r.outcome, r.status, r.ended_by })
    end)

    it("is not made of unanswered calls where none is wanted", function()
        open(nil, { conf = { records = { failed = 0 } } })
        alice:invite "sip:4711@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        talk()
        hang_up(alice, bob)
        assert.equal("answered", record().outcome)
    end)

    it("lists what was tried in turn", function()
        open([[
            req:record_route()
            req:relay { to = "sip:10.0.0.21:5060", interface = "private", on_failure = "NEXT" }
        ]], { more = [[
            function failure_route.NEXT(req) req:relay { to = "sip:10.0.0.20:5060", interface = "private" } end
        ]] })
        alice:invite "sip:4711@example.net"
        callees.carol:reply(callees.carol:receive "INVITE", 480)
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        hang_up(alice, bob)
        local r = record()
        assert.same({ 480, 200 }, { r.tries[1].status, r.tries[2].status })
        assert.same({ "10.0.0.21:5060", "10.0.0.20:5060" }, { r.tries[1].destination, r.tries[2].destination })
    end)

    it("is one for a fork with several 2xx", function()
        open(world.PARALLEL:format "")
        alice:invite "sip:4711@example.net"
        local to_bob, to_carol = bob:receive "INVITE", callees.carol:receive "INVITE"
        bob:reply(to_bob, 200)
        callees.carol:reply(to_carol, 200)
        alice:receive(200)
        local first = alice.call
        net:settle(1)
        for _, agent in ipairs { bob, callees.carol } do
            alice.call = first
            agent:hangup()
            alice:reply(alice:receive "BYE", 200)
            agent:receive(200)
        end
        local r = record()
        assert.same({ "answered", "callee" }, { r.outcome, r.ended_by })
        assert.equal(3, #r.tries)
    end)

    it("says that the engine ended it, and why", function()
        open([[sip.dialog.track(req, { max_duration_s = 7 }) ]] .. TO_BOB)
        talk(1, 7.1)
        for _, agent in ipairs { alice, bob } do
            agent:reply(agent:receive "BYE", 200)
        end
        local r = record()
        assert.same({ "duration", "engine" }, { r["end"], r.ended_by })
        assert.near(7000, r.duration_ms, 5)
        assert.matches("Maximum duration", r.reason_header)
    end)

    it("has what the relay measured: packets, codec, loss, MOS (G.107)", function()
        open(MEDIA .. TO_BOB)
        talk(1, 0)
        alice:send_rtp(50)
        bob:send_rtp(100)
        net:advance(3)
        hang_up(bob, alice)
        local r = record()
        local audio = r.media[1]
        assert.equal("audio", audio.type)
        assert.same({ 50, 0, "PCMA" }, { audio.caller.packets, audio.caller.lost, audio.caller.codec })
        assert.same({ 100, 0, "PCMA" }, { audio.callee.packets, audio.callee.lost, audio.callee.codec })
        assert.near(4.4, audio.caller.mos, 0.02)
        assert.is_nil(r.media_timeout)
    end)

    it("says that its media stopped", function()
        open(MEDIA .. TO_BOB, { conf = { records = {}, media_limits = { timeout_s = 5 } } })
        talk(1, 0)
        alice:send_rtp(50)
        net:advance(12)
        hang_up(alice, bob)
        local r = record()
        assert.is_true(r.media_timeout)
        assert.equal(50, r.media[1].caller.packets)
    end)

    it("of a hidden call has the Call-ID that the callee knows it by, answered or refused", function()
        for _, status in ipairs { 200, 486 } do
            open([[assert(sip.dialog.track(req, { hide = "private", hide_call_id = true })) ]] .. TO_BOB)
            alice:invite "sip:4711@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, status)
            alice:receive(status)
            bob:receive "ACK"
            if status == 200 then
                hang_up(bob, alice)
            end
            local r = record()
            assert.same({ alice.call.id, invite:header "Call-ID" }, { r.call_id, r.callee.call_id })
            assert.are_not_equal(r.call_id, r.callee.call_id)
            net:close()
        end
        open()
    end)

    it("of two legs has both Call-IDs", function()
        open(BRIDGE)
        talk()
        local far = bob.call.id
        hang_up(alice, bob)
        local r = record()
        assert.equal(far, r.callee.call_id)
        assert.are_not_equal(far, r.call_id)
        assert.same({ "answered", "caller", "10.0.0.20:5060" }, { r.outcome, r.ended_by, r.callee.source })
        assert.near(10000, r.duration_ms, 5)
        assert.same({ "sip:4711@10.0.0.20:5060", 200 }, { r.tries[1].uri, r.tries[1].status })
    end)

    it("of two legs tells the callee's BYE and a refusal", function()
        open(BRIDGE)
        talk()
        hang_up(bob, alice)
        alice:invite "sip:4711@example.net"
        bob:reply(bob:receive "INVITE", 603)
        alice:receive(603)
        net:settle()
        local list = net:records()
        assert.equal(2, #list)
        assert.equal("callee", list[1].ended_by)
        assert.same({ "failed", 603, 603 }, { list[2].outcome, list[2].status, list[2].tries[1].status })
    end)

    it("of two legs names the trunk of the configuration that the callee was called by", function()
        open([[assert(sip.call.bridge(req, { to = "sip:4711@10.0.0.20:5060", trunk = "provider" }))]], {
            conf = {
                records = {},
                trunk = { provider = { registrar = "sip:10.0.0.50", user = "4930", interface = "private" } },
            },
        })
        talk()
        hang_up(alice, bob)
        assert.equal("provider", record().trunk)
    end)

    it("of two legs tells transfers, done or not", function()
        open [[
            local call = assert(sip.call.bridge(req, {
                to = "sip:4711@10.0.0.20:5060", interface = "private", refer = "handle",
                media = { from = "public", to = "private" },
            }))
        ]]
        local carol = callees.carol
        talk(1, 1)
        bob:send_rtp(30)
        net:advance(1)
        for _, status in ipairs { 486, 200 } do
            bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21:5060>" } })
            bob:receive(202)
            local invite = carol:receive "INVITE"
            carol:reply(invite, status, { sdp = status == 200 })
            if status == 200 then
                alice:reply(alice:receive "INVITE", 200, { sdp = true })
                carol:receive "ACK"
            end
            for _ = 1, 2 do bob:reply(bob:receive "NOTIFY", 200) end
        end
        bob:reply(bob:receive "BYE", 200)
        net:advance(0.1)
        carol:send_rtp(20)
        net:advance(2)
        hang_up(carol, alice)
        local r = record()
        assert.same({ "answered", "bye", "callee" }, { r.outcome, r["end"], r.ended_by })
        assert.equal("10.0.0.20:5060", r.callee.source) -- who had it first
        local told = {}
        for i, one in ipairs(r.transfers) do
            told[i] = { one.of, one.uri, one.status }
            assert.is_true(one.at_ms > r.times_ms.answer and one.at_ms <= r.times_ms["end"])
        end
        assert.same({ { "callee", "sip:carol@10.0.0.21:5060", 486 }, { "callee", "sip:carol@10.0.0.21:5060", 200 } },
            told)
        assert.same({ 30, 20 }, { r.transfers[2].media[1].callee.packets, r.media[1].callee.packets })
        assert.is_nil(r.transfers[1].media)
    end)

    it("of two legs tells who took a party's place by Replaces (RFC 3891), and is the only one", function()
        open [[
            if req:header "Replaces" then return assert(sip.call.replace(req)) end
            assert(sip.call.bridge(req, {
                to = "sip:4711@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" },
            }))
        ]]
        local carol = callees.carol
        local invite = talk(1, 1)
        bob:send_rtp(30)
        net:advance(1)
        carol:invite("sip:4711@example.net", {
            sdp = true, headers = {
                Require = "replaces", Replaces = ("%s;to-tag=%s;from-tag=%s"):format(bob.call.id,
                    invite:tag "From", bob.call.local_tag),
            },
        })
        alice:reply(alice:receive "INVITE", 200, { sdp = true })
        alice:receive "ACK"
        carol:receive { status = 200, method = "INVITE" }
        bob:reply(bob:receive "BYE", 200)
        local id = alice.call.id
        hang_up(carol, alice)
        local r = record()
        assert.same({ id, "answered", "callee" }, { r.call_id, r.outcome, r.ended_by })
        assert.same({ "callee", 200, 30 },
            { r.transfers[1].of, r.transfers[1].status, r.transfers[1].media[1].callee.packets })
        assert.matches("^sip:carol@", r.transfers[1].uri)
        local story = net:command("calls", "show", id).data -- by the Call-ID of whoever took the place, too
        assert.same(story, net:command("calls", "show", carol.call.id).data)
    end)

    it("has the cause that CANCEL tells (RFC 3326)", function()
        open()
        alice:invite "sip:4711@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        local function sent(name) return alice.call.last_sent:match("\r\n(" .. name .. ": [^\r\n]+)") end
        alice:send(world.raw {
            method = "CANCEL", via = sent "Via", from = sent "From", to = sent "To", call_id = sent "Call%-ID",
            headers = { 'Reason: SIP;cause=200;text="Call completed elsewhere"' },
        })
        bob:receive "CANCEL"
        alice:receive(487)
        local r = record()
        assert.same({ "cancelled", 'SIP;cause=200;text="Call completed elsewhere"' }, { r.outcome, r.reason_header })
    end)

    it("is one for each of many calls at once, in the order of their ends", function()
        open(nil, { workers = 3 })
        for i = 1, 12 do
            talk(0.1, i)
            hang_up(i % 2 == 0 and alice or bob, i % 2 == 0 and bob or alice)
        end
        net:settle()
        local list, seen = net:records(), {}
        assert.equal(12, #list)
        for i, r in ipairs(list) do
            assert.near(1000 * i, r.duration_ms, 5)
            assert.equal(i % 2 == 0 and "caller" or "callee", r.ended_by)
            assert.is_nil(seen[r.call_id])
            seen[r.call_id] = true
        end
    end)

    describe("has fields of the script's own", function()
        it("of req:record, dialog.record and event_route", function()
            open([[
                assert(req:record { account = "a-1", rate = 0.25, seconds = 60, is_test = true })
                local dlg = sip.dialog.track(req)
                dlg.record.account = dlg.record.account .. "/x"
                dlg.record.seconds = nil
            ]] .. TO_BOB, {
                more = [[event_route["dialog:end"] = function(event) event.dialog.record.cost = 3 end]],
            })
            talk()
            hang_up(alice, bob)
            assert.same({ account = "a-1/x", rate = 0.25, is_test = true, cost = 3 }, record().fields)
        end)

        it("also where the script refuses the call", function()
            open [[req:record { why = "no credit" } req:reply(402)]]
            alice:invite "sip:4711@example.net"
            alice:receive(402)
            local r = record()
            assert.same({ "failed", 402, "Payment Required", "engine" }, { r.outcome, r.status, r.reason, r.ended_by })
            assert.equal("no credit", r.fields.why)
        end)

        it("up to records.fields_bytes", function()
            open([[
                local ok, err = req:record { a = ("x"):rep(40) }
                req:record { ok = err }
            ]] .. TO_BOB, { conf = { records = { fields_bytes = 40 } } })
            alice:invite "sip:4711@example.net"
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
            assert.same({ ok = "full (records.fields_bytes)" }, record().fields)
            assert.equal(1, net:status().counters["records.fields_limit"])
        end)

        it("of names that are names", function()
            for _, bad in ipairs { '["a b"] = 1', '[""] = 1', "[7] = 1", "a = {}", "a = 1 / 0", '["1a"] = 1' } do
                open("req:record { " .. bad .. " }")
                alice:invite "sip:4711@example.net"
                alice:receive(500)
                assert.is_truthy(net:logged "record: ")
                net:close()
            end
            open()
        end)

        it("nowhere without a records block", function()
            open([[
                local ok, err = req:record { a = 1 }
                req:reply(200, err)
            ]], { conf = { dialog = {} } })
            alice:invite "sip:4711@example.net"
            assert.equal("no records (there is no records block)", alice:receive(200).reason)
            net:settle()
            assert.same({}, net:records())
        end)
    end)

    it("is whole or counted as lost when memory ends", function()
        open(MEDIA .. [[req:record { a = "b" } ]] .. TO_BOB, {
            conf = { records = {}, limits = { dialog_idle_s = 60 } },
        })
        local engine = require("lunasip.stage").library
        local calls = 40
        for n = 0, calls - 1 do
            talk(0.1, 1)
            alice:hangup()
            local bye = bob:receive "BYE"
            bob:reply(bye, 200)
            engine.memory_fail_after(n)
            net:advance(0.1)
            engine.memory_fail_never()
            net:settle()
            alice.queue, bob.queue = {}, {}
        end
        local counters = net:status().counters
        assert.is_true(counters["records.made"] + counters["records.dropped"] >= calls)
        assert.is_true(#net:records() <= counters["records.made"]) -- the lab itself may have had no memory for one
        assert.is_true(counters["records.made"] > 10)
        assert.is_true(counters["records.dropped"] > 3)
        for _, r in ipairs(net:records()) do
            assert.equal("answered", r.outcome)
        end
    end)

    it("is lost, and counted, beyond records.queue", function()
        open(nil, { conf = { records = { queue = 2 } } })
        for _ = 1, 3 do
            talk(0.1, 1)
        end
        net:command("calls", "end", "--all") -- before anybody can write
        net:settle(0.1)
        for _, agent in ipairs { alice, bob } do
            for _ = 1, 3 do
                agent:reply(agent:receive "BYE", 200)
            end
        end
        net:settle()
        assert.equal(2, #net:records())
        assert.equal(1, net:status().counters["records.dropped"])
        assert.is_truthy(net:logged "the record of a call is lost: a configured limit is reached")
        talk(0.1, 1)
        hang_up(alice, bob)
        net:settle()
        assert.equal(3, #net:records())
    end)
end)
