-- Calls that do not come to be, gateways that are not there, requests that are refused.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"

describe("a call that is given up or refused", function()
    local sbc
    local calls = lunasip.calls(500)

    setup(function() sbc = border.start() end)
    teardown(border.clean)

    for _, from in ipairs { "public", "private" } do
        it("ends with 487 when the caller on the " .. from .. " side cancels (RFC 3261 s9)", function()
            sbc:expect_calls { from = from, caller = "uac_cancel", gateway = "uas_cancel", calls = calls, rate = 100 }
        end)

        it("ends with 486 when the gateway is busy, called from the " .. from .. " side", function()
            sbc:expect_calls {
                from = from, caller = "uac_refused", gateway = "uas_refuses", calls = calls, rate = 100,
                values = { status = 486, reason = "Busy Here" },
            }
        end)
    end

    it("leaves nothing behind once Timer D has passed", function()
        sbc:expect_nothing_left()
    end)
end)

describe("a call that nobody takes", function()
    local calls = lunasip.calls(500)
    local quick = { t1_ms = 50, t2_ms = 200, t4_ms = 250 }

    after_each(border.clean)

    it("ends with 408 when the gateway says nothing (Timer B)", function()
        local sbc = border.start { timers = quick }
        local silent = assert(posix.udp(sbc.private_gateway, 5060))
        sbc:expect_calls { from = "public", caller = "uac_refused", calls = 5, rate = 100, values = { status = 408 } }
        assert.is_truthy(silent.receive():match "^INVITE ")
        silent.close()
        sbc:expect_nothing_left()
    end)

    -- The gateway sees CANCEL and answers 487 (uas_cancel); the caller gave nothing up and hears 408 (s16.8).
    it("ends with 408 when the gateway rings for ever (Timer C), and the gateway is cancelled", function()
        local sbc = border.start { timers = { c_ms = 1000 } }
        sbc:expect_calls {
            from = "public", caller = "uac_refused", gateway = "uas_cancel", calls = 20, rate = 100,
            values = { status = 408 },
        }
        sbc:expect_nothing_left()
    end)

    it("ends with 503 when every gateway of the set is down", function()
        local sbc = border.start {
            timers = quick,
            sets = function(b) return {
                [1] = { "sip:" .. b.public_gateway },
                [2] = { "sip:" .. b.at(22), "sip:" .. b.at(23) },
            } end,
        }
        sbc:expect_calls {
            from = "public", caller = "uac_refused", calls = calls, rate = 100, values = { status = 503 },
        }
        sbc:expect_nothing_left()
    end)
end)

describe("a gateway that is down", function()
    local calls = lunasip.calls(500)

    after_each(border.clean)

    local function two_gateways(b)
        return { [1] = { "sip:" .. b.public_gateway }, [2] = { "sip:" .. b.at(22), "sip:" .. b.private_gateway } }
    end

    it("is passed over at once when its host says so (ICMP)", function()
        local sbc = border.start { sets = two_gateways }
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 100 }
        sbc:expect_nothing_left()
    end)

    it("is passed over when it stays silent (Timer B)", function()
        local sbc = border.start { sets = two_gateways, timers = { t1_ms = 50, t2_ms = 200, t4_ms = 250 } }
        local silent = assert(posix.udp(sbc.at(22), 5060))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 10, rate = 100 }
        assert.is_truthy(silent.receive():match "^INVITE ")
        silent.close()
        sbc:expect_nothing_left()
    end)
end)

describe("the border", function()
    after_each(border.clean)

    it("answers OPTIONS itself, on both sides", function()
        local sbc = border.start()
        sbc:expect_calls { from = "public", caller = "uac_options", calls = 20, rate = 100 }
        sbc:expect_calls { from = "private", caller = "uac_options", calls = 20, rate = 100 }
        sbc:expect_nothing_left()
    end)

    it("refuses a private source that it does not know with 403", function()
        local sbc = border.start()
        sbc:expect_calls {
            from = "private", caller_host = sbc.at(99), caller = "uac_refused", calls = 20, rate = 100,
            values = { status = 403 },
        }
        sbc:expect_nothing_left()
    end)
end)
