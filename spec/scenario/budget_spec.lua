-- A script that does not end: each such call gets its 500, while other calls are set up and audio goes on as if nothing
-- were.
local border = require "support.border"
local lunasip = require "support.lunasip"
local media_calls = require "bench.media_calls"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"
local rtp = require "support.rtp"

local AUDIO_CALLS, CALLS_PER_S, SECONDS = 20, 50, 6

-- What a call with X-Loop does, by its number.
local LOOPS = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local function f() pcall(f) return f() end while true do pcall(f) end",
    "table.sort({ 3, 2, 1 }, function() while true do pcall(function() while true do end end) end end)",
    "local s = ('a'):rep(900) while true do s:find 'a*b' end",
    "local s = ('a'):rep(1000000) while true do s:find('b', 1, true) end",
    "local s = 'x' while true do s = s .. s end",
    "local s = ('x'):rep(1048576) while true do s:upper() end",
    "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1000) end while true do table.concat(t) end",
    "local t = {} while true do table.insert(t, 1, 0) end",
}

local function script()
    local file = assert(io.open "scripts/sbc.lua")
    local parts = { file:read "*a", "local LOOPS = {\n" }
    file:close()
    for _, body in ipairs(LOOPS) do parts[#parts + 1] = "    function() " .. body .. " end,\n" end
    parts[#parts + 1] = [[
}
local routed = request_route
function request_route(req)
    local number = req:header "X-Loop"
    if number then LOOPS[tonumber(number)]() end
    return routed(req)
end
]]
    local path = process.folder() .. "/route.lua"
    file = assert(io.open(path, "w"))
    file:write(table.concat(parts))
    file:close()
    return path
end

describe("a script that does not end", function()
    after_each(border.clean)

    it("costs its own calls alone: no other call, and no packet of audio", function()
        local generator = rtp.build()
        local sbc = border.start {
            route = script(), timers = { t1_ms = 300, t2_ms = 400, t4_ms = 500 },
            build = lunasip.build:gsub("build[^/]*$", "build"), -- the one that users run
            private_hosts = { 22 },
            -- Instructions beyond reach: it is the time of the budget that ends them.
            blocks = { script = { budget_instructions = 1000000000, budget_ms = 50 } },
        }
        local streams, hang_up = media_calls.through_sip(sbc.at, AUDIO_CALLS)
        local audio = rtp.start(generator, streams, SECONDS)
        local bad = assert(posix.udp(sbc.at(13), 5060))
        local slowest_ms, slowest, refused = 0, nil, 0
        local function call(number)
            local id = ("loop-%d-%d"):format(posix.pid(), refused)
            local request = raw.request({
                id = id, host = bad.host, port = 5060,
                target = "sip:1001@" .. sbc.public .. ":5060",
            }, "INVITE", 1, { headers = { "X-Loop: " .. number } })
            local began = posix.now()
            bad.send(sbc.public, 5060, request)
            raw.receive(bad, "^SIP/2.0 500 ", 60, id)
            local ms = (posix.now() - began) * 1000
            if ms > slowest_ms then slowest_ms, slowest = ms, number end
            refused = refused + 1
        end
        local caller, gateway = sbc:run {
            from = "private", caller = "uac", gateway = "uas", calls = CALLS_PER_S * (SECONDS - 1),
            rate = CALLS_PER_S, gateway_host = sbc.public_gateway, caller_host = sbc.at(22),
            while_running = function()
                for number = 1, #LOOPS do call(number) end
            end,
        }
        local lost, p99_us = audio:lost()
        hang_up()
        bad.close()
        io.stderr:write(("%d calls that did not end; the slowest (number %d) got its 500 after %.0f ms of a budget of "
            .. "50; %d packets of audio lost, p99 of their way %d us\n"):format(refused, slowest, slowest_ms, lost,
            p99_us))
        assert.equal(#LOOPS, refused)
        assert.equal(0, caller.failed, caller.errors)
        assert.equal(0, gateway.failed, gateway.errors)
        assert.equal(0, lost)
        local counters = sbc.engine:status().counters
        assert.equal(#LOOPS, counters["script.budget"] + counters["script.error"])
        local _, lines = sbc.engine.process:output():gsub("error: script: request_route: [^\n]*route%.lua:%d+", "")
        assert.equal(#LOOPS, lines)
        sbc:expect_nothing_left()
    end)
end)
