-- Calls of two legs on real sockets, both ways over the border, SIPp on both sides.
local border = require "support.border"
local lunasip = require "support.lunasip"
local two_legs = require "support.two_legs"

describe("calls of two legs", function()
    local sbc
    local calls, run = lunasip.calls(100), 0

    -- Twenty runs, and 64*T1 until the last of them is forgotten: a T1 between the usual one and the patient one.
    setup(function() sbc = two_legs.start { t1_ms = 1000 } end)
    teardown(border.clean)

    for _, case in ipairs {
        { name = "are ended by the caller", caller = "uac", gateway = "uas" },
        { name = "are ended by the gateway", caller = "uac_waits", gateway = "uas_hangs_up" },
        { name = "renegotiate by re-INVITE", caller = "uac_reinvite", gateway = "uas_reinvite" },
        { name = "are held and resumed by the caller", caller = "uac_holds", gateway = "uas_held" },
        { name = "are held and resumed by the gateway", caller = "uac_held", gateway = "uas_holds" },
        { name = "renegotiate by UPDATE", caller = "uac_update", gateway = "uas_update" },
        { name = "pass INFO", caller = "uac_info", gateway = "uas_info" },
        { name = "are given up by the caller", caller = "uac_cancel", gateway = "uas_cancel_leg" },
        {
            name = "are refused by the gateway", caller = "uac_refused", gateway = "uas_refuses",
            values = { status = 486, reason = "Busy Here" },
        },
        {
            name = "answer the challenge of a trunk (401)", caller = "uac", gateway = "uas_challenges",
            values = { status = 401, challenge = "WWW-Authenticate", credentials = "Authorization" },
        },
        {
            name = "answer the challenge of a proxy before a trunk (407)", caller = "uac", gateway = "uas_challenges",
            values = { status = 407, challenge = "Proxy-Authenticate", credentials = "Proxy-Authorization" },
        },
    } do
        for _, from in ipairs { "public", "private" } do
            it(case.name .. ", from the " .. from .. " side", function()
                run = run + 1
                sbc:expect_calls {
                    from = from, caller = case.caller, gateway = case.gateway, calls = calls, rate = 100,
                    values = case.values,
                }
            end)
        end
    end

    it("leave nothing behind", function()
        sbc:expect_counters { ["call.bridged"] = run * calls, ["call.unacknowledged"] = 0, ["script.error"] = 0 }
        sbc:expect_nothing_left()
    end)
end)
