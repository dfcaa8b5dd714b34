-- Calls of two legs on real sockets, both ways over the border, SIPp on both sides; no message that either received
-- names a host of the other side.
local border = require "support.border"
local hidden = require "support.hidden"
local lunasip = require "support.lunasip"
local two_legs = require "support.two_legs"

describe("calls of two legs", function()
    local sbc
    local calls, run = lunasip.calls(100), 0

    -- Some twenty runs, and 64*T1 until the last of them is forgotten: a T1 between the usual one and the patient one.
    setup(function() sbc = two_legs.start { t1_ms = 1000 } end)
    teardown(border.clean)

    for name, options in hidden.cases {
        { name = "have a session timer on each leg (RFC 4028)", caller = "uac_session", gateway = "uas_session" },
        {
            name = "answer the challenge of a trunk (401)", caller = "uac", gateway = "uas_challenges",
            values = { status = 401, challenge = "WWW-Authenticate", credentials = "Authorization" },
        },
        {
            name = "answer the challenge of a proxy before a trunk (407)", caller = "uac", gateway = "uas_challenges",
            values = { status = 407, challenge = "Proxy-Authenticate", credentials = "Proxy-Authorization" },
        },
    } do
        it(name, function()
            run = run + 1
            options.calls, options.rate = calls, 100
            hidden.expect_calls(sbc, options)
        end)
    end

    it("leave nothing behind", function()
        sbc:expect_counters { ["call.bridged"] = run * calls, ["call.unacknowledged"] = 0, ["script.error"] = 0 }
        sbc:expect_nothing_left()
    end)
end)
