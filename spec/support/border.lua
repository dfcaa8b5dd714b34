--- The border between two networks as every scenario uses it: one lunasip with a public and a private side, a gateway
-- on each, and loopback addresses that belong to this test alone.
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local sipp = require "support.sipp"

local M = {}
local Border = {}
Border.__index = Border

--- Start lunasip between two sides.
-- options: workers, timers, blocks, build, sets (defaults: one gateway on each side), private_hosts (numbers of more
-- hosts that may call from the private side), route, or source (the script itself, with %q for the public gateway and
-- for the private one)
function M.start(options)
    options = options or {}
    local at = options.at or network.block()
    local self = setmetatable({
        at = at, public = at(10), private = at(20),
        public_gateway = at(11), private_gateway = at(21), public_caller = at(12),
        t1_ms = options.timers and options.timers.t1_ms or 0,
    }, Border)
    local route = options.route
    if options.source then
        route = process.folder() .. "/route.lua"
        local file = assert(io.open(route, "w"))
        file:write(options.source:format(self.public_gateway, self.private_gateway))
        file:close()
    end
    local private = { ("sip:%s:5060"):format(self.private_gateway) }
    for _, number in ipairs(options.private_hosts or {}) do
        private[#private + 1] = ("sip:%s:5060"):format(at(number))
    end
    self.engine = lunasip.start {
        public = { "udp:" .. self.public .. ":5060" }, private = { "udp:" .. self.private .. ":5060" },
        media = { public = self.public, private = self.private, ports = { 30000, 39999 } },
        sets = options.sets and options.sets(self) or {
            [1] = { ("sip:%s:5060"):format(self.public_gateway) },
            [2] = private,
        },
        workers = options.workers, timers = options.timers, build = options.build,
        blocks = type(options.blocks) == "function" and options.blocks(self) or options.blocks,
        route = route,
    }
    return self
end

--- Run calls from one side to the gateway of the other.
-- options: from ("public" or "private"), caller, gateway (scenario names; gateway = false: none), calls, rate, values,
-- arguments (of the caller's SIPp), traced (both write down their messages), while_running (called with the caller once
-- calls have begun)
-- @return what the callers saw, what the gateway saw (see `sipp:wait`), both SIPps
function Border:run(options)
    local is_public = options.from == "public"
    local near, far = self.public, self.private
    local caller_host, gateway_host = self.public_caller, self.private_gateway
    if not is_public then
        near, far = self.private, self.public
        -- A private source is known because it is a gateway of set 2.
        caller_host, gateway_host = self.private_gateway, self.public_gateway
    end
    local function values(relay)
        local all = { relay = relay:gsub("%.", "[.]"), talk_ms = 0, t1_ms = math.max(sipp.parts.t1_ms, self.t1_ms) }
        for name, value in pairs(options.values or {}) do all[name] = value end
        return all
    end
    local seconds = options.seconds or 120
    local gateway = options.gateway and sipp.gateway {
        scenario = options.gateway, host = options.gateway_host or gateway_host,
        calls = options.gateway_calls or options.calls, values = values(far), seconds = seconds,
        traced = options.traced,
    }
    local caller = sipp.start {
        scenario = options.caller, host = options.caller_host or caller_host, remote = near .. ":5060",
        calls = options.calls, rate = options.rate, values = values(near), seconds = seconds,
        simultaneous = options.simultaneous, arguments = options.arguments, traced = options.traced,
    }
    if options.while_running then options.while_running(caller) end
    return caller:wait(), gateway and gateway:wait(), caller, gateway
end

--- T1 with which a message sent twice is one that was lost; with a shorter one a busy machine may have been late.
M.PATIENT = { t1_ms = 2000 }

--- One line that says how a run went; equal to `perfect(calls)` when all is well.
function M.summary(result)
    local line = ("exit %s, %d ok, %d failed"):format(tostring(result.exit), result.ok, result.failed)
    if result.exit ~= 0 then line = line .. "\n" .. result.errors:sub(1, 1500) end
    return line
end

function M.perfect(calls) return ("exit 0, %d ok, 0 failed"):format(calls) end

--- Assert that every call went as written, on both sides; with `PATIENT` timers that nothing was sent twice.
-- @return both SIPps
function Border:expect_calls(options)
    local caller, gateway, caller_run, gateway_run = self:run(options)
    local log = "\nlunasip said:\n" .. self.engine.process:output():sub(-3000)
    local expected = M.perfect(options.calls)
    if M.summary(caller) ~= expected then error("callers: " .. M.summary(caller) .. log, 2) end
    if gateway and M.summary(gateway) ~= M.perfect(options.gateway_calls or options.calls) then
        error("gateway: " .. M.summary(gateway) .. log, 2)
    end
    local twice = caller.retransmissions + (gateway and gateway.retransmissions or 0)
    if self.t1_ms >= M.PATIENT.t1_ms and twice > 0 then error(twice .. " messages were sent twice" .. log, 2) end
    return caller_run, gateway_run
end

--- Assert the engine's own counters: name -> value.
function Border:expect_counters(expected)
    local counters = (self.engine:status() or {}).counters or {}
    for name, value in pairs(expected) do
        if counters[name] ~= value then
            error(("counter %s is %s, not %s"):format(name, tostring(counters[name]), tostring(value)), 2)
        end
    end
end

--- Assert that nothing is left and that lunasip stops cleanly.
function Border:expect_nothing_left()
    local left = self.engine:settle(60 + 64 * self.t1_ms / 1000)
    local code, complaint = self.engine:stop()
    if left ~= lunasip.nothing then error("left behind: " .. left, 2) end
    if complaint ~= "" then error(complaint, 2) end
    if code ~= 0 then error(("lunasip ended with %s:\n%s"):format(tostring(code),
        self.engine.process:output():sub(-3000)), 2) end
end

M.clean = process.clean

return M
