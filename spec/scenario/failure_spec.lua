-- Calls that do not come to be, gateways that are not there, requests that are refused.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"

-- Timers of RFC 3261 that make a failure known soon.
local QUICK = { t1_ms = 50, t2_ms = 200, t4_ms = 250 }
local calls = lunasip.calls(500)

-- Each test has a border of its own, and leaves it here when its calls are over: all wait for Timer D at once.
local borders = {}
local function start(options)
    local sbc = border.start(options)
    borders[#borders + 1] = sbc
    return sbc
end

describe("calls that fail", function()
    teardown(border.clean)

    describe("because they are given up or refused", function()
        local sbc

        setup(function() sbc = start { timers = border.PATIENT } end)

        for _, from in ipairs { "public", "private" } do
            it("end with 487 when the caller on the " .. from .. " side cancels (RFC 3261 s9)", function()
                sbc:expect_calls {
                    from = from, caller = "uac_cancel", gateway = "uas_cancel", calls = calls, rate = 100,
                }
            end)

            it("end with 486 when the gateway is busy, called from the " .. from .. " side", function()
                sbc:expect_calls {
                    from = from, caller = "uac_refused", gateway = "uas_refuses", calls = calls, rate = 100,
                    values = { status = 486, reason = "Busy Here" },
                }
            end)
        end
    end)

    describe("because nobody takes them", function()
        for _, from in ipairs { "public", "private" } do
            it("end with 408 when the gateway says nothing (Timer B), called from the " .. from .. " side", function()
                local sbc = start { timers = QUICK }
                local silent = assert(posix.udp(from == "public" and sbc.private_gateway or sbc.public_gateway, 5060))
                sbc:expect_calls {
                    from = from, caller = "uac_refused", calls = 5, rate = 100, values = { status = 408 },
                }
                assert.is_truthy(silent.receive():match "^INVITE ")
                silent.close()
            end)
        end

        -- The gateway sees CANCEL and answers 487 (uas_cancel); the caller gave nothing up and hears 408 (s16.8).
        it("end with 408 when the gateway rings for ever (Timer C), and the gateway is cancelled", function()
            local sbc = start { timers = { t1_ms = 2000, c_ms = 1000 } }
            sbc:expect_calls {
                from = "public", caller = "uac_refused", gateway = "uas_cancel", calls = 20, rate = 100,
                values = { status = 408 },
            }
        end)

        -- A private source is known because it is a gateway of set 2.
        it("end with 503 when every gateway of the set is down, on either side", function()
            local sbc = start {
                timers = QUICK,
                sets = function(b) return {
                    [1] = { "sip:" .. b.at(13), "sip:" .. b.at(14) },
                    [2] = { "sip:" .. b.at(22), "sip:" .. b.at(23) },
                } end,
            }
            for from, host in pairs { public = sbc.public_caller, private = sbc.at(22) } do
                sbc:expect_calls {
                    from = from, caller_host = host, caller = "uac_refused", calls = calls, rate = 100,
                    values = { status = 503 },
                }
            end
        end)
    end)

    describe("at a gateway that is down", function()
        local function two_gateways(b)
            return {
                [1] = { "sip:" .. b.at(13), "sip:" .. b.public_gateway },
                [2] = { "sip:" .. b.at(22), "sip:" .. b.private_gateway },
            }
        end

        it("pass over it at once when its host says so (ICMP), on either side", function()
            local sbc = start { sets = two_gateways, timers = border.PATIENT }
            for _, from in ipairs { "public", "private" } do
                sbc:expect_calls { from = from, caller = "uac", gateway = "uas", calls = calls, rate = 100 }
            end
        end)

        it("pass over it when it stays silent (Timer B)", function()
            local sbc = start { sets = two_gateways, timers = QUICK }
            local silent = assert(posix.udp(sbc.at(22), 5060))
            sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 10, rate = 100 }
            assert.is_truthy(silent.receive():match "^INVITE ")
            silent.close()
        end)
    end)

    describe("or never were calls", function()
        it("OPTIONS is answered by the border itself, on both sides", function()
            local sbc = start { timers = border.PATIENT }
            sbc:expect_calls { from = "public", caller = "uac_options", calls = 20, rate = 100 }
            sbc:expect_calls { from = "private", caller = "uac_options", calls = 20, rate = 100 }
        end)

        it("a private source that it does not know is refused with 403", function()
            local sbc = start { timers = border.PATIENT }
            sbc:expect_calls {
                from = "private", caller_host = sbc.at(99), caller = "uac_refused", calls = 20, rate = 100,
                values = { status = 403 },
            }
        end)
    end)

    it("leave nothing behind once Timer D has passed", function()
        for _, sbc in ipairs(borders) do sbc:expect_nothing_left() end
    end)
end)
