-- Calls of two legs over a bad network: loss, duplication, reordering; re-INVITE, UPDATE, INFO, REFER, reliable
-- provisional responses, CANCEL, BYE from anybody at any time (spec/route/storm.lua).
local storm = require "route.storm"

-- LUNASIP_STORMS: how many seeds (a soak takes thousands).
local SEEDS = tonumber(os.getenv "LUNASIP_STORMS") or 40

describe("calls of two legs over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, one outcome per call, and BYE on each leg that talked (seed %d)"):format(seed),
            function()
                local net = storm.run(seed, seed % 3 == 0 and 4 or 1, nil, nil, nil, true)
                local fault = storm.faults_of_two_legs(net)
                if fault then
                    local text = net:failed(fault)
                    net:close()
                    error(text)
                end
                net:close()
            end)
    end
end)

describe("calls of two legs over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, seed % 3 == 0 and 4 or 1, true, nil, nil, true):close()
        end)
    end
end)
