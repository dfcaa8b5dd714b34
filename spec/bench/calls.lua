--- What calls cost a peer of spec/bench/peers.lua: CPU per call in turns with the null relay, how soon a 100 comes, the
-- highest rate, memory per held call, and CPU per call beside many calls in progress. A peer: { start(at), sdp (true:
-- the body is an SDP, so that media is handled), has_callers (false: it knows one caller at a time) }
local latency = require "bench.latency"
local network = require "support.network"
local peers = require "bench.peers"
local posix = require "support.posix"
local sipp = require "support.sipp"

local M = {}

--- Counted runs of a peer, in turns with the null relay's; those of calls lie within 32 s, while warm calls end.
M.TURNS = 3

local LATENCY_S = 5 -- the run that asks how soon a 100 comes
local WARM_S = 36 -- of calls before those that count: a transaction outlives its call by 32 s (64*T1)

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

-- options: calls_per_s, seconds (counted, of all turns), has_next (true: a lower rate can be tried, so that calls which
-- fail while it becomes warm are enough)
local function measure_at(peer, options)
    local at, null_at, calls_per_s = network.block(), network.block(), options.calls_per_s
    local up, null = peer.start(at), peers.null_sip(null_at)
    local turn = { calls = math.ceil(calls_per_s * options.seconds / M.TURNS), rate = calls_per_s }
    -- Warm: compiled traces, and memory that goes round, since from now on as many transactions end as begin.
    local warm = carry(at, peer, up, { calls = calls_per_s * WARM_S, rate = calls_per_s })
    if warm.failed > 0 and options.has_next then
        peers.stop(up)
        peers.stop(null)
        return warm
    end
    local r = { rate = calls_per_s, failed = 0, retransmissions = 0 }
    local ok, cpu, server_cpu, null_ok, null_cpu = 0, 0, 0, 0, 0
    for _ = 1, M.TURNS do
        local saw, served, used, server_used = carry(at, peer, up, turn)
        ok, cpu, server_cpu = ok + saw.ok, cpu + used, server_cpu + (server_used or 0)
        r.failed = r.failed + saw.failed
        r.retransmissions = r.retransmissions + saw.retransmissions + served.retransmissions
        local null_saw, _, null_used = carry(null_at, peer, null, turn)
        null_ok, null_cpu = null_ok + null_saw.ok, null_cpu + null_used
    end
    if r.failed == 0 then r.p50_us, r.p99_us = measure_latency(at, peer, up, calls_per_s) end
    r.us_per_call, r.null_us = cpu * 1e6 / math.max(1, ok), null_cpu * 1e6 / math.max(1, null_ok)
    r.of_null = r.us_per_call / r.null_us
    r.server_us = up.server and server_cpu * 1e6 / math.max(1, ok)
    peers.stop(up)
    peers.stop(null)
    return r
end

--- CPU per call, in turns with the null relay: the speed of a machine changes within minutes.
-- A peer that loses calls at the full rate is measured again at half of it: CPU per call of a peer in trouble would
-- flatter the others.
-- @param seconds  that count
-- @return { rate, us_per_call, null_us (the null relay's, in between), of_null (their ratio), failed, retransmissions,
--   p50_us, p99_us (from INVITE to 100), server_us (CPU per call of a server behind it) }
function M.measure(peer, rate, seconds)
    local result
    for halved = 0, 3 do
        local calls_per_s = math.floor(rate / 2 ^ halved)
        result = measure_at(peer, { calls_per_s = calls_per_s, seconds = seconds, has_next = halved < 3 })
        if result.failed == 0 then return result end
    end
    return result
end

--- Highest rate at which nothing failed and nothing was sent twice. @return calls/s, us per call there
function M.highest_rate(peer)
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

--- Memory per call while so many calls are up, begun at a rate that the peer carries.
-- @return { kb, kernel_kb (nil where it may not be read), failed }
function M.memory(peer, held, calls_per_s)
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

--- CPU per call at 500 calls/s while many other calls are in progress. @return us per call, calls that failed
function M.beside(peer, held)
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

return M
