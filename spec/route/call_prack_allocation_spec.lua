-- Memory runs out at every place where reliable provisional responses asks for some (spec/route/bridge_sweep.lua).
local bridge_sweep = require "route.bridge_sweep"

describe("without memory", function()
    local net, alice, bob, carol

    after_each(function()
        require "lunasip.stage".library.memory_fail_never()
        net:close()
    end)

    it("a call of two legs with reliable provisional responses fails cleanly at each allocation (RFC 3262)", function()
        net, alice, bob, carol = bridge_sweep.open()
        local known = 0
        bridge_sweep.sweep(net, { alice, bob, carol }, function()
            known = known + 1 -- the caller knows them, must have them, does not know them
            local headers = ({ { Supported = "100rel" }, { Require = "100rel" }, {} })[known % 3 + 1]
            alice:invite("sip:bob@example.net", { sdp = true, headers = headers })
            local invite = bob:receive("INVITE", 1)
            bob:reply(invite, 183, { sdp = true, reliable = not headers.Require })
            local early = alice:receive(183, 1)
            if early:header "RSeq" then
                alice:prack(early)
            end
            if not headers.Require then
                bob:reply(bob:receive("PRACK", 1), 200)
            end
            bob:reply(invite, 200, { sdp = headers.Require ~= nil })
            alice:receive({ status = 200, method = "INVITE" }, 1)
            bob:receive("ACK", 1)
            bridge_sweep.hang_up(alice, bob)
            return true
        end)
    end)
end)
