-- Memory runs out at every place where a call of two legs asks for some (spec/route/bridge_sweep.lua).
local bridge_sweep = require "route.bridge_sweep"

describe("without memory", function()
    local net, alice, bob, carol

    after_each(function()
        require "lunasip.stage".library.memory_fail_never()
        net:close()
    end)

    it("a call of two legs fails cleanly at each allocation, its re-INVITE too", function()
        net, alice, bob, carol = bridge_sweep.open()
        bridge_sweep.sweep(net, { alice, bob, carol }, function()
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive("INVITE", 1)
            bob:reply(invite, 180)
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200, 1)
            bob:receive("ACK", 1)
            bob:reinvite { sdp = true }
            alice:reply(alice:receive("INVITE", 1), 200, { sdp = true })
            bob:receive(200, 1)
            alice:receive("ACK", 1)
            alice:ask "INFO"
            bob:reply(bob:receive("INFO", 1), 200)
            alice:receive(200, 1)
            bridge_sweep.hang_up(alice, bob)
            return true
        end)
    end)
end)
