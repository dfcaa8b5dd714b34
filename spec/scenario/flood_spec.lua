-- A flood of new calls that nobody answers meets each limit that the network can reach: it is counted, memory
-- stays flat, and afterwards nothing is left and calls work.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

-- The build that users run: the address sanitizer keeps freed memory for a while.
local BUILD = lunasip.build:gsub("build[^/]*$", "build")
local TIMERS = { t1_ms = 100, t2_ms = 400, t4_ms = 500 }
local WORKERS = 2

-- A route that keeps something for each call before it answers.
local KEEPS = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "ACK" then
        return req:drop()
    end
    %s
end
]]

local function script(body)
    local path = process.folder() .. "/route.lua"
    local file = assert(io.open(path, "w"))
    file:write(KEEPS:format(body))
    file:close()
    return path
end

describe("a flood of random Call-IDs", function()
    local sbc, sockets

    before_each(function()
        sockets = {}
    end)
    after_each(function()
        for _, socket in ipairs(sockets) do
            socket.close()
        end
        border.clean()
    end)

    -- What does not end at the limit that a test is about ends at that of transactions.
    local function start(options)
        options.build, options.timers, options.workers = BUILD, TIMERS, WORKERS
        local blocks = options.blocks
        options.blocks = function(self)
            local all = type(blocks) == "function" and blocks(self) or blocks
            all.limits = all.limits or {}
            all.limits.transactions = all.limits.transactions or 1000
            return all
        end
        sbc = border.start(options)
    end

    local function open(host)
        local socket = assert(posix.udp(host, 5060))
        sockets[#sockets + 1] = socket
        return socket
    end

    -- So many INVITEs, in turn from each caller; what arrives at our sockets is thrown away.
    local function flood(callers, from, to)
        for i = from, to do
            local caller = callers[i % #callers + 1]
            local call = {
                id = ("flood-%d-%d"):format(posix.pid(), i), host = caller.host, port = 5060,
                target = "sip:1001@" .. sbc.public .. ":5060",
            }
            caller.send(sbc.public, 5060, raw.request(call, "INVITE", 1, { body = raw.sdp(caller.host, 10000) }))
            for _, socket in ipairs { caller, sockets[1] } do
                for _ in socket.receive do end
            end
        end
    end

    -- Flood until the limits are reached, and on: the second part must not need more memory.
    -- options: counter, callers, most (name of a number in the status -> the most it may be), calls
    -- @return the status at the end
    local function expect_limit(options)
        local calls, sent, status = lunasip.calls(options.calls or 60000), 0
        repeat
            flood(options.callers, sent + 1, sent + 500)
            sent = sent + 500
            status = assert(sbc.engine:status())
        until status.counters[options.counter] > 0 and sent >= 4000 or sent >= 20000
        assert.is_true(status.counters[options.counter] > 0, options.counter .. " was not counted")
        local before = sbc.engine.process:usage().rss_kb
        flood(options.callers, sent + 1, sent + calls)
        status = assert(sbc.engine:status())
        local after = sbc.engine.process:usage().rss_kb
        for name, most in pairs(options.most) do
            local value = status[name] or status.media[name]
            assert.is_true(value <= most, ("%s: %s of %s"):format(name, value, most))
        end
        assert.is_true(after < before * 1.25 + 8192, ("memory went from %d to %d kB"):format(before, after))
        assert.equal(lunasip.nothing, sbc.engine:settle(60))
        status = sbc.engine:status()
        assert.equal(0, status.waiting)
        return status
    end

    local function expect_calls_work()
        for _, socket in ipairs(sockets) do
            socket.close()
        end
        sockets = {}
        -- The gateway that stayed silent was taken out of its set.
        local gateway = ("sip:%s:5060"):format(sbc.private_gateway)
        assert.equal(0, (sbc.engine:ctl("dispatcher", "set", "2", gateway, "active")))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 10 }
        sbc:expect_nothing_left()
    end

    -- The calls go to a gateway that never answers.
    local function to_silence(blocks)
        start { blocks = blocks }
        open(sbc.private_gateway)
        return { open(sbc.public_caller) }
    end

    it("ends at limits.transactions", function()
        local callers = to_silence { limits = { transactions = 400 } }
        expect_limit { counter = "transaction.limit", callers = callers, most = { transactions = 2 * 400 + 400 } }
        expect_calls_work()
    end)

    it("ends at limits.dialogs", function()
        local callers = to_silence { limits = { dialogs = 200 } }
        expect_limit { counter = "dialog.limit", callers = callers, most = { dialogs = WORKERS * 200 } }
        expect_calls_work()
    end)

    it("ends at media_limits.calls", function()
        local callers = to_silence { media_limits = { calls = 200 } }
        expect_limit { counter = "media.limit", callers = callers, most = { calls = 200, ports = 4 * 200 } }
        expect_calls_work()
    end)

    it("ends with the last port of the range", function()
        start { blocks = function(self)
            return { media = { public = self.public, private = self.private, ports = { 30000, 30199 } } }
        end }
        open(sbc.private_gateway)
        expect_limit { counter = "media.no_port", callers = { open(sbc.public_caller) }, most = { ports = 2 * 200 } }
        expect_calls_work()
    end)

    it("ends at the rate of one source, and remembers limits.sources of them", function()
        start { blocks = { limits = { cps_per_source = 1, sources = 16 } } }
        open(sbc.private_gateway)
        local callers = {}
        for i = 1, 40 do
            callers[i] = open(sbc.at(50 + i))
        end
        -- 40 sources in turn: each was forgotten when it comes again. One alone is remembered.
        local status = expect_limit { counter = "sip.source_forgotten", callers = callers, most = {}, calls = 8000 }
        local limited = status.counters["sip.source_limited"]
        flood({ callers[1] }, 90001, 90200)
        status = sbc.engine:status()
        assert.is_true(status.counters["sip.source_limited"] > limited + 100, "one source is not limited")
        assert.equal(lunasip.nothing, sbc.engine:settle(60))
    end)

    it("ends at script.waiting", function()
        start { route = script [[sip.sleep(1) req:reply(480)]], blocks = { script = { waiting = 100 } } }
        local callers = { open(sbc.public_caller) }
        expect_limit { counter = "script.waiting_limit", callers = callers, most = { waiting = WORKERS * 100 } }
        sbc:expect_nothing_left()
    end)

    it("ends at shared.bytes, and what has expired makes room again", function()
        start {
            route = script [[
    if req.method == "OPTIONS" then
        return req:reply(sip.shared.calls:set("asked", 1) and 200 or 503)
    end
    req:reply(sip.shared.calls:set(req["$ci"], ("x"):rep(200), 3) and 480 or 503)]],
            blocks = { shared = { "calls", bytes = 65536 } },
        }
        expect_limit { counter = "shared.full", callers = { open(sbc.public_caller) }, most = {} }
        local asker, asked = open(sbc.at(13)), 0
        local function is_room()
            asked = asked + 1
            local call = {
                id = "asked" .. asked, host = asker.host, port = 5060, target = "sip:" .. sbc.public .. ":5060",
            }
            asker.send(sbc.public, 5060, raw.request(call, "OPTIONS", 1))
            return raw.receive(asker, "^SIP/2.0 "):match "^SIP/2.0 200 "
        end
        assert.is_truthy(posix.wait_until(is_room, 30, 0.1))
        assert.equal(lunasip.nothing, sbc.engine:settle(30))
        sbc:expect_nothing_left()
    end)
end)
