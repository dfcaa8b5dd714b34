-- The policy of scripts/sbc.lua, decision by decision, without a network. Whole calls through the
-- engine are in spec/scenario.
local fake = require "spec.lua.fake_core"
local runtime = require "lunasip.runtime"

local GATEWAY = { uri = "sip:127.0.0.21:5060", set = 2, attrs = {} }

-- As the engine gives a destination: its URI, its set, its attributes.
local function give(gateway, err)
    if gateway then
        return gateway.uri, gateway.set, gateway.attrs
    end
    return nil, err
end

local RELAYED = {
    "relay", { interface = "private", on_failure = "NEXT_GATEWAY" },
}

local function load_sbc()
    local env = runtime.new_environment "scripts/sbc.lua"
    assert(runtime.load("scripts/sbc.lua", env))()
    local handlers = runtime.handlers(env)
    local function told(handler)
        return function(message, ...)
            fake.current = message
            return handler(message, ...)
        end
    end
    for name, handler in pairs(handlers.event) do
        handlers.event[name] = told(handler)
    end
    handlers.request_route = told(handlers.request_route)
    return handlers
end

-- A request that writes down what the script does with it.
local function request(changes, answers)
    local m = fake.invite(changes)
    local done = {}
    answers = answers or {}
    local function record(name, default)
        rawset(m, name, function(_, ...)
            done[#done + 1] = { name, ... }
            local answer = answers[name]
            if type(answer) == "table" then
                return unpack(answer, 1, 3)
            end
            if answer ~= nil then
                return answer
            end
            return default
        end)
    end
    for _, name in ipairs { "reply", "relay", "drop", "record_route" } do
        record(name, true)
    end
    rawset(m, "record", function(_, fields) m.recorded = fields end)
    for name, default in pairs { max_forwards_ok = true, in_dialog = false, loose_route = false } do
        rawset(m, name, function()
            local answer = answers[name]
            if type(answer) == "table" then
                return unpack(answer, 1, 3)
            end
            if answer == nil then
                return default
            end
            return answer
        end)
    end
    return m, done
end

describe("scripts/sbc.lua", function()
    local handlers

    before_each(function()
        fake.reset()
        handlers = load_sbc()
        fake.answers = { dispatcher_select = GATEWAY, dispatcher_is_from = true, media_manage = true }
        fake.core.dispatcher_is_from = function() return fake.answers.dispatcher_is_from end
        fake.core.dispatcher_select = function(...)
            fake.calls[#fake.calls + 1] = { "dispatcher_select", ... }
            return give(fake.answers.dispatcher_select, "no live destination")
        end
        fake.core.dispatcher_next = function() return give(fake.answers.dispatcher_next, "no further destination") end
        fake.core.media_manage = function(...)
            fake.calls[#fake.calls + 1] = { "media_manage", ... }
            return fake.answers.media_manage or nil, "no port left"
        end
    end)

    local function called(name)
        for _, call in ipairs(fake.calls) do
            if call[1] == name then
                return call
            end
        end
    end

    it("has at most 150 lines", function()
        local count = 0
        for _ in io.lines "scripts/sbc.lua" do
            count = count + 1
        end
        assert.is_true(count <= 150)
    end)

    it("sends a call from the public side to a private gateway", function()
        local m, done = request()
        handlers.request_route(m)
        assert.same({ "dispatcher_select", m, 2, 4 }, called "dispatcher_select")
        assert.same({ "media_manage", m, { from = "public", to = "private" } }, called "media_manage")
        assert.same({ { "record_route" }, RELAYED }, done)
        assert.same({ direction = "public to private" }, m.recorded)
        assert.matches("call from sip:alice@example.com at 127.0.0.1:5070 .* public %-> private", fake.logged[1].text)
        assert.equal("call-1@127.0.0.1", fake.logged[1].call_id)
    end)

    it("sends a call from the private side to a public gateway", function()
        local m, done = request { interface = "private" }
        handlers.request_route(m)
        assert.same({ "dispatcher_select", m, 1, 4 }, called "dispatcher_select")
        assert.same({ "media_manage", m, { from = "private", to = "public" } }, called "media_manage")
        assert.equal("public", done[2][2].interface)
    end)

    it("refuses a private source that is unknown", function()
        fake.answers.dispatcher_is_from = false
        local m, done = request { interface = "private" }
        handlers.request_route(m)
        assert.same({ { "reply", 403, "Forbidden" } }, done)
    end)

    it("refuses what came in on neither side", function()
        local m, done = request { interface = "management" }
        handlers.request_route(m)
        assert.same({ { "reply", 403, "Forbidden" } }, done)
    end)

    it("answers 503 without a live gateway and 500 without media", function()
        fake.answers.dispatcher_select = nil
        local m, done = request()
        handlers.request_route(m)
        assert.same({ { "reply", 503, "Service Unavailable" } }, done)
        fake.answers = { dispatcher_select = GATEWAY }
        m, done = request()
        handlers.request_route(m)
        assert.same({ { "reply", 500, "Media Proxy Error" } }, done)
    end)

    it("answers OPTIONS, refuses other methods, ACKs and CANCELs of no call", function()
        local m, done = request { method = "OPTIONS" }
        handlers.request_route(m)
        assert.equal(200, done[1][2])
        m, done = request { method = "REGISTER" }
        handlers.request_route(m)
        assert.equal(405, done[1][2])
        m, done = request { method = "ACK" }
        handlers.request_route(m)
        assert.same({ { "drop" } }, done)
        m, done = request { method = "CANCEL" }
        handlers.request_route(m)
        assert.same({ { "reply", 481, "Call/Transaction Does Not Exist" } }, done)
        m, done = request({ method = "CANCEL" }, { in_dialog = true, loose_route = true }) -- of a re-INVITE
        handlers.request_route(m)
        assert.same({ { "reply", 481, "Call/Transaction Does Not Exist" } }, done)
    end)

    it("checks Max-Forwards, and answers no ACK", function()
        local m, done = request({}, { max_forwards_ok = false })
        handlers.request_route(m)
        assert.same({ { "reply", 483, "Too Many Hops" } }, done)
        m, done = request({ method = "ACK" }, { max_forwards_ok = false })
        handlers.request_route(m)
        assert.same({ { "drop" } }, done)
    end)

    it("routes within dialogs by Record-Route", function()
        local m, done = request({ method = "BYE" }, { in_dialog = true, loose_route = true })
        handlers.request_route(m)
        assert.same({ { "relay" } }, done)
        m, done = request({ method = "ACK" }, { in_dialog = true, loose_route = true })
        handlers.request_route(m)
        assert.same({ { "relay" } }, done)
        m, done = request({ method = "BYE" }, { in_dialog = true })
        handlers.request_route(m)
        assert.equal(481, done[1][2])
        m, done = request({ method = "ACK" }, { in_dialog = true })
        handlers.request_route(m)
        assert.same({ { "drop" } }, done)
        m, done = request({ method = "BYE" }, { in_dialog = true, loose_route = true, relay = { nil, "no route" } })
        handlers.request_route(m)
        assert.equal(500, done[2][2])
    end)

    it("says nothing to a caller who gave up while it waited", function()
        local m, done = request({}, { relay = { nil, "cancelled" } })
        handlers.request_route(m)
        assert.equal("relay", done[#done][1])
    end)

    describe("when a gateway fails", function()
        local function fail(status, is_local)
            local m, done = request { next_hop = "sip:127.0.0.21:5060" }
            handlers.failure.NEXT_GATEWAY(m, { status = status, is_local = is_local })
            return done
        end

        it("goes on to the next one on 408 and 5xx", function()
            for _, status in ipairs { 408, 500, 503, 599 } do
                fake.answers.dispatcher_next = { uri = "sip:127.0.0.22", set = 2, attrs = {} }
                assert.same({ RELAYED }, fail(status))
            end
        end)

        it("takes it out when it said nothing or is out of service", function()
            fail(500)
            assert.is_nil(called "dispatcher_mark")
            fail(408, true)
            assert.same({ "dispatcher_mark", 2, "sip:127.0.0.21:5060", "probing" }, called "dispatcher_mark")
        end)

        it("lets other answers and the last failure go back", function()
            assert.same({}, fail(486))
            assert.same({}, fail(404))
            assert.same({}, fail(600))
            fake.answers = {}
            assert.same({}, fail(503))
            assert.matches("the last one", fake.logged[#fake.logged].text)
        end)
    end)

    it("tells how a call ended", function()
        local tell = handlers.event["dialog:end"]
        tell { call_id = "c", reason = "bye", answered = true, duration_s = 12.7 }
        tell { call_id = "c", reason = "failed", answered = false, status = 486 }
        tell { call_id = "c", reason = "cancelled", answered = false }
        assert.same({ level = "info", call_id = "c", text = "call ended: bye, after 12 s" }, fake.logged[1])
        assert.equal("call not answered: failed (486)", fake.logged[2].text)
        assert.equal("call not answered: cancelled (no response)", fake.logged[3].text)
    end)
end)
