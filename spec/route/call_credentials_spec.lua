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

    describe("that another party sends us to", function()
        local carol

        local function open(more)
            net:close()
            local callees
            net, alice, callees = world.open { body = ([[
                assert(sip.call.bridge(req, {
                    to = "sip:bob@10.0.0.20:5060", interface = "private", redirect = "follow", refer = "handle",
                    credentials = { username = "office", password = "secret" %s },
                }))
            ]]):format(more or "") }
            bob, carol = callees.bob, callees.carol
            bob.contact = "<sip:carol@10.0.0.21:5060?Subject=hello>"
        end

        local function redirect_to_carol()
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 302)
            local invite = carol:receive "INVITE"
            assert.equal("sip:carol@10.0.0.21:5060", invite.uri) -- s19.1.1: without headers
            carol:reply(invite, 407, { headers = { ["Proxy-Authenticate"] = challenge "from carol" } })
        end

        it("by a redirection get no answer to their challenges: a caller sees 403", function()
            open()
            redirect_to_carol()
            alice:receive(403)
            assert.equal(1, world.count_received(net, "carol", "INVITE"))
            finish()
        end)

        it("get one for the realm that the script names, and nobody for another", function()
            open ', realm = "trunk.example"'
            redirect_to_carol()
            local again = carol:receive "INVITE"
            assert.matches('realm="trunk.example", nonce="from carol"', again:header "Proxy-Authorization")
            carol:reply(again, 486)
            alice:receive(486)
            finish()
            open ', realm = "elsewhere.example"'
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 407, { headers = { ["Proxy-Authenticate"] = challenge "of bob" } })
            alice:receive(403)
            finish()
        end)

        it("by REFER get none either, but at the script's own host", function()
            open()
            bob.contact = "<sip:bob@10.0.0.20:5060>"
            for _, host in ipairs { "10.0.0.21", "10.0.0.20" } do
                world.answer(alice, bob, { sdp = true })
                bob:ask("REFER", { headers = { ["Refer-To"] = ("<sip:carol@%s:5060>"):format(host) } })
                local target = host == "10.0.0.21" and carol or bob
                target:reply(target:receive "INVITE", 401, { headers = { ["WWW-Authenticate"] = challenge "target" } })
                if target == bob then
                    local again = bob:receive "INVITE"
                    assert.matches('username="office"', again:header "Authorization")
                    bob:reply(again, 486)
                end
                for _, status in ipairs { "100", target == bob and "486" or "401" } do
                    local notify = bob:receive "NOTIFY"
                    assert.matches("^SIP/2.0 " .. status, notify.body)
                    bob:reply(notify, 200)
                end
                alice:hangup()
                bob:reply(bob:receive "BYE", 200)
                finish()
            end
            assert.equal(1, world.count_received(net, "carol", "INVITE"))
        end)
    end)

    it("hold no line ends: misuse at the caller's line", function()
        net:close()
        net, alice = world.open { body = [[
            local ok, err = pcall(sip.call.bridge, req, { credentials = { username = "a\r\nX: y", password = "" } })
            sip.log.info("%s %s", tostring(ok), err)
            req:reply(404)
        ]] }
        alice:invite "sip:bob@example.net"
        alice:receive(404)
        assert.truthy(net:logged "false .*username is a text without line ends")
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
