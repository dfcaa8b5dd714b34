-- event_route["reload:leave"] and ["reload:enter"]: what a generation hands to the next one.
local world = require "route.world"

local ANSWER = [[function request_route(req) req:reply(200, %s) end
]]

describe("what a generation leaves to the next", function()
    local net, alice

    local function open(source, options)
        options = options or {}
        options.route = source
        net, alice = world.open(options)
    end

    after_each(function()
        net:close()
    end)

    local function reload(source)
        assert.is_true(net:reload { source = source })
    end

    local function ask()
        local branch = "l" .. #net.journal
        alice:send(world.raw { method = "OPTIONS", branch = branch, call_id = "Call-ID: " .. branch })
        return alice:receive(200).reason
    end

    local COUNT = [[
local seen = { calls = 0 }
event_route["reload:leave"] = function(event)
    assert(event.name == "reload:leave" and event.state == nil)
    return seen
end
event_route["reload:enter"] = function(event)
    assert(event.name == "reload:enter")
    seen = event.state
end
function request_route(req)
    seen.calls = seen.calls + 1
    req:reply(200, "%s " .. seen.calls)
end
]]

    it("is there before its first call, from generation to generation", function()
        open(COUNT:format "first")
        assert.equal("first 1", ask())
        reload(COUNT:format "second")
        assert.equal("second 2", ask())
        reload(COUNT:format "third")
        reload(COUNT:format "third")
        assert.equal("third 3", ask())
    end)

    it("is each worker's own", function()
        open(COUNT:format "first", { workers = 3 })
        for _ = 1, 30 do ask() end
        reload(COUNT:format "second")
        local sum = 0
        -- The counts of the workers go on from 30 together.
        for _ = 1, 30 do
            sum = math.max(sum, tonumber(ask():match "%d+"))
        end
        assert.is_true(sum > 10 and sum < 60, tostring(sum))
    end)

    it("is nothing at the start, and nothing when the one before leaves nothing", function()
        local enter = [[
local state = "did not enter"
event_route["reload:enter"] = function(event) state = type(event.state) end
]] .. ANSWER:format "state"
        open(enter)
        assert.equal("did not enter", ask())
        reload(enter)
        assert.equal("nil", ask())
    end)

    it("is refused in one line when it is not plain data, too long or late; the new one serves", function()
        local function leaving(body)
            return ('local sip = require "lunasip"\nevent_route["reload:leave"] = function() %s end\n'):format(body)
                .. 'local state = "none"\n'
                .. 'event_route["reload:enter"] = function(event) state = type(event.state) end\n'
                .. ANSWER:format "state"
        end
        open(leaving "return { f = print }", { conf = { script = { leave_bytes = 100 } } })
        for _, case in ipairs {
            { body = 'return ("x"):rep(101)', says = "a function is not plain data" },
            { body = "sip.sleep(0.1) return {}", says = "longer than 100 bytes %(script%.leave_bytes%)" },
            { body = "while true do end", says = "nothing is left to the next generation: the handler waited" },
            { body = "error 'no'", says = "budget used up" },
            { body = "", says = ": no" },
        } do
            reload(leaving(case.body))
            net:advance(0.2)
            assert.is_truthy(net:logged("^event_route%.reload:leave: .*" .. case.says), case.says)
            assert.equal("nil", ask())
        end
        assert.equal(1, #net:status().generations)
        assert.equal(1, net:status().counters["script.budget"])
    end)

    it("an enter that fails is said, and the generation serves", function()
        open(ANSWER:format "'old'")
        reload([[event_route["reload:enter"] = function(event) error "cannot enter" end ]] .. ANSWER:format "'new'")
        assert.is_truthy(net:logged "^event_route%.reload:enter: .*cannot enter")
        assert.equal("new", ask())
    end)

    it("sip.shared survives by itself; timers of the old one have ended", function()
        open [[
local sip = require "lunasip"
sip.timer.every(1, function() sip.shared.ticks:incr "old" end)
function request_route(req) sip.shared.ticks:set("kept", "yes") req:reply(200, "OK") end
]]
        ask()
        net:advance(2.5)
        reload [[
local sip = require "lunasip"
function request_route(req) req:reply(200, sip.shared.ticks:get "kept" .. " " .. sip.shared.ticks:get "old") end
]]
        net:advance(5)
        assert.equal("yes 2", ask())
    end)
end)
