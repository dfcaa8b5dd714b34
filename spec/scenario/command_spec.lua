-- A live engine under `ctl` and signals, with calls going through it; the command line by itself is spec/cli_spec.lua.
local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local raw = require "support.raw"

describe("a running engine", function()
    after_each(border.clean)

    it("takes a gateway out and back in", function()
        local sbc = border.start()
        local gateway = ("sip:%s:5060"):format(sbc.private_gateway)
        assert.equal(0, (sbc.engine:ctl("dispatcher", "set", "2", gateway, "inactive")))
        sbc:expect_calls { from = "public", caller = "uac_refused", calls = 5, rate = 50, values = { status = 503 } }
        assert.equal(0, (sbc.engine:ctl("dispatcher", "set", "2", gateway, "active")))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 50 }
        assert.equal(1, (sbc.engine:ctl("dispatcher", "set", "2", "sip:nobody", "active")))
    end)

    it("reloads under traffic and loses no call", function()
        local sbc = border.start { timers = { t1_ms = 500 } }
        local calls = lunasip.calls(2000)
        local reloads = 0
        sbc:expect_calls {
            from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 100, values = { talk_ms = 200 },
            while_running = function(caller)
                while not caller.process:poll() do
                    assert.equal(0, (sbc.engine:ctl "reload"))
                    reloads = reloads + 1
                end
            end,
        }
        assert.is_true(reloads > 1, "reloads: " .. reloads)
        sbc:expect_nothing_left()
    end)

    it("stops on `ctl stop` with 0", function()
        local sbc = border.start()
        assert.equal(0, (sbc.engine:ctl "stop"))
        assert.equal(0, sbc.engine.process:wait(60))
    end)

    it("ends in the middle of calls with nothing leaked", function()
        local sbc = border.start { timers = { t1_ms = 500 } }
        local ends = {
            caller = assert(posix.udp(sbc.public_caller, 5060)), gateway = assert(posix.udp(sbc.private_gateway, 5060)),
            public = sbc.public, private = sbc.private, near_port = 10000, far_port = 10000,
        }
        for i = 1, 5 do
            ends.id = "stays-" .. i
            raw.call(ends)
        end
        -- The first signal begins to drain, the second ends at once.
        sbc.engine.process:signal(15)
        sbc.engine.process:wait_for_output("drain", 60)
        local code, complaint = sbc.engine:stop()
        assert.equal("", complaint)
        assert.equal(0, code)
        ends.caller.close()
        ends.gateway.close()
    end)
end)
