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
    %s
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

local REWRITE = [[req.from_uri = "sip:+4930123@trunk.example" req.to_uri = "sip:+4989456@trunk.example"
    req:set_header("P-Asserted-Identity", "<sip:+4930123@trunk.example>")]]

local FORWARD = [[
function request_route(req)
    req["$du"] = "sip:10.0.0.20" req.send_interface = "private"
    req:forward()
end
function onreply_route(reply)
    reply:set_header("X-Seen", "yes")
end
]]

describe("without memory", function()
    local net, alice, bob, carol
    local engine

    setup(function()
        engine = require "lunasip.stage".library
    end)

    local function open(route)
        -- What a lost BYE leaves behind ends by limits.dialog_idle_s.
        net = lab.new { route = route, conf = { limits = { dialog_idle_s = 60 } } }
        alice = net:agent { name = "alice", address = "192.0.2.10", auto_ack = true }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true }
        carol = net:agent { name = "carol", address = "10.0.0.21", side = "private", auto_cancel = true }
    end

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    local function forget_calls()
        for _, agent in ipairs { alice, bob, carol } do
            agent.queue, agent.calls, agent.resending = {}, {}, {}
        end
    end

    -- Bob refuses, carol answers; whoever waits in vain gives up. @return the INVITE as carol saw it, its 200 as
    -- alice did
    local function set_up()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive("INVITE", 1), 503)
        local invite = carol:receive("INVITE", 1)
        carol:reply(invite, 180)
        carol:reply(invite, 200, { sdp = true })
        return invite, alice:receive(200, 1)
    end

    local function hang_up(from, to)
        from:hangup()
        local bye = to:receive("BYE", 1)
        to:reply(bye, 200)
        from:receive(200, 1)
        return bye
    end

    -- The nth allocation fails and all after it, for each n until `call` returns true.
    local function sweep(call, least)
        local n, is_done = 0, false
        while not is_done do
            assert.is_true(n < MOST_ALLOCATIONS)
            engine.memory_fail_after(n)
            local is_run, result = pcall(call)
            is_done = is_run and result == true
            engine.memory_fail_never()
            net:advance(200)
            forget_calls()
            n = n + (n < 400 and 1 or 7)
        end
        assert.is_true(n > least)
        assert.is_true(call())
        net:advance(200)
        assert.equal(0, net:status().dialogs)
        assert.equal(0, net:status().transactions)
        assert.equal(0, net:status().media.ports)
    end

    it("a call fails cleanly at each allocation, and the call after it succeeds", function()
        open(ROUTE:format "")
        sweep(function()
            set_up()
            hang_up(alice, carol)
            return true
        end, 50)
    end)

    -- From and To are remembered for the whole dialog: who sees which is looked at with every message that arrives,
    -- however little memory there was. A message may be lost; it never shows one side the names of the other.
    it("a call with changed From and To fails cleanly, and no side ever sees the names of the other", function()
        open(ROUTE:format(REWRITE))
        local function assert_names(msg, header, inside, outside)
            local value = msg:header(header)
            assert.is_truthy(value:find(inside, 1, true), value)
            assert.is_nil(value:find(outside, 1, true), value)
        end
        local at, seen, mixed = 0, 0, nil
        local function look()
            while net.journal[at + 1] do
                at = at + 1
                local entry = net.journal[at]
                local msg, is_caller = entry.message, entry.agent == "alice"
                for _, header in ipairs(entry.direction == "in" and { "From", "To" } or {}) do
                    local is_changed = msg:header(header):find("@trunk.example", 1, true) ~= nil
                    seen = seen + 1
                    mixed = mixed or is_changed == is_caller and msg.bytes
                end
            end
        end
        sweep(function()
            local invite, ok = set_up()
            assert_names(invite, "From", "+4930123@", "alice@")
            assert_names(ok, "From", "alice@", "+4930123@")
            carol:ask "INFO"
            local info = alice:receive("INFO", 1)
            assert_names(info, "To", "alice@", "+4930123@")
            assert_names(info, "From", "bob@", "+4989456@")
            alice:reply(info, 200)
            assert_names(carol:receive(200, 1), "To", "+4930123@", "alice@")
            assert_names(hang_up(alice, carol), "To", "+4989456@", "bob@")
            return true
        end, 50)
        look()
        assert.is_true(seen > 1000, seen)
        assert.is_falsy(mixed)
    end)

    it("what is forwarded statelessly is lost at worst, and its responses are", function()
        open(FORWARD)
        sweep(function()
            alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
            bob:reply(bob:receive("OPTIONS", 1), 200)
            return alice:receive(200, 1):header "X-Seen" == "yes"
        end, 10)
    end)
end)
