-- CPU per call and per RTP packet of lunasip, side by side with null relays, Kamailio and rtpengine, in one run on one
-- machine. Times are printed and compared as ratios, never asserted. usage: luajit spec/bench/bench.lua [PART…]
-- where PART picks measurements by the beginning of their name, for instance: null lunasip rtp
package.path = "spec/?.lua;" .. package.path
local latency = require "bench.latency"
local media_calls = require "bench.media_calls"
local network = require "support.network"
local peers = require "bench.peers"
local posix = require "support.posix"
local process = require "support.process"
local registrations = require "bench.registrations"
local restart = require "bench.restart"
local lunasip = require "support.lunasip"
local sipp = require "support.sipp"

local seconds = tonumber(os.getenv "BENCH_SECONDS") or 10
local rate = 1000
local LATENCY_S = 5 -- the run that asks how soon a 100 comes
local WARM_S = 36 -- of calls before those that count: a transaction outlives its call by 32 s (64*T1)
local cores = tonumber(io.popen("nproc"):read "*l")
local results, order = {}, {}
local BRIDGE = io.popen("pwd"):read "*l" .. "/spec/bench/bridge.lua" -- calls of two legs

local has_lunasip = io.open(lunasip.build .. "/lunasip") ~= nil

-- The peers that carry calls, in the order of the table. `sdp`: the body is an SDP, so that media is handled;
-- `has_callers`: false when it knows one caller at a time.
local signalling = {
    { name = "null SIP relay", start = peers.null_sip, has_callers = false },
    { name = "null SIP relay, SCHED_BATCH", start = function(at) return peers.null_sip(at, true) end,
        has_callers = false },
    { name = "lunasip, 1 worker", start = function(at) return peers.lunasip(at, { workers = 1 }) end, own = true },
    { name = "lunasip, 1 worker, with its log", own = true,
        start = function(at) return peers.lunasip(at, { workers = 1, log_level = "info" }) end },
    { name = "lunasip, a worker per core", start = function(at) return peers.lunasip(at, { workers = cores }) end,
        own = true },
    { name = "lunasip bridged, 1 worker", own = true,
        start = function(at) return peers.lunasip(at, { workers = 1, route = BRIDGE }) end },
    { name = "Kamailio native", start = function(at) return peers.kamailio(at, { language = "native" }) end },
    { name = "Kamailio Lua", start = function(at) return peers.kamailio(at, { language = "lua" }) end },
    { name = "lunasip, 1 worker, media", sdp = true, own = true,
        start = function(at) return peers.lunasip(at, { workers = 1 }) end },
    { name = "lunasip, a worker per core, media", sdp = true, own = true,
        start = function(at) return peers.lunasip(at, { workers = cores }) end },
    { name = "lunasip bridged, 1 worker, media", sdp = true, own = true,
        start = function(at) return peers.lunasip(at, { workers = 1, route = BRIDGE }) end },
    { name = "Kamailio Lua, dialog, topos + rtpengine", sdp = true,
        start = function(at) return peers.kamailio(at, { language = "lua", relay = true, hides = true }) end },
    { name = "Kamailio native + rtpengine", sdp = true,
        start = function(at) return peers.kamailio(at, { language = "native", relay = true }) end },
    { name = "Kamailio Lua + rtpengine", sdp = true,
        start = function(at) return peers.kamailio(at, { language = "lua", relay = true }) end },
}

local function content_type(peer) return peer.sdp and "application/sdp" or "application/x-bench" end

-- Carry calls through a peer that is up. @return caller's and gateway's results, CPU seconds, and those of a server
-- behind it
local function carry(at, peer, up, options)
    local values = { content_type = content_type(peer), talk_ms = options.talk_ms or 0 }
    local limit = options.calls / options.rate + (options.talk_ms or 0) / 1000 + 30
    local gateway = sipp.gateway {
        scenario = "spec/bench/uas", host = at(options.gateway or 21), calls = options.calls + (options.spare or 0),
        values = values, seconds = limit,
    }
    local before, server_before = peers.usage(up), up.server and peers.usage(up.server)
    local caller = sipp.start {
        scenario = "spec/bench/uac", host = at(options.caller or 12), remote = at(10) .. ":5060",
        calls = options.calls, rate = options.rate, values = values, seconds = limit,
        simultaneous = options.simultaneous or 100000,
    }
    if options.while_running then options.while_running(caller) end
    local saw = caller:wait()
    local after, server_cpu = peers.usage(up), up.server and peers.usage(up.server) - server_before
    -- What is still under way when its time is over has failed.
    saw.failed = math.max(saw.failed, options.calls - saw.ok)
    -- The last BYE's answer left before the caller ended; the gateway may still wait for calls that failed.
    gateway.process:wait(saw.failed == 0 and 5 or 0.1)
    gateway.process:stop(0.1)
    return saw, gateway:wait(0.1), after - before, server_cpu
