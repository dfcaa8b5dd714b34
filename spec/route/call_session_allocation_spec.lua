-- Session timers and keepalives of a call of two legs without memory: it may end, and leaves nothing.
local sweep = require "route.bridge_sweep"

local INTERVAL = { ["Session-Expires"] = "90;refresher=uac" }

describe("session timers and keepalives of two legs without memory", function()
    it("end a call or do not, and leak nothing", function()
        local net, alice, bob = sweep.open [[
            session_timer = { expires_s = 90 }, keepalive = { interval_s = 20, failures = 1 }
        ]]

        local function refreshed(party, method)
            local refresh = party:receive(method, 46)
            party:reply(refresh, 200, { sdp = method == "INVITE", headers = INTERVAL })
            if method == "INVITE" then
                party:receive("ACK", 1)
            end
        end

        sweep.sweep(net, { alice, bob }, function()
            alice:invite("sip:bob@example.net", { sdp = true, headers = { ["Session-Expires"] = "90" } })
            local invite = bob:receive("INVITE", 1)
            bob:reply(invite, 422, { headers = { ["Min-SE"] = "91" } })
            bob:receive("ACK", 1)
            invite = bob:receive("INVITE", 1)
            bob:reply(invite, 200, { sdp = true, headers = { Allow = "INVITE, UPDATE" } })
            alice:receive(200, 1)
            bob:receive("ACK", 1)
            alice.auto_options, bob.auto_options = true, true
            alice:request(alice.call, "UPDATE", { headers = { ["Session-Expires"] = "90" }, once = true })
            alice:receive({ status = 200, method = "UPDATE" }, 1)
            refreshed(alice, "INVITE")
            refreshed(bob, "UPDATE")
            sweep.hang_up(alice, bob)
            return true
        end, 3)
        net:close()
    end)
end)
