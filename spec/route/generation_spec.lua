local world = require "route.world"

-- A route that marks what passes with its name, and fails over to carol.
local function script(name)
    return ([[
local sip = require "lunasip"
function request_route(req)
    req:set_header("X-Generation", "%s")
    if req:in_dialog() then
        req:loose_route()
        return req:relay()
    end
    if req:header "X-Wait" then
        sip.sleep(tonumber(req:header "X-Wait"))
    end
    req:record_route()
    req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT" }
end
function onreply_route(reply) reply:set_header("X-Reply", "%s") end
function failure_route.NEXT(req)
    req:set_header("X-Generation", "%s failed")
    req:relay { to = "sip:10.0.0.21", interface = "private" }
end
]]):format(name, name, name)
end

describe("generations of the script", function()
    local net, alice, callees, bob

    before_each(function()
        net, alice, callees = world.open { route = script "old" }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    local function reload(name)
        assert.is_true(net:reload { source = script(name) })
    end

    it("a new call takes the newest", function()
        reload "new"
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("new", invite:header "X-Generation")
        bob:reply(invite, 200)
        assert.equal("new", alice:receive(200):header "X-Reply")
        world.hang_up(alice, bob)
    end)

    it("a transaction keeps the one that it began in, its replies and failure route included", function()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        reload "new"
        bob:reply(invite, 180)
        assert.equal("old", alice:receive(180):header "X-Reply")
        bob:reply(invite, 500)
        local second = callees.carol:receive "INVITE"
        assert.equal("old failed", second:header "X-Generation")
        callees.carol:reply(second, 486)
        assert.equal("old", alice:receive(486):header "X-Reply")
    end)

    it("a handler that waits goes on in its own", function()
        alice:invite("sip:bob@example.net", { headers = { ["X-Wait"] = "1" } })
        net:advance(0.1)
        reload "new"
        local invite = bob:receive "INVITE"
        assert.equal("old", invite:header "X-Generation")
        bob:reply(invite, 486)
        callees.carol:reply(callees.carol:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("a call keeps the one that it began in to its end", function()
        world.answer(alice, bob)
        reload "new"
        alice:ask "INFO"
        local info = bob:receive "INFO"
        assert.equal("old", info:header "X-Generation")
        bob:reply(info, 200)
        alice:receive(200)
        world.hang_up(alice, bob)
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("new", invite:header "X-Generation")
        bob:reply(invite, 603)
        callees.carol:reply(callees.carol:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("ten reloads under live calls lose no call, and the old ones go when their calls end", function()
        local calls = {}
        for i = 1, 10 do
            world.answer(alice, bob)
            calls[i] = alice.call
            reload("g" .. i)
        end
        assert.equal(10, net:status().dialogs)
        for _, call in ipairs(calls) do
            alice:request(call, "BYE")
            bob:reply(bob:receive "BYE", 200)
            alice:receive(200)
        end
        net:settle()
        assert.equal(1, #net:status().generations)
    end)
end)

describe("IPv6 (RFC 5118)", function()
    it("carries a call from IPv4 to IPv6 and back, media included", function()
        local net = require "lunasip.lab".new {
            conf = {
                listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:[2001:db8::1]:5060" } },
                media = { public = "192.0.2.1", private = "2001:db8::1", ports = { 30000, 30099 } },
            },
            route = world.route [[
                sip.media.manage(req, { from = "public", to = "private" })
                req:record_route()
                req:relay { to = "sip:[2001:db8::20]:5060", interface = "private" }]],
        }
        local alice = net:agent { name = "alice", address = world.ALICE }
        local six = net:agent { name = "six", address = "2001:db8::20", side = "private" }
        alice:invite("sip:six@example.net", { sdp = true })
        local invite = six:receive "INVITE"
        assert.matches("^SIP/2%.0/UDP %[2001:db8::1%]:5060;", invite:values "Via"[1])
        assert.same({ "<sip:[2001:db8::1]:5060;lr;r2=on>", "<sip:192.0.2.1:5060;lr;r2=on>" },
            invite:values "Record-Route")
        assert.is_truthy(invite.body:find("c=IN IP6 2001:db8::1\r\n", 1, true))
        six:reply(invite, 200, { sdp = true })
        local ok = alice:receive(200)
        assert.is_truthy(ok.body:find("c=IN IP4 192.0.2.1\r\n", 1, true))
        six:receive "ACK"
        alice:send_rtp(5)
        six:send_rtp(5)
        net:advance(0.3)
        assert.equal(5, alice:received_rtp()[1].packets)
        assert.equal(5, six:received_rtp()[1].packets)
        world.hang_up(six, alice)
        net:close()
    end)
end)

describe("limits", function()
    it("beyond limits.transactions a new request gets a stateless 503, and nothing is left", function()
        local net, alice, callees = world.open {
            body = world.TO_BOB,
            conf = { listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                limits = { transactions = 4 } },
        }
        for i = 1, 2 do
            alice:send(world.raw { method = "OPTIONS", branch = "l" .. i, call_id = "Call-ID: l" .. i })
            callees.bob:receive "OPTIONS"
        end
        alice:send(world.raw { method = "OPTIONS", branch = "l3", call_id = "Call-ID: l3" })
        assert.is_string(alice:receive(503):header "Retry-After")
        assert.equal(4, net:status().transactions)
        assert.is_true(net:status().counters["transaction.limit"] >= 1)
        net:close()
    end)

    it("beyond limits.dialogs a call cannot be record-routed: relay gives nil, err", function()
        local net, alice, callees = world.open {
            body = [[
                req:record_route()
                local ok, err = req:relay { to = "sip:10.0.0.20", interface = "private" }
                if not ok then req:reply(503, "Full: " .. err) end]],
            conf = { listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                limits = { dialogs = 1 } },
        }
        world.answer(alice, callees.bob)
        local first = alice.call
        alice:invite "sip:bob@example.net"
        assert.matches("^Full: ", alice:receive(503).reason)
        alice:request(first, "BYE")
        callees.bob:reply(callees.bob:receive "BYE", 200)
        alice:receive(200)
        net:close()
    end)
end)
