-- What a proxy may answer to a request other than INVITE.
local world = require "route.world"

describe("a request other than INVITE (RFC 4320)", function()
    local net, alice, bob, carol

    local function open(body, more)
        local callees
        net, alice, callees = world.open { body = body, more = more }
        bob, carol = callees.bob, callees.carol
    end

    local TO_BOB = [[req:relay { to = "sip:10.0.0.20", interface = "private" }]]

    after_each(function()
        net:close()
    end)

    local function ask()
        alice:send(world.raw { method = "MESSAGE" })
        return bob:receive "MESSAGE"
    end

    it("gets 100 when its sender has slowed down to T2, not before (§4.1)", function()
        open(TO_BOB)
        local message = ask()
        net:advance(3.4)
        assert.not_matches("100 Trying", net:ladder())
        net:advance(0.2)
        assert.matches("\n +3%.500 +public +%-> alice +100 Trying", net:ladder())
        bob:reply(message, 200)
        alice:receive(200)
    end)

    it("gets no other provisional response (§4.1)", function()
        open(TO_BOB)
        local message = ask()
        bob:reply(message, 183)
        alice:receive_nothing(183, 1)
        bob:reply(message, 200)
        alice:receive(200)
    end)

    it("gets no 408 when nobody answers (§4.2); what is repeated goes nowhere", function()
        open(TO_BOB)
        ask()
        alice:receive_nothing(408, 40)
        assert.is_string(net:logged "nobody answered this MESSAGE")
        local _, sent = net:ladder():gsub("%-> bob", "")
        alice:send(world.raw { method = "MESSAGE" })
        alice:receive_nothing(408, 1)
        assert.equal(sent, select(2, net:ladder():gsub("%-> bob", "")))
    end)

    it("gets no 408 of somebody further down (§4.2)", function()
        open(TO_BOB)
        bob:reply(ask(), 408)
        alice:receive_nothing(408, 1)
    end)

    it("gets any other response of a fork before a 408", function()
        open [[req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", interface = "private" }]]
        local message = ask()
        bob:reply(message, 408)
        carol:reply(carol:receive "MESSAGE", 501)
        alice:receive(501)
    end)

    it("is seen by a failure route, which may try the next one", function()
        open([[req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT", timeout_ms = 700 }]], [[
            function failure_route.NEXT(req, reply)
                assert(reply.status == 408 and reply.is_local)
                req:relay { to = "sip:10.0.0.21", interface = "private" }
            end]])
        ask()
        carol:reply(carol:receive "MESSAGE", 200)
        alice:receive(200)
    end)

    it("is answered 408 by a script that says so", function()
        open([[req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "LAST", timeout_ms = 700 }]], [[
            function failure_route.LAST(req)
                req:reply(408)
            end]])
        ask()
        alice:receive(408)
    end)
end)
