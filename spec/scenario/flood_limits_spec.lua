-- A flood of new calls that nobody answers meets each limit that the network can reach: it is counted, memory
-- stays flat, and afterwards nothing is left and calls work.
local floods = require "support.flood"

describe("a flood of random Call-IDs", function()
    local flood

    after_each(function()
        floods.clean(flood)
    end)

    -- The calls go to a gateway that never answers.
    local function to_silence(blocks)
        flood = floods.start { blocks = blocks }
        flood:open(flood.sbc.private_gateway)
        return { flood:open(flood.sbc.public_caller) }
    end

    it("ends at limits.transactions", function()
        local callers = to_silence { limits = { transactions = 400 } }
        flood:expect_limit { counter = "transaction.limit", callers = callers, most = { transactions = 2 * 400 + 400 } }
        flood:expect_calls_work()
    end)

    it("ends at limits.dialogs", function()
        local callers = to_silence { limits = { dialogs = 200 } }
        flood:expect_limit { counter = "dialog.limit", callers = callers, most = { dialogs = floods.WORKERS * 200 } }
        flood:expect_calls_work()
    end)

    it("ends at media_limits.calls", function()
        local callers = to_silence { media_limits = { calls = 200 } }
        flood:expect_limit { counter = "media.limit", callers = callers, most = { calls = 200, ports = 4 * 200 } }
        flood:expect_calls_work()
    end)

    it("ends with the last port of the range", function()
        local callers = to_silence(function(self)
            return { media = { public = self.public, private = self.private, ports = { 30000, 30199 } } }
        end)
        flood:expect_limit { counter = "media.no_port", callers = callers, most = { ports = 2 * 200 } }
        flood:expect_calls_work()
    end)
end)