end

-- Share of the ascending times.
local function percentile(times, share)
    return times[math.max(1, math.ceil(#times * share))]
end

-- Microseconds from INVITE to 100 beside that many calls/s. @return p50, p99; nil when the peer knows one caller
local function measure_latency(at, peer, up, calls_per_s)
    if peer.has_callers == false then return nil end
    local times
    carry(at, peer, up, {
        calls = calls_per_s * LATENCY_S, rate = calls_per_s, spare = LATENCY_S * 100,
        while_running = function(caller)
            times = latency.sample(at, peer.sdp, function() return caller.process:poll() end)
        end,
    })
    return percentile(times, 0.5), percentile(times, 0.99)
end

-- options: has_next (true: a lower rate can be tried, so that calls which fail while it becomes warm are enough)
local function measure_calls_at(peer, calls_per_s, options)
    local at = network.block()
    local up = peer.start(at)
    -- Warm: compiled traces, and memory that goes round, since from now on as many transactions end as begin.
    local warm = carry(at, peer, up, { calls = calls_per_s * WARM_S, rate = calls_per_s })
    if warm.failed > 0 and options.has_next then
        peers.stop(up)
        return warm
    end
    local saw, served, cpu, server_cpu = carry(at, peer, up, { calls = calls_per_s * seconds, rate = calls_per_s })
    local p50_us, p99_us
    if saw.failed == 0 then p50_us, p99_us = measure_latency(at, peer, up, calls_per_s) end
    peers.stop(up)
    return {
        us_per_call = cpu * 1e6 / math.max(1, saw.ok), failed = saw.failed, rate = calls_per_s,
        server_us = server_cpu and server_cpu * 1e6 / math.max(1, saw.ok),
        retransmissions = saw.retransmissions + served.retransmissions, p50_us = p50_us, p99_us = p99_us,
    }
end

-- A peer that loses calls at the full rate is measured again at half of it: CPU per call of a peer in trouble would
-- flatter the others.
local function measure_calls(peer)
    local result
    for halved = 0, 3 do
        result = measure_calls_at(peer, math.floor(rate / 2 ^ halved), { has_next = halved < 3 })
        if result.failed == 0 then return result end
    end
    return result
end

-- Highest rate at which nothing failed and nothing was sent twice.
local function measure_highest_rate(peer)
    local best, us = 0, 0
    for _, try in ipairs { 1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000, 12000 } do
        local at = network.block()
        local up = peer.start(at)
        local saw, served, cpu = carry(at, peer, up, { calls = try * 4, rate = try })
        peers.stop(up)
        -- SIPp itself fell behind when the run took much longer than asked for.
        local h, m, s = (saw.elapsed or "0:0:99"):match "(%d+):(%d+):([%d.]+)"
        local took = h * 3600 + m * 60 + s
        local lost = saw.failed > 0 or saw.ok < try * 4
        if lost or saw.retransmissions + served.retransmissions > 0 or took > 4 * 1.15 then break end
        best, us = try, cpu * 1e6 / saw.ok
    end
    return best, us
end

-- RSS per call while so many calls are up, begun at a rate that the peer carries.
local function measure_memory(peer, held, calls_per_s)
    local at = network.block()
    local up = peer.start(at)
    carry(at, peer, up, { calls = 200, rate = 200 })
    local before, kernel_before = peers.memory_kb(up), peers.socket_memory_kb()
    local most, kernel_most = before, kernel_before
    local saw = carry(at, peer, up, {
        calls = held, rate = calls_per_s, talk_ms = held / calls_per_s * 1000 + 3000, simultaneous = held,
        while_running = function(caller)
            posix.wait_until(function()
                most = math.max(most, peers.memory_kb(up))
                kernel_most = kernel_most and math.max(kernel_most, peers.socket_memory_kb())
                return caller.process:poll()
            end, 120, 0.25)
        end,
    })
    peers.stop(up)
    return { kb = (most - before) / held, kernel_kb = kernel_most and (kernel_most - kernel_before) / held,
        failed = saw.failed }
end

-- CPU per call at 500 calls/s while many other calls are in progress.
local function measure_in_progress(peer, held)
    local at = network.block()
    local up = peer.start(at)
    local values = { content_type = content_type(peer), talk_ms = 90000 }
    local gateway = sipp.gateway {
        scenario = "spec/bench/uas", host = at(21), calls = held + 10000, values = values, seconds = 120,
    }
    local holder = sipp.start {
        scenario = "spec/bench/uac", host = at(13), remote = at(10) .. ":5060", calls = held, rate = 1000,
        values = values, seconds = 120, simultaneous = held,
    }
    posix.wait_until(function()
        return (tonumber(holder:statistics()["CurrentCall"]) or 0) >= held or holder.process:poll()
    end, 60, 0.1)
    local before = peers.usage(up)
    local caller = sipp.start {
        scenario = "spec/bench/uac", host = at(12), remote = at(10) .. ":5060", calls = 5000, rate = 500,
        values = { content_type = content_type(peer), talk_ms = 0 }, seconds = 60, simultaneous = 100000,
    }
    local saw = caller:wait()
    local cpu = peers.usage(up) - before
    holder.process:stop(0.1)
    gateway.process:stop(0.1)
    peers.stop(up)
    return cpu * 1e6 / math.max(1, saw.ok), saw.failed
end

-- 400 streams of 50 packets/s through a relay.
local function measure_packets(start, set_up)
    local streams_wanted = 400
    local at = network.block()
    local up = start(at, streams_wanted / 2)
    local streams, finish = set_up(at, streams_wanted / 2, up)
    local list = process.folder() .. "/streams"
    local file = assert(io.open(list, "w"))
    file:write(table.concat(streams, "\n"), "\n")
    file:close()
    local before = peers.usage(up)
    local code, output = process.run({ "sh", "-c", ("exec %s/bench/rtp_generator %d <%s"):format(lunasip.build, seconds,
        list) }, seconds + 20)
    local cpu = peers.usage(up) - before
    finish()
    peers.stop(up)
    if code ~= 0 then error(output) end
    local sent, received, misordered, p50, p99 =
        output:match "sent (%d+) received (%d+) misordered (%d+) p50_us (%d+) p99_us (%d+)"
    return {
        us_per_packet = cpu * 1e6 / tonumber(received), sent = tonumber(sent), received = tonumber(received),
        misordered = tonumber(misordered), p50_us = tonumber(p50), p99_us = tonumber(p99),
    }
end

local relays = {
    { name = "null RTP relay", start = peers.null_rtp, set_up = media_calls.through_null },
    { name = "lunasip RTP", own = true, set_up = media_calls.through_sip,
        start = function(at) return peers.lunasip(at, { workers = 1, media_threads = 1 }) end },
    { name = "lunasip RTP, a media thread per core", own = true, set_up = media_calls.through_sip,
        start = function(at) return peers.lunasip(at, { workers = 1, media_threads = cores }) end },
    { name = "rtpengine RTP", start = peers.rtpengine,
        set_up = function(at, count, up) return media_calls.through_ng(at, count, up.ng_port) end },
}

local function wanted(name)
    if #arg == 0 then return true end
    for _, part in ipairs(arg) do
        if name:lower():find(part:lower(), 1, true) then return true end
    end
    return false
end

local function can_run(entry)
    if entry.own and not has_lunasip then
        print(("%-40s not built"):format(entry.name))
        return false
    end
    return wanted(entry.name)
end

local function guarded(name, measure, ...)
    local ok, result, more = pcall(measure, ...)
    if not ok then
        print(("%-40s did not run: %s"):format(name, tostring(result):sub(1, 1500)))
        process.clean()
        return nil
    end
    process.clean()
    return result, more
end

local function whole(value)
    return value and ("%.0f"):format(value) or "-"
end

print(("%s, %d cores, %d calls/s for %d s"):format(os.date "%Y-%m-%d", cores, rate, seconds))
print(("\n%-40s %8s %12s %8s %8s %10s %10s %10s"):format("calls (half the rate when calls fail)", "calls/s",
    "us per call", "failed", "retrans", "100 p50 us", "p99 us", "us server"))
for _, peer in ipairs(signalling) do
    if can_run(peer) then
        local r = guarded(peer.name, measure_calls, peer)
        if r then
            results[peer.name] = r
            order[#order + 1] = peer
            print(("%-40s %8d %12.1f %8d %8d %10s %10s %10s"):format(peer.name, r.rate, r.us_per_call, r.failed,
                r.retransmissions, whole(r.p50_us), whole(r.p99_us), whole(r.server_us)))
        end
    end
end

print(("\n%-40s %12s %12s"):format("highest rate with nothing sent twice", "calls/s", "us per call"))
for _, peer in ipairs(order) do
    local best, us = guarded(peer.name, measure_highest_rate, peer)
    if best then
        results[peer.name].highest, results[peer.name].highest_us = best, us
        print(("%-40s %12d %12.1f"):format(peer.name, best, us))
    end
end

print(("\n%-40s %12s %10s %11s %8s %8s"):format("400 streams x 50 packets/s", "us per packet", "received", "misordered",
    "p50 us", "p99 us"))
for _, relay in ipairs(relays) do
    if can_run(relay) then
        local r = guarded(relay.name, measure_packets, relay.start, relay.set_up)
        if r then
            results[relay.name] = r
            print(("%-40s %12.2f %9.2f%% %11d %8d %8d"):format(relay.name, r.us_per_packet, 100 * r.received / r.sent,
                r.misordered, r.p50_us, r.p99_us))
        end
    end
end

print(("\n%-40s %12s %14s %8s"):format("memory, 4,000 calls held", "kB per call", "kernel sockets", "failed"))
for _, peer in ipairs(order) do
    if peer.has_callers ~= false then
        local r = guarded(peer.name, measure_memory, peer, 4000, math.min(500, results[peer.name].rate))
        if r then
            results[peer.name].kb_per_call = r.kb
            local kernel = r.kernel_kb and ("%.1f"):format(r.kernel_kb) or "-"
            print(("%-40s %12.1f %14s %8d"):format(peer.name, r.kb, kernel, r.failed))
        end
    end
end

print(("\n%-40s %12s %12s"):format("us per call at 500/s", "100 held", "20,000 held"))
for _, peer in ipairs(order) do
    if peer.own and not peer.sdp then
        local few = guarded(peer.name, measure_in_progress, peer, 100)
        local many = guarded(peer.name, measure_in_progress, peer, 20000)
        if few and many then
            results[peer.name].growth = many / few
            print(("%-40s %12.1f %12.1f"):format(peer.name, few, many))
        end
    end
end

print(("\n%-44s %9s %8s %8s %9s %12s %8s %8s"):format("registrations with digest", "a second", "us first", "us again",
    "us server", "B a binding", "failed", "retrans"))
for _, entry in ipairs(registrations.rows) do
    if can_run(entry) then
        local r = guarded(entry.name, registrations.measure, entry, seconds)
        if r then
            results[entry.name] = r
            print(("%-44s %9d %8.0f %8.0f %9.0f %12s %8d %8d"):format(entry.name, r.rate, r.us_first, r.us_again,
                r.server_us, whole(r.bytes), r.failed, r.retransmissions))
        end
    end
end

local RESTART, RESTART_BINDINGS = "lunasip registrar, restart", 1000000
if can_run { name = RESTART, own = true } then
    print(("\n%-44s %9s %8s %12s %12s"):format("restart with stored bindings (SQLite)", "seconds", "CPU s",
        "B a binding", "loaded"))
    local r = guarded(RESTART, restart.measure, RESTART_BINDINGS)
    if r then
        results[RESTART] = r
        print(("%-44s %9.1f %8.1f %12.0f %12d"):format(RESTART, r.seconds, r.cpu_s, r.bytes, r.loaded))
    end
end

-- Counting calls in profiles: nanoseconds per operation, by how many calls are up.
local PROFILE_FORMAT = "%-40s %12s %14s %12s %12s %14s"
print("\n" .. PROFILE_FORMAT:format("ns, calls counted in profiles", "set + unset", "to another", "count value",
    "count all", "bytes per call"))
local counting = {}
local _, counted = process.run({ lunasip.build .. "/bench/profile_counts", "100", "100000" }, 120)
for calls, join, move, value, all, bytes in counted:gmatch "(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)" do
    counting[tonumber(calls)] = { join = tonumber(join), value = tonumber(value) }
    print(PROFILE_FORMAT:format(calls .. " calls", join, move, value, all, bytes))
end

local function ratio(a, b, field)
    if not (results[a] and results[b] and results[a][field] and results[b][field]) then return nil end
    return results[a][field] / results[b][field]
end

local function bar(text, value, limit)
    local verdict = value == nil and "not measured" or value <= limit and "pass" or "MISS"
    print(("%-74s %8s  <= %6.3f  %s"):format(text, value and ("%.3f"):format(value) or "-", limit, verdict))
end

print "\nbars"
local function own(name) return results[name] and results[name] or {} end
for _, workers in ipairs { "1 worker", "a worker per core" } do
    local bare, media = "lunasip, " .. workers, "lunasip, " .. workers .. ", media"
    bar(workers .. ": no media / null relay", ratio(bare, "null SIP relay", "us_per_call"), 2.0)
    bar(workers .. ": no media / null relay, at the highest rate of each",
        ratio(bare, "null SIP relay", "highest_us"), 2.0)
    bar(workers .. ": no media / Kamailio Lua", ratio(bare, "Kamailio Lua", "us_per_call"), 1 / 3)
    bar(workers .. ": media / Kamailio Lua + rtpengine", ratio(media, "Kamailio Lua + rtpengine", "us_per_call"), 1 / 5)
    bar(workers .. ": kB of RSS per held call with media", own(media).kb_per_call, 12)
    bar(workers .. ": kB of RSS per held call without", own(bare).kb_per_call, 8)
    bar(workers .. ": cost per call with 20,000 / 100 calls in progress", own(bare).growth, 1.25)
end
local few, many = counting[100] or {}, counting[100000] or {}
bar("profiles: set + unset with 100,000 / 100 calls", few.join and many.join and many.join / few.join, 1.5)
bar("profiles: count with 100,000 / 100 calls", few.value and many.value and many.value / few.value, 1.5)
local BRIDGED, PROXIED = "lunasip bridged, 1 worker", "lunasip, 1 worker"
bar("bridged / proxied, no media", ratio(BRIDGED, PROXIED, "us_per_call"), 1.6)
bar("bridged / proxied, media", ratio(BRIDGED .. ", media", PROXIED .. ", media", "us_per_call"), 1.6)
bar("bridged, media / Kamailio Lua, dialog, topos + rtpengine",
    ratio(BRIDGED .. ", media", "Kamailio Lua, dialog, topos + rtpengine", "us_per_call"), 1 / 3)
for _, name in ipairs { "lunasip RTP", "lunasip RTP, a media thread per core" } do
    bar(name .. ": packet / null RTP relay", ratio(name, "null RTP relay", "us_per_packet"), 1.15)
    bar(name .. ": packet / rtpengine", ratio(name, "rtpengine RTP", "us_per_packet"), 1.0)
end
for _, way in ipairs { "no database", "db_mode 0", "db_mode 1" } do
    local ours = "lunasip registrar, " .. way .. (way == "no database" and "" or ", HA1s cached")
    bar(way .. ": registering again / Kamailio", ratio(ours, "Kamailio registrar, " .. way, "us_again"), 0.5)
end
bar("seconds until 1,000,000 stored bindings are served", own(RESTART).seconds, 10)
bar("1,000,000 bindings: kB each", own(RESTART).bytes and own(RESTART).bytes / 1000, 1.2)
bar("no database: kB a binding", own("lunasip registrar, no database").bytes and
    own("lunasip registrar, no database").bytes / 1000, 1.2)
process.clean()
