-- A flood of new calls meets the limits of sources, and of what scripts keep: each is counted, memory stays flat, and
-- afterwards nothing is left.
local floods = require "support.flood"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

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
    local flood

    after_each(function()
        floods.clean(flood)
    end)

    it("ends at the rate of one source, and remembers limits.sources of them", function()
        flood = floods.start { blocks = { limits = { cps_per_source = 1, sources = 16 } } }
        local sbc = flood.sbc
        flood:open(sbc.private_gateway)
        local callers = {}
        for i = 1, 40 do
            callers[i] = flood:open(sbc.at(50 + i))
        end
        -- 40 sources in turn: each was forgotten when it comes again. One alone is remembered.
        local status = flood:expect_limit {
            counter = "sip.source_forgotten", callers = callers, most = {}, calls = 8000,
        }
        local limited, first = status.counters["sip.source_limited"], 90001
        local is_limited = posix.wait_until(function()
            flood:send({ callers[1] }, first, first + 199)
            first = first + 200
            return sbc.engine:status().counters["sip.source_limited"] > limited + 100
        end, 30)
        assert.is_truthy(is_limited, "one source is not limited")
        assert.equal(lunasip.nothing, sbc.engine:settle(60))
    end)

    it("ends at script.waiting", function()
        flood = floods.start {
            route = script [[sip.sleep(1) req:reply(480)]], blocks = { script = { waiting = 100 } },
        }
        flood:expect_limit {
            counter = "script.waiting_limit", callers = { flood:open(flood.sbc.public_caller) },
            most = { waiting = floods.WORKERS * 100 },
        }
        flood.sbc:expect_nothing_left()
    end)

    it("ends at shared.bytes, and what has expired makes room again", function()
        flood = floods.start {
            route = script [[
    if req.method == "OPTIONS" then
        return req:reply(sip.shared.calls:set("asked", 1) and 200 or 503)
    end
    req:reply(sip.shared.calls:set(req["$ci"], ("x"):rep(200), 3) and 480 or 503)]],
            blocks = { shared = { "calls", bytes = 65536 } },
        }
        local sbc = flood.sbc
        flood:expect_limit { counter = "shared.full", callers = { flood:open(sbc.public_caller) }, most = {} }
        local asker, asked = flood:open(sbc.at(13)), 0
        local function is_room()
            asked = asked + 1
            local call = {
                id = "asked" .. asked, host = asker.host, port = 5060, target = "sip:" .. sbc.public .. ":5060",
            }
            asker.send(sbc.public, 5060, raw.request(call, "OPTIONS", 1))
            return raw.receive(asker, "^SIP/2.0 ", nil, call.id):match "^SIP/2.0 200 "
        end
        assert.is_truthy(posix.wait_until(is_room, 60, 0.1))
        sbc:expect_nothing_left()
    end)
end)
