-- The same calls under the thread sanitizer with four workers: ownership of a call, hand-over, media threads, ctl.
local border = require "support.border"
local lunasip = require "support.lunasip"

describe("four workers under the thread sanitizer", function()
    after_each(border.clean)

    it("carry calls in both directions without a race", function()
        local sbc = border.start {
            workers = 4, build = lunasip.build:gsub("build[^/]*$", "build-tsan"),
            timers = { t1_ms = 500, t2_ms = 800, t4_ms = 500 }, blocks = { media_threads = 2 },
        }
        local calls = lunasip.calls(2000)
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 100 }
        sbc:expect_calls {
            from = "private", caller = "uac_reinvite", gateway = "uas_reinvite", calls = calls, rate = 100,
        }
        assert.equal(lunasip.nothing, sbc.engine:settle(45))
        sbc:expect_nothing_left()
    end)
end)
