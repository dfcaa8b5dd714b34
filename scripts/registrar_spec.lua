-- The specs of scripts/registrar.lua: every decision that it takes, on the real engine in the lab's virtual network.
-- Run it: build/lunasip test scripts/registrar_spec.lua
local lab = require "lunasip.lab"

local CONF = {
    listen = { lan = { "udp:10.0.0.1:5060" } },
    media = { lan = "10.0.0.1", ports = { 30000, 30099 } },
}

-- The script as it is, or with the media from phone to phone.
local function script(without_relay)
    local file = assert(io.open "scripts/registrar.lua")
    local text = file:read "*a"
    file:close()
    return without_relay and text:gsub("local RELAY = true", "local RELAY = false") or text
end

describe("scripts/registrar.lua", function()
    local net, reception, workshop, bench

    local function open(without_relay)
        net = lab.new { conf = CONF, route = script(without_relay), seed = 7 }
        reception = net:agent { name = "2001", address = "10.0.0.11", side = "lan" }
        workshop = net:agent { name = "2002", address = "10.0.0.12", side = "lan", auto_cancel = true }
        bench = net:agent { name = "bench", address = "10.0.0.13", side = "lan", auto_cancel = true }
    end

    before_each(function() open() end)
    after_each(function() net:close() end) -- fails when a transaction, a dialog or a port is left

    local function register(agent, user, options)
        options = options or {}
        options.uri = "sip:example.net"
        if not agent.registration then
            options.aor = ("sip:%s@example.net"):format(user)
        end
        agent:register(options)
        return agent:receive(function(msg) return msg.status and msg.cseq_method == "REGISTER" end)
    end

    -- Agents write their own name and address into From: the user is the name.
    local function call(number, options)
        options = options or {}
        options.sdp = true
        return reception:invite(("sip:%s@example.net"):format(number), options)
    end

    local function hang_up(callee)
        reception:hangup()
        callee:reply(callee:receive "BYE", 200)
        reception:receive { status = 200, method = "BYE" }
    end

    describe("REGISTER (RFC 3261 s10.3)", function()
        it("binds a user's devices, and tells each of them all", function()
            assert.equal(200, register(workshop, "2002", { expires = 600 }).status)
            assert.equal(2, #register(bench, "2002"):values "Contact")
            assert.same({ aors = 1, bindings = 2 }, net:status().registrations)
        end)

        it("is refused for who is no user, and for another's number", function()
            assert.equal(403, register(workshop, "4711").status)
            workshop.registration = nil
            workshop:ask("REGISTER", { uri = "sip:2001@example.net" })
            workshop:receive(403)
            assert.equal(0, net:status().registrations.bindings)
        end)

        it("is refused beyond five devices of a number", function()
            for i = 1, 5 do
                local phone = net:agent { name = "phone" .. i, address = "10.0.0." .. 50 + i, side = "lan" }
                assert.equal(200, register(phone, "2003").status)
            end
            assert.equal(503, register(bench, "2003").status)
            assert.is_truthy(net:logged "REGISTER of 2003 from 10%.0%.0%.13:5060 refused: 503")
        end)

        it("that is not refreshed ends, with a line in the log", function()
            register(workshop, "2002", { expires = 60 })
            net:advance(62)
            assert.is_truthy(net:logged "2002@example%.net is gone")
            call "2002"
            assert.replied(480)
        end)
    end)

    for _, without_relay in ipairs { false, true } do
        describe(without_relay and "calls without the relay" or "calls with the relay", function()
            before_each(function()
                net:close()
                open(without_relay)
                register(workshop, "2002")
            end)

            it("reach the device, with audio both ways", function()
                call "2002"
                local invite = workshop:receive "INVITE"
                assert.matches("^sip:2002@10%.0%.0%.12", invite.uri)
                assert.sdp(invite, { host = without_relay and "10.0.0.11" or "10.0.0.1" })
                workshop:reply(invite, 180)
                reception:receive(180)
                workshop:reply(invite, 200, { sdp = true })
                local ok = reception:receive(200)
                assert.sdp(ok, { host = without_relay and "10.0.0.12" or "10.0.0.1" })
                reception:send_rtp(10)
                workshop:send_rtp(10)
                net:advance(1)
                assert.equal(10, workshop:received_rtp()[1].packets)
                assert.equal(10, reception:received_rtp()[1].packets)
                hang_up(workshop)
            end)

            it("ring every device of the number at once; the losers are cancelled (s16.7 10)", function()
                register(bench, "2002")
                call "2002"
                local invite = workshop:receive "INVITE"
                bench:reply(bench:receive "INVITE", 180)
                reception:receive(180)
                workshop:reply(invite, 200, { sdp = true })
                reception:receive(200)
                bench:receive "CANCEL"
                hang_up(workshop)
            end)

            it("go on to a device of a lower q when the first refuses (s16.6)", function()
                register(bench, "2002", { contact = "<sip:bench@10.0.0.13>;q=0.1" })
                call "2002"
                workshop:reply(workshop:receive "INVITE", 486)
                local invite = bench:receive "INVITE"
                bench:reply(invite, 200, { sdp = true })
                reception:receive(200)
                hang_up(bench)
            end)

            it("reach a phone behind a NAT, and its BYE comes back through it", function()
                local phone = net:agent {
                    name = "2003", address = "10.0.0.30:1024", advertise = "192.168.1.5", side = "lan",
                }
                assert.equal(200, register(phone, "2003").status)
                call "2003"
                local invite = phone:receive "INVITE"
                phone:reply(invite, 200, { sdp = true })
                assert.header(reception:receive(200), "Contact", "^<sip:.*10%.0%.0%.30:1024>")
                hang_up(phone)
            end)

            it("from behind a NAT are answered, and hung up from either side", function()
                local phone = net:agent {
                    name = "2003", address = "10.0.0.30:1024", advertise = "192.168.1.5", side = "lan",
                }
                phone:invite("sip:2002@example.net", { sdp = true })
                local invite = workshop:receive "INVITE"
                assert.header(invite, "Contact", "^<sip:2003@10%.0%.0%.30:1024>")
                workshop:reply(invite, 200, { sdp = true })
                phone:receive(200)
                workshop:hangup()
                phone:reply(phone:receive "BYE", 200)
                workshop:receive { status = 200, method = "BYE" }
            end)
        end)
    end

    describe("who is called", function()
        it("is unknown: 404; known and not registered: 480; of another domain: 403", function()
            call "4711"
            assert.replied(404)
            call "2002"
            assert.replied(480)
            reception:invite("sip:2002@elsewhere.example", { sdp = true })
            assert.replied(403)
        end)

        it("is not reached by a caller that is no user", function()
            register(workshop, "2002")
            bench:invite("sip:2002@example.net", { sdp = true })
            bench:receive(403)
        end)

        it("stops ringing when the caller gives up", function()
            register(workshop, "2002")
            call "2002"
            workshop:reply(workshop:receive "INVITE", 180)
            reception:receive(180)
            reception:cancel()
            workshop:receive "CANCEL"
            reception:receive(487)
        end)
    end)

    it("relays a MESSAGE (RFC 3428)", function()
        register(workshop, "2002")
        reception:ask("MESSAGE", { uri = "sip:2002@example.net", body = "lunch?", content_type = "text/plain" })
        local message = workshop:receive "MESSAGE"
        assert.equal("lunch?", message.body)
        workshop:reply(message, 200)
        reception:receive(200)
    end)

    it("answers what is for nobody", function()
        reception:ask("OPTIONS", { uri = "sip:10.0.0.1" })
        assert.header(reception:receive(200), "Allow", "^INVITE")
        reception:ask("SUBSCRIBE", { uri = "sip:2002@example.net" })
        reception:receive(405)
        reception:ask("INVITE", { uri = "sip:2002@example.net", max_forwards = 0 })
        reception:receive(483)
    end)
end)
