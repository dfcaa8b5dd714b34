-- What agents do for the author: dialogs, registrations, reliable responses, media.
local digest = require "lunasip.lab.digest"
local lab = require "lunasip.lab"
local world = require "route.world"

describe("an agent of the lab", function()
    local net, alice, bob, carol

    local function open(body, options)
        options = options or {}
        options.body = body or world.TO_BOB
        local callees
        net, alice, callees = world.open(options)
        bob, carol = callees.bob, callees.carol
    end

    after_each(function() net:close() end)

    it("knows early dialogs of a call that forked, and goes on with one (RFC 3261 s12.1.2)", function()
        open(world.parallel())
        local call = alice:invite "sip:all@example.net"
        bob:reply(bob:receive "INVITE", 183, { to_tag = "b" })
        local invite = carol:receive "INVITE"
        carol:reply(invite, 183, { to_tag = "c" })
        alice:receive(183)
        alice:receive(183)
        assert.is_truthy(call.dialogs.b and call.dialogs.c)
        alice:request(call, "UPDATE", { dialog = call.dialogs.b })
        bob:reply(bob:receive "UPDATE", 200)
        assert.equal("b", alice:receive { status = 200, method = "UPDATE" }:tag "To")
        carol:reply(invite, 200, { to_tag = "c" })
        alice:receive { status = 200, method = "INVITE" }
        assert.equal("c", call.remote_tag)
        world.hang_up(alice, carol)
    end)

    it("changes its session by re-INVITE and UPDATE, either side", function()
        open()
        world.answer(alice, bob, { sdp = true })
        alice:reinvite { sdp = { "audio", direction = "sendonly" } }
        local again = bob:receive "INVITE"
        assert.sdp(again, { direction = "sendonly" })
        assert.equal("2", again:sdp().version)
        bob:reply(again, 200, { sdp = { "audio", direction = "recvonly" } })
        alice:receive(200)
        bob:receive "ACK"
        bob:update { sdp = { { kind = "audio", codecs = { "G722" }, lines = { "a=ptime:20" } } } }
        local update = alice:receive "UPDATE"
        assert.sdp(update, { codecs = { "G722" }, attributes = function(list) return list[#list] == "ptime:20" end })
        alice:reply(update, 200, { sdp = true })
        bob:receive { status = 200, method = "UPDATE" }
        world.hang_up(bob, alice)
    end)

    it("sends a reliable response until it is acknowledged (RFC 3262)", function()
        open()
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { reliable = true })
        local first = alice:receive(183)
        assert.header(first, "Require", "100rel")
        net:advance(2)
        assert.is_true(world.count_received(net, "alice", 183) >= 2)
        alice:prack(first)
        local prack = bob:receive "PRACK"
        assert.header(prack, "RAck", first:header "RSeq" .. " 1 INVITE")
        bob:reply(prack, 200)
        alice:receive { status = 200, method = "PRACK" }
        local before = world.count_received(net, "alice", 183)
        net:advance(5)
        assert.equal(before, world.count_received(net, "alice", 183))
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("acknowledges reliable responses by itself when told", function()
        open()
        alice.auto_prack = true
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { reliable = true, sdp = true })
        bob:reply(bob:receive "PRACK", 200)
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("behind a NAT tells one address and sends from another", function()
        open [[
            assert(require "lunasip".media.manage(req, { from = "public", to = "private" }))
            req:record_route()
            req:relay { to = "sip:10.0.0.20", interface = "private" }
        ]]
        local phone = net:agent { name = "phone", address = "203.0.113.7", advertise = "192.168.1.5" }
        phone:invite("sip:bob@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        assert.header(net.journal[1].message, "Contact", "^<sip:phone@192%.168%.1%.5:5060>")
        bob:reply(invite, 200, { sdp = true })
        phone:receive(200)
        phone:send_rtp(20)
        bob:send_rtp(20)
        net:advance(2)
        assert.equal(20, bob:received_rtp()[1].packets)
        assert.is_true(phone:received_rtp()[1].packets >= 19) -- to where it sends from, learned
        local caller = net:media()[1].streams[1].caller
        assert.is_true(caller.learned)
        assert.matches("^203%.0%.113%.7:", caller.peer)
        phone:send_rtcp()
        net:advance(0.1)
        assert.equal(2, bob:received_rtp()[1].rtcp)
        phone:hangup()
        bob:reply(bob:receive "BYE", 200)
        phone:receive(200)
    end)

    it("puts a given Contact in place of its own", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 302, { headers = { Contact = "<sip:other@example.net>" } })
        assert.same({ "<sip:other@example.net>" }, alice:receive(302):values "Contact")
    end)

    it("sends what it is told, byte for byte, and reads what comes", function()
        open 'req:reply(200, "OK", { headers = { ["X-Got"] = req:header "X-Odd" } })'
        alice:send(world.raw { method = "OPTIONS", headers = { "x-odd :  value" } })
        assert.header(alice:receive(200), "X-Got", "value")
        alice:send "no SIP at all"
        net:advance(1)
    end)
end)

describe("agent:register", function()
    -- A registrar that asks for a password once, and shows what it got.
    local REGISTRAR = [[
        local CHALLENGE = %q
        function request_route(req)
            local answer = req:header "Authorization"
            if CHALLENGE ~= "" and not answer then
                return req:reply(401, "Unauthorized", { headers = { ["WWW-Authenticate"] = CHALLENGE } })
            end
            req:reply(200, "OK", { headers = { ["X-Answer"] = answer or "none", ["X-To"] = req.to_uri } })
        end
    ]]
    local net, phone

    local function open(challenge, credentials)
        net = lab.new { route = REGISTRAR:format(challenge) }
        phone = net:agent { name = "phone", address = "192.0.2.10", credentials = credentials }
    end

    after_each(function() net:close() end)

    it("binds the Contact, refreshes and ends the binding in one Call-ID (RFC 3261 s10.2)", function()
        open ""
        local call = phone:register { uri = "sip:example.net", expires = 600 }
        assert.header(phone:receive(200), "X-To", "sip:phone@example.net")
        local sent = net.journal[1].message
        assert.equal("sip:example.net", sent.uri)
        assert.header(sent, "Expires", 600)
        assert.header(sent, "Contact", "<sip:phone@192.0.2.10:5060>")
        assert.equal(call, phone:register { expires = 0, contact = "*" })
        assert.equal(2, phone:receive(200).cseq)
        assert.header(net.journal[3].message, "Contact", "*")
        assert.equal(1, #net.journal[3].message:values "Contact")
    end)

    -- The same by a registrar that grants a minute.
    local GRANTS = [[
        function request_route(req)
            req:reply(200, "OK", { headers = { Contact = req:header("Contact") .. ";expires=60" } })
        end
    ]]

    it("binds several contacts at once, and says their q", function()
        open ""
        phone:register { contact = { "<sip:a@192.0.2.10>;q=0.7", "<sip:b@192.0.2.10>" } }
        assert.same({ "<sip:a@192.0.2.10>;q=0.7", "<sip:b@192.0.2.10>" }, net.journal[1].message:values "Contact")
        phone:receive(200)
        phone:register { q = 0.25 }
        phone:receive(200)
        assert.header(net.journal[3].message, "Contact", "<sip:phone@192.0.2.10:5060>;q=0.25")
    end)

    it("is repeated in time where that is wanted, until it is given up", function()
        net = lab.new { route = GRANTS }
        phone = net:agent { name = "phone", address = "192.0.2.10" }
        phone:register { refresh = true }
        net:advance(53)
        assert.equal(1, world.count_received(net, "phone", 200))
        net:advance(54)
        assert.equal(2, world.count_received(net, "phone", 200))
        phone:register { expires = 0 }
        net:advance(200)
        assert.equal(3, world.count_received(net, "phone", 200))
    end)

    it("tells the address behind its NAT", function()
        open ""
        local natted = net:agent { name = "natted", address = "192.0.2.11:40000", advertise = "192.168.1.5:5060" }
        natted:register()
        natted:receive(200)
        assert.header(net.journal[1].message, "Contact", "<sip:natted@192.168.1.5:5060>")
        assert.header(net.journal[1].message, "Via", "^SIP/2%.0/UDP 192%.168%.1%.5:5060;")
    end)

    for _, algorithm in ipairs { "MD5", "SHA-256" } do
        it("answers a challenge by itself, with " .. algorithm, function()
            local challenge = 'Digest realm="example.net", nonce="n1", algorithm=%s, qop="auth,auth-int", opaque="o"'
            open(challenge:format(algorithm), { username = "4711", password = "secret" })
            phone:register { uri = "sip:example.net" }
            local answer = digest.parse(phone:receive(200):header "X-Answer")
            assert.same({ "4711", "example.net", "n1", "sip:example.net", "auth", "o", algorithm }, {
                answer.username, answer.realm, answer.nonce, answer.uri, answer.qop, answer.opaque, answer.algorithm,
            })
            assert.equal(digest.response(answer, "REGISTER", "4711", "secret"), answer.response)
            assert.equal(2, world.count_received(net, "phone", 401) + world.count_received(net, "phone", 200))
        end)
    end

    it("answers without qop (RFC 2069), and picks the strongest challenge", function()
        open('Digest realm="r", nonce="n"', { username = "u", password = "p" })
        phone:register()
        local answer = digest.parse(phone:receive(200):header "X-Answer")
        assert.is_nil(answer.qop)
        assert.equal(digest.response(answer, "REGISTER", "u", "p"), answer.response)
        local challenges = {
            'Digest realm="r", nonce="n", algorithm=MD5', "Basic x", 'Digest realm="r", nonce="n", algorithm=SHA-256',
        }
        local best = digest.answer(challenges, "INVITE", "sip:x", { username = "u", password = "p" }, "c")
        assert.matches("algorithm=SHA%-256", best)
        assert.is_nil(digest.answer({ "Basic x" }, "INVITE", "sip:x", { username = "u", password = "p" }, "c"))
    end)

    it("leaves a challenge to the author without credentials", function()
        open 'Digest realm="r", nonce="n"'
        phone:register()
        assert.header(phone:receive(401), "WWW-Authenticate", "^Digest")
    end)
end)

describe("the digest (RFC 7616 s3.9.1)", function()
    local fields = {
        realm = "http-auth@example.org", uri = "/dir/index.html", qop = "auth", nc = "00000001",
        nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }

    it("is that of the example", function()
        fields.algorithm = "MD5"
        assert.equal("8ca523f5e9506fed4657c9700eebdbec", digest.response(fields, "GET", "Mufasa", "Circle of Life"))
        fields.algorithm = "SHA-256"
        assert.equal("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            digest.response(fields, "GET", "Mufasa", "Circle of Life"))
    end)
end)
