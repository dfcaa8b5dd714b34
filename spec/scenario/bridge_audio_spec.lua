-- Two phones joined by two legs: each says a tone of its own, and must hear the other's through the relay.
local baresip = require "support.baresip"
local border = require "support.border"
local posix = require "support.posix"
local two_legs = require "support.two_legs"

describe("two phones joined by two legs", function()
    after_each(border.clean)

    for _, from in ipairs { "public", "private" } do
        it("hear each other's tone, called from the " .. from .. " side", function()
            local sbc = two_legs.start()
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
            local relayed = posix.wait_until(function()
                local status = sbc.engine:status()
                return status and status.media.packets >= 250
            end, 60, 0.1)
            assert.is_truthy(relayed, "the relay did not carry 250 packets: " .. sbc.engine.process:output():sub(-2000))
            caller:hang_up()
            assert(callee:wait_ended(60), "the callee saw no hang-up")
            callee:hang_up()
            local heard_by_caller, heard_by_callee = caller:heard(), callee:heard()
            assert.is_true(math.abs(heard_by_caller - 880) < 40, "the caller heard " .. heard_by_caller .. " Hz")
            assert.is_true(math.abs(heard_by_callee - 440) < 20, "the callee heard " .. heard_by_callee .. " Hz")
            sbc:expect_nothing_left()
        end)
    end
end)
