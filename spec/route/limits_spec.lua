--- What a caller or a script can make grow ends at a setting, and a counter tells that it did.
local world = require "route.world"

local FORK = [[
    req:record_route()
    local ok, why = req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", "sip:dave@10.0.0.22:5060",
        interface = "private" }
    if not ok and why ~= "replied" then
        req:reply(500, why)
    end
]]

describe("limits, each with its counter", function()
    local net, alice, callees

    local function open(options)
        net, alice, callees = world.open(options)
    end

    local function counter(name)
        local value = net:status().counters[name]
        assert.is_number(value, name .. " is no counter")
        return value
    end

    after_each(function()
        net:close()
    end)

    it("limits.branches: a fork to more targets is refused as a whole", function()
        open { body = FORK, conf = { limits = { branches = 2 } } }
        alice:invite "sip:all@example.net"
        alice:receive(500)
        assert.equal(3, counter "route.branch_limit")
        callees.bob:receive_nothing "INVITE"
    end)

    it("limits.branches: one target after the other ends there, too", function()
        open {
            body = [[req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "AGAIN" }]],
            more = [[
function failure_route.AGAIN(req)
    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "AGAIN" }
end
]],
            conf = { limits = { branches = 3 } },
        }
        alice:invite "sip:bob@example.net"
        for _ = 1, 3 do
            callees.bob:reply(callees.bob:receive "INVITE", 503)
        end
        alice:receive(500) -- 503 of the last one, RFC 3261 s16.7 step 6
        assert.equal(1, counter "route.branch_limit")
        callees.bob:receive_nothing "INVITE"
    end)

    it("limits.max_breadth: what has no Max-Breadth of its own (RFC 5393 s5.3.3)", function()
        open { body = world.parallel(), conf = { limits = { max_breadth = 2 } } }
        alice:ask("OPTIONS", { uri = "sip:all@example.net" })
        alice:receive(440)
        assert.equal(1, counter "route.breadth_limit")
    end)

    it("limits.headers: a message with more of them is dropped", function()
        open { body = "req:reply(200)", conf = { limits = { headers = 16 } } }
        local headers = {}
        for i = 1, 20 do
            headers[i] = "X-Header: " .. i
        end
        alice:send(world.raw { method = "OPTIONS", headers = headers })
        alice:receive_nothing(200)
        assert.equal(1, counter "sip.too_large")
    end)

    it("limits.dialogs: a call beyond it is refused", function()
        open { body = world.TO_BOB, conf = { limits = { dialogs = 2 } } }
        for _ = 1, 2 do
            world.answer(alice, callees.bob)
        end
        alice:invite "sip:bob@example.net"
        alice:receive(function(msg) return msg.status and msg.status >= 500 end)
        assert.equal(1, counter "dialog.limit")
        callees.bob:receive_nothing "INVITE"
        for _ = 1, 2 do
            net:command("calls", "end", "--all")
        end
        net:advance(40)
    end)

    it("limits.sources: the source that was silent longest is forgotten", function()
        open { body = "req:reply(200)", conf = { limits = { sources = 16, cps_per_source = 1 } } }
        local agents = {}
        for i = 1, 20 do
            agents[i] = net:agent { name = "source" .. i, address = "192.0.2." .. 100 + i }
        end
        local function ask(i)
            agents[i]:ask("OPTIONS", { uri = "sip:192.0.2.1" })
            return agents[i]:receive(function(msg) return msg.status ~= nil end).status
        end
        for i = 1, 20 do
            assert.equal(200, ask(i))
        end
        assert.equal(4, counter "sip.source_forgotten")
        assert.equal(503, ask(20)) -- remembered
        assert.equal(200, ask(1)) -- forgotten
        assert.equal(5, counter "sip.source_forgotten")
        net:advance(40)
    end)

    it("shared.bytes: a value beyond it is refused, those that are there stay", function()
        open {
            body = [[
    local words = sip.shared.words
    local count, ok, why = 0
    repeat
        count = count + 1
        ok, why = words:set("word" .. count, ("x"):rep(1000))
    until not ok
    req:reply(200, why .. " " .. count .. " " .. #words:get "word1")
]],
            conf = { shared = { "words", bytes = 65536 } },
        }
        alice:ask("OPTIONS", { uri = "sip:192.0.2.1" })
        local why, count, kept = alice:receive(200).reason:match "^(%a+) (%d+) (%d+)$"
        assert.same({ "full", "1000" }, { why, kept })
        assert.is_true(tonumber(count) > 50 and tonumber(count) <= 66, count)
        assert.equal(1, counter "shared.full")
    end)

    it("script.memory_mib: a handler that needs more is ended", function()
        open {
            body = [[local t = {} for i = 1, 1e9 do t[i] = { i } end]],
            conf = { script = { memory_mib = 8, budget_instructions = 1000000000, budget_ms = 60000 } },
        }
        alice:ask("OPTIONS", { uri = "sip:192.0.2.1" })
        alice:receive(500)
        assert.equal(1, counter "script.memory_limit")
        assert.equal(0, counter "script.error")
    end)

    it("script.waiting: a handler more is ended", function()
        open { body = "sip.sleep(1) req:reply(200)", conf = { script = { waiting = 2 } } }
        for _ = 1, 3 do
            alice:ask("OPTIONS", { uri = "sip:192.0.2.1" })
        end
        alice:receive(500)
        alice:receive(200)
        alice:receive(200)
        assert.equal(1, counter "script.waiting_limit")
    end)

    it("script.generations: dialogs of the oldest go to the newest", function()
        local route = world.route(world.TO_BOB)
        open { route = route, conf = { script = { generations = 1 } } }
        world.answer(alice, callees.bob)
        assert.is_true(net:reload { source = route })
        net:advance(40)
        assert.equal(1, counter "script.generation_limit")
        assert.equal(1, #net:status().generations)
        world.hang_up(alice, callees.bob)
    end)

    it("script.leave_bytes: what is longer is not left", function()
        local route = [[
event_route["reload:leave"] = function() return ("x"):rep(%d) end
function request_route(req) req:reply(200) end
]]
        open { route = route:format(200), conf = { script = { leave_bytes = 100 } } }
        assert.is_true(net:reload { source = route:format(20) })
        assert.equal(1, counter "script.leave_limit")
        assert.is_true(net:reload { source = route:format(20) })
        assert.equal(1, counter "script.leave_limit")
    end)
end)
