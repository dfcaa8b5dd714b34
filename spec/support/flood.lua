--- A flood of new calls that nobody answers, for scenarios about the limits that the network can reach.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local raw = require "support.raw"

local M = { WORKERS = 2 }
local Flood = {}
Flood.__index = Flood

-- The build that users run: the address sanitizer keeps freed memory for a while.
local BUILD = lunasip.build:gsub("build[^/]*$", "build")
local TIMERS = { t1_ms = 50, t2_ms = 200, t4_ms = 250 }

--- Start a border for it; options: those of `border.start`. What does not end at the limit that a test is about ends
-- at that of transactions.
-- @return with `sbc`
function M.start(options)
    options.build, options.timers, options.workers = BUILD, TIMERS, M.WORKERS
    local blocks = options.blocks
    options.blocks = function(self)
        local all = type(blocks) == "function" and blocks(self) or blocks
        all.limits = all.limits or {}
        all.limits.transactions = all.limits.transactions or 1000
        return all
    end
    return setmetatable({ sbc = border.start(options), sockets = {} }, Flood)
end

--- A socket of a caller or a gateway; the first one may be flooded itself.
function Flood:open(host)
    local socket = assert(posix.udp(host, 5060))
    self.sockets[#self.sockets + 1] = socket
    return socket
end

function Flood:close()
    for _, socket in ipairs(self.sockets) do
        socket.close()
    end
    self.sockets = {}
end

--- So many INVITEs, in turn from each caller; what arrives at our sockets is thrown away.
function Flood:send(callers, from, to)
    for i = from, to do
        local caller = callers[i % #callers + 1]
        local call = {
            id = ("flood-%d-%d"):format(posix.pid(), i), host = caller.host, port = 5060,
            target = "sip:1001@" .. self.sbc.public .. ":5060",
        }
        caller.send(self.sbc.public, 5060, raw.request(call, "INVITE", 1, { body = raw.sdp(caller.host, 10000) }))
        for _, socket in ipairs { caller, self.sockets[1] } do
            for _ in socket.receive do end
        end
    end
end

--- Flood until the limits are reached, and on: the second part must not need more memory.
-- options: counter, callers, most (name of a number in the status -> the most it may be), calls
-- @return the status at the end
function Flood:expect_limit(options)
    local engine = self.sbc.engine
    local calls, sent, status = lunasip.calls(options.calls or 60000), 0
    repeat
        self:send(options.callers, sent + 1, sent + 500)
        sent = sent + 500
        status = assert(engine:status())
    until status.counters[options.counter] > 0 and sent >= 4000 or sent >= 20000
    assert(status.counters[options.counter] > 0, options.counter .. " was not counted")
    local before = engine.process:usage().rss_kb
    self:send(options.callers, sent + 1, sent + calls)
    status = assert(engine:status())
    local after = engine.process:usage().rss_kb
    for name, most in pairs(options.most) do
        local value = status[name] or status.media[name]
        assert(value <= most, ("%s: %s of %s"):format(name, value, most))
    end
    assert(after < before * 1.25 + 8192, ("memory went from %d to %d kB"):format(before, after))
    local left = engine:settle(60)
    assert(left == lunasip.nothing, left)
    status = engine:status()
    assert(status.waiting == 0, "handlers wait: " .. status.waiting)
    return status
end

--- The flood is over: calls to the gateway, which stayed silent and was taken out of its set, work again.
function Flood:expect_calls_work()
    self:close()
    local gateway = ("sip:%s:5060"):format(self.sbc.private_gateway)
    assert(self.sbc.engine:ctl("dispatcher", "set", "2", gateway, "active") == 0)
    self.sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 10 }
    self.sbc:expect_nothing_left()
end

--- For `after_each`.
function M.clean(flood)
    if flood then flood:close() end
    border.clean()
end

return M
