-- The specs of scripts/registrar.lua: every decision that it takes, on the real engine in the lab's virtual network.
-- Run it: build/lunasip test --coverage scripts/registrar_spec.lua
local lab = require "lunasip.lab"

local CONF = {
    listen = { lan = { "udp:10.0.0.1:5060" } },
    media = { lan = "10.0.0.1", ports = { 30000, 30099 } },
}
local PASSWORDS = { ["2001"] = "reception", ["2002"] = "workshop", ["2003"] = "door" }
local USERS = {}
for number, password in pairs(PASSWORDS) do
    USERS[number .. "@example.net"] = password
end

describe("scripts/registrar.lua", function()
    local net, reception, workshop, bench

    -- A phone that knows the password of its number.
    local function phone(number, address, options)
        options = options or {}
        options.name, options.user, options.address = number .. "-" .. address:match "[%d.]+", number, address
        options.side, options.auto_cancel = "lan", true
        options.credentials = options.credentials or { username = number, password = PASSWORDS[number] or "guessed" }
        return net:agent(options)
    end

    -- The same, in a network 192.168.1.0/24 whose router is 10.0.0.30.
    local function phone_behind_nat(number)
        return phone(number, "10.0.0.30:40001", { advertise = "192.168.1.5:5060" })
    end

    local function open(relay)
        net = lab.new { conf = CONF, route = "scripts/registrar.lua", users = USERS, seed = 7 }
        if relay and relay ~= "nat" then -- the script with another setting
            local file = assert(io.open "scripts/registrar.lua")
            local text = file:read "*a"
            file:close()
            net:reload { source = (text:gsub('local RELAY = "nat"', ("local RELAY = %q"):format(relay))) }
        end
        reception, workshop = phone("2001", "10.0.0.11"), phone("2002", "10.0.0.12")
        bench = phone("2002", "10.0.0.13") -- a second device of the workshop
    end

    before_each(function() open() end)
    after_each(function() net:close() end) -- fails when a transaction, a dialog or a port is left

    local function register(agent, options)
        options = options or {}
        options.uri = "sip:example.net"
        agent:register(options)
        return agent:receive(function(msg) return msg.status and msg.cseq_method == "REGISTER" end)
    end

    local function call(number, caller)
        (caller or reception):invite(("sip:%s@example.net"):format(number), { sdp = true })
    end

    local function answer(callee, invite, caller)
        callee:reply(invite or callee:receive "INVITE", 200, { sdp = true })
        return (caller or reception):receive { status = 200, method = "INVITE" }
    end

    local function hang_up(from, to)
        from:hangup()
        to:reply(to:receive "BYE", 200)
        from:receive { status = 200, method = "BYE" }
    end

    -- Who is behind a NAT speaks first: the relay then knows where it is.
    local function assert_audio(one, other)
        one:send_rtp(10)
        other:send_rtp(10)
        net:advance(1)
        assert.equal(10, one:received_rtp()[1].packets)
        assert.equal(10, other:received_rtp()[1].packets)
    end

    describe("REGISTER (RFC 3261 s10.3)", function()
        it("binds the devices of who knows the password, and tells each of them all", function()
            assert.equal(200, register(workshop, { expires = 600 }).status)
            assert.equal(2, #register(bench):values "Contact")
            assert.same({ aors = 1, bindings = 2 }, net:status().registrations)
        end)

        it("is challenged with 401 until the password is right, whether there is such a user or not", function()
            for _, stranger in ipairs {
                phone("2003", "10.0.0.14", { credentials = { username = "2003", password = "wrong" } }),
                phone("4711", "10.0.0.15"),
            } do
                assert.equal(401, register(stranger).status)
            end
            assert.is_truthy(net:logged '^authentication failed from 10%.0%.0%.15: user "4711"')
            assert.equal(0, net:status().registrations.bindings)
        end)

        it("is refused for another's number, and for another domain", function()
            workshop:register { uri = "sip:example.net", aor = "sip:2003@example.net" }
            workshop:receive(403)
            assert.is_truthy(net:logged "refused: that is 2002")
            workshop:register { uri = "sip:example.net", aor = "sip:2002@elsewhere.example" }
            workshop:receive(403)
            assert.is_truthy(net:logged "REGISTER of sip:2002@elsewhere%.example by 2002")
        end)

        it("is refused beyond five devices of a number", function()
            register(workshop, {
                contact = { "<sip:a@10.0.0.12>", "<sip:b@10.0.0.12>", "<sip:c@10.0.0.12>", "<sip:d@10.0.0.12>" },
            })
            assert.equal(200, register(bench).status)
            assert.equal(503, register(phone("2002", "10.0.0.14")).status)
            assert.is_truthy(net:logged "REGISTER of 2002 from 10%.0%.0%.14:5060 refused: 503")
        end)

        it("keeps a phone registered that refreshes in time; one that does not is gone, and the log says so", function()
            register(workshop, { expires = 60, refresh = true })
            register(phone("2003", "10.0.0.14"), { expires = 60 })
            net:advance(62)
            assert.is_truthy(net:logged "2003@example%.net is gone: sip:2003@10%.0%.0%.14")
            net:advance(600)
            assert.same({ aors = 1, bindings = 1 }, net:status().registrations)
            register(workshop, { expires = 0 })
            call "2002"
            reception:receive(480)
        end)
    end)

    for _, relay in ipairs { "always", "nat", "never" } do
        describe(('calls with RELAY = "%s"'):format(relay), function()
            local is_relayed = relay == "always"

            before_each(function()
                net:close()
                open(relay)
                register(workshop)
            end)

            it("reach the device, with audio both ways", function()
                call "2002"
                local invite = workshop:receive "INVITE"
                assert.matches("^sip:2002@10%.0%.0%.12", invite.uri)
                assert.has_no.header(invite, "Proxy-Authorization")
                assert.sdp(invite, { host = is_relayed and "10.0.0.1" or "10.0.0.11" })
                workshop:reply(invite, 180)
                reception:receive(180)
                assert.sdp(answer(workshop, invite), { host = is_relayed and "10.0.0.1" or "10.0.0.12" })
                assert_audio(reception, workshop)
                hang_up(workshop, reception)
            end)

            it("reach a phone behind a NAT; what it sends and what it is sent passes through the hole", function()
                local door = phone_behind_nat "2003"
                register(door)
                call "2003"
                local invite = door:receive "INVITE"
                assert.equal("sip:2003@192.168.1.5:5060", invite.uri)
                assert.sdp(invite, { host = relay == "never" and "10.0.0.11" or "10.0.0.1" })
                local contact = answer(door, invite):header "Contact"
                assert.equal("<sip:2003@192.168.1.5:5060;alias=10.0.0.30~40001~1>", contact)
                if relay ~= "never" then
                    assert_audio(door, reception)
                end
                hang_up(reception, door)
            end)

            it("from behind a NAT are answered, and hung up by the other side", function()
                local door = phone_behind_nat "2003"
                call("2002", door)
                local invite = workshop:receive "INVITE"
                assert.header(invite, "Contact", "^<sip:2003@192%.168%.1%.5:5060;alias=10%.0%.0%.30~40001~1>")
                assert.sdp(invite, { host = relay == "never" and "192.168.1.5" or "10.0.0.1" })
                answer(workshop, invite, door)
                hang_up(workshop, door)
            end)
        end)
    end

    describe("several devices of a number", function()
        before_each(function() register(workshop) end)

        it("ring at once; the losers are cancelled (RFC 3261 s16.7 step 10)", function()
            register(bench)
            call "2002"
            bench:reply(bench:receive "INVITE", 180)
            reception:receive(180)
            answer(workshop)
            bench:receive "CANCEL"
            hang_up(reception, workshop)
        end)

        it("of a lower q ring when those of a higher one have failed (s16.6)", function()
            register(bench, { q = 0.1 })
            call "2002"
            local invite = workshop:receive "INVITE"
            bench:receive_nothing("INVITE", 2)
            workshop:reply(invite, 486)
            answer(bench)
            hang_up(reception, bench)
        end)

        it("stop ringing when the caller gives up", function()
            call "2002"
            workshop:reply(workshop:receive "INVITE", 180)
            reception:receive(180)
            reception:cancel()
            workshop:receive "CANCEL"
            reception:receive(487)
        end)
    end)

    describe("a call", function()
        it("to who is unknown: 404; to who is not registered: 480; to another domain: 404", function()
            call "4711"
            reception:receive(404)
            call "2002"
            reception:receive(480)
            reception:invite("sip:2002@elsewhere.example", { sdp = true })
            reception:receive(404)
        end)

        it("is challenged with 407; one under another's name is refused", function()
            register(workshop)
            local stranger = phone("4711", "10.0.0.15")
            call("2002", stranger)
            stranger:receive(407)
            local liar = phone("2003", "10.0.0.16", { credentials = { username = "2001", password = "reception" } })
            call("2002", liar)
            liar:receive(403)
        end)

        it("is refused when the relay has no port left", function()
            net:close()
            net = lab.new {
                conf = { listen = CONF.listen, media = { lan = "10.0.0.1", ports = { 30000, 30003 } } },
                route = "scripts/registrar.lua", users = USERS,
            }
            reception, workshop = phone("2001", "10.0.0.11"), phone("2002", "10.0.0.12")
            register(workshop)
            local door = phone_behind_nat "2003"
            door:invite("sip:2002@example.net", { sdp = { "audio", "video" } })
            door:receive(500)
        end)

        it("of who was let in a while ago goes on while the database is away; others are told to come again", function()
            register(workshop)
            register(reception)
            net:database():impair { fail = true }
            call "2002"
            answer(workshop)
            hang_up(reception, workshop)
            call "4711" -- nobody can tell whether there is such a user
            reception:receive(480)
            local stranger = phone("2003", "10.0.0.14")
            call("2002", stranger)
            assert.header(stranger:receive(503), "Retry-After", "^10$")
        end)

        it("that cannot be sent is refused, and the log says why", function()
            net:dns {}
            register(workshop, { contact = "<sip:2002@phone.example>" })
            call "2002"
            reception:receive(500)
            assert.is_truthy(net:logged "INVITE to sip:2002@phone%.example: not sent")
        end)
    end)

    it("relays a MESSAGE (RFC 3428)", function()
        register(workshop)
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
        local function send(method, more)
            reception:send(table.concat({
                method .. " sip:2002@example.net SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.11;branch=z9hG4bK" .. method,
                "Max-Forwards: 70", "From: <sip:2001@example.net>;tag=1", "To: <sip:2002@example.net>" .. (more or ""),
                "Call-ID: of-no-call", "CSeq: 7 " .. method, "", "",
            }, "\r\n"))
        end
        send("INFO", ";tag=2")
        reception:receive { status = 481, method = "INFO" }
        send "CANCEL"
        reception:receive { status = 481, method = "CANCEL" }
        send "ACK"
        net:advance(1)
    end)
end)
