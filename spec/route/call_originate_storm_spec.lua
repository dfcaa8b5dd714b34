-- Calls that begin here over a bad network: either party rings, answers, refuses, keeps silent, asks or hangs up, at
-- any time (spec/route/storm.lua).
local storm = require "route.storm"

local SEEDS = storm.seeds(40)

describe("calls that begin here, over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, and BYE on each leg that talked (seed %d)"):format(seed), function()
            local net = storm.run(seed, { calls = "originated" })
            assert.is_true(net:status().counters["call.originated"] > 0)
            storm.close(net, storm.faults_of_originated(net))
        end)
    end
end)

describe("calls that begin here, over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, { calls = "originated", without_memory = true }):close()
        end)
    end
end)
