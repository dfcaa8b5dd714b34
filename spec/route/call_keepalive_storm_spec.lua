-- Random calls over a bad network whose parties are asked all the time whether they are there: CSeq is translated in
-- the middle of everything that they say.
local storm = require "route.storm"

local SEEDS = storm.seeds(20)
local TRACK = "{ max_duration_s = 9, keepalive = { interval_s = 1, failures = 3 }, hide = %s, hide_call_id = %s }"

describe("calls over a bad network with keepalive", function()
    for seed = 1, SEEDS do
        local is_hidden = tostring(seed % 2 == 0)
        local track = TRACK:format(is_hidden, is_hidden)

        -- Each response that a party gets answers a request of its own: with a number that it gave.
        local function strange_number(net)
            local given = {}
            for _, entry in ipairs(net.journal) do
                local msg = entry.message
                local name = ("%s %s %d %s"):format(entry.agent, msg:header "Call-ID", msg.cseq,
                    msg.method or msg.cseq_method)
                if msg.method and entry.direction == "out" then
                    given[name] = true
                elseif msg.status and entry.direction == "in" and not given[name] then
                    return ("%d for %s"):format(msg.status, name)
                end
            end
        end

        it(("leave nothing behind, and each party its numbers (seed %d)"):format(seed), function()
            local net = storm.run(seed, { track = track })
            local strange = strange_number(net)
            net:close()
            assert.is_nil(strange)
        end)

        it(("leave nothing behind while memory ends now and then (seed %d)"):format(seed), function()
            storm.run(seed, { workers = 1, track = track, without_memory = true }):close()
        end)
    end
end)
