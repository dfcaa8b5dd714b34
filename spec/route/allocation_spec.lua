-- Memory runs out at every place where a call asks for some: the nth allocation fails and all after
-- it, for each n until a whole call needs fewer. A call may then fail; the engine may not crash, must
-- leave nothing behind, and the next call must succeed.
local ffi = require "ffi"
local lab = require "lunasip.lab"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() then req:relay() elseif req.method ~= "ACK" then req:reply(481) end
        return
    end
    sip.media.manage(req, { from = "public", to = "private" })
    req:record_route()
    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "AGAIN" }
end
function onreply_route(reply)
    reply:set_header("X-Seen", "yes")
end
function failure_route.AGAIN(req)
    req:set_header("X-Again", "1")
    req:relay { to = "sip:10.0.0.21:5060", interface = "private" }
end
]]

local MOST_ALLOCATIONS = 3000 -- more than one call makes: reaching it means that the sweep never ended

describe("a call without memory", function()
    local net, alice, bob, carol
    local engine

    setup(function()
        engine = require "lunasip.stage".library
    end)

    before_each(function()
        -- What a lost BYE leaves behind ends by limits.dialog_idle_s.
        net = lab.new { route = ROUTE, conf = { limits = { dialog_idle_s = 60 } } }
        alice = net:agent { name = "alice", address = "192.0.2.10", auto_ack = true }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true }
        carol = net:agent { name = "carol", address = "10.0.0.21", side = "private", auto_cancel = true }
    end)

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    local function forget_calls()
        for _, agent in ipairs { alice, bob, carol } do
            agent.queue, agent.calls, agent.resending = {}, {}, {}
        end
    end

    -- Bob refuses, carol answers; whoever waits in vain gives up. @return true when the call ran to its end
    local function call()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive("INVITE", 1), 503)
        local invite = carol:receive("INVITE", 1)
        carol:reply(invite, 180)
        carol:reply(invite, 200, { sdp = true })
        alice:receive(200, 1)
        alice:hangup()
        carol:reply(carol:receive("BYE", 1), 200)
        alice:receive(200, 1)
        return true
    end

    it("fails cleanly at each allocation, and the call after it succeeds", function()
        local n, is_done = 0, false
        while not is_done do
            assert.is_true(n < MOST_ALLOCATIONS)
            engine.memory_fail_after(n)
            is_done = pcall(call)
            engine.memory_fail_never()
            net:advance(200)
            forget_calls()
            n = n + (n < 400 and 1 or 7)
        end
        assert.is_true(n > 50)
        assert.is_true(call())
        net:advance(200)
        assert.equal(0, net:status().dialogs)
        assert.equal(0, net:status().media.ports)
    end)
end)
