-- Calls across the border on real sockets, SIPp on both sides, and a T1 that a busy machine keeps: a message sent
-- twice is a message that was lost.
local border = require "support.border"
local lunasip = require "support.lunasip"

describe("calls through scripts/sbc.lua", function()
    local sbc
    local calls = lunasip.calls(5000)

    setup(function() sbc = border.start { timers = border.PATIENT } end)
    teardown(border.clean)

    local function run(options)
        options.calls, options.rate = calls, 500
        sbc:expect_calls(options)
    end

    it("go from the public side to a private gateway at 500/s; the caller hangs up", function()
        run { from = "public", caller = "uac", gateway = "uas" }
    end)

    it("go from the private side to a public gateway at 500/s; the caller hangs up", function()
        run { from = "private", caller = "uac", gateway = "uas" }
    end)

    it("are ended by the private gateway", function()
        run { from = "public", caller = "uac_waits", gateway = "uas_hangs_up" }
    end)

    it("are ended by the public gateway", function()
        run { from = "private", caller = "uac_waits", gateway = "uas_hangs_up" }
    end)

    it("leave nothing behind, and nothing was sent twice", function()
        sbc:expect_counters {
            ["transaction.retransmitted"] = 0, ["transaction.absorbed"] = 0, ["transaction.timeout"] = 0,
            ["script.error"] = 0, ["script.unanswered"] = 0, ["sip.kernel_dropped"] = 0, ["sip.mailbox_full"] = 0,
            ["dialog.created"] = 4 * calls, ["media.call"] = 4 * calls,
        }
        sbc:expect_nothing_left()
    end)
end)
