-- Registration at others: block trunk of the configuration.
local world = require "trunk.world"

describe("a trunk (RFC 3261 s10.2)", function()
    local net, registrar

    local function open(trunks, more)
        net, registrar = world.open(trunks, more)
    end

    after_each(function() net:close() end)

    local function register_of(pattern)
        return function(msg) return msg.method == "REGISTER" and msg:header "To":find(pattern) end
    end

    local function count(name) return net:status().counters["trunk." .. name] end

    it("registers from its interface, for what the registrar grants", function()
        open { provider = world.provider { interface = "public", contact_user = "line-1", expires_s = 600 } }
        local register = registrar:receive "REGISTER"
        assert.equal("sip:192.0.2.50", register.uri)
        assert.equal("192.0.2.1:5060", register.source)
        assert.header(register, "To", "^<sip:4930@provider%.example>$")
        assert.header(register, "From", "^<sip:4930@provider%.example>;tag=")
        assert.header(register, "Contact", "^<sip:line%-1@192%.0%.2%.1:5060>$")
        assert.header(register, "Expires", "^600$")
        assert.is_nil(register:header "Authorization")
        assert.equal("registering", world.trunk(net).state)
        world.accept(registrar, register, 120)
        net:advance(0.1)
        local trunk = world.trunk(net)
        assert.same({ "up", 200, 119, 0 }, { trunk.state, trunk.status, trunk.expires_in_s, trunk.failures })
        assert.is_truthy(net:logged "trunk:up: provider is up, 200 OK")
        assert.equal(1, count "registered")
    end)

    it("is refreshed before its time is over, with the same Call-ID and the next CSeq (s10.2.4)", function()
        open { provider = world.provider() }
        local first = registrar:receive "REGISTER"
        world.accept(registrar, first, 100)
        registrar:receive_nothing("REGISTER", 84.5)
        local again = registrar:receive("REGISTER", 6)
        assert.equal(first:header "Call-ID", again:header "Call-ID")
        assert.equal(first.cseq + 1, again.cseq)
        assert.equal(first:header "Contact", again:header "Contact")
        world.accept(registrar, again, 100)
        net:advance(1)
        assert.equal("up", world.trunk(net).state)
    end)

    it("takes the time of Expires where its Contact has none, and what it asked for else", function()
        open { provider = world.provider { expires_s = 300 } }
        registrar:reply(registrar:receive "REGISTER", 200, { headers = { Expires = "60" } })
        net:advance(0.5)
        assert.equal(59, world.trunk(net).expires_in_s)
        registrar:reply(registrar:receive("REGISTER", 60), 200)
        net:advance(0.5)
        assert.equal(299, world.trunk(net).expires_in_s)
    end)

    it("answers challenges of the registrar and of its proxy, and keeps the nonces (RFC 7616 s3.4)", function()
        open { provider = world.provider { auth_user = "office" } }
        local register = registrar:receive "REGISTER"
        registrar:reply(register, 407, world.challenged(407, "edge", ', algorithm=SHA-256'))
        local again = registrar:receive "REGISTER"
        assert.equal("office", world.check(again, "Proxy-Authorization").username)
        assert.equal(register.cseq + 1, again.cseq)
        registrar:reply(again, 401, world.challenged(401, "core", ', opaque="x"'))
        local third = registrar:receive "REGISTER"
        assert.equal("00000002", world.check(third, "Proxy-Authorization").nc)
        local answer = world.check(third)
        assert.same({ "core", "00000001", "x" }, { answer.nonce, answer.nc, answer.opaque })
        world.accept(registrar, third, 60)
        local refresh = registrar:receive("REGISTER", 60)
        assert.equal("00000002", world.check(refresh).nc)
        assert.equal("00000003", world.check(refresh, "Proxy-Authorization").nc)
        -- Its nonce has grown old (s3.3), and so has the next one by the time that it arrives.
        registrar:reply(refresh, 401, world.challenged(401, "new", ", stale=true"))
        local fresh = registrar:receive "REGISTER"
        assert.equal("new", world.check(fresh).nonce)
        registrar:reply(fresh, 401, world.challenged(401, "newer", ", stale=true"))
        world.accept(registrar, registrar:receive "REGISTER", 60)
        net:advance(1)
        assert.equal("up", world.trunk(net).state)
        assert.equal(4, count "challenged")
    end)

    it("that is refused waits as long as it gets, and says why, but not the password", function()
        open { provider = world.provider { password = "hunter2hunter2" } }
        registrar:reply(registrar:receive "REGISTER", 401, world.challenged(401, "a"))
        registrar:reply(registrar:receive "REGISTER", 401, world.challenged(401, "b"))
        registrar:receive_nothing("REGISTER", 890)
        local trunk = world.trunk(net)
        assert.same({ "down", 401, "user or password are refused", 1 },
            { trunk.state, trunk.status, trunk.reason, trunk.failures })
        assert.equal(1, count "refused")
        for _, text in ipairs { net:log(), net:trace() } do
            assert.is_nil(tostring(text):find("hunter2", 1, true))
        end
        world.accept(registrar, (function()
            registrar:reply(registrar:receive("REGISTER", 920), 401, world.challenged(401, "c"))
            return registrar:receive "REGISTER"
        end)())
        net:advance(1)
        assert.equal("up", world.trunk(net).state)
    end)

    it("keeps its credentials for the realm that it names", function()
        open { provider = world.provider { realm = "elsewhere.example" } }
        registrar:reply(registrar:receive "REGISTER", 401, world.challenged(401, "a"))
        registrar:receive_nothing("REGISTER", 100)
        assert.matches("another realm", world.trunk(net).reason)
    end)

    it("without a password says that one is asked for", function()
        local trunk = world.provider()
        trunk.password = nil
        open { provider = trunk }
        registrar:reply(registrar:receive "REGISTER", 401, world.challenged(401, "a"))
        net:advance(1)
        assert.matches("a password is asked for, and the configuration has none", world.trunk(net).reason)
    end)

    it("asks for longer when its time is too brief (423, s10.2.8), once", function()
        open { provider = world.provider { expires_s = 60 } }
        registrar:reply(registrar:receive "REGISTER", 423, { headers = { ["Min-Expires"] = "1800" } })
        local again = registrar:receive "REGISTER"
        assert.header(again, "Expires", "^1800$")
        registrar:reply(again, 423, { headers = { ["Min-Expires"] = "3600" } })
        net:advance(1)
        assert.same({ "down", 423 }, { world.trunk(net).state, world.trunk(net).status })
        again = registrar:receive("REGISTER", 61)
        assert.header(again, "Expires", "^1800$")
        world.accept(registrar, again)
    end)

    it("is down when its registrar keeps no binding", function()
        open { provider = world.provider() }
        world.accept(registrar, registrar:receive "REGISTER", 0)
        net:advance(1)
        assert.matches("keeps no binding", world.trunk(net).reason)
    end)

    describe("that fails", function()
        it("tries again after 30 to 60, 60 to 120, ... 900 to 1800 seconds (RFC 5626 s4.5)", function()
            open { provider = world.provider() }
            local least = 30
            for failures = 1, 8 do
                registrar:reply(registrar:receive("REGISTER", 2 * least), 500)
                net:advance(0.1)
                assert.equal(failures, world.trunk(net).failures)
                registrar:receive_nothing("REGISTER", least - 1)
                least = math.min(2 * least, 900)
            end
            world.accept(registrar, registrar:receive("REGISTER", 1810))
            net:advance(0.1)
            assert.equal(0, world.trunk(net).failures)
        end)

        it("waits as long as Retry-After says", function()
            open { provider = world.provider() }
            local headers = { ["Retry-After"] = "500 (busy);duration=60" }
            registrar:reply(registrar:receive "REGISTER", 503, { headers = headers })
            registrar:receive_nothing("REGISTER", 499)
            registrar:receive("REGISTER", 5)
        end)

        it("is down at once when it was up, and up again", function()
            open { provider = world.provider() }
            world.accept(registrar, registrar:receive "REGISTER", 100)
            registrar:reply(registrar:receive("REGISTER", 91), 500, { reason = "Broken" })
            net:advance(0.1)
            assert.is_truthy(net:logged "trunk:down: provider is down, 500 Broken")
            assert.equal("down", world.trunk(net).state)
            world.accept(registrar, registrar:receive("REGISTER", 61))
            net:advance(0.1)
            assert.equal("up", world.trunk(net).state)
        end)

        it("is told so when nobody answers (Timer F)", function()
            open { provider = world.provider() }
            registrar:receive "REGISTER"
            net:advance(33)
            assert.equal("timed out", world.trunk(net).reason)
            assert.equal(1, count "unanswered")
        end)

        it("is told so when its registrar has no name", function()
            open { provider = world.provider { registrar = "sip:nowhere.example" } }
            net:advance(1)
            assert.equal("its name is unknown", world.trunk(net).reason)
        end)
    end)

    it("tries the next address of its registrar's name (RFC 3263 s4.3)", function()
        open { provider = world.provider { registrar = "sip:provider.example" } }
        local second = net:agent { name = "second", address = "192.0.2.52" }
        net:dns {
            ["_sip._udp.provider.example"] = { SRV = { "1 0 5060 a.provider.example", "2 0 5060 b.provider.example" } },
            ["a.provider.example"] = "192.0.2.50", ["b.provider.example"] = "192.0.2.52",
        }
        net:command("trunks", "refresh", "provider")
        registrar:reply(registrar:receive("REGISTER", 20), 503)
        local register = second:receive "REGISTER"
        assert.equal("sip:provider.example", register.uri)
        world.accept(second, register)
        net:advance(0.1)
        assert.equal("up", world.trunk(net).state)
    end)

    it("goes by its proxy when it has one", function()
        open { provider = world.provider { registrar = "sip:provider.example", proxy = "sip:192.0.2.50:5060" } }
        local register = registrar:receive "REGISTER"
        assert.equal("sip:provider.example", register.uri)
        world.accept(registrar, register)
    end)

    it("is known to scripts", function()
        open { provider = world.provider(), second = world.provider { user = "4931" } }
        for _ = 1, 2 do world.accept(registrar, registrar:receive "REGISTER", 60) end
        net:advance(0.1)
        registrar:invite "sip:provider@192.0.2.1"
        assert.equal("up 59 0 2", registrar:receive(480).reason)
        registrar:invite "sip:other@192.0.2.1"
        assert.matches("no trunk 'other'", registrar:receive(404).reason)
    end)

    it("gives its password, interface and proxy to calls of two legs", function()
        local provider = { registrar = "sip:provider.example", proxy = "sip:192.0.2.50", interface = "public" }
        open({ provider = world.provider(provider) }, {
            route = [[
                local sip = require "lunasip"
                function request_route(req)
                    local call, err = sip.call.bridge(req, { to = "sip:49@provider.example", trunk = req["$rU"] })
                    if not call then req:reply(500, err) end
                end]],
        })
        registrar:reply(registrar:receive "REGISTER", 200)
        local phone = net:agent { name = "phone", address = "10.0.0.10", side = "private" }
        phone:invite "sip:provider@10.0.0.1"
        registrar:reply(registrar:receive "INVITE", 407, world.challenged(407, "call"))
        local invite = registrar:receive "INVITE"
        assert.equal("sip:49@provider.example", invite.uri)
        assert.matches('username="4930", realm="provider.example", nonce="call"', invite:header "Proxy-Authorization")
        registrar:reply(invite, 486)
        phone:receive(486)
        phone:invite "sip:other@10.0.0.1"
        assert.equal("the configuration has no such trunk", phone:receive(500).reason)
    end)

    it("belongs to one worker, whichever that is", function()
        for workers = 1, 4 do
            local trunks = {}
            for i = 1, 6 do trunks["line" .. i] = world.provider { user = tostring(4930 + i), expires_s = 100 } end
            open(trunks, { workers = workers })
            for i = 1, 6 do
                local line = "^<sip:" .. 4930 + i
                registrar:reply(registrar:receive(register_of(line)), 401, world.challenged(401, "a"))
                world.accept(registrar, registrar:receive(register_of(line)), 100)
            end
            registrar:receive_nothing("REGISTER", 80)
            assert.equal(6, count "registered")
            assert.equal(6, #net:command("trunks").data)
            if workers < 4 then net:close() end
        end
    end)

    describe("and its operator:", function()
        it("refresh registers at once", function()
            open { provider = world.provider() }
            world.accept(registrar, registrar:receive "REGISTER")
            net:advance(1)
            assert.equal("trunk provider: refresh is under way", net:command("trunks", "refresh", "provider").text)
            world.accept(registrar, registrar:receive("REGISTER", 1))
        end)

        it("disable takes the binding back (s10.2.2), enable begins again", function()
            open { provider = world.provider() }
            registrar:reply(registrar:receive "REGISTER", 401, world.challenged(401, "a"))
            local register = registrar:receive "REGISTER"
            world.accept(registrar, register)
            net:advance(1)
            net:command("trunks", "disable", "provider")
            local removal = registrar:receive "REGISTER"
            assert.header(removal, "Expires", "^0$")
            assert.equal(register:header "Contact", removal:header "Contact")
            assert.equal(register:header "Call-ID", removal:header "Call-ID")
            assert.equal("00000002", world.check(removal).nc)
            registrar:reply(removal, 401, world.challenged(401, "b"))
            removal = registrar:receive "REGISTER"
            assert.header(removal, "Expires", "^0$")
            registrar:reply(removal, 200)
            registrar:receive_nothing("REGISTER", 7200)
            assert.equal("disabled", world.trunk(net).state)
            assert.is_truthy(net:logged "trunk:down: provider is disabled")
            assert.same({ 1, "trunk provider is disabled; enable it first" },
                (function(a) return { a.code, a.text } end)(net:command("trunks", "refresh", "provider")))
            net:command("trunks", "enable", "provider")
            world.accept(registrar, registrar:receive "REGISTER")
            net:advance(0.1)
            assert.equal("up", world.trunk(net).state)
        end)

        it("what comes while a REGISTER is under way is done after it", function()
            open { provider = world.provider() }
            local register = registrar:receive "REGISTER"
            net:command("trunks", "disable", "provider")
            registrar:receive_nothing("REGISTER", 0.4)
            world.accept(registrar, register)
            local removal = registrar:receive "REGISTER"
            assert.header(removal, "Expires", "^0$")
            net:command("trunks", "enable", "provider")
            registrar:reply(removal, 200)
            assert.header(registrar:receive "REGISTER", "Expires", "^3600$")
        end)

        it("names that are not there, and words that are none", function()
            open { provider = world.provider() }
            registrar:receive "REGISTER"
            assert.equal(1, net:command("trunks", "refresh", "provder").code)
            assert.equal(2, net:command("trunks", "drop", "provider").code)
            assert.equal(2, net:command("trunks", "refresh").code)
        end)
    end)
end)
