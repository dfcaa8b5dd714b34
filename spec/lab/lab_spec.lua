local lab = require "lunasip.lab"

local RELAY = [[
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() then
            req:relay()
        else
            req:reply(481, "Call/Transaction Does Not Exist")
        end
        return
    end
    req:record_route()
    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
end
]]

-- A call from alice to bob; hangs up unless told otherwise.
local function call(alice, bob, options)
    options = options or {}
    alice:invite("sip:bob@example.net", { sdp = true })
    local invite = bob:receive "INVITE"
    bob:reply(invite, 180)
    alice:receive(180)
    bob:reply(invite, 200, { sdp = true })
    alice:receive(200)
    bob:receive "ACK"
    if not options.stays_up then
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
    end
end

describe("the lab", function()
    local net, alice, bob

    local function open(options)
        options = options or {}
        options.route = options.route or RELAY
        net = lab.new(options)
        alice = net:agent { name = "alice", address = "192.0.2.10" }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    it("carries a call through the engine and finds nothing left behind", function()
        open()
        call(alice, bob)
    end)

    it("fails at close when a dialog is left", function()
        open()
        call(alice, bob, { stays_up = true })
        local ok, text = pcall(net.close, net)
        assert.is_false(ok)
        assert.matches("left at the end: 1 dialog %(test: .*\n", text)
        assert.matches("alice +%-> public +INVITE", text)
        net = nil
    end)

    it("fails a receive in vain with the ladder of everything", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:receive "INVITE"
        local ok, text = pcall(alice.receive, alice, 200, 1)
        assert.is_false(ok)
        assert.matches("alice waited for 200 in vain; queued: nothing", text)
        assert.matches("private +%-> bob +INVITE", text)
    end)

    it("keeps a virtual clock", function()
        open()
        local before = net:now()
        net:advance(1000)
        assert.near(1000, net:now() - before, 1e-3)
    end)

    it("lets parts of a microsecond pass, as the times of captures have them", function()
        open()
        for i = 1, 200 do
            net:advance(i * 1.37e-7)
        end
        assert.near(200 * 201 / 2 * 1.37e-7, net:now(), 200 * 1e-6)
        net.stage:after(4e-7, function() alice:invite "sip:bob@example.net" end)
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("gives the same trace for the same seed, another one for another seed", function()
        local traces = {}
        for i, seed in ipairs { 5, 5, 6 } do
            open { seed = seed }
            net:impair { loss = 0.2, duplicate = 0.1, reorder = 0.1, delay = 0.02, jitter = 0.01 }
            call(alice, bob)
            net:impair {}
            net:settle()
            traces[i] = net:trace()
            net:close()
        end
        assert.equal(traces[1], traces[2])
        assert.not_equal(traces[1], traces[3])
    end)

    it("takes a new script for new calls", function()
        open()
        assert.is_true(net:reload { source = 'function request_route(req) req:reply(404, "Not Found") end' })
        alice:invite "sip:bob@example.net"
        alice:receive(404)
    end)

    it("says why a script does not load, and keeps the old one", function()
        open()
        local ok, fault = net:reload { source = "function request_route(req) end end" }
        assert.is_nil(ok)
        assert.matches(":1:33: ", fault)
        call(alice, bob)
    end)

    it("checks the script of a reload as ctl does", function()
        open()
        local ok, fault = net:reload { source = "function request_route(req)\n    req:rely {}\nend" }
        assert.is_nil(ok)
        assert.matches("^route 2:2:9: there is no req:rely; did you mean 'relay'%?\n        req:rely {}\n +^$", fault)
        call(alice, bob)
    end)

    describe("with check = true", function()
        local SLIP = "function request_route(req)\n    if req.method == 'INFO' then req:rely {} end\n" ..
            "    req:relay { to = 'sip:10.0.0.20' }\nend"

        it("refuses what lunasip check finds, in its words", function()
            local ok, fault = pcall(lab.new, { route = SLIP, check = true })
            assert.is_false(ok)
            assert.matches("route:2:38: there is no req:rely; did you mean 'relay'%?\n.*\n +^$", fault)
            assert.not_matches(os.tmpname():match "^(.*/)[^/]*$", fault)
        end)

        it("refuses the fault of a configuration, too, and of a further engine", function()
            open()
            local listen = { wan = { "udp:203.0.113.1:5060" } }
            local function edge(conf, route)
                return pcall(net.engine, net, { name = "edge", conf = conf, route = route, check = true })
            end
            local ok, fault = edge({ listen = listen, limits = { sources = "many" } }, RELAY)
            assert.is_false(ok)
            assert.matches("conf 2:2:1: limits sources must be a whole number, not 'many'", fault)
            ok, fault = edge({ listen = listen }, SLIP)
            assert.is_false(ok)
            assert.matches("^route %d:2:38: there is no req:rely", fault)
        end)

        it("starts what is sound, and looks no further where it is not asked to", function()
            net = lab.new { conf = "conf/sbc.lua", check = true }
            net:close()
            net = lab.new { route = SLIP }
        end)
    end)

    it("says why a configuration does not load", function()
        local ok, fault = pcall(lab.new, { conf = { listen = { public = { "udp:nowhere" } } }, route = RELAY })
        assert.is_false(ok)
        assert.matches("nowhere", fault)
    end)

    it("shows the status and the log", function()
        open()
        call(alice, bob, { stays_up = true })
        assert.equal(1, net:status().dialogs)
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
        assert.equal(0, net:status().dialogs)
        assert.is_table(net:log()[1])
    end)

    it("reads a configuration file as it is shipped", function()
        net = lab.new { conf = "conf/sbc.lua", route = RELAY }
        local one = net:agent { name = "one", address = "127.0.0.11", side = "public" }
        assert.equal("127.0.0.10:5060", one.proxy)
    end)
end)
