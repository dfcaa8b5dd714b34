-- Memory runs out at every place where a transfer asks for some (spec/route/bridge_sweep.lua).
local bridge_sweep = require "route.bridge_sweep"

describe("without memory", function()
    local net, alice, bob, carol

    after_each(function()
        require "lunasip.stage".library.memory_fail_never()
        net:close()
    end)

    it("a transfer fails cleanly at each allocation, and nobody is left behind (RFC 3515)", function()
        net, alice, bob, carol = bridge_sweep.open [[refer = "handle"]]
        bridge_sweep.sweep(net, { alice, bob, carol }, function()
            alice:invite("sip:bob@example.net", { sdp = true })
            bob:reply(bob:receive("INVITE", 1), 200, { sdp = true })
            alice:receive(200, 1)
            bob:receive("ACK", 1)
            bob:ask("REFER", { headers = { ["Refer-To"] = "<sip:carol@10.0.0.21>" } })
            bob:receive(202, 1)
            carol:reply(carol:receive("INVITE", 1), 200, { sdp = true })
            alice:reply(alice:receive("INVITE", 1), 200, { sdp = true })
            alice:receive("ACK", 1)
            carol:receive("ACK", 1)
            bob:reply(bob:receive("BYE", 1), 200)
            bridge_sweep.hang_up(alice, carol)
            return true
        end, 2)
    end)
end)
