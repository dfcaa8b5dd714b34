-- Memory runs out at every place where a trunk asks for some: the nth allocation fails and all after it, for each n
-- until all of it needs fewer. The trunk may go down, nothing may crash or be kept, and with memory it comes up again.
local ffi = require "ffi"
local world = require "trunk.world"

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

local MOST_ALLOCATIONS = 2000 -- reaching it means that the sweep never ended

describe("a trunk without memory", function()
    local net, registrar, phone
    local engine = require("lunasip.stage").library

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    local function answer_challenge(status, nonce)
        registrar:reply(registrar:receive("REGISTER", 1), status, world.challenged(status, nonce))
        registrar:reply(registrar:receive("REGISTER", 1), 200, { headers = { Expires = "600" } })
    end

    -- Refresh, a look of a script, removal, and back. @return did all of it succeed?
    local function round(nonce)
        net:command("trunks", "refresh", "provider")
        answer_challenge(401, nonce)
        phone:invite "sip:provider@10.0.0.1"
        if not phone:receive(480, 1).reason:find "^up " then return false end
        net:command("trunks", "disable", "provider")
        answer_challenge(407, nonce)
        net:command("trunks", "enable", "provider")
        answer_challenge(401, nonce .. "again")
        net:advance(0.1)
        return #net:command("trunks").data == 1 and world.trunk(net).state == "up"
    end

    -- Whatever came of it: with memory the registrar's answers bring it up.
    local function recover()
        net:settle(40)
        for _, agent in ipairs { registrar, phone } do
            agent.queue, agent.calls, agent.resending = {}, {}, {}
        end
        net:command("trunks", "enable", "provider")
        net:command("trunks", "refresh", "provider")
        for _ = 1, 4 do
            net:advance(0.1)
            while registrar.queue[1] do
                registrar:reply(registrar:receive "REGISTER", 200, { headers = { Expires = "600" } })
            end
        end
        assert.equal("up", world.trunk(net).state)
    end

    it("fails cleanly at each allocation, and does not the next time", function()
        net, registrar = world.open { provider = world.provider { realm = "provider.example" } }
        phone = net:agent { name = "phone", address = "10.0.0.10", side = "private" }
        local n, is_done = 0, false
        recover()
        while not is_done do
            assert.is_true(n < MOST_ALLOCATIONS)
            engine.memory_fail_after(n)
            local is_run, result = pcall(round, "n" .. n)
            engine.memory_fail_never()
            is_done = is_run and result
            net.has_failed = false -- what was waited for in vain is no failure here
            recover()
            n = n + 1
        end
        assert.is_true(n > 20)
    end)
end)
