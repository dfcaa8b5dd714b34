-- Requests of one call keep their order, however many calls, sources and workers there are.
local border = require "support.border"
local posix = require "support.posix"
local raw = require "support.raw"

describe("order inside a call, with four workers", function()
    after_each(border.clean)

    -- `sources` callers with `calls` calls each; a burst of INFO in every call, all calls interleaved.
    local function burst(sources, calls, requests)
        local sbc = border.start { workers = 4, timers = { t1_ms = 200 } }
        local gateway = assert(posix.udp(sbc.private_gateway, 5060))
        local all = {}
        for source = 1, sources do
            local caller = assert(posix.udp(sbc.at(100 + source), 5060))
            for i = 1, calls do
                local ends = {
                    caller = caller, gateway = gateway, public = sbc.public, private = sbc.private,
                    id = ("order-%d-%d"):format(source, i),
                }
                all[#all + 1] = { ends = ends, call = raw.call(ends), last = 1, came = {} }
            end
        end
        local by_id, wanted, seen, swaps = {}, 0, 0, {}
        for _, one in ipairs(all) do by_id[one.call.id] = one end
        local function take(message)
            local id, number = message:match "Call%-ID: (%S+)", tonumber(message:match "CSeq: (%d+) INFO")
            if not number then return end
            local one = by_id[id]
            gateway.send(sbc.private, 5060, raw.answer(message, nil, gateway.host))
            if one.came[number] then return end -- once more, because our answer was late
            if number ~= one.last + 1 then swaps[#swaps + 1] = ("%s: %d after %d"):format(id, number, one.last) end
            one.last, one.came[number], seen = number, true, seen + 1
        end
        for number = 2, requests + 1 do
            for _, one in ipairs(all) do
                one.ends.caller.send(sbc.public, 5060, raw.request(one.call, "INFO", number))
                wanted = wanted + 1
            end
            -- Never more in flight than a socket buffer holds.
            posix.wait_until(function()
                for message in gateway.receive do take(message) end
                return wanted - seen < 100
            end, 60, 0.0002)
        end
        posix.wait_until(function()
            for message in gateway.receive do take(message) end
            return seen == wanted
        end, 60, 0.0002)
        assert.same({}, swaps)
        assert.equal(wanted, seen)
        sbc:expect_counters { ["transaction.timeout"] = 0 }
        -- Answers that nobody read may have filled the buffer that the next ones need.
        for _, one in ipairs(all) do
            for _ in one.ends.caller.receive do end
        end
        for _, one in ipairs(all) do raw.hang_up(one.ends, one.call, requests + 2) end
        sbc:expect_nothing_left()
    end

    it("is kept in calls from one source", function() burst(1, 20, 50) end)
    it("is kept in calls from many sources", function() burst(10, 2, 50) end)
end)
