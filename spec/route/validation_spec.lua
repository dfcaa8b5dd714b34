local world = require "route.world"

describe("request validation (RFC 3261 §16.3)", function()
    local net, alice, callees

    local function open(options)
        options.body = options.body or world.TO_BOB
        net, alice, callees = world.open(options)
    end

    after_each(function()
        net:close()
    end)

    describe("Max-Forwards", function()
        it("0: relay fails and 483 is answered", function()
            open { body = 'local ok, err = req:relay { to = "sip:10.0.0.20" } sip.log.info("relay: %s %s", ok, err)' }
            alice:send(world.raw { max_forwards = 0 })
            alice:receive(483)
            callees.bob:receive_nothing("INVITE")
            assert.is_string(net:logged "relay: nil")
            alice:send(world.raw { method = "ACK", max_forwards = 70 })
        end)

        it("1: goes on with 0", function()
            open {}
            alice:ask("OPTIONS", { uri = "sip:bob@example.net", max_forwards = 1 })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("0", options:header "Max-Forwards")
            callees.bob:reply(options, 200)
            alice:receive(200)
        end)

        it("absent: is added with 70", function()
            open {}
            alice:send(world.raw { method = "OPTIONS", max_forwards = false })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("70", options:header "Max-Forwards")
            callees.bob:reply(options, 200)
            alice:receive(200)
        end)
    end)

    describe("loop detection (§16.3 4, RFC 5393 §4.2)", function()
        it("answers 482 when a request comes back the same way", function()
            -- Our own public socket is the next hop: the same request comes back to us.
            open { body = 'req:relay { to = "sip:192.0.2.1:5060", interface = "public" }' }
            alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
            alice:receive(482)
        end)

        it("leaves the other targets of a fork alone", function()
            open {
                body = [[
                    if req["$si"] == "192.0.2.10" then
                        req:relay { to = "sip:192.0.2.1:5060", interface = "public" }
                    else
                        req:record_route()
                        req:fork {
                            { uri = req.ruri, next_hop = "sip:192.0.2.1:5060" }, "sip:carol@10.0.0.21:5060",
                        }
                    end]],
            }
            alice:invite "sip:bob@example.net"
            local invite = callees.carol:receive "INVITE"
            callees.carol:reply(invite, 180)
            alice:receive(180)
            callees.carol:reply(invite, 200)
            alice:receive(200)
            callees.carol:receive "ACK"
            world.hang_up(alice, callees.carol)
        end)

        it("lets a spiral pass: the same request with another Request-URI", function()
            open {
                body = [[
                    if req.ruri == "sip:bob@example.net" then
                        req.ruri = "sip:robert@example.net"
                        req:relay { to = "sip:192.0.2.1:5060", interface = "public" }
                    else
                        req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
                    end]],
            }
            alice:invite "sip:bob@example.net"
            local invite = callees.bob:receive "INVITE"
            assert.equal("sip:robert@example.net", invite.uri)
            assert.equal(3, #invite:values "Via")
            callees.bob:reply(invite, 486)
            alice:receive(486)
        end)
    end)

    it("a provisional response of the script's leaves the branches alone", function()
        open { body = world.TO_BOB .. ' req:reply(183, "Session Progress")' }
        alice:invite "sip:bob@example.net"
        local invite = callees.bob:receive "INVITE"
        alice:receive(183)
        callees.bob:reply(invite, 200)
        alice:receive(200)
        callees.bob:receive "ACK"
        world.hang_up(alice, callees.bob)
    end)

    describe("merged requests (§8.2.2.2)", function()
        local function ask_twice(body)
            open { body = body }
            for i = 1, 2 do
                alice:send(world.raw { method = "OPTIONS", branch = "merged" .. i })
            end
        end

        it("are answered 482 where we answer for ourselves", function()
            ask_twice "req:reply(200)"
            alice:receive(200)
            alice:receive(482)
        end)

        it("are relayed like any other", function()
            ask_twice(world.TO_BOB)
            callees.bob:reply(callees.bob:receive "OPTIONS", 200)
            callees.bob:reply(callees.bob:receive "OPTIONS", 200)
            alice:receive(200)
            alice:receive(200)
        end)

        it("are no spirals: what went through us may be refused in its own words", function()
            open {
                body = [[
                    if req["$si"] == "192.0.2.10" then
                        req.ruri = "sip:robert@example.net"
                        req:relay { to = "sip:192.0.2.1:5060", interface = "public" }
                    else
                        req:reply(404)
                    end]],
            }
            alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
            alice:receive(404)
        end)
    end)

    describe("Max-Breadth (RFC 5393 §5.3)", function()
        it("is shared between the branches of a fork", function()
            open { body = world.parallel() }
            alice:ask("OPTIONS", { uri = "sip:all@example.net", headers = { ["Max-Breadth"] = "10" } })
            for _, name in ipairs { "bob", "carol", "dave" } do
                local options = callees[name]:receive "OPTIONS"
                assert.equal("3", options:header "Max-Breadth")
                callees[name]:reply(options, 404)
            end
            alice:receive(404)
        end)

        it("begins at 60 where there is none", function()
            open { body = world.parallel() }
            alice:ask("OPTIONS", { uri = "sip:all@example.net" })
            for _, name in ipairs { "bob", "carol", "dave" } do
                local options = callees[name]:receive "OPTIONS"
                assert.equal("20", options:header "Max-Breadth")
                callees[name]:reply(options, 404)
            end
            alice:receive(404)
        end)

        it("that does not suffice is answered 440", function()
            open { body = world.parallel() }
            alice:ask("OPTIONS", { uri = "sip:all@example.net", headers = { ["Max-Breadth"] = "2" } })
            assert.equal("Max-Breadth Exceeded", alice:receive(440).reason)
            callees.bob:receive_nothing("OPTIONS")
        end)

        it("stays as it is when there is one branch", function()
            open {}
            alice:ask("OPTIONS", { uri = "sip:bob@example.net", headers = { ["Max-Breadth"] = "7" } })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("7", options:header "Max-Breadth")
            callees.bob:reply(options, 200)
            alice:receive(200)
        end)
    end)

    it("Proxy-Require of an extension that we do not have: 420 with Unsupported (§16.3 5)", function()
        open {}
        alice:ask("OPTIONS", { uri = "sip:bob@example.net", headers = { ["Proxy-Require"] = "x-magic" } })
        assert.equal("x-magic", alice:receive(420):header "Unsupported")
    end)

    it("does not refuse merged requests that it only forwards (§16.3 4)", function()
        open {}
        alice:send(world.raw { method = "OPTIONS", branch = "m1" })
        alice:send(world.raw { method = "OPTIONS", branch = "m2" })
        for _ = 1, 2 do
            callees.bob:reply(callees.bob:receive "OPTIONS", 200)
            alice:receive(200)
        end
    end)
end)
