-- CPU per call and per RTP packet of lunasip, side by side with null relays, Kamailio and rtpengine, in one run on one
-- machine. Times are printed and compared as ratios, never asserted. usage: luajit spec/bench/bench.lua [PART…]
-- where PART picks measurements by the beginning of their name, for instance: null lunasip rtp
package.path = "spec/?.lua;" .. package.path
local calls = require "bench.calls"
local media_calls = require "bench.media_calls"
local network = require "support.network"
local peers = require "bench.peers"
local process = require "support.process"
local registrations = require "bench.registrations"
local restart = require "bench.restart"
local lunasip = require "support.lunasip"

local seconds = tonumber(os.getenv "BENCH_SECONDS") or 15
local rate = 1000
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

-- 400 streams of 50 packets/s through a relay. @return CPU seconds, what the generator saw
local function carry_packets(start, set_up, run_s)
    local streams_wanted = 400
    local at = network.block()
    local up = start(at, streams_wanted / 2)
    local streams, finish = set_up(at, streams_wanted / 2, up)
    local list = process.folder() .. "/streams"
    local file = assert(io.open(list, "w"))
    file:write(table.concat(streams, "\n"), "\n")
    file:close()
    local before = peers.usage(up)
    local code, output = process.run({ "sh", "-c", ("exec %s/bench/rtp_generator %d <%s"):format(lunasip.build, run_s,
        list) }, run_s + 20)
    local cpu = peers.usage(up) - before
    finish()
    peers.stop(up)
    if code ~= 0 then error(output) end
    local sent, received, misordered, p50, p99 =
        output:match "sent (%d+) received (%d+) misordered (%d+) p50_us (%d+) p99_us (%d+)"
    return cpu, {
        sent = tonumber(sent), received = tonumber(received), misordered = tonumber(misordered),
        p50_us = tonumber(p50), p99_us = tonumber(p99),
    }
end

-- In turns with the null relay, as calls are. @return sums of all turns; the worst latencies
local function measure_packets(relay)
    local r = { sent = 0, received = 0, misordered = 0, p50_us = 0, p99_us = 0 }
    local cpu, null_cpu, null_received = 0, 0, 0
    for _ = 1, calls.TURNS do
        local used, saw = carry_packets(peers.null_rtp, media_calls.through_null, math.ceil(seconds / calls.TURNS))
        null_cpu, null_received = null_cpu + used, null_received + saw.received
        used, saw = carry_packets(relay.start, relay.set_up, math.ceil(seconds / calls.TURNS))
        cpu = cpu + used
        for _, name in ipairs { "sent", "received", "misordered" } do r[name] = r[name] + saw[name] end
        for _, name in ipairs { "p50_us", "p99_us" } do r[name] = math.max(r[name], saw[name]) end
    end
    r.us_per_packet, r.null_us = cpu * 1e6 / r.received, null_cpu * 1e6 / null_received
    r.of_null = r.us_per_packet / r.null_us
    return r
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
local CALLS_FORMAT = "%-40s %8s %12s %10s %8s %8s %8s %10s %10s %10s"
print("\n" .. CALLS_FORMAT:format("calls (half the rate when calls fail)", "calls/s", "us per call", "null relay",
    "of null", "failed", "retrans", "100 p50 us", "p99 us", "us server"))
for _, peer in ipairs(signalling) do
    if can_run(peer) then
        local r = guarded(peer.name, calls.measure, peer, rate, seconds)
        if r then
            results[peer.name] = r
            order[#order + 1] = peer
            print(CALLS_FORMAT:format(peer.name, r.rate, ("%.1f"):format(r.us_per_call), ("%.1f"):format(r.null_us),
                ("%.2f"):format(r.of_null), r.failed, r.retransmissions, whole(r.p50_us), whole(r.p99_us),
                whole(r.server_us)))
        end
    end
end

print(("\n%-40s %12s %12s"):format("highest rate with nothing sent twice", "calls/s", "us per call"))
for _, peer in ipairs(order) do
    local best, us = guarded(peer.name, calls.highest_rate, peer)
    if best then
        results[peer.name].highest, results[peer.name].highest_us = best, us
        print(("%-40s %12d %12.1f"):format(peer.name, best, us))
    end
end

local PACKETS_FORMAT = "%-40s %14s %10s %8s %10s %11s %8s %8s"
print("\n" .. PACKETS_FORMAT:format("400 streams x 50 packets/s", "us per packet", "null relay", "of null", "received",
    "misordered", "p50 us", "p99 us"))
for _, relay in ipairs(relays) do
    if can_run(relay) then
        local r = guarded(relay.name, measure_packets, relay)
        if r then
            results[relay.name] = r
            print(PACKETS_FORMAT:format(relay.name, ("%.2f"):format(r.us_per_packet), ("%.2f"):format(r.null_us),
                ("%.2f"):format(r.of_null), ("%.2f%%"):format(100 * r.received / r.sent), r.misordered, r.p50_us,
                r.p99_us))
        end
    end
end

print(("\n%-40s %12s %14s %8s"):format("memory, 4,000 calls held", "kB per call", "kernel sockets", "failed"))
for _, peer in ipairs(order) do
    if peer.has_callers ~= false then
        local r = guarded(peer.name, calls.memory, peer, 4000, math.min(500, results[peer.name].rate))
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
        local few = guarded(peer.name, calls.beside, peer, 100)
        local many = guarded(peer.name, calls.beside, peer, 20000)
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
for held, join, move, value, all, bytes in counted:gmatch "(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)" do
    counting[tonumber(held)] = { join = tonumber(join), value = tonumber(value) }
    print(PROFILE_FORMAT:format(held .. " calls", join, move, value, all, bytes))
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
    bar(workers .. ": no media / null relay", own(bare).of_null, 2.0)
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
    bar(name .. ": packet / null RTP relay", own(name).of_null, 1.15)
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
