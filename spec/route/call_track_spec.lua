-- The caller's leg of a call of two legs is a dialog like any other (RFC 3261 s12): what a script hangs on it serves
-- both legs: longest duration, profiles, events, and a reload in the middle of the call.
local world = require "route.world"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    local call = sip.dialog.track(req, {
        max_duration_s = 30,
        on_end = function(event)
            sip.log.info("over: %s, answered: %s, by %s", event.reason, tostring(event.answered),
                tostring(event.ended_by))
        end,
    })
    assert(call:set_profile("trunk", "a", { limit = 1 }))
    local bridged = assert(sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" },
    }))
    if req:header "X-Hang-Up" then
        sip.timer.after(5, function() assert(bridged:hangup 'Q.850;cause=16') end)
    end
end
event_route["dialog:answer"] = function(event)
    sip.log.info("answered: %s, %s", event.from_uri, event.status)
end
]]

describe("a tracked call of two legs", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { route = ROUTE }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    local function finish()
        world.finish_hidden(net)
    end

    it("is ended with BYE on both legs when its time is used up", function()
        world.answer(alice, bob, { sdp = true })
        net:advance(31)
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.is_truthy(bye:header "Reason")
            agent:reply(bye, 200)
        end
        assert.truthy(net:logged "answered: sip:alice@192.0.2.10:5060, 200")
        assert.truthy(net:logged "over: duration, answered: true, by engine")
        finish()
    end)

    it("says who ended it: the caller, the callee, nobody, the script with its Reason (RFC 3326)", function()
        world.answer(alice, bob)
        world.hang_up(alice, bob)
        assert.truthy(net:logged "over: bye, answered: true, by caller")
        world.answer(alice, bob)
        world.hang_up(bob, alice)
        assert.truthy(net:logged "over: bye, answered: true, by callee")
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(200)
        alice:receive(487)
        assert.truthy(net:logged "over: cancelled, answered: false, by caller")
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        assert.truthy(net:logged "over: failed, answered: false, by nil")
        alice:invite("sip:bob@example.net", { headers = { ["X-Hang-Up"] = "yes" } })
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        net:advance(6)
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.equal("Q.850;cause=16", bye:header "Reason")
            agent:reply(bye, 200)
        end
        assert.truthy(net:logged "over: script, answered: true, by engine")
        finish()
    end)

    it("gives its place back whoever hangs up, and when nobody answers", function()
        for _ = 1, 2 do
            world.answer(alice, bob, { sdp = true })
            world.hang_up(bob, alice)
            alice:invite("sip:bob@example.net", { sdp = true })
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
        end
        finish()
    end)

    it("lives on across a reload, with the handlers that it began with", function()
        world.answer(alice, bob, { sdp = true })
        assert(net:reload { source = "function request_route(req) req:reply(503) end" })
        world.ask(bob, alice, "INFO")
        world.hang_up(bob, alice)
        assert.truthy(net:logged "over: bye, answered: true")
        finish()
    end)
end)
