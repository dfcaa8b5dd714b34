-- Reloads under load: 1,000 of them in a minute of 200 calls per second that each last 5 s, beside calls with audio.
-- No call fails, no packet of audio is lost, and afterwards memory and generations are as before. A tenth of it runs
-- with the tests.
local border = require "support.border"
local lunasip = require "support.lunasip"
local media_calls = require "bench.media_calls"
local posix = require "support.posix"
local process = require "support.process"
local rtp = require "support.rtp"
local text_file = require "support.text_file"

local CALLS_PER_S, TALK_MS = 200, 5000
local RELOADS = lunasip.calls(1000) -- and after every tenth one a script that is broken
local SECONDS = 60 * RELOADS / 1000
local AUDIO_CALLS = 40
-- Memory may grow by so much. The short run before the reloads does not touch all that the next one does; of the 100
-- reloads of a tenth each that left its generation would leave 1.4 MB.
local SLACK_KB = RELOADS < 1000 and 8192 or 0

local read, write = text_file.read, text_file.write

-- From INVITE to its 200, in ms, of SIPp's `-trace_rtt`.
local function p99_ms(caller)
    local pipe, times = assert(io.popen("cat " .. caller.folder .. "/*_rtt.csv")), {}
    for line in pipe:lines() do
        local ms, timer = line:match "^[%d.]+;([%d.]+);(.*)"
        if ms and timer:find "1" then times[#times + 1] = tonumber(ms) end
    end
    pipe:close()
    table.sort(times)
    return times[math.ceil(#times * 0.99)]
end

describe("reloads under load", function()
    after_each(border.clean)

    -- Calls with audio and calls of SIPp at once, while `meanwhile(caller)` does something.
    -- @return packets of audio lost, p99 of call setup in ms, resident set after everything is over
    local function run(sbc, generator, meanwhile)
        local streams, hang_up = media_calls.through_sip(sbc.at, AUDIO_CALLS)
        local audio = rtp.start(generator, streams, SECONDS + 2)
        local caller
        local seen, gateway = sbc:run {
            from = "private", caller = "uac", gateway = "uas", calls = CALLS_PER_S * SECONDS, rate = CALLS_PER_S,
            values = { talk_ms = TALK_MS }, seconds = SECONDS + 60, caller_host = sbc.at(22),
            gateway_host = sbc.public_gateway, arguments = { "-trace_rtt", "-rtt_freq", "1" },
            while_running = function(started)
                caller = started
                if meanwhile then meanwhile(started) end
            end,
        }
        local log = "\nlunasip said:\n" .. sbc.engine.process:output():sub(-3000)
            .. ("\nthe gateway ended with %s:\n"):format(tostring(gateway.exit)) .. gateway.errors:sub(1, 1500)
            .. gateway.output:sub(-1500)
        assert.equal(0, seen.failed, seen.errors .. log)
        assert.equal(CALLS_PER_S * SECONDS, seen.ok, seen.errors .. log)
        assert.equal(0, gateway.failed, gateway.errors .. log)
        local lost = audio:lost()
        hang_up()
        return lost, p99_ms(caller)
    end

    -- What is free goes back to the system a moment later: wait until it is `enough`, if that is known.
    local function memory_kb(sbc, enough)
        assert.equal(lunasip.nothing, sbc.engine:settle(90))
        local least
        posix.wait_until(function()
            local now = sbc.engine.process:usage().rss_kb
            least = math.min(least or now, now)
            return enough and least <= enough
        end, enough and 30 or 4, 0.1)
        return least
    end

    it(("%d of them fail no call, lose no packet, and leave nothing"):format(RELOADS), function()
        local generator = rtp.build()
        local folder = process.folder()
        local route, good = folder .. "/route.lua", read "scripts/sbc.lua"
        write(route, good)
        local sbc = border.start {
            route = route, timers = { t1_ms = 500 },
            build = lunasip.build:gsub("build[^/]*$", "build"), -- the one that users run
            private_hosts = { 22 },
            -- What else runs on the machine may stop a worker for half a second; calls that it sheds then (503) are
            -- not those that a reload fails.
            -- The flight recorder takes memory until its ring is full: a small one is, before memory is looked at.
            blocks = { limits = { shed_lag_ms = 10000 }, dialog = { recorder_mib = 1 } },
        }
        local lost_before, p99_before = run(sbc, generator)
        local kb_before = memory_kb(sbc)

        local reloads, refused, took = 0, 0, 0
        local function reload(text, expected)
            write(route, text)
            local began = posix.now()
            local code, output = sbc.engine:ctl "reload"
            took = took + posix.now() - began
            assert.equal(expected, code, output)
            return output
        end
        local lost, p99 = run(sbc, generator, function()
            local began = posix.now()
            while reloads < RELOADS do
                reload(good, 0)
                reloads = reloads + 1
                if reloads % 10 == 0 then
                    local generation = sbc.engine:status().generations
                    assert.matches("route%.lua:%d+:%d+: ", reload(good .. "\nfunction broken( end\n", 1))
                    local now = sbc.engine:status().generations
                    assert.equal(generation[#generation].id, now[#now].id)
                    refused = refused + 1
                end
                local due = began + reloads * SECONDS / RELOADS
                posix.wait_until(function() return posix.now() >= due end, 1, 0.001)
            end
        end)
        local kb = memory_kb(sbc, kb_before * 1.05 + SLACK_KB)
        io.stderr:write(("%d reloads, %d refused, %.1f ms each: p99 of call setup %.1f ms, without %.1f ms; lost %d, "
            .. "without %d; %d kB, before %d kB\n"):format(reloads, refused, took * 1000 / (reloads + refused), p99,
            p99_before, lost, lost_before, kb, kb_before))
        assert.equal(RELOADS, reloads)
        assert.equal(math.floor(RELOADS / 10), refused)
        assert.equal(0, math.max(0, lost - lost_before))
        local generations = sbc.engine:status().generations
        assert.equal(1, #generations)
        assert.equal(RELOADS + 1, generations[1].id)
        assert.is_true(kb <= kb_before * 1.05 + SLACK_KB, ("memory went from %d to %d kB"):format(kb_before, kb))
        sbc:expect_nothing_left()
    end)
end)
