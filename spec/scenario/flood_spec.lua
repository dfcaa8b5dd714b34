-- A flood of new calls that nobody answers meets the limits, which are counted; memory stays flat.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local raw = require "support.raw"

describe("a flood of random Call-IDs", function()
    after_each(border.clean)

    it("stops at the limit of transactions, counted, with flat memory, and calls work again after it", function()
        local sbc = border.start {
            -- The build that users run: the address sanitizer keeps freed memory for a while.
            build = lunasip.build:gsub("build[^/]*$", "build"),
            timers = { t1_ms = 50, t2_ms = 200, t4_ms = 250 }, blocks = { limits = { transactions = 400 } },
        }
        local caller, silent = assert(posix.udp(sbc.public_caller, 5060)), assert(posix.udp(sbc.private_gateway, 5060))
        local function flood(from, to)
            for i = from, to do
                local call = {
                    id = ("flood-%d-%d"):format(posix.pid(), i), host = caller.host, port = 5060,
                    target = "sip:1001@" .. sbc.public .. ":5060",
                }
                caller.send(sbc.public, 5060, raw.request(call, "INVITE", 1, { body = raw.sdp(caller.host, 10000) }))
                -- Both sockets are emptied so that nothing waits there.
                for _ in caller.receive do end
                for _ in silent.receive do end
            end
        end
        flood(1, 3000)
        local status = sbc.engine:status()
        local before = sbc.engine.process:usage().rss_kb
        flood(3001, 12000)
        status = sbc.engine:status() or status
        local after = sbc.engine.process:usage().rss_kb
        assert.is_true(status.counters["transaction.limit"] > 0, "the limit was not reached or not counted")
        assert.is_true(status.transactions <= 2 * 400 + 400, "transactions: " .. status.transactions)
        assert.is_true(after < before * 1.5 + 8192, ("memory went from %d to %d kB"):format(before, after))
        caller.close()
        silent.close()
        sbc.engine:settle(60)
        -- The gateway that stayed silent was taken out of its set.
        local gateway = ("sip:%s:5060"):format(sbc.private_gateway)
        assert.equal(0, (sbc.engine:ctl("dispatcher", "set", "2", gateway, "active")))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 10 }
        sbc:expect_nothing_left()
    end)
end)
