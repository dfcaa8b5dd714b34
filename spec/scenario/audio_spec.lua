-- Two phones with real audio: each says a tone of its own, and must hear the other's through the relay.
local baresip = require "support.baresip"
local border = require "support.border"
local posix = require "support.posix"
local two_legs = require "support.two_legs"

describe("audio between two phones", function()
    after_each(border.clean)

    -- start: border.start (proxied calls) or two_legs.start (each phone has a dialog of its own)
    local function call(from, start)
        local sbc = start()
        local near, caller_host, callee_host = sbc.public, sbc.public_caller, sbc.private_gateway
        if from == "private" then
            near, caller_host, callee_host = sbc.private, sbc.private_gateway, sbc.public_gateway
        end
        local callee = baresip.start { name = "callee", host = callee_host, frequency = 880 }
        local caller = baresip.start {
            name = "caller", host = caller_host, frequency = 440, outbound = near .. ":5060",
            dial = "sip:callee@" .. near,
        }
        caller:wait_established(60)
        -- Enough for two seconds of sound each way.
        local relayed = posix.wait_until(function()
            local status = sbc.engine:status()
            return status and status.media.packets >= 250
        end, 60, 0.1)
        assert.is_truthy(relayed, "the relay did not carry 250 packets: " .. sbc.engine.process:output():sub(-2000))
        local at_caller = caller:hang_up()
        local at_callee = assert(callee:wait_ended(60), "the callee saw no hang-up")
        callee:hang_up()
        assert.is_true(at_caller.received >= 100, "the caller received " .. at_caller.received)
        assert.is_true(at_callee.received >= 100, "the callee received " .. at_callee.received)
        local heard_by_caller, heard_by_callee = caller:heard(), callee:heard()
        assert.is_true(math.abs(heard_by_caller - 880) < 40, "the caller heard " .. heard_by_caller .. " Hz")
        assert.is_true(math.abs(heard_by_callee - 440) < 20, "the callee heard " .. heard_by_callee .. " Hz")
        sbc:expect_nothing_left()
    end

    for _, from in ipairs { "public", "private" } do
        it("is heard both ways in a call from the " .. from .. " side", function() call(from, border.start) end)
        it("is heard both ways in one of two legs from the " .. from .. " side", function()
            call(from, two_legs.start)
        end)
    end
end)
