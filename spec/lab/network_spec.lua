-- The network of the lab: impairments, partitions, names, several engines.
local lab = require "lunasip.lab"
local world = require "route.world"

describe("the lab's network", function()
    local net, alice, bob, carol

    local function open(body)
        local callees
        net, alice, callees = world.open { body = body or world.TO_BOB }
        bob, carol = callees.bob, callees.carol
    end

    after_each(function() net:close() end)

    it("is cut between two names, and heals", function()
        open(world.parallel())
        net:partition("bob", "private")
        alice:invite "sip:all@example.net"
        local invite = carol:receive "INVITE"
        bob:receive_nothing("INVITE", 3)
        net:heal()
        bob:receive "INVITE" -- the engine's retransmission
        carol:reply(invite, 200)
        alice:receive(200)
        world.hang_up(alice, carol)
    end)

    it("is cut between one agent and everybody, in both directions", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        net:partition(bob)
        bob:reply(invite, 200)
        alice:receive_nothing(200, 10)
        net:heal()
        alice:receive(200)
        world.hang_up(alice, bob)
    end)

    it("is bad on one link only", function()
        open [[req:fork { "sip:bob@10.0.0.20", "sip:carol@10.0.0.21", interface = "private" }]]
        net:impair { delay = 0.2, between = { "carol", "private" } }
        local start = net:now()
        alice:invite "sip:all@example.net"
        bob:reply(bob:receive "INVITE", 486)
        assert.equal(start, net:now())
        local invite = carol:receive "INVITE"
        assert.near(0.2, net:now() - start, 1e-6)
        carol:reply(invite, 486)
        alice:receive(486)
    end)

    it("tells when each packet arrives", function()
        open()
        net:impair { delay = 0.1, duplicate = 1 }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:impair { loss = 1 }
        alice:send "nothing"
        local packets = net:packets()
        assert.same({ 0.1, 0.1 }, packets[1].arrivals)
        assert.same({}, packets[#packets].arrivals)
        assert.is_true(packets[#packets].lost)
    end)

    it("complains of a name that is none", function()
        open()
        assert.error_matches(function() net:partition("bob", "dave2") end, "no agent, engine or interface 'dave2'")
        assert.error_matches(function() net:impair { loss = 1, between = "?" } end, "'%?'")
    end)

    describe("name server", function()
        local TO_NAME = [[
            local ok, problem = req:relay { to = "sip:gw.example", interface = "private" }
            if not ok then req:reply(500, problem) end
        ]]

        it("answers with addresses, SRV and NAPTR records", function()
            open(TO_NAME)
            net:dns {
                ["gw.example"] = { NAPTR = "10 10 s SIP+D2U _sip._udp.other.example" },
                ["_sip._udp.other.example"] = { SRV = { "1 0 5060 one.example", "2 0 5060 two.example" }, ttl = 60 },
                ["one.example"] = "10.0.0.77", -- nobody
                ["two.example"] = { A = { "10.0.0.20" }, AAAA = "2001:db8::20" },
            }
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
        end)

        it("replaces and forgets, when what it said has expired", function()
            open(TO_NAME)
            net:dns { ["gw.example"] = { A = "10.0.0.20", ttl = 30 } }
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
            net:dns { ["gw.example"] = "10.0.0.21" }
            net:advance(60)
            alice:invite "sip:carol@example.net"
            carol:reply(carol:receive "INVITE", 486)
            alice:receive(486)
            net:dns { ["gw.example"] = false }
            net:advance(600)
            alice:invite "sip:carol@example.net"
            assert.is_true(alice:receive(function(msg) return msg.status end).status >= 500)
        end)

        it("answers late when told", function()
            open(TO_NAME)
            net:dns({ ["gw.example"] = "10.0.0.20" }, { delay = 0.4 })
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 486)
            assert.is_true(net:now() >= 0.4)
            alice:receive(486)
        end)

        it("complains of a record that is none", function()
            open()
            assert.error_matches(function() net:dns { ["gw.example"] = { SRV = "1 0 gw" } } end, "a record: SRV 1 0 gw")
            assert.error_matches(function() net:dns { ["gw.example"] = { NAPTR = "1 s" } } end, "not a record: NAPTR")
        end)
    end)

    it("keeps log lines as data", function()
        open [[require "lunasip".log.warning("seen $rU") req:reply(404, "Not Found")]]
        net:advance(2)
        local call = alice:invite "sip:4711@example.net"
        alice:receive(404)
        local found
        for _, line in ipairs(net:log()) do
            found = line.text:find "seen" and line or found
        end
        assert.same({ level = "warning", text = "seen 4711", time = 2, call_id = call.id },
            { level = found.level, text = found.text, time = found.time, call_id = found.call_id })
    end)
end)

describe("two engines in one network", function()
    local BORDER = [[
        function request_route(req)
            if req:in_dialog() then return req:loose_route() and req:relay() end
            req:record_route()
            req:relay { to = "sip:10.0.0.2:5060", interface = "private" }
        end
    ]]
    local REGISTRAR = [[
        local sip = require "lunasip"
        function request_route(req)
            sip.log.info("registrar got $rm")
            if req:in_dialog() then return req:loose_route() and req:relay() end
            if req.method == "REGISTER" then return req:reply(200, "OK") end
            req:record_route()
            req:relay { to = "sip:10.0.0.20:5060" }
        end
    ]]
    local net, registrar, phone, desk

    before_each(function()
        net = lab.new { route = BORDER, name = "sbc" }
        registrar = net:engine {
            name = "registrar", conf = { listen = { lan = "udp:10.0.0.2:5060" } }, route = REGISTRAR,
        }
        phone = net:agent { name = "phone", address = "192.0.2.10" }
        desk = net:agent { name = "desk", address = "10.0.0.20", side = "lan" }
    end)

    it("share network and clock; each has its own script, log and status", function()
        phone:invite "sip:desk@example.net"
        local invite = desk:receive "INVITE"
        assert.equal(2, net:status().transactions) -- a server and a client
        assert.equal(2, registrar:status().transactions)
        desk:reply(invite, 200)
        phone:receive(200)
        assert.equal("10.0.0.2:5060", desk.proxy)
        assert.equal(3, #invite:values "Record-Route") -- two of the border, one of the registrar
        assert.relayed_to(registrar, net.journal[1].message)
        assert.relayed_to("registrar.lan", net.journal[1].message)
        phone:hangup()
        desk:reply(desk:receive "BYE", 200)
        phone:receive(200)
        assert.is_truthy(net:logged "registrar got BYE")
        for _, line in ipairs(registrar:log()) do
            assert.equal("registrar", line.engine)
        end
        assert.is_true(#registrar:log() > 0 and #net.engines[1]:log() > 0)
        assert.matches("sbc.private +%-> registrar.lan +INVITE", net:ladder())
        net:close()
    end)

    it("are reloaded one by one, and may be cut off from each other", function()
        assert.is_true(registrar:reload { source = 'function request_route(req) req:reply(404, "Not Found") end' })
        phone:invite "sip:desk@example.net"
        assert.replied(404)
        net:partition("sbc", "registrar")
        phone:invite "sip:desk@example.net"
        phone:receive(408, 40)
        net:close()
    end)

    it("are both asked whether something is left", function()
        phone:invite "sip:desk@example.net"
        desk:reply(desk:receive "INVITE", 200)
        phone:receive(200)
        desk:receive "ACK"
        local ok, text = pcall(net.close, net)
        assert.is_false(ok)
        assert.matches("left at the end: sbc: 1 dialog; registrar: 1 dialog ", text)
    end)

    it("need names", function()
        assert.error_matches(function() net:engine {} end, "needs a name")
        assert.error_matches(function()
            net:engine { name = "x", conf = { listen = { lan = "udp:10.0.0.2:5060" } }, route = REGISTRAR }
        end, "in use")
        net:close()
    end)
end)
