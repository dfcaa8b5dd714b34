-- What the two parties of a call of two legs say within it: re-INVITE, UPDATE, INFO, hold, offers that cross or come
-- late (RFC 3261 s12.2, s14, RFC 3264, RFC 3311, RFC 6337).
local world = require "route.world"

describe("within a call of two legs", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { body = world.two_legs() }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    local function finish(from, to)
        world.hang_up(from or alice, to or bob)
        world.finish_hidden(net)
    end

    local function answer()
        return world.answer(alice, bob, { sdp = true })
    end

    it("a re-INVITE passes from either side, with an SDP of ours and a CSeq of that leg (s14)", function()
        answer()
        for _, pair in ipairs { { alice, bob }, { bob, alice } } do
            local from, to = pair[1], pair[2]
            from:reinvite { sdp = { "audio", direction = "sendonly" } }
            local invite = to:receive "INVITE"
            assert.matches("a=sendonly", invite.body)
            assert.equal(to.call.id, invite:header "Call-ID")
            assert.equal(to.call.local_tag, invite:tag "To")
            to:reply(invite, 200, { sdp = { "audio", direction = "recvonly" } })
            assert.matches("a=recvonly", from:receive(200).body)
            to:receive "ACK"
        end
        finish()
    end)

    it("a re-INVITE that is refused changes nothing (s14.1)", function()
        answer()
        bob:reinvite { sdp = true }
        alice:reply(alice:receive "INVITE", 488)
        bob:receive(488)
        finish(bob, alice)
    end)

    it("a re-INVITE may be cancelled (s9)", function()
        answer()
        alice:reinvite { sdp = true }
        bob:reply(bob:receive "INVITE", 100)
        net:settle(0.1)
        alice:cancel()
        bob:receive "CANCEL"
        alice:receive(487)
        finish()
    end)

    it("a re-INVITE that meets another is answered 491, one behind another 500 (s14.2)", function()
        answer()
        alice:reinvite { sdp = true }
        local invite = bob:receive "INVITE"
        bob:reinvite { sdp = true }
        bob:receive(491)
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        assert.equal(1, net:status().counters["call.glare"])
        finish()
    end)

    it("a re-INVITE that finds no call at the other side ends it (s12.2.1.2)", function()
        answer()
        alice:reinvite { sdp = true }
        bob:reply(bob:receive "INVITE", 481)
        alice:receive(481)
        for _, agent in ipairs { alice, bob } do
            agent:reply(agent:receive "BYE", 200)
        end
        net:settle(40)
        assert.equal(0, net:status().dialogs)
    end)

    it("requests go where a party has moved to (target refresh, s12.2)", function()
        answer()
        alice.contact = "<sip:moved@192.0.2.10:5060>"
        alice:reinvite { sdp = true }
        local invite = bob:receive "INVITE"
        assert.equal("<sip:alice@10.0.0.1:5060>", invite:header "Contact")
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        bob:ask "INFO"
        local info = alice:receive "INFO"
        assert.equal("sip:moved@192.0.2.10:5060", info.uri)
        alice:reply(info, 200)
        bob:receive(200)
        finish()
    end)

    it("a target refresh of either side takes effect when it is accepted (s12.2.2, RFC 6141 s4.5)", function()
        answer()
        for _, pair in ipairs { { alice, bob, "192.0.2.10" }, { bob, alice, "10.0.0.20" } } do
            local from, to, address = unpack(pair)
            for _, method in ipairs { "INVITE", "UPDATE" } do
                for _, status in ipairs { 488, 200 } do
                    from.contact = ("<sip:%s%d@%s:5060>"):format(method, status, address)
                    local before = from.target or from.contact:gsub(method .. status, from.name)
                    from:request(from.call, method, { sdp = true })
                    local request = to:receive(method)
                    to:ask "INFO" -- while it is not answered
                    local info = from:receive "INFO"
                    assert.equal(before, "<" .. info.uri .. ">")
                    from:reply(info, 200)
                    to:receive(200)
                    to:reply(request, status, { sdp = status == 200 })
                    from:receive { status = status, method = method }
                    if method == "INVITE" then
                        to:receive "ACK"
                    end
                    from.target = status == 200 and from.contact or before
                    to:ask "INFO"
                    info = from:receive "INFO"
                    assert.equal(from.target, "<" .. info.uri .. ">")
                    from:reply(info, 200)
                    to:receive(200)
                end
            end
        end
        finish()
    end)

    it("a request other than INVITE that nobody answers gets no 408; the call is over (RFC 4320 s4.2)", function()
        for _, answered in ipairs { 408, false } do
            for _, method in ipairs { "UPDATE", "INFO", "MESSAGE", "OPTIONS" } do
                answer()
                alice:request(alice.call, method, { once = true })
                local request = bob:receive(method)
                if answered then
                    bob:reply(request, 408)
                end
                alice:reply(alice:receive("BYE", 33), 200)
                bob:reply(bob:receive "BYE", 200)
                assert.equal(0, world.count_received(net, "alice", 408))
                world.finish_hidden(net)
                alice.queue, bob.queue = {}, {}
            end
        end
    end)

    it("an offer may come late, in the 200, and its answer in the ACK (s13.2.1)", function()
        alice.auto_ack = false
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("", invite.body)
        bob:reply(invite, 200, { sdp = true })
        assert.matches("192%.0%.2%.1", alice:receive(200).body)
        alice:ack(nil, { sdp = true })
        assert.matches("10%.0%.0%.1", bob:receive("ACK").body)
        assert.equal(1, #net:media())
        finish()
    end)

    it("UPDATE passes with its SDP, INFO and MESSAGE with their bodies", function()
        answer()
        alice:ask("UPDATE", { sdp = true })
        local update = bob:receive "UPDATE"
        assert.matches("10%.0%.0%.1", update.body)
        assert.equal("<sip:alice@10.0.0.1:5060>", update:header "Contact")
        bob:reply(update, 200, { sdp = true })
        assert.matches("192%.0%.2%.1", alice:receive(200).body)
        bob:ask("INFO", { body = "Signal=5\r\n", content_type = "application/dtmf-relay" })
        local info = alice:receive "INFO"
        assert.equal("Signal=5\r\n", info.body)
        assert.equal("application/dtmf-relay", info:header "Content-Type")
        alice:reply(info, 415)
        bob:receive(415)
        alice:ask("MESSAGE", { body = "hello", content_type = "text/plain" })
        local message = bob:receive "MESSAGE"
        assert.equal("hello", message.body)
        bob:reply(message, 200)
        alice:receive(200)
        finish()
    end)

    it("two UPDATEs that cross get 491 (RFC 3311 s5.2)", function()
        answer()
        alice:ask("UPDATE", { sdp = true })
        local update = bob:receive "UPDATE"
        bob:ask("UPDATE", { sdp = true })
        bob:receive(491)
        bob:reply(update, 200, { sdp = true })
        alice:receive(200)
        finish()
    end)

    it("what waits for an answer when the call ends gets 487 (s15.1.2)", function()
        answer()
        alice:ask "INFO"
        bob:receive "INFO"
        bob:ask "BYE"
        bob:receive(200)
        alice:receive(487)
        alice:reply(alice:receive "BYE", 200)
        net:settle(40)
        assert.equal(0, net:status().transactions)
    end)

    it("a request with a number of before is answered 500 (s12.2.2)", function()
        answer()
        world.ask(alice, bob, "INFO")
        alice.call.cseq = alice.call.cseq - 2
        alice:ask "INFO"
        alice:receive(500)
        alice.call.cseq = alice.call.cseq + 2
        finish()
    end)

    it("an SDP that is none is refused with 488, and a call unknown here with 481", function()
        answer()
        alice:reinvite { sdp = "this is no SDP\r\n" }
        alice:receive(488)
        finish()
        alice:ask "INFO"
        alice:receive(481)
    end)
end)
