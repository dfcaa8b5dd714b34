-- Calls that begin here over a bad network: either party rings, answers, refuses, keeps silent, asks or hangs up, at
-- any time (spec/route/storm.lua).
local storm = require "route.storm"

-- LUNASIP_STORMS: how many seeds (a soak takes thousands).
local SEEDS = tonumber(os.getenv "LUNASIP_STORMS") or 40

describe("calls that begin here, over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, and BYE on each leg that talked (seed %d)"):format(seed), function()
            local net = storm.run(seed, seed % 3 == 0 and 4 or 1, nil, nil, nil, "originated")
            local fault = storm.faults_of_originated(net)
            if fault then
                local text = net:failed(fault)
                net:close()
                error(text)
            end
            assert.is_true(net:status().counters["call.originated"] > 0)
            net:close()
        end)
    end
end)

describe("calls that begin here, over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, seed % 3 == 0 and 4 or 1, true, nil, nil, "originated"):close()
        end)
    end
end)
