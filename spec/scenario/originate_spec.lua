-- Calls that the engine begins, on real sockets: SIPp as both parties, one on each card, and two phones with audio.
local baresip = require "support.baresip"
local border = require "support.border"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"

-- Whoever sends an OPTIONS asks for a call from the public gateway to the private one.
local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method ~= "OPTIONS" then
        return req.method ~= "ACK" and req:reply(481)
    end
    local call, err = sip.call.originate {
        from = "sip:first@%s:5060", from_interface = "public", to = "sip:second@%s:5060", interface = "private",
        media = { from = "public", to = "private" },
    }
    if not call then
        sip.log.error("no call: %%s", err)
    end
    req:reply(call and 200 or 500)
end
]]

describe("calls that the engine begins", function()
    after_each(border.clean)

    local function start(timers)
        local at, path = network.block(), process.folder() .. "/route.lua"
        local file = assert(io.open(path, "w"))
        file:write(ROUTE:format(at(11), at(21)))
        file:close()
        return border.start { at = at, route = path, timers = timers }
    end

    -- What repeats a 2xx is remembered for 64*T1; calls and ports are gone at once.
    local function expect_no_call(sbc)
        local is_over = posix.wait_until(function()
            local status = sbc.engine:status()
            return status and status.dialogs == 0 and status.media.calls == 0
        end, 60, 0.1)
        assert.is_truthy(is_over, sbc.engine.process:output():sub(-2000))
    end

    local function party(sbc, scenario, host, relay, calls)
        return sipp.gateway {
            scenario = scenario, host = host, calls = calls, seconds = 120,
            values = { relay = relay:gsub("%.", "[.]"), t1_ms = math.max(sipp.parts.t1_ms, sbc.t1_ms) },
        }
    end

    it("join two parties, each on a card of its own", function()
        local sbc, calls = start(border.PATIENT), lunasip.calls(200)
        local first = party(sbc, "uas_click_first", sbc.public_gateway, sbc.public, calls)
        local second = party(sbc, "uas_click_second", sbc.private_gateway, sbc.private, calls)
        sbc:expect_calls { from = "public", caller = "uac_options", calls = calls, rate = 50 }
        local log = "\n" .. sbc.engine.process:output():sub(-2000)
        for _, one in ipairs { first, second } do
            assert.equal(border.perfect(calls), border.summary(one:wait()), log)
        end
        sbc:expect_counters { ["call.originated"] = calls, ["script.error"] = 0 }
        expect_no_call(sbc)
    end)

    it("join two phones, which hear each other", function()
        local sbc = start()
        local first = baresip.start { name = "first", host = sbc.public_gateway, frequency = 440 }
        local second = baresip.start { name = "second", host = sbc.private_gateway, frequency = 880 }
        sbc:expect_calls { from = "public", caller = "uac_options", calls = 1, rate = 1 }
        local relayed = posix.wait_until(function()
            local status = sbc.engine:status()
            return status and status.media.packets >= 250
        end, 60, 0.1)
        assert.is_truthy(relayed, "the relay did not carry 250 packets: " .. first.process:output():sub(-3000)
            .. second.process:output():sub(-1000) .. sbc.engine.process:output():sub(-2000))
        first:hang_up()
        assert(second:wait_ended(60), "the second saw no hang-up")
        second:hang_up()
        local heard_by_first, heard_by_second = first:heard(), second:heard()
        assert.is_true(math.abs(heard_by_first - 880) < 40, "the first heard " .. heard_by_first .. " Hz")
        assert.is_true(math.abs(heard_by_second - 440) < 20, "the second heard " .. heard_by_second .. " Hz")
        expect_no_call(sbc)
    end)
end)
