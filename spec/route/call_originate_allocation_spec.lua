-- Memory runs out at every place where a call that begins here asks for some (spec/route/bridge_sweep.lua).
local bridge_sweep = require "route.bridge_sweep"
local lab = require "lunasip.lab"
local world = require "route.world"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method ~= "OPTIONS" then return req.method ~= "ACK" and req:reply(481) end
    local call = sip.call.originate {
        from = "sip:alice@192.0.2.10", to = "sip:bob@10.0.0.20", from_interface = "public", interface = "private",
        media = { from = "public", to = "private" }, headers = { ["X-A"] = "b" }, pass = { "X-B" },
        credentials = { username = "a", password = "b" }, on_end = function() end,
    }
    req:reply(call and 200 or 503)
end
]]

describe("without memory", function()
    local net

    after_each(function()
        require "lunasip.stage".library.memory_fail_never()
        net:close()
    end)

    it("a call that begins here fails cleanly at each allocation, and nobody is left behind", function()
        net = lab.new { route = ROUTE, conf = { limits = { dialog_idle_s = 60 }, records = {} } }
        local alice = net:agent { name = "alice", address = "192.0.2.10", auto_cancel = true }
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true }
        local click = net:agent { name = "click", address = "192.0.2.99" }
        local asked = 0
        bridge_sweep.sweep(net, { alice, bob, click }, function()
            asked = asked + 1
            click:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1", call_id = "Call-ID: click-" .. asked,
                via = "Via: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bKclick" .. asked,
            })
            click:receive(200, 1)
            alice:reply(alice:receive("INVITE", 1), 200, { sdp = true })
            alice:receive("ACK", 1)
            bob:reply(bob:receive("INVITE", 1), 200, { sdp = true })
            alice:reply(alice:receive("INVITE", 1), 200, { sdp = true })
            alice:receive("ACK", 1)
            bob:receive("ACK", 1)
            bridge_sweep.hang_up(alice, bob)
            return true
        end, 2)
    end)
end)
