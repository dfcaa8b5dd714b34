local storm = require "route.storm"
local helper = require "support.helper"
local world = require "route.world"

local SEEDS = storm.seeds(60)

describe("calls over a bad network", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind, and one outcome per call (seed %d)"):format(seed), function()
            local net = storm.run(seed)
            storm.close(net, storm.faults(net))
        end)
    end
end)

describe("calls over a bad network while memory ends now and then", function()
    for seed = 1, SEEDS do
        it(("leave nothing behind (seed %d)"):format(seed), function()
            storm.run(seed, { without_memory = true }):close()
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

    it("depends on the seed alone, in every process and with any number of workers", function()
        local first = trace(7, 1)
        for i = 1, 9 do
            assert.is_true(trace(7, ({ 1, 2, 4 })[i % 3 + 1]) == first)
        end
        assert.is_false(trace(8, 1) == first)
    end)

    for seed = 1, math.max(6, math.floor(SEEDS / 10)) do
        it(("of a storm is the same with 1, 2 and 4 workers, byte for byte (seed %d)"):format(seed), function()
            local traces = {}
            for i, workers in ipairs { 1, 2, 4 } do
                local net = storm.run(seed, { workers = workers })
                traces[i] = net:trace()
                net:close()
            end
            assert.is_true(#traces[1] > 1000)
            assert.is_true(traces[2] == traces[1])
            assert.is_true(traces[3] == traces[1])
        end)
    end

    -- Pings have Call-IDs of ours, which must hash to the worker that sent them.
    it("of pings, calls at once with media, and retransmissions is the same with 1, 2, 4 and 64 workers", function()
        local first
        for _, workers in ipairs { 1, 2, 4, 64 } do
            local net, alice, callees = world.open {
                workers = workers,
                conf = { dispatcher = { ping_interval = 2, sets = { [1] = { "sip:10.0.0.20:5060" } } } },
                body = [[sip.media.manage(req, { from = "public", to = "private" })]] .. world.TO_BOB,
            }
            net:impair { delay = 0.01, loss = 0.2, duplicate = 0.1, jitter = 0.005 }
            for _ = 1, 8 do
                alice:invite("sip:bob@example.net", { sdp = { "audio" } })
            end
            net:advance(10) -- retransmissions of all of them fall into the same milliseconds
            for _, msg in ipairs(callees.bob.queue) do
                if callees.bob:is_pending(msg) then
                    callees.bob:reply(msg, msg.method == "INVITE" and 486 or 200)
                end
            end
            net:advance(60)
            local seen = net:trace()
            net:close()
            assert.is_truthy(seen:find("OPTIONS sip:10.0.0.20", 1, true))
            first = first or seen
            assert.is_true(seen == first)
        end
    end)
end)
