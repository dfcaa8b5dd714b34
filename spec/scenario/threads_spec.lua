-- The same calls under the thread sanitizer with four workers: ownership of a call, hand-over, media threads, ctl.
local border = require "support.border"
local lunasip = require "support.lunasip"

describe("four workers under the thread sanitizer", function()
    teardown(border.clean)

    -- Each test leaves its border here when its calls are over: both wait for their timers at once.
    local borders = {}
    local function start()
        local sbc = border.start {
            workers = 4, build = lunasip.build:gsub("build[^/]*$", "build-tsan"),
            timers = { t1_ms = 1000 }, blocks = { media_threads = 2 },
        }
        borders[#borders + 1] = sbc
        return sbc
    end

    it("carry calls in both directions without a race", function()
        local sbc = start()
        local calls = lunasip.calls(2000)
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 100 }
        sbc:expect_calls {
            from = "private", caller = "uac_reinvite", gateway = "uas_reinvite", calls = calls, rate = 100,
        }
    end)

    it("do so while scripts are reloaded, gateways marked, and every worker is asked for its calls", function()
        local sbc = start()
        local idle, used = "sip:" .. sbc.public_gateway .. ":5060", "sip:" .. sbc.private_gateway .. ":5060"
        local function expect_ctl(...)
            local code, output = sbc.engine:ctl(...)
            if code ~= 0 then error(table.concat({ ... }, " ") .. ": " .. output, 2) end
        end
        local calls, rounds = lunasip.calls(1000), 0
        sbc:expect_calls {
            from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 25,
            while_running = function(caller)
                while not caller.process:poll() do
                    expect_ctl "reload"
                    expect_ctl("dispatcher", "set", "1", idle, rounds % 2 == 0 and "disabled" or "active")
                    expect_ctl("dispatcher", "set", "2", used, "active")
                    for _, verb in ipairs { "calls", "transactions", "media", "status", "profiles" } do
                        expect_ctl(verb)
                    end
                    sbc.engine:ctl("calls", "end", "nobody@example.net") -- asks every worker
                    rounds = rounds + 1
                end
            end,
        }
        assert.is_true(rounds >= 2)
    end)

    it("leave nothing behind", function()
        for _, sbc in ipairs(borders) do sbc:expect_nothing_left() end
    end)
end)
