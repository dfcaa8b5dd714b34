-- Random calls over a bad network that hide their topology.
local storm = require "route.storm"

-- LUNASIP_STORMS: how many seeds (a soak takes thousands).
local SEEDS = tonumber(os.getenv "LUNASIP_STORMS") or 30
local HIDDEN = { where = { "Via", "Record-Route", "Contact", "Route", "Request-URI" } }

describe("calls over a bad network that hide their topology", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, one outcome per call, and show no address (seed %d)"):format(seed), function()
            local net = storm.run(seed, seed % 3 == 0 and 4 or 1, false, nil, "{ max_duration_s = 4, hide = true }")
            local fault = storm.faults(net, true)
            if fault then
                local text = net:failed(fault)
                net:close()
                error(text)
            end
            assert.no_address("10.0.0.", "public", HIDDEN)
            assert.no_address("192.0.2.", "private", HIDDEN)
            net:close()
        end)

        it(("leave nothing behind while memory ends, Call-ID masked, too (seed %d)"):format(seed), function()
            storm.run(seed, seed % 3 == 0 and 4 or 1, true, nil,
                "{ max_duration_s = 4, hide = true, hide_call_id = true }"):close()
        end)
    end
end)
