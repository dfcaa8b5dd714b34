local world = require "route.world"

describe("stateless forwarding (RFC 3261 §16.11)", function()
    local net, alice, callees, bob

    local function open(body)
        net, alice, callees = world.open {
            body = body or 'req["$du"] = "sip:10.0.0.20" req.send_interface = "private" req:forward()',
        }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    it("keeps no transaction, and its reply finds the way back", function()
        open()
        alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
        local options = bob:receive "OPTIONS"
        assert.equal(0, net:status().transactions)
        assert.equal(2, #options:values "Via")
        bob:reply(options, 200)
        assert.equal(1, #alice:receive(200):values "Via")
    end)

    it("a repeated request goes on with the same branch", function()
        open()
        alice:send(world.raw { method = "OPTIONS" })
        alice:send(world.raw { method = "OPTIONS" })
        net:advance(0.1)
        local vias = {}
        for _, entry in ipairs(net.journal) do
            if entry.agent == "bob" and entry.direction == "in" then
                vias[#vias + 1] = entry.message:values "Via"[1]
            end
        end
        assert.equal(2, #vias)
        assert.equal(vias[1], vias[2])
    end)

    it("notes received and rport, so that the reply reaches a caller behind NAT", function()
        open()
        alice:send(world.raw { method = "OPTIONS", via = "Via: SIP/2.0/UDP 172.16.0.9:6000;rport;branch=z9hG4bKnat" })
        local options = bob:receive "OPTIONS"
        assert.matches("received=192%.0%.2%.10", options:values "Via"[2])
        bob:reply(options, 200)
        alice:receive(200)
    end)

    it("counts Max-Forwards down and answers 483 at 0", function()
        open 'req["$du"] = "sip:10.0.0.20" if not req:forward() then req:reply(483, "Too Many Hops") end'
        alice:send(world.raw { method = "OPTIONS", max_forwards = 5 })
        local options = bob:receive "OPTIONS"
        assert.equal("4", options:header "Max-Forwards")
        bob:reply(options, 200)
        alice:receive(200)
        alice:send(world.raw { method = "OPTIONS", max_forwards = 0, branch = "raw2" })
        alice:receive(483)
    end)

    it("carries Record-Route when asked", function()
        open 'req:record_route() req["$du"] = "sip:10.0.0.20" req.send_interface = "private" req:forward()'
        alice:send(world.raw {})
        local invite = bob:receive "INVITE"
        assert.same({ "<sip:10.0.0.1:5060;lr;r2=on>", "<sip:192.0.2.1:5060;lr;r2=on>" }, invite:values "Record-Route")
        bob:reply(invite, 486)
        alice:receive(486)
        bob.resending = {}
    end)

    it("passes every response, provisional ones too", function()
        open()
        alice:send(world.raw {})
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        bob:reply(invite, 486)
        alice:receive(486)
        bob.resending = {}
    end)

    describe("a response", function()
        local FORWARD = [[
            local sip = require "lunasip"
            function request_route(req)
                req["$du"] = "sip:10.0.0.20" req.send_interface = "private" req:forward()
            end
            function onreply_route(reply) %s end]]

        local function open_route(body)
            net, alice, callees = world.open { route = FORWARD:format(body) }
            bob = callees.bob
            alice:send(world.raw {})
            return bob:receive "INVITE"
        end

        -- What bob sends once only: nobody acknowledges it in these specs.
        local function answer(invite, status)
            bob:reply(invite, status)
            bob.resending = {}
        end

        it("runs onreply_route, which sees that no transaction stands behind it", function()
            local invite = open_route [[
                sip.log.info("%d %s %s", reply.status, reply.is_stateless, reply.is_local)
                reply:set_header("X-Seen", sip.format(reply, "$rs from $si"))]]
            answer(invite, 180)
            assert.equal("180 from 10.0.0.20", alice:receive(180):header "X-Seen")
            answer(invite, 486)
            assert.equal("486 from 10.0.0.20", alice:receive(486):header "X-Seen")
            assert.is_string(net:logged "180 true false")
            assert.is_string(net:logged "486 true false")
        end)

        it("of a relay is not stateless", function()
            net, alice, callees = world.open {
                body = world.TO_BOB,
                more = 'function onreply_route(reply) sip.log.info("%s", reply.is_stateless) end',
            }
            bob = callees.bob
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
            assert.is_string(net:logged "^false$")
        end)

        it("goes no further when the script drops it, a final one neither", function()
            local invite = open_route 'if reply.status ~= 200 then assert(reply:drop()) end'
            answer(invite, 180)
            answer(invite, 486)
            alice:receive_nothing(function(msg) return msg.status end, 1)
            answer(invite, 200)
            alice:receive(200)
        end)

        it("goes on when the script fails", function()
            local invite = open_route 'error "in onreply"'
            answer(invite, 180)
            alice:receive(180)
            assert.is_string(net:logged "in onreply")
        end)

        it("keeps its place behind one whose handler waits", function()
            local invite = open_route 'if reply.status == 180 then sip.sleep(1) end'
            bob:reply(invite, 180)
            answer(invite, 486)
            alice:receive_nothing(function(msg) return msg.status end, 0.9)
            alice:receive(180)
            alice:receive(486)
        end)

        -- A branch that says "forwarded statelessly" is not enough: it must be the one that its request got.
        it("that was forged goes nowhere", function()
            open_route ""
            bob:send(table.concat({
                "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKsl0123456789abcdef",
                "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKraw1", "From: <sip:alice@example.net>;tag=a1",
                "To: <sip:b@b>;tag=2", "Call-ID: raw-call-1", "CSeq: 1 INVITE", "Content-Length: 0", "", "",
            }, "\r\n"), world.US_PRIVATE)
            alice:receive_nothing(200, 1)
        end)

        -- The Via below ours belongs to the secret, too: a real branch cannot send bytes to a third party.
        it("whose way back was changed goes nowhere", function()
            local invite = open_route ""
            local victim = net:agent { name = "victim", address = "192.0.2.66:5060" }
            bob:send(table.concat({
                "SIP/2.0 200 OK", "Via: " .. invite:values "Via"[1],
                "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKraw1", "From: <sip:alice@example.net>;tag=a1",
                "To: <sip:b@b>;tag=2", "Call-ID: raw-call-1", "CSeq: 1 INVITE", "Content-Length: 0", "", "",
            }, "\r\n"), world.US_PRIVATE)
            victim:receive_nothing(200, 1)
            alice:receive_nothing(200, 1)
        end)
    end)

    it("to a name waits for it", function()
        open 'req["$du"] = "sip:gw.example" req:forward()'
        net:name("gw.example", "A", "10.0.0.20")
        alice:send(world.raw { method = "OPTIONS" })
        bob:reply(bob:receive "OPTIONS", 200)
        alice:receive(200)
    end)

    it("to a name that is looked up when the script answers goes nowhere", function()
        open 'req["$du"] = "sip:gw.example" req:forward() req:reply(200)'
        net:name("gw.example", "A", "10.0.0.20")
        alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
        alice:receive(200)
        net:advance(40)
        assert.is_not.relayed_to(bob)
    end)

    it("after relay gives nil, err", function()
        open [[
            req:relay { to = "sip:10.0.0.20", interface = "private" }
            sip.log.info("forward: %s %s", req:forward())]]
        alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
        bob:reply(bob:receive "OPTIONS", 200)
        alice:receive(200)
        assert.matches("forward: nil", net:logged "forward: ")
    end)
end)

describe("ACK", function()
    local net, alice, callees, bob

    local function open(body)
        net, alice, callees = world.open { body = body or world.TO_BOB }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    it("to a 2xx follows the Route to the callee, without a transaction (§13.2.2.4)", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        local ack = bob:receive "ACK"
        assert.is_nil(ack:header "Route")
        assert.equal("sip:bob@10.0.0.20:5060", ack.uri)
        world.hang_up(alice, bob)
    end)

    it("to a 2xx, repeated, goes on again with the same branch", function()
        open()
        world.answer(alice, bob)
        local first
        for _, entry in ipairs(net.journal) do
            if entry.agent == "alice" and entry.direction == "out" and entry.message.method == "ACK" then
                first = entry.message.bytes
            end
        end
        alice:send(first)
        net:advance(0.1)
        assert.equal(2, world.count_received(net, "bob", "ACK"))
        local branches = {}
        for _, entry in ipairs(net.journal) do
            if entry.agent == "bob" and entry.message.method == "ACK" then
                branches[entry.message:values "Via"[1]] = true
            end
        end
        assert.is_not_nil(next(branches))
        assert.is_nil(next(branches, (next(branches))))
        world.hang_up(alice, bob)
    end)

    it("to a non-2xx ends at us; the callee gets one of ours (§17.1.1.3)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 486)
        alice:receive(486)
        local ack = bob:receive "ACK"
        assert.equal(invite:values "Via"[1], ack:values "Via"[1])
        assert.equal(1, #ack:values "Via")
        net:advance(1)
        assert.equal(1, world.count_received(net, "bob", "ACK"))
    end)

    it("that matches nothing reaches request_route and is never answered", function()
        net, alice = world.open {
            route = 'function request_route(req) require("lunasip").log.info("stray %s", req.method) req:drop() end',
        }
        alice:send(world.raw { method = "ACK", to = "To: <sip:bob@example.net>;tag=b1" })
        alice:receive_nothing(function(msg) return msg.status end, 1)
        assert.is_string(net:logged "stray ACK")
    end)
end)

describe("requests within a call", function()
    local net, alice, callees, bob

    before_each(function()
        net, alice, callees = world.open { body = world.TO_BOB }
        bob = callees.bob
        world.answer(alice, bob)
    end)

    after_each(function()
        net:close()
    end)

    for _, method in ipairs { "INFO", "UPDATE", "MESSAGE", "NOTIFY", "REFER", "OPTIONS", "XYZZY" } do
        it(method .. " passes both ways", function()
            alice:ask(method)
            bob:reply(bob:receive(method), 200)
            alice:receive(200)
            bob:ask(method)
            alice:reply(alice:receive(method), 200)
            bob:receive(200)
            world.hang_up(alice, bob)
        end)
    end

    it("re-INVITE passes both ways", function()
        alice:request(alice.call, "INVITE")
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
        bob:receive "ACK"
        bob.call.is_uac = true
        bob:request(bob.call, "INVITE")
        alice:reply(alice:receive "INVITE", 200)
        bob:receive(200)
        alice:receive "ACK"
        world.hang_up(bob, alice)
    end)

    it("a refused re-INVITE does not end the call", function()
        alice:request(alice.call, "INVITE")
        bob:reply(bob:receive "INVITE", 488)
        alice:receive(488)
        assert.equal(1, net:status().dialogs)
        world.hang_up(alice, bob)
        assert.equal(0, net:status().dialogs)
    end)

    it("a BYE that nobody answers ends the call all the same", function()
        alice:hangup()
        bob:receive "BYE"
        alice:receive_nothing(408, 40) -- RFC 4320 §4.2
        assert.equal(0, net:status().dialogs)
    end)

    it("a BYE for no call of ours is answered 481 by the script", function()
        alice:send(world.raw { method = "BYE", to = "To: <sip:bob@example.net>;tag=zz", call_id = "Call-ID: other" })
        alice:receive(481)
        world.hang_up(alice, bob)
    end)
end)

describe("PRACK (RFC 3262)", function()
    it("passes on the early dialog's Route", function()
        local net, alice, callees = world.open { body = world.TO_BOB }
        local bob = callees.bob
        alice:invite("sip:bob@example.net", { headers = { Supported = "100rel" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { headers = { Require = "100rel", RSeq = "1" } })
        assert.equal("1", alice:receive(183):header "RSeq")
        alice:ask("PRACK", { headers = { RAck = "1 1 INVITE" } })
        local prack = bob:receive "PRACK"
        assert.equal("1 1 INVITE", prack:header "RAck")
        bob:reply(prack, 200)
        alice:receive(200)
        bob:reply(invite, 200)
        alice:receive(200)
        world.hang_up(alice, bob)
        net:close()
    end)
end)

describe("stateless replies (RFC 3261 §8.2.7)", function()
    local net, alice

    local function open(body, more)
        net, alice = world.open { body = body, more = more }
    end

    after_each(function() net:close() end)

    it("keep no transaction; a repeated request is routed again, and gets the same To tag", function()
        open [[req:reply(403, "Go Away", { stateless = true, headers = { ["X-A"] = "1" } })]]
        for _ = 1, 2 do
            alice:send(world.raw { method = "OPTIONS" })
            net:advance(0.1)
            assert.equal(0, net:status().transactions)
        end
        local replies = {}
        for _, entry in ipairs(net.journal) do
            if entry.agent == "alice" and entry.direction == "in" then replies[#replies + 1] = entry.message end
        end
        assert.equal(2, #replies)
        assert.same({ "Go Away", "1" }, { replies[1].reason, replies[1]:header "X-A" })
        assert.is_truthy(replies[1]:tag "To")
        assert.equal(replies[1].bytes, replies[2].bytes)
    end)

    it("are not repeated to an INVITE, and its ACK ends here", function()
        open [[
            sip.log.info "$rm"
            req:reply(404, nil, { stateless = true })
        ]]
        alice:invite("sip:nobody@example.net", { sdp = true })
        alice:receive(404) -- acknowledged by itself
        net:advance(40)
        assert.equal(1, world.count_received(net, "alice", 404))
        local runs = {}
        for _, line in ipairs(net:log()) do runs[#runs + 1] = line.group == "script" and line.text or nil end
        assert.same({ "INVITE" }, runs)
        local status = net:status()
        assert.same({ 0, 0 }, { status.transactions, status.dialogs })
    end)

    it("have the To tag of a provisional response that was sent, and then a transaction (s8.2.6.2)", function()
        open [[
            req:reply(180)
            req:reply(404, nil, { stateless = true })
        ]]
        alice:invite "sip:nobody@example.net"
        assert.equal(alice:receive(180):tag "To", alice:receive(404):tag "To")
        net:advance(40)
    end)

    it("have a transaction after all where something was relayed", function()
        open((world.TO_BOB:gsub("relay {", "relay { on_failure = 'F',")),
            "function failure_route.F(req) req:reply(480, nil, { stateless = true }) end")
        alice:invite "sip:bob@example.net"
        alice:receive(480, 40)
    end)
end)

describe("retransmissions (RFC 3261 §17.2)", function()
    it("of a request reach neither script nor callee, the last response is repeated", function()
        local net, alice, callees = world.open { body = "sip.log.info 'ran' " .. world.TO_BOB }
        alice:send(world.raw {})
        local invite = callees.bob:receive "INVITE"
        alice:send(world.raw {})
        callees.bob:reply(invite, 180)
        alice:receive(180)
        alice:send(world.raw {})
        net:advance(0.1)
        assert.equal(1, world.count_received(net, "bob", "INVITE"))
        assert.equal(2, world.count_received(net, "alice", 180))
        assert.equal(1, world.count_logged(net, "^ran$"))
        callees.bob:reply(invite, 486)
        alice:receive(486)
        net:close()
    end)
end)
