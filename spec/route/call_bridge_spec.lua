-- Calls of two legs (sip.call.bridge): UAS towards the caller, UAC towards the callee (RFC 3261 s6, RFC 7092).
local world = require "route.world"

local BRIDGE = [[ assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" %s })) ]]

local function bridge(options)
    return BRIDGE:format(options and ", " .. options or "")
end

local MEDIA = [[media = { from = "public", to = "private" }]]

describe("a call of two legs", function()
    local net, alice, bob, callees

    local function open(options)
        options = options or {}
        options.body = options.body or bridge()
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    local function nothing_left()
        world.finish_hidden(net)
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    local function answer(options)
        return world.answer(alice, bob, options)
    end

    it("is two dialogs: each has a Call-ID, tags, CSeq and Contact of its own (RFC 7092 s3.1.2)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200)
        assert.equal("<sip:bob@192.0.2.1:5060>", alice:receive(200):header "Contact")
        bob:receive "ACK"
        assert.not_equal(alice.call.id, invite:header "Call-ID")
        assert.not_equal(alice.call.local_tag, invite:tag "From")
        assert.not_equal(bob.call.local_tag, alice.call.remote_tag)
        assert.equal("<sip:alice@10.0.0.1:5060>", invite:header "Contact")
        assert.matches("^<sip:alice@10%.0%.0%.1>;tag=", invite:header "From")
        assert.equal("<sip:bob@10.0.0.20:5060>", invite:header "To")
        assert.equal(1, #invite:values "Via")
        assert.is_nil(invite:header "Record-Route")
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("ends by BYE from either side, with its Reason (s15.1, RFC 3326)", function()
        for _, way in ipairs { "caller", "callee" } do
            open()
            answer()
            local from, to = alice, bob
            if way == "callee" then
                from, to = bob, alice
            end
            from:ask("BYE", { headers = { Reason = "Q.850;cause=16" } })
            local bye = to:receive "BYE"
            assert.equal("Q.850;cause=16", bye:header "Reason")
            to:reply(bye, 200)
            from:receive(200)
            nothing_left()
            net:close()
        end
        net = nil
    end)

    it("answers both of two BYEs that cross", function()
        open()
        answer()
        alice:ask "BYE"
        bob:ask "BYE"
        local to_bob, to_alice = bob:receive "BYE", nil
        bob:receive(200)
        alice:receive(200)
        bob:reply(to_bob, 200)
        net:settle(1)
        assert.is_nil(to_alice)
        nothing_left()
    end)

    it("passes provisional responses with early media (s13.3.1.1)", function()
        open { body = bridge(MEDIA) }
        alice:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        assert.matches("10%.0%.0%.1", invite.body)
        bob:reply(invite, 183, { sdp = true })
        local early = alice:receive(183)
        assert.matches("192%.0%.2%.1", early.body)
        assert.equal("<sip:bob@192.0.2.1:5060>", early:header "Contact")
        bob:reply(invite, 200, { sdp = true })
        local ok = alice:receive(200)
        assert.equal(early:tag "To", ok:tag "To")
        bob:receive "ACK"
        assert.equal(1, #net:media())
        world.hang_up(bob, alice)
        nothing_left()
        assert.equal(0, #net:media())
    end)

    it("takes media.manage as well as its own option", function()
        open { body = [[assert(sip.media.manage(req, { from = "public", to = "private" }))]] .. bridge() }
        local invite = answer { sdp = true }
        assert.matches("10%.0%.0%.1", invite.body)
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("cancels the callee when the caller gives up, and answers 487 (s9)", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        bob:receive "CANCEL"
        alice:receive(487)
        nothing_left()
    end)

    it("acknowledges and ends a 200 that crosses the CANCEL (s9.1, s13.2.2.4)", function()
        open { auto_cancel = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(487)
        bob:reply(invite, 200)
        bob:receive "ACK"
        local bye = bob:receive "BYE"
        bob:reply(bye, 200)
        bob:reply(bob:receive "CANCEL", 200)
        nothing_left()
    end)

    it("passes a refusal, with what explains it", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 486, {
            reason = "Busy", headers = { ["Retry-After"] = "30", Server = "inside/1", Warning = "399 10.0.0.20 busy" },
        })
        local refusal = alice:receive(486)
        assert.equal("30", refusal:header "Retry-After")
        assert.is_nil(refusal:header "Server")
        assert.is_nil(refusal:header "Warning")
        nothing_left()
    end)

    it("keeps challenges and redirections from the caller", function()
        for status, seen in pairs { [401] = 403, [407] = 403, [302] = 480 } do
            open()
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", status, { headers = { Contact = "<sip:x@10.0.0.99>" } })
            assert.is_nil(alice:receive(seen):header "Contact")
            nothing_left()
            net:close()
        end
        net = nil
    end)

    it("answers 408 when nobody answers (Timer B), 503 when the callee is not there", function()
        open()
        alice:invite "sip:bob@example.net"
        alice:receive(408, 40)
        nothing_left()
    end)

    it("gives up a callee that rings for ever (Timer C)", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:receive(408, 200)
        bob:receive "CANCEL"
        nothing_left()
    end)

    it("passes headers by an allow list, and those that the script names", function()
        open { body = bridge [[headers = { ["X-Account"] = "7", Priority = "urgent" }, pass = { "X-Campaign" }]] }
        alice:invite("sip:bob@example.net", { headers = {
            Subject = "a call", ["User-Agent"] = "phone of alice", ["X-Campaign"] = "5", ["X-Other"] = "6",
            Priority = "normal", ["P-Asserted-Identity"] = "<sip:alice@192.0.2.10>",
            Supported = "100rel, timer, replaces",
        } })
        local invite = bob:receive "INVITE"
        assert.equal("a call", invite:header "Subject")
        assert.equal("5", invite:header "X-Campaign")
        assert.equal("7", invite:header "X-Account")
        assert.same({ "urgent" }, invite:values "Priority")
        assert.same({ "100rel", "timer" }, invite:values "Supported")
        for _, name in ipairs { "User-Agent", "X-Other", "P-Asserted-Identity" } do
            assert.is_nil(invite:header(name), name)
        end
        bob:reply(invite, 200, { headers = { ["X-Campaign"] = "9", ["X-Other"] = "1" } })
        local ok = alice:receive(200)
        assert.equal("9", ok:header "X-Campaign")
        assert.is_nil(ok:header "X-Other")
        bob:receive "ACK"
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("shows the callee the From that the script gives", function()
        open { body = bridge [[from = '"Office" <sip:+4930123@trunk.example>']] }
        local invite = answer()
        assert.matches('^"Office" <sip:%+4930123@trunk%.example>;tag=', invite:header "From")
        assert.equal("<sip:+4930123@10.0.0.1:5060>", invite:header "Contact")
        world.hang_up(bob, alice)
        nothing_left()
    end)

    it("repeats the 2xx until the caller acknowledges it, and then the ACK (s13.3.1.4, s13.2.2.4)", function()
        open { auto_ack = false }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200)
        alice:receive(200)
        net:settle(2)
        assert.is_true(world.count_received(net, "alice", 200) > 1)
        assert.equal(0, world.count_received(net, "bob", "ACK"))
        alice:ack()
        bob:receive "ACK"
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("ends with BYE to both when nobody acknowledges (s13.3.1.4)", function()
        open { auto_ack = false }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        net:settle(33)
        for _, agent in ipairs { alice, bob } do
            agent:reply(agent:receive "BYE", 200)
        end
        assert.equal(1, net:status().counters["call.unacknowledged"])
        nothing_left()
    end)

    it("says BYE to the caller after its ACK, or when none comes in 64*T1 (s15, s13.3.1.4)", function()
        for _, is_acked in ipairs { true, false } do
            open { auto_ack = false, body = [[
                local call = assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
                call:on("answer", function(event) event.call:hangup "SIP;cause=480" end)
            ]] }
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            bob:receive "ACK"
            bob:reply(bob:receive "BYE", 200)
            alice:receive_nothing("BYE", 3)
            assert.is_true(world.count_received(net, "alice", 200) > 2)
            if is_acked then
                alice:ack()
            end
            local bye = alice:receive("BYE", is_acked and 1 or 33)
            assert.equal("SIP;cause=480", bye:header "Reason")
            alice:reply(bye, 200)
            nothing_left()
            net:close()
        end
        net = nil
    end)

    it("is each fork's own early dialog, and the first 2xx wins (s12.1, s13.2.2.4)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180, { to_tag = "one" })
        local first = alice:receive(180)
        bob:reply(invite, 180, { to_tag = "two" })
        local second = alice:receive(180)
        assert.not_equal(first:tag "To", second:tag "To")
        bob:reply(invite, 200, { to_tag = "two" })
        assert.equal(second:tag "To", alice:receive(200):tag "To")
        bob:receive "ACK"
        bob:reply(invite, 200, { to_tag = "one" })
        assert.equal("one", bob:receive("ACK"):tag "To")
        local bye = bob:receive "BYE"
        assert.equal("one", bye:tag "To")
        bob:reply(bye, 200)
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("acknowledges and ends the 2xx of another fork that comes after the call (s13.2.2.4)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { to_tag = "one" })
        alice:receive(200)
        assert.equal("one", bob:receive("ACK"):tag "To")
        world.hang_up(alice, bob)
        assert.equal(0, net:status().dialogs)
        bob:reply(invite, 200, { to_tag = "two" })
        assert.equal("two", bob:receive("ACK"):tag "To")
        local bye = bob:receive "BYE"
        assert.equal("two", bye:tag "To")
        bob:reply(bye, 200)
        bob:reply(invite, 200, { to_tag = "one" }) -- a repetition that was under way
        assert.equal("one", bob:receive("ACK"):tag "To")
        nothing_left()
    end)

    it("goes by each leg's own route set (s12.1.1, s12.1.2)", function()
        open()
        local edge = net:agent { name = "edge", address = "192.0.2.30:5060" }
        alice:invite("sip:bob@example.net", { headers = { ["Record-Route"] = "<sip:192.0.2.30:5060;lr>" } })
        local invite = bob:receive "INVITE"
        assert.is_nil(invite:header "Record-Route")
        bob:reply(invite, 200, { headers = { ["Record-Route"] = "<sip:10.0.0.21:5060;lr>" } })
        assert.equal("<sip:192.0.2.30:5060;lr>", alice:receive(200):header "Record-Route")
        edge:send(edge:receive("ACK").bytes, world.US_PUBLIC)
        local ack = callees.carol:receive "ACK"
        assert.equal("<sip:10.0.0.21:5060;lr>", ack:header "Route")
        net:command("calls", "end", alice.call.id)
        local to_alice, to_bob = edge:receive "BYE", callees.carol:receive "BYE"
        assert.equal("<sip:192.0.2.30:5060;lr>", to_alice:header "Route")
        assert.equal("sip:alice@192.0.2.10:5060", to_alice.uri)
        assert.equal("<sip:10.0.0.21:5060;lr>", to_bob:header "Route")
        edge:reply(to_alice, 200)
        callees.carol:reply(to_bob, 200)
        nothing_left()
    end)

    it("refuses what it cannot do (s8.2.2.3, s12.2.2, s8.2.1)", function()
        open()
        alice:invite("sip:bob@example.net", { headers = { Require = "teleport" } })
        assert.equal("teleport", alice:receive(420):header "Unsupported")
        answer()
        alice:ask "PUBLISH"
        assert.matches("INVITE", alice:receive(405):header "Allow")
        world.hang_up(alice, bob)
        nothing_left()
    end)

    it("ends when the operator or the script says so", function()
        open { body = [[
            local call = assert(sip.call.bridge(req, { to = "sip:bob@10.0.0.20:5060", interface = "private" }))
            sip.timer.after(5, function() assert(call:hangup "SIP;cause=480") assert(not call:hangup()) end)
        ]] }
        answer()
        net:settle(6)
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.equal("SIP;cause=480", bye:header "Reason")
            agent:reply(bye, 200)
        end
        nothing_left()
        answer()
        net:command("calls", "end", alice.call.id)
        for _, agent in ipairs { alice, bob } do
            agent:reply(agent:receive "BYE", 200)
        end
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        net:command("calls", "end", alice.call.id)
        bob:receive "CANCEL"
        alice:receive(503)
        nothing_left()
    end)

    it("follows a redirection where the script wants it, up to limits.branches (s8.1.3.4)", function()
        open { body = bridge([[redirect = "follow", ]] .. MEDIA), conf = { limits = { branches = 2 } } }
        local carol = callees.carol
        bob.contact, carol.contact = "<sip:carol@10.0.0.21:5060>", "<sip:dave@10.0.0.22:5060>"
        alice:invite("sip:bob@example.net", { sdp = true })
        local first = bob:receive "INVITE"
        bob:reply(first, 302)
        local second = carol:receive "INVITE"
        assert.equal("sip:carol@10.0.0.21:5060", second.uri)
        assert.equal(first.cseq + 1, second.cseq)
        for _, name in ipairs { "Call-ID", "From", "To" } do
            assert.equal(first:header(name), second:header(name))
        end
        assert.equal(first.body, second.body)
        assert.matches("10%.0%.0%.1", second.body)
        carol:reply(second, 301)
        assert.is_nil(alice:receive(480):header "Contact")
        assert.equal(1, net:status().counters["route.branch_limit"])
        nothing_left()
        carol.contact = "<sip:carol@10.0.0.21:5060>"
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 302)
        carol:reply(carol:receive "INVITE", 200)
        alice:receive(200)
        carol:receive "ACK"
        world.hang_up(alice, carol)
        nothing_left()
    end)

    it("stays with one worker, whose Call-IDs hash home", function()
        open { workers = 4 }
        for _ = 1, 12 do
            answer()
            world.ask(bob, alice, "INFO")
            world.hang_up(bob, alice)
        end
        nothing_left()
        assert.equal(12, net:status().counters["call.bridged"])
    end)

    it("may be refused without a word to the callee", function()
        open { body = [[
            local call, err = sip.call.bridge(req, { to = "tel:1234", interface = "private" })
            assert(not call and err)
            req:reply(404)
        ]] }
        alice:invite "sip:bob@example.net"
        alice:receive(404)
        nothing_left()
    end)
end)
