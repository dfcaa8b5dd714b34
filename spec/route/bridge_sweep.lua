--- What the sweeps over allocations of calls of two legs share: memory ends at the nth allocation, for each n until a
-- whole call needs fewer. A call may then fail; the engine may not crash, must leave nothing behind, and the next call
-- must succeed.
local ffi = require "ffi"
local lab = require "lunasip.lab"

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

local MOST_ALLOCATIONS = 3000 -- more than one call makes: reaching it means that the sweep never ended

local M = {}

M.ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    local call = sip.call.bridge(req, {
        to = "sip:bob@10.0.0.20", interface = "private", media = { from = "public", to = "private" }, %s
    })
    if not call then req:reply(503) end
end
]]

--- @string options more of sip.call.bridge @return net, alice, bob, carol
function M.open(options)
    -- What a lost BYE leaves behind ends by limits.dialog_idle_s.
    local net = lab.new { route = M.ROUTE:format(options or ""), conf = { limits = { dialog_idle_s = 60 } } }
    return net, net:agent { name = "alice", address = "192.0.2.10", auto_ack = true },
        net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true },
        net:agent { name = "carol", address = "10.0.0.21", side = "private", auto_cancel = true }
end

function M.hang_up(from, to)
    from:hangup()
    to:reply(to:receive("BYE", 1), 200)
    from:receive(200, 1)
end

--- The nth allocation fails and all after it, for each n until `call` returns true.
-- @int[opt] step of n, default 1: a long call takes long
function M.sweep(net, agents, call, step)
    local engine = require "lunasip.stage".library
    local n, is_done = 0, false
    step = step or 1
    while not is_done do
        assert(n < MOST_ALLOCATIONS)
        engine.memory_fail_after(n)
        local is_run, result = pcall(call)
        is_done = is_run and result == true
        engine.memory_fail_never()
        net:advance(200)
        for _, agent in ipairs(agents) do
            agent.queue, agent.calls, agent.resending = {}, {}, {}
        end
        n = n + (n < 400 and step or 7)
    end
    assert(n > 50)
    assert(call())
    net:advance(200)
    local status = net:status()
    assert(status.dialogs == 0 and status.transactions == 0 and status.media.ports == 0)
end

return M
