-- Memory runs out at every place where an INVITE with Replaces asks for some (spec/route/bridge_sweep.lua).
local bridge_sweep = require "route.bridge_sweep"
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:header "Replaces" then
        local call, _, status = sip.call.replace(req)
        return call or req:reply(status)
    end
    local call = sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20", interface = "private", media = { from = "public", to = "private" },
    })
    if not call then req:reply(503) end
end
]]

describe("without memory", function()
    local net

    after_each(function()
        require "lunasip.stage".library.memory_fail_never()
        net:close()
    end)

    it("a replacement fails cleanly at each allocation, and nobody is left behind (RFC 3891)", function()
        net = lab.new { route = ROUTE, conf = { limits = { dialog_idle_s = 60 } } }
        local alice = net:agent { name = "alice", address = "192.0.2.10", auto_ack = true }
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true }
        local carol = net:agent { name = "carol", address = "10.0.0.21", side = "private", auto_ack = true }
        bridge_sweep.sweep(net, { alice, bob, carol }, function()
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive("INVITE", 1)
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200, 1)
            bob:receive("ACK", 1)
            carol:invite("sip:bob@example.net", { sdp = true, headers = {
                Replaces = ("%s;to-tag=%s;from-tag=%s"):format(invite:header "Call-ID", invite:tag "From",
                    bob.calls[invite:header "Call-ID"].local_tag),
            } })
            alice:reply(alice:receive("INVITE", 1), 200, { sdp = true })
            alice:receive("ACK", 1)
            carol:receive(200, 1)
            bob:reply(bob:receive("BYE", 1), 200)
            bridge_sweep.hang_up(alice, carol)
            return true
        end, 2)
    end)
end)
