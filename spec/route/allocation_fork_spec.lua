-- Memory runs out at every place where a fork with media asks for some, and where its failure route does: a call may
-- then fail; the engine may not crash, must leave nothing behind, and the next call must succeed.
local world = require "route.world"
local ffi = require "ffi"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local BODY = [[
    sip.media.manage(req, { from = "public", to = "private" })
    req:record_route()
    req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", interface = "private", on_branch = "MARK",
        on_failure = "AGAIN" }
]]
local MORE = [[
function branch_route.MARK(req)
    req:set_header("X-Branch", tostring(req.branch_index))
end
function failure_route.AGAIN(req)
    req:relay { to = "sip:10.0.0.22:5060", interface = "private" }
end
]]

local MOST_ALLOCATIONS = 4000 -- more than one call makes: reaching it means that the sweep never ended
local EACH, THEN = 120, 13    -- every one of the first, then one of so many

describe("without memory", function()
    local net, alice, callees
    local engine

    setup(function()
        engine = require "lunasip.stage".library
    end)

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    -- Bob sends early media, both refuse, and dave, of the failure route, answers.
    local function call()
        local bob, carol, dave = callees.bob, callees.carol, callees.dave
        alice:invite("sip:bob@example.net", { sdp = { "audio", "video" } })
        local first, second = bob:receive("INVITE", 1), carol:receive("INVITE", 1)
        bob:reply(first, 183, { sdp = true })
        carol:reply(second, 180)
        bob:reply(first, 503)
        carol:reply(second, 486)
        local third = dave:receive("INVITE", 1)
        dave:reply(third, 200, { sdp = true })
        alice:receive(200, 1)
        alice:hangup()
        dave:reply(dave:receive("BYE", 1), 200)
        alice:receive(200, 1)
        return true
    end

    it("a fork with media, early media and a failure route fails cleanly, and the call after it succeeds", function()
        -- What a lost BYE leaves behind ends by limits.dialog_idle_s.
        net, alice, callees = world.open { body = BODY, more = MORE, conf = { limits = { dialog_idle_s = 60 } } }
        local n, is_done = 0, false
        while not is_done do
            assert.is_true(n < MOST_ALLOCATIONS)
            engine.memory_fail_after(n)
            local is_run, result = pcall(call)
            is_done = is_run and result
            engine.memory_fail_never()
            net:advance(200)
            for _, agent in ipairs { alice, callees.bob, callees.carol, callees.dave } do
                agent.queue, agent.calls, agent.resending = {}, {}, {}
            end
            n = n + (n < EACH and 1 or THEN)
        end
        assert.is_true(n > EACH)
        assert.is_true(call())
        net:advance(200)
        assert.equal(0, net:status().dialogs)
        assert.equal(0, net:status().transactions)
        assert.equal(0, net:status().media.ports)
    end)
end)
