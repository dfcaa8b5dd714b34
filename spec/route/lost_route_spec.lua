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

-- After a restart, or from somebody who makes a To tag up: there is no such call (RFC 3261 s12.2.2).
describe("a request of a call that is not known here", function()
    local net, alice, bob

    after_each(function()
        net:close()
    end)

    local function open(refuse_unknown)
        local callees
        net, alice, callees = world.open {
            body = world.TO_BOB, conf = { dialog = { refuse_unknown = refuse_unknown } },
        }
        bob = callees.bob
    end

    -- With the Route that such a call would have.
    local function ask(method)
        alice:send(world.raw {
            method = method, branch = "unknown" .. method, to = "To: <sip:bob@example.net>;tag=b1",
            uri = "sip:bob@10.0.0.20:5060",
            headers = { "Route: <sip:192.0.2.1:5060;lr;r2=on>, <sip:10.0.0.1:5060;lr;r2=on>" },
        })
    end

    it("gets 481 before a script sees it, when dialog.refuse_unknown is 1", function()
        open(1)
        for _, method in ipairs { "INVITE", "BYE", "UPDATE", "PRACK", "INFO" } do
            ask(method)
            alice:receive(481)
        end
        ask "ACK" -- is never answered
        net:settle()
        assert.equal(6, net:status().counters["dialog.unknown"])
        assert.is_nil(bob.queue[1])
    end)

    it("goes on when it is of another kind of dialog", function()
        open(1)
        ask "NOTIFY"
        bob:reply(bob:receive "NOTIFY", 200)
        alice:receive(200)
    end)

    it("is left to the script when it is 0", function()
        open(0)
        ask "BYE"
        bob:reply(bob:receive "BYE", 481)
        alice:receive(481)
        assert.equal(0, net:status().counters["dialog.unknown"])
    end)

    it("does not touch the calls that are known", function()
        open(1)
        world.answer(alice, bob)
        world.hang_up(alice, bob)
    end)
end)
