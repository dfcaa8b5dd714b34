-- Challenges of a trunk within a call of two legs, answered by the engine (RFC 3261 s22.2, s22.3, RFC 7616).
local digest = require "lunasip.lab.digest"
local world = require "route.world"

local BODY = [[
    assert(sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20:5060", interface = "private",
        credentials = { username = "office", password = "secret" },
    }))
]]

describe("credentials for a trunk", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { body = BODY }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    local function challenge(nonce, more)
        return ('Digest realm="trunk.example", nonce="%s", algorithm=MD5, qop="auth"%s'):format(nonce, more or "")
    end

    -- The request is challenged, and comes again with what answers the challenge. @return the second one
    local function ask(request, status, nonce)
        local names = { [401] = { "WWW-Authenticate", "Authorization" },
            [407] = { "Proxy-Authenticate", "Proxy-Authorization" } }
        bob:reply(request, status, { headers = { [names[status][1]] = challenge(nonce) } })
        local again = bob:receive(request.method)
        assert.equal(request.cseq + 1, again.cseq)
        assert.equal(request:header "Call-ID", again:header "Call-ID")
        assert.equal(request:tag "From", again:tag "From")
        local answer = digest.parse(again:header(names[status][2]))
        assert.same({ "office", nonce, again.uri }, { answer.username, answer.nonce, answer.uri })
        assert.equal(digest.response(answer, request.method, "office", "secret"), answer.response)
        return again, names[status][2]
    end

    local function finish()
        world.finish(net)
    end

    it("are sent with the INVITE again, and with its ACK (s22.1)", function()
        for _, status in ipairs { 401, 407 } do
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite, header = ask(bob:receive "INVITE", status, "first")
            assert.matches("^v=0", invite.body)
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200)
            local ack = bob:receive(function(msg) return msg.method == "ACK" and msg.cseq == invite.cseq end)
            assert.equal(invite:header(header), ack:header(header))
            world.hang_up(alice, bob)
            finish()
        end
    end)

    it("are sent with whatever else is challenged: INFO, a re-INVITE, BYE with its Reason", function()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        alice:ask "INFO"
        bob:reply(ask(bob:receive "INFO", 407, "info"), 200)
        alice:receive(200)
        alice:reinvite { sdp = true }
        bob:reply(ask(bob:receive "INVITE", 407, "again"), 200, { sdp = true })
        alice:receive(200)
        alice:ask("BYE", { headers = { Reason = "Q.850;cause=16" } })
        alice:receive(200)
        local bye = ask(bob:receive "BYE", 401, "bye")
        assert.equal("Q.850;cause=16", bye:header "Reason")
        bob:reply(bye, 200)
        finish()
    end)

    it("that are refused make it 403; a nonce that grew old is another try, once (RFC 7616 s3.3)", function()
        alice:invite "sip:bob@example.net"
        local invite = ask(bob:receive "INVITE", 407, "first")
        bob:reply(invite, 407, { headers = { ["Proxy-Authenticate"] = challenge("second", ", stale=true") } })
        invite = bob:receive "INVITE"
        assert.matches('nonce="second"', invite:header "Proxy-Authorization")
        bob:reply(invite, 407, { headers = { ["Proxy-Authenticate"] = challenge("third", ", stale=true") } })
        alice:receive(403)
        finish()
    end)

    it("are not asked for when the caller has given up", function()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 100)
        net:settle(0.1)
        alice:cancel()
        alice:receive(487)
        finish()
        assert.equal(1, world.count_received(net, "bob", "INVITE"))
    end)
end)
