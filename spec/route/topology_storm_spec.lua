-- Random calls over a bad network that hide their topology; From and To are the script's, which leaves them alone.
local storm = require "route.storm"

local SEEDS = storm.seeds(30)
local HIDDEN = { except = { "From", "To", "Call-ID" } }

describe("calls over a bad network that hide their topology", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, one outcome per call, and show no address (seed %d)"):format(seed), function()
            local net = storm.run(seed, { track = "{ max_duration_s = 4, hide = true }" })
            assert.no_address("10.0.0.", "public", HIDDEN)
            assert.no_address("192.0.2.", "private", HIDDEN)
            storm.close(net, storm.faults(net, true))
        end)

        it(("leave nothing behind while memory ends, Call-ID masked, too (seed %d)"):format(seed), function()
            storm.run(seed, {
                track = "{ max_duration_s = 4, hide = true, hide_call_id = true }", without_memory = true,
            }):close()
        end)
    end
end)
