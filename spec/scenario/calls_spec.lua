-- Calls across the border on real sockets, SIPp on both sides.
local border = require "support.border"
local lunasip = require "support.lunasip"

describe("calls through scripts/sbc.lua", function()
    local sbc
    local calls = lunasip.calls(5000)

    after_each(border.clean)

    local function run(options)
        options.calls, options.rate = calls, 500
        -- T1 stays at its default under load: a retransmission means that a message was lost or late.
        sbc = border.start { timers = { t1_ms = 500, t2_ms = 800, t4_ms = 500 } }
        sbc:expect_calls(options)
        local left = sbc.engine:settle(45)
        assert.equal(lunasip.nothing, left)
        sbc:expect_nothing_left()
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
end)
