local storm = require "route.storm"
local helper = require "support.helper"
local world = require "route.world"

-- LUNASIP_STORMS: how many seeds (a soak takes thousands).
local SEEDS = tonumber(os.getenv "LUNASIP_STORMS") or 60

describe("calls over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, and one outcome per call (seed %d)"):format(seed), function()
            local net = storm.run(seed, seed % 3 == 0 and 4 or 1)
            local fault = storm.faults(net)
            if fault then
                local text = net:failed(fault)
                net:close()
                error(text)
            end
            net:close()
        end)
    end
end)

describe("calls over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, seed % 3 == 0 and 4 or 1, true):close()
        end)
    end
end)

describe("the trace", function()
    local path = package.path

    local function trace(seed, workers)
        local command = ("LUA_PATH='%s' LUNASIP_BUILD='%s' luajit spec/route/storm.lua %d %d"):format(path,
            helper.build, seed, workers)
        local process = assert(io.popen(command))
        local text = process:read "*a"
        process:close()
        assert.is_true(#text > 1000)
        return text
    end

    for _, workers in ipairs { 1, 4 } do
        it(("depends on the seed alone, in every process (%d workers)"):format(workers), function()
            local first = trace(7, workers)
            for _ = 1, 4 do
                assert.is_true(trace(7, workers) == first)
            end
            assert.is_false(trace(8, workers) == first)
        end)
    end

    it("shows the same messages at the same times with 1 and with 4 workers", function()
        local ladders = {}
        for i, workers in ipairs { 1, 4 } do
            local net, alice, callees = world.open { body = world.TO_BOB, workers = workers }
            net:impair { delay = 0.01 }
            for _ = 1, 10 do
                world.answer(alice, callees.bob, { sdp = true })
                world.hang_up(alice, callees.bob)
            end
            -- Branches and tags are drawn from each worker's own source.
            ladders[i] = net:ladder():gsub("%s+z9hG4bK%S+", "")
            net:close()
        end
        assert.equal(ladders[1], ladders[2])
    end)
end)
