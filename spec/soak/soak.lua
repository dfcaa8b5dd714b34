-- 200,000 calls with media through one engine: the resident set after the first tenth and at the end must be alike.
-- Run by `make soak`; not a part of `make test`, whose pattern is _spec.
package.path = "spec/?.lua;" .. package.path
local border = require "support.border"
local lunasip = require "support.lunasip"

local total = tonumber(os.getenv "SOAK_CALLS") or 200000
local share = total / 10

describe("a soak", function()
    teardown(border.clean)

    it(("of %d calls keeps memory flat and leaves nothing"):format(total), function()
        local sbc = border.start { timers = { t1_ms = 500 } }
        local after = {}
        for part = 1, 10 do
            sbc:expect_calls {
                from = part % 2 == 1 and "public" or "private", caller = "uac", gateway = "uas", calls = share,
                rate = 500, seconds = share / 500 + 60,
            }
            assert.equal(lunasip.nothing, sbc.engine:settle(60))
            after[part] = sbc.engine.process:usage().rss_kb
            io.stderr:write(("%d calls: %d kB\n"):format(part * share, after[part]))
        end
        assert.is_true(after[10] <= after[2] * 1.1 + 1024, "memory grew: " .. table.concat(after, " "))
        sbc:expect_nothing_left()
    end)
end)
