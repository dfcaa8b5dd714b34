-- The command line: what each verb says, and its exit code (0 fine, 1 refused by the running engine, 2 bad usage,
-- 3 configuration or script error).
local border = require "support.border"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

local binary = lunasip.build .. "/lunasip"

describe("lunasip", function()
    after_each(border.clean)

    local function write(text)
        local path = process.folder() .. "/lunasip.lua"
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
        return path
    end

    it("tells its version", function()
        local code, output = process.run { binary, "version" }
        assert.equal(0, code)
        assert.is_truthy(output:match "%d+%.%d+%.%d+")
    end)

    it("answers a verb that it does not know with its usage and 2", function()
        local code, output = process.run { binary, "dance" }
        assert.equal(2, code)
        assert.is_truthy(output:match "usage")
    end)

    it("finds the samples in order", function()
        local code, output = process.run { binary, "check", "conf/sbc.lua" }
        assert.equal(0, code, output)
    end)

    for _, case in ipairs {
        { name = "an unknown key", line = 2, text = 'listen { public = { "udp:127.0.0.1:5060" } }\nlistne { }\n' },
        { name = "a wrong type", line = 1, text = 'workers = "many"\nlisten { public = { "udp:127.0.0.1:5060" } }\n' },
        { name = "a bad address", line = 1, text = 'listen { public = { "udp:127.0.0.999:5060" } }\n' },
        { name = "a missing script", line = 2,
            text = 'listen { public = { "udp:127.0.0.1:5060" } }\nroute "nowhere.lua"\n' },
        { name = "a syntax error", line = 1, text = "listen { public = = }\n" },
    } do
        it("refuses " .. case.name .. " in one line with file and line, and 3", function()
            local path = write(case.text)
            for _, verb in ipairs { "check", "run" } do
                local code, output = process.run { binary, verb, path }
                assert.equal(3, code, output)
                local _, lines = output:gsub("\n", "")
                assert.equal(1, lines, output)
                assert.is_truthy(output:find(("lunasip.lua:%d:"):format(case.line), 1, true), output)
            end
        end)
    end

    it("says which address is in use, and 3", function()
        local sbc = border.start()
        local path = write(('listen { public = { "udp:%s:5060" } }\nroute "%s/scripts/sbc.lua"\n'):format(
            sbc.public, (io.popen "pwd":read "*l")))
        local code, output = process.run { binary, "run", path }
        assert.equal(3, code, output)
        assert.is_truthy(output:find(sbc.public, 1, true), output)
    end)

    it("says with 1 that nobody listens on the control socket", function()
        local code = process.run { binary, "ctl", "--socket", process.folder() .. "/none", "status" }
        assert.equal(1, code)
    end)

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
        assert.equal(0, sbc.engine.process:wait(20))
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
        sbc.engine.process:wait_for_output("drain", 5)
        local code, complaint = sbc.engine:stop()
        assert.equal("", complaint)
        assert.equal(0, code)
        ends.caller.close()
        ends.gateway.close()
    end)

    it("shows a call each way with its media in the demo", function()
        if network.is_bound("127.0.0.10", 5060) or network.is_bound("127.0.0.20", 5060) then
            return pending "somebody runs the demo on this machine"
        end
        local code, output = process.run({ binary, "demo", "--once" }, 60)
        assert.equal(0, code, output)
        assert.is_truthy(output:match "INVITE")
    end)
end)
