-- Calls of two legs over a bad network: loss, duplication, reordering; re-INVITE, UPDATE, INFO, REFER, reliable
-- provisional responses, CANCEL, BYE from anybody at any time (spec/route/storm.lua).
local storm = require "route.storm"

local SEEDS = storm.seeds(40)

describe("calls of two legs over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, one outcome per call, and BYE on each leg that talked (seed %d)"):format(seed),
            function()
                local net = storm.run(seed, { calls = "two_legs" })
                assert.no_address("10.0.0.", "public")
                assert.no_address("192.0.2.", "private")
                storm.close(net, storm.faults_of_two_legs(net))
            end)
    end
end)

describe("calls of two legs over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, { calls = "two_legs", without_memory = true }):close()
        end)
    end
end)
