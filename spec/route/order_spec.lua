local world = require "route.world"

-- Requests within the call wait as long as their X-Wait says.
local WAITS = [[
local sip = require "lunasip"
function request_route(req)
    local wait = tonumber(req:header "X-Wait" or "0")
    if wait > 0 then
        sip.sleep(wait)
    end
    if req:in_dialog() then
        req:loose_route()
        req:relay()
    else
        req:record_route()
        req:relay { to = "sip:10.0.0.20", interface = "private" }
    end
end
]]

describe("order inside a call", function()
    local net, alice, callees, bob

    local function open(options)
        options = options or {}
        options.route = options.route or WAITS
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function bodies(agent, method)
        local list = {}
        for _, entry in ipairs(net.journal) do
            if entry.agent == agent and entry.direction == "in" and entry.message.method == method then
                list[#list + 1] = entry.message.body
            end
        end
        return table.concat(list, " ")
    end

    local function answer_infos(count)
        for _ = 1, count do
            bob:reply(bob:receive "INFO", 200)
        end
    end

    it("later messages wait while a handler waits; nothing overtakes", function()
        open()
        world.answer(alice, bob)
        alice:ask("INFO", { body = "1", headers = { ["X-Wait"] = "0.3" } })
        alice:ask("INFO", { body = "2" })
        alice:ask("INFO", { body = "3", headers = { ["X-Wait"] = "0.2" } })
        alice:ask("INFO", { body = "4" })
        bob:receive_nothing("INFO", 0.25)
        answer_infos(4)
        assert.equal("1 2 3 4", bodies("bob", "INFO"))
        net:advance(1)
        world.hang_up(alice, bob)
    end)

    it("another call does not wait", function()
        open()
        alice:invite("sip:bob@example.net", { headers = { ["X-Wait"] = "2" } })
        local zoe = net:agent { name = "zoe", address = "192.0.2.30" }
        zoe:invite "sip:bob@example.net"
        local invite = bob:receive("INVITE", 0.1)
        bob:reply(invite, 486)
        zoe:receive(486)
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("a repeated request is absorbed, not queued", function()
        open()
        alice:send(world.raw { headers = { "X-Wait: 1" } })
        net:advance(0.3)
        alice:send(world.raw { headers = { "X-Wait: 1" } })
        net:advance(1)
        assert.equal(1, world.count_received(net, "bob", "INVITE"))
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("100 is sent while a handler waits", function()
        open()
        alice:invite("sip:bob@example.net", { headers = { ["X-Wait"] = "1" } })
        net:advance(0.4)
        assert.equal(1, world.count_received(net, "alice", 100))
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("CANCEL of a request that waits for its turn: 487, and its route never runs", function()
        open()
        world.answer(alice, bob)
        alice:ask("INFO", { headers = { ["X-Wait"] = "1" } })
        alice:request(alice.call, "INVITE")
        net:advance(0.1)
        alice:cancel()
        alice:receive(487)
        answer_infos(1)
        net:advance(1)
        assert.equal(1, world.count_received(net, "bob", "INVITE"))
        world.hang_up(alice, bob)
    end)

    it("beyond limits.call_queue requests are dropped and counted; repeated, they get through", function()
        open { conf = { limits = { call_queue = 2 }, listen = { public = { "udp:192.0.2.1:5060" },
            private = { "udp:10.0.0.1:5060" } } } }
        world.answer(alice, bob)
        alice:ask("INFO", { body = "0", headers = { ["X-Wait"] = "0.3" } })
        for i = 1, 4 do
            alice:ask("INFO", { body = tostring(i) })
        end
        answer_infos(5)
        net:advance(1)
        assert.equal("0 1 2 3 4", bodies("bob", "INFO"))
        assert.is_true(net:status().counters["route.queue_full"] >= 2)
        world.hang_up(alice, bob)
    end)

    it("a final response is never dropped, however full the queue is", function()
        open {
            conf = { limits = { call_queue = 1 }, listen = { public = { "udp:192.0.2.1:5060" },
                private = { "udp:10.0.0.1:5060" } } },
            route = WAITS .. [[
                function onreply_route(reply)
                    if reply.status == 180 then sip.sleep(1) end
                end]],
        }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        bob:reply(invite, 181)
        bob:reply(invite, 182)
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("the engine stops while handlers wait", function()
        open()
        alice:invite("sip:bob@example.net", { headers = { ["X-Wait"] = "10" } })
        net:advance(1)
        net.has_failed = true -- nothing is over yet
    end)
end)
