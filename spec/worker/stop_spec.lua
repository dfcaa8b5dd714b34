-- The engine stops while handlers wait: they are told so, what they decide still leaves, and nothing of theirs is left.
local stage = require "lunasip.stage"
local world = require "route.world"

local HANDLERS = {
    ["onreply_route"] = "function onreply_route(reply) %s end",
    ["failure_route"] = "function failure_route.FAILED(req, reply) %s end",
    ["branch_route"] = "function branch_route.BRANCH(req) %s end",
}
local SLEEPERS = {
    ["sleeps"] = "require 'lunasip'.sleep(3600)",
    ["sleeps again and again"] = "while true do require 'lunasip'.sleep(9) end",
}
local BODY = [[
    req:record_route()
    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = failure_route.FAILED and "FAILED",
        on_branch = branch_route.BRANCH and "BRANCH" }
]]

describe("stopping", function()
    -- Open it, let a handler wait, and close it in the middle of that.
    local function stop_while_waiting(options, begin)
        collectgarbage() -- what earlier specs left must not be freed in between
        collectgarbage()
        local before = stage.live_objects()
        local net, alice, callees = world.open(options)
        begin(alice, callees.bob)
        net:advance(0.1)
        net.has_failed = true -- this network is closed as it is: nobody waits for the call's end
        net:close()
        assert.equal(before, stage.live_objects())
    end

    local function invite(alice)
        alice:invite "sip:bob@example.net"
    end

    local function invite_and_refuse(alice, bob)
        invite(alice)
        bob:reply(bob:receive "INVITE", 486)
    end

    for name, handler in pairs(HANDLERS) do
        local begin = name == "branch_route" and invite or invite_and_refuse
        for what, code in pairs(SLEEPERS) do
            it(("ends a %s that %s"):format(name, what), function()
                stop_while_waiting({ body = BODY, more = handler:format(code) }, begin)
            end)
        end
    end

    it("ends a request_route that sleeps", function()
        stop_while_waiting({ body = SLEEPERS.sleeps .. " " .. BODY }, invite)
    end)

    it("ends a reply's handler of a request that was forwarded statelessly", function()
        stop_while_waiting({
            body = [[req["$du"] = "sip:10.0.0.20:5060" req:forward()]],
            more = HANDLERS.onreply_route:format "require 'lunasip'.sleep(9)",
        }, invite_and_refuse)
    end)
end)
