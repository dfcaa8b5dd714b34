-- Requests within a call that ignore Record-Route (RFC 3261 s12.2.1.1 forbids it, test callers and
-- some phones do it): they come to us without Route, named as their target.
local world = require "route.world"

describe("a request of a call that lost its Route", function()
    local net, alice, bob

    after_each(function()
        net:close()
    end)

    local function call(conf)
        local callees
        net, alice, callees = world.open { body = world.TO_BOB, conf = conf }
        bob = callees.bob
        alice:invite("sip:bob@192.0.2.1:5060", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
    end

    -- What the caller sends from now on goes to the address that it called.
    local function forget_route(agent, target)
        agent.call.route, agent.call.target = {}, target
    end

    it("goes on to the callee, at its Contact", function()
        call()
        forget_route(alice, "sip:bob@192.0.2.1:5060")
        alice:hangup()
        local bye = bob:receive "BYE"
        assert.equal("sip:bob@10.0.0.20:5060", bye.uri)
        bob:reply(bye, 200)
        alice:receive(200)
    end)

    it("goes on to the caller, out of the interface that the caller came in on", function()
        call()
        forget_route(bob, "sip:alice@10.0.0.1:5060")
        bob:hangup()
        local bye = alice:receive "BYE"
        assert.equal("sip:alice@192.0.2.10:5060", bye.uri)
        assert.truthy(bye:header("Via"):find("192.0.2.1:5060", 1, true))
        alice:reply(bye, 200)
        bob:receive(200)
    end)

    it("is left to the script when dialog.match_lost_route is 0", function()
        call { dialog = { match_lost_route = 0 } }
        local route, target = alice.call.route, alice.call.target
        forget_route(alice, "sip:bob@192.0.2.1:5060")
        alice:hangup()
        alice:receive(481)
        alice.call.route, alice.call.target = route, target
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
    end)
end)
