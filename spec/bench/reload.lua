-- What reloads cost the calls beside them: the time from INVITE to 200 of calls by hand, while SIPp carries 200 calls
-- per second with media that last 5 s each, without reloads and with 1,000 of them a minute, each of another text, so
-- that it is checked, too. Both kinds of run take turns. Times are printed, never asserted.
-- usage: luajit spec/bench/reload.lua [SECONDS of each run] [RUNS of each kind]
package.path = "spec/?.lua;" .. package.path
local latency = require "bench.latency"
local network = require "support.network"
local peers = require "bench.peers"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"

local SECONDS, RUNS = tonumber(arg[1]) or 15, tonumber(arg[2]) or 2
local RATE, TALK_MS = 200, 5000
local PAUSE_S = 0.06 -- between the begins of two reloads
local BAR = 1.5

local function copy(from, to)
    assert(os.execute(("cp '%s' '%s'"):format(from, to)) == 0)
end

-- Reloads one after the other until it is stopped; a line of another text each time.
local RELOADER = [[
n=0
while :; do
    n=$((n + 1))
    sleep %g &
    { cat scripts/sbc.lua; echo "-- reload $n"; } >"%s"
    "%s" ctl --socket "%s" reload >/dev/null || echo refused
    wait $!
done
]]

local function start_reloads(engine, route)
    return process.start {
        command = { "sh", "-c", RELOADER:format(PAUSE_S, route, engine.binary, engine.socket) }, name = "reloads",
    }
end

local function newest(engine)
    local generations = engine:status().generations
    return generations[#generations].id
end

-- One run. @return microseconds to the 200 of each call by hand, failed calls, reloads
local function run(at, up, route)
    local calls, limit = RATE * SECONDS, SECONDS + TALK_MS / 1000 + 60
    local values = { content_type = "application/sdp", talk_ms = TALK_MS }
    local gateway = sipp.gateway {
        scenario = "spec/bench/uas", host = at(21), calls = calls + SECONDS * 100, values = values, seconds = limit,
    }
    local before = newest(up.engine)
    local reloads = route and start_reloads(up.engine, route)
    local caller = sipp.start {
        scenario = "spec/bench/uac", host = at(12), remote = at(10) .. ":5060", calls = calls, rate = RATE,
        values = values, seconds = limit, simultaneous = 100000,
    }
    local deadline = posix.now() + SECONDS
    local _, lost, setups = latency.sample(at, true, function() return posix.now() > deadline end)
    if reloads then
        reloads:stop(1)
        assert(not reloads:output():find "refused", "a reload was refused")
    end
    local count = newest(up.engine) - before
    local saw = caller:wait()
    gateway.process:stop(0.1)
    return setups, lost + saw.failed, count
end

local function percentile(times, share)
    return times[math.max(1, math.ceil(#times * share))]
end

local at = network.block()
local route = process.folder() .. "/route.lua"
copy("scripts/sbc.lua", route)
local up = peers.lunasip(at, { workers = tonumber(io.popen("nproc"):read "*l"), route = route })
local kinds = { { name = "without reloads" }, { name = "with reloads", route = route } }
run(at, up) -- warm
for _ = 1, RUNS do
    for _, kind in ipairs(kinds) do
        local cpu = peers.usage(up)
        local setups, failed, reloads = run(at, up, kind.route)
        kind.times, kind.failed = kind.times or {}, (kind.failed or 0) + failed
        kind.reloads, kind.cpu_s = (kind.reloads or 0) + reloads, (kind.cpu_s or 0) + peers.usage(up) - cpu
        for _, time_us in ipairs(setups) do table.insert(kind.times, time_us) end
    end
end
print(("%-40s %8s %8s %8s %8s %8s %8s"):format("call setup beside 200 calls/s, 5 s each", "calls", "failed", "reloads",
    "p50 us", "p99 us", "CPU s"))
for _, kind in ipairs(kinds) do
    table.sort(kind.times)
    kind.p99_us = percentile(kind.times, 0.99)
    print(("%-40s %8d %8d %8d %8.0f %8.0f %8.1f"):format(kind.name, #kind.times, kind.failed, kind.reloads,
        percentile(kind.times, 0.5), kind.p99_us, kind.cpu_s))
end
local ratio = kinds[2].p99_us / kinds[1].p99_us
print(("%-74s %8.3f  <= %6.3f  %s"):format("p99 of call setup with reloads / without", ratio, BAR,
    ratio <= BAR and "pass" or "MISS"))
peers.stop(up)
process.clean()
