-- What happens inside a call: new offers, reliable provisional responses, other methods.
local border = require "support.border"
local lunasip = require "support.lunasip"

describe("inside a dialog", function()
    local sbc
    local calls = lunasip.calls(500)

    setup(function() sbc = border.start { timers = border.PATIENT } end)
    teardown(border.clean)

    for _, case in ipairs {
        { name = "a re-INVITE renegotiates through the relay (RFC 3261 s14)", method = "reinvite" },
        { name = "UPDATE renegotiates through the relay (RFC 3311)", method = "update" },
        { name = "PRACK passes, early media is relayed (RFC 3262)", method = "prack" },
        { name = "INFO passes (RFC 6086)", method = "info" },
        { name = "REFER passes, and NOTIFY back (RFC 3515)", method = "refer" },
    } do
        for _, from in ipairs { "public", "private" } do
            it(case.name .. ", from the " .. from .. " side", function()
                sbc:expect_calls {
                    from = from, caller = "uac_" .. case.method, gateway = "uas_" .. case.method,
                    calls = calls, rate = 100,
                }
            end)
        end
    end

    it("nothing is left at the end", function()
        sbc:expect_counters { ["dialog.created"] = 10 * calls, ["script.error"] = 0 }
        sbc:expect_nothing_left()
    end)
end)
