local world = require "route.world"

describe("request forwarding (RFC 3261 §16.6)", function()
    local net, alice, callees

    local function open(body, options)
        options = options or {}
        options.body = body or world.TO_BOB
        net, alice, callees = world.open(options)
    end

    after_each(function()
        net:close()
    end)

    it("puts our Via on top, with a branch of its own and the sending interface (8)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = callees.bob:receive "INVITE"
        local vias = invite:values "Via"
        assert.equal(2, #vias)
        assert.matches("^SIP/2%.0/UDP 10%.0%.0%.1:5060;.*branch=z9hG4bK", vias[1])
        assert.matches("^SIP/2%.0/UDP 192%.0%.2%.10:5060;.*branch=z9hG4bKbalice", vias[2])
        callees.bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("notes received and rport of the one who sent it (§18.2.1, RFC 3581)", function()
        open()
        alice:send(world.raw {
            method = "OPTIONS", via = "Via: SIP/2.0/UDP nat.example;rport;branch=z9hG4bKn1",
        })
        local options = callees.bob:receive "OPTIONS"
        local via = options:values "Via"[2]
        assert.matches("received=192%.0%.2%.10", via)
        assert.matches("rport=5060", via)
        callees.bob:reply(options, 200)
        alice:receive(200)
    end)

    it("makes one branch per target, each with its own Request-URI and Via branch", function()
        open(world.parallel())
        alice:ask("OPTIONS", { uri = "sip:all@example.net" })
        local branches = {}
        for name, uri in pairs { bob = "sip:bob@10.0.0.20:5060", carol = "sip:carol@10.0.0.21:5060",
            dave = "sip:dave@10.0.0.22:5060" } do
            local options = callees[name]:receive "OPTIONS"
            assert.equal(uri, options.uri)
            local branch = options:values "Via"[1]:match "branch=(%S+)"
            assert.is_nil(branches[branch])
            branches[branch] = true
            callees[name]:reply(options, 404)
        end
        alice:receive(404)
    end)

    it("counts Max-Forwards down (3)", function()
        open()
        alice:ask("OPTIONS", { uri = "sip:bob@example.net", max_forwards = 12 })
        local options = callees.bob:receive "OPTIONS"
        assert.equal("11", options:header "Max-Forwards")
        callees.bob:reply(options, 200)
        alice:receive(200)
    end)

    describe("Record-Route (4)", function()
        it("names both interfaces when they differ, the outgoing one on top, marked r2=on", function()
            open()
            alice:invite "sip:bob@example.net"
            local invite = callees.bob:receive "INVITE"
            assert.same({ "<sip:10.0.0.1:5060;lr;r2=on>", "<sip:192.0.2.1:5060;lr;r2=on>" },
                invite:values "Record-Route")
            callees.bob:reply(invite, 486)
            alice:receive(486)
        end)

        it("names one when the request leaves where it came in", function()
            open('req:record_route() req:relay { to = "sip:192.0.2.30:5060", interface = "public" }')
            local zoe = net:agent { name = "zoe", address = "192.0.2.30" }
            alice:invite "sip:zoe@example.net"
            local invite = zoe:receive "INVITE"
            assert.same({ "<sip:192.0.2.1:5060;lr>" }, invite:values "Record-Route")
            zoe:reply(invite, 486)
            alice:receive(486)
        end)

        it("goes above what was there", function()
            open()
            alice:invite("sip:bob@example.net", { headers = { ["Record-Route"] = "<sip:before.example;lr>" } })
            local invite = callees.bob:receive "INVITE"
            assert.equal("<sip:before.example;lr>", invite:values "Record-Route"[3])
            callees.bob:reply(invite, 486)
            alice:receive(486)
        end)

        it("is not added without being asked for", function()
            open('req:relay { to = "sip:10.0.0.20:5060", interface = "private" }')
            alice:invite "sip:bob@example.net"
            local invite = callees.bob:receive "INVITE"
            assert.is_nil(invite:header "Record-Route")
            callees.bob:reply(invite, 486)
            alice:receive(486)
        end)

        it("brings in-dialog requests of both sides back through both interfaces", function()
            open()
            world.answer(alice, callees.bob)
            alice:ask "INFO"
            local info = callees.bob:receive "INFO"
            assert.equal(world.US_PRIVATE, info.source)
            assert.is_nil(info:header "Route")
            callees.bob:reply(info, 200)
            alice:receive(200)
            callees.bob:ask "INFO"
            info = alice:receive "INFO"
            assert.equal(world.US_PUBLIC, info.source)
            assert.is_nil(info:header "Route")
            alice:reply(info, 200)
            callees.bob:receive(200)
            world.hang_up(callees.bob, alice)
        end)
    end)

    describe("next hop (6, 7)", function()
        local function goes_to_bob(uri, headers)
            alice:ask("OPTIONS", { uri = uri, headers = headers })
            local options = callees.bob:receive "OPTIONS"
            callees.bob:reply(options, 200)
            alice:receive(200)
            return options
        end

        it("is relay's to, the Request-URI stays", function()
            open()
            assert.equal("sip:bob@example.net", goes_to_bob("sip:bob@example.net").uri)
        end)

        it("is $du before Route", function()
            open('req["$du"] = "sip:10.0.0.20:5060" req:relay()')
            goes_to_bob("sip:bob@example.net", { Route = "<sip:10.0.0.99;lr>" })
        end)

        it("is the top Route before the Request-URI", function()
            open "req:relay()"
            goes_to_bob("sip:bob@10.0.0.99", { Route = "<sip:10.0.0.20:5060;lr>" })
        end)

        it("is the Request-URI else", function()
            open "req:relay()"
            goes_to_bob "sip:bob@10.0.0.20"
        end)

        it("that is no SIP URI makes relay fail and sends nothing", function()
            open [[
                local ok, err = req:relay()
                sip.log.info("relay: %s %s", ok, err)
                req:reply(416, "Unsupported URI Scheme")]]
            alice:ask("OPTIONS", { uri = "tel:+4930123", to = world.US_PUBLIC })
            alice:receive(416)
            assert.matches("relay: nil", net:logged "relay: ")
        end)
    end)

    describe("names (RFC 3263)", function()
        local function srv(priority, host)
            net:name("_sip._udp.gw.example", "SRV", priority .. " 0 5060 " .. host)
        end

        it("fails over from one SRV target to the next when nobody is there (4.3)", function()
            open 'req:relay { to = "sip:gw.example", interface = "private" }'
            srv(10, "one.example")
            srv(20, "two.example")
            net:name("one.example", "A", "10.0.0.77") -- nobody: ICMP port unreachable
            net:name("two.example", "A", "10.0.0.20")
            alice:invite "sip:bob@example.net"
            local invite = callees.bob:receive("INVITE", 1)
            callees.bob:reply(invite, 486)
            alice:receive(486)
        end)

        it("fails over when a target answers 503 (RFC 3263 §4.3)", function()
            open 'req:relay { to = "sip:gw.example", interface = "private" }'
            srv(10, "one.example")
            srv(20, "two.example")
            net:name("one.example", "A", "10.0.0.20")
            net:name("two.example", "A", "10.0.0.21")
            alice:invite "sip:bob@example.net"
            callees.bob:reply(callees.bob:receive "INVITE", 503)
            local second = callees.carol:receive("INVITE", 0.1)
            callees.bob:receive "ACK"
            callees.carol:reply(second, 503)
            alice:receive(500)
        end)

        it("fails over when a target keeps silent", function()
            open 'req:relay { to = "sip:gw.example", interface = "private", timeout_ms = 2000 }'
            srv(10, "one.example")
            srv(20, "two.example")
            net:name("one.example", "A", "10.0.0.20")
            net:name("two.example", "A", "10.0.0.21")
            alice:invite "sip:bob@example.net"
            callees.bob:receive "INVITE"
            callees.carol:reply(callees.carol:receive("INVITE", 3), 486)
            alice:receive(486)
        end)

        it("gives each target a Via branch of its own", function()
            open 'req:relay { to = "sip:gw.example", interface = "private" }'
            srv(10, "one.example")
            srv(20, "two.example")
            net:name("one.example", "A", "10.0.0.77")
            net:name("two.example", "A", "10.0.0.20")
            alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
            local options = callees.bob:receive("OPTIONS", 1)
            callees.bob:reply(options, 200)
            alice:receive(200)
            local branches = {}
            for branch in net:ladder():gmatch "1 OPTIONS (z9hG4bKlu%S+)" do
                branches[branch] = true
            end
            local count = 0
            for _ in pairs(branches) do count = count + 1 end
            assert.equal(2, count)
        end)

        it("takes the socket of the right family for each target", function()
            open('req:relay { to = "sip:gw.example" }', {
                conf = {
                    listen = { public = { "udp:192.0.2.1:5060" },
                        private = { "udp:10.0.0.1:5060", "udp:[2001:db8::1]:5060" } },
                    media = false,
                },
            })
            local six = net:agent { name = "six", address = "[2001:db8::20]:5060", side = "private" }
            srv(10, "one.example")
            srv(20, "two.example")
            net:name("one.example", "A", "10.0.0.77")
            net:name("two.example", "AAAA", "2001:db8::20")
            alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
            local options = six:receive("OPTIONS", 1)
            assert.matches("^SIP/2%.0/UDP %[2001:db8::1%]:5060", options:values "Via"[1])
            six:reply(options, 200)
            alice:receive(200)
        end)

        it("that do not exist make relay fail", function()
            open [[
                local ok, err = req:relay { to = "sip:nowhere.example" }
                sip.log.info("relay: %s %s", ok, err)
                req:reply(502, "Bad Gateway")]]
            alice:invite "sip:bob@example.net"
            alice:receive(502)
            assert.matches("relay: nil", net:logged "relay: ")
        end)
    end)

    it("serial forking: higher q first, equal q at once (§16.6, q)", function()
        open [[
            req:fork { { uri = "sip:dave@10.0.0.22", q = 0.1 }, { uri = "sip:bob@10.0.0.20", q = 0.9 },
                { uri = "sip:carol@10.0.0.21", q = 0.9 }, interface = "private" }]]
        alice:invite "sip:all@example.net"
        local bobs, carols = callees.bob:receive "INVITE", callees.carol:receive "INVITE"
        callees.dave:receive_nothing("INVITE", 2)
        callees.bob:reply(bobs, 486)
        callees.dave:receive_nothing("INVITE", 2)
        callees.carol:reply(carols, 404)
        callees.dave:reply(callees.dave:receive "INVITE", 200)
        alice:receive(200)
        callees.dave:receive "ACK"
        alice:receive_nothing(486)
    end)

    it("serial forking ends when somebody answers", function()
        open [[
            req:fork { { uri = "sip:bob@10.0.0.20", q = 0.9 }, { uri = "sip:carol@10.0.0.21", q = 0.8 },
                interface = "private" }]]
        alice:invite "sip:all@example.net"
        callees.bob:reply(callees.bob:receive "INVITE", 200)
        alice:receive(200)
        callees.carol:receive_nothing("INVITE", 40)
    end)

    it("serial forking passes over a target that cannot be reached by name", function()
        open [[
            local ok = req:fork { { uri = "sip:x@nowhere.example", q = 0.9 }, { uri = "sip:carol@10.0.0.21", q = 0.8 } }
            sip.log.info("forked: %s", ok)]]
        alice:invite "sip:all@example.net"
        callees.carol:reply(callees.carol:receive "INVITE", 486)
        alice:receive(486)
        assert.is_string(net:logged "forked: true")
    end)

    it("an ICMP error fails a branch at once (§16.9)", function()
        open 'req:relay { to = "sip:10.0.0.77" }'
        local before = net:now()
        alice:invite "sip:bob@example.net"
        alice:receive(503)
        assert.is_true(net:now() - before < 0.5)
    end)
end)
