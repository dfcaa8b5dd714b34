-- The matchers of lunasip.lab.matchers: what they take for true, and what they say when it is not.
local lab = require "lunasip.lab"
local world = require "route.world"

-- The first part of a failure's text, before the ladder.
local function fault_of(action)
    local ok, fault = pcall(action)
    assert.is_false(ok)
    fault = type(fault) == "table" and fault.message or fault
    return tostring(fault):gsub("\n\n.*", ""):gsub("^%S+:%d+: ", ""), tostring(fault)
end

describe("assert", function()
    local net, alice, bob, carol, invite

    local function open(body, options)
        options = options or {}
        options.body = body or world.TO_BOB
        local callees
        net, alice, callees = world.open(options)
        bob, carol = callees.bob, callees.carol
    end

    local function begin(options)
        alice:invite("sip:4711@example.net", options)
        invite = bob:receive "INVITE"
        bob:reply(invite, 486)
    end

    after_each(function() net:close() end)

    describe("relayed_to", function()
        it("knows where the last request went, by agent, URI or name", function()
            open()
            begin()
            assert.relayed_to(bob)
            assert.relayed_to "sip:10.0.0.20"
            assert.relayed_to "sip:4711@10.0.0.20:5060"
            assert.relayed_to "bob"
            assert.relayed_to(bob, invite)
            assert.is_not.relayed_to(carol)
            assert.is_not.relayed_to "sip:4712@10.0.0.20"
            assert.is_not.relayed_to "sip:10.0.0.20:5070"
        end)

        it("lets the network run until it is there", function()
            open()
            net:impair { delay = 0.5 }
            alice:invite "sip:bob@example.net"
            assert.relayed_to(bob)
            bob:reply(bob:receive "INVITE", 404)
            alice:receive(404)
        end)

        it("tells where it went instead, with the ladder", function()
            open()
            begin()
            local first, whole = fault_of(function() assert.relayed_to(carol) end)
            assert.equal("the INVITE of alice was relayed to: bob (10.0.0.20:5060, sip:4711@example.net); not to carol."
                .. " It was answered: 100 Trying, 486 Busy Here", first)
            assert.matches("private +%-> bob +INVITE", whole)
        end)

        it("tells that nobody got it, and what should not be", function()
            open 'req:reply(503, "Service Unavailable")'
            alice:invite "sip:bob@example.net"
            assert.is_not.relayed_to(bob)
            assert.equal("the INVITE of alice was relayed to: nobody; not to bob."
                .. " It was answered: 503 Service Unavailable",
                (fault_of(function() assert.relayed_to(bob) end)))
        end)
    end)

    describe("replied", function()
        it("knows the final and provisional responses of the last request", function()
            open()
            begin()
            assert.replied(486)
            assert.replied(486, alice)
            assert.replied(100)
            assert.is_not.replied(200)
        end)

        it("waits for the final response", function()
            open [[require "lunasip".sleep(3) req:reply(404, "Not Found")]]
            local call = alice:invite "sip:bob@example.net"
            assert.replied(404)
            assert.equal("404", tostring(alice:receive(404).status))
            assert.is_nil(call.is_answered)
        end)

        it("knows the request when it is named", function()
            open [[req:reply(req.method == "INVITE" and 403 or 405)]]
            alice:invite "sip:bob@example.net"
            alice:receive(403)
            alice:ask("MESSAGE", { uri = "sip:bob@example.net" })
            assert.replied(405)
            local first = net.journal[1].message
            assert.replied(403, first)
            assert.is_not.replied(405, first)
        end)

        it("tells what came instead", function()
            open()
            begin()
            assert.equal("the INVITE of alice was answered: 100 Trying, 486 Busy Here; not 200",
                (fault_of(function() assert.replied(200) end)))
            assert.equal("the INVITE of alice was answered: 100 Trying, 486 Busy Here; it should not be 486",
                (fault_of(function() assert.is_not.replied(486) end)))
        end)
    end)

    describe("header", function()
        it("knows a value, a pattern, a function, and whether it is there", function()
            open [[req:set_header("X-Foo", "one") req:add_header("X-Foo", "two") req:relay { to = "sip:10.0.0.20" }]]
            begin()
            assert.header(invite, "X-Foo")
            assert.header(invite, "x-foo", "two")
            assert.header(invite, "Max-Forwards", 69)
            assert.header(invite, "X-Foo", "^o")
            assert.header(invite, "X-Foo", function(value) return #value == 3 end)
            assert.has_no.header(invite, "X-Bar")
            assert.has_no.header(invite, "X-Foo", "tw")
        end)

        it("tells what is there instead", function()
            open()
            begin()
            assert.equal('Max-Forwards of INVITE is "69"; not 70',
                (fault_of(function() assert.header(invite, "Max-Forwards", 70) end)))
            assert.equal("X-Foo of INVITE is not there; it should be",
                (fault_of(function() assert.header(invite, "X-Foo") end)))
            assert.equal('Max-Forwards of INVITE is "69"; it should not be',
                (fault_of(function() assert.has_no.header(invite, "Max-Forwards") end)))
        end)
    end)

    describe("sdp", function()
        it("compares what is named", function()
            open()
            begin { sdp = { "audio", "video" } }
            assert.sdp(invite, { kind = "audio", host = "192.0.2.10", direction = "sendrecv" })
            assert.sdp(invite, { codecs = { "PCMA", "PCMU", "telephone-event" } })
            assert.sdp(invite, {
                connection = "192.0.2.10", streams = { [2] = { kind = "video", codecs = { "H264" } } },
            })
            assert.sdp(invite, { port = function(port) return port % 2 == 0 end })
            assert.is_not.sdp(invite, { direction = "inactive" })
            assert.is_not.sdp(invite, { codecs = { "PCMA" } })
            assert.is_not.sdp(invite, { streams = { [3] = { kind = "audio" } } })
        end)

        it("tells the difference, and the SDP", function()
            open()
            begin { sdp = true }
            assert.matches("^the SDP of INVITE .*: streams%[1%]%.host is 192%.0%.2%.10, not 10%.0%.0%.1\n    v=0\n",
                (fault_of(function() assert.sdp(invite, { host = "10.0.0.1" }) end)))
            assert.matches("codecs is { PCMA, PCMU, telephone%-event }, not { PCMA }",
                (fault_of(function() assert.sdp(invite, { codecs = { "PCMA" } }) end)))
        end)

        it("fails without one", function()
            open()
            begin()
            assert.is_not.sdp(invite)
            assert.matches("it has no SDP", (fault_of(function() assert.sdp(invite, { host = "10.0.0.1" }) end)))
        end)
    end)

    describe("no_address", function()
        local MEDIA = [[
            assert(require "lunasip".media.manage(req, { from = req.interface, to = "public" }))
            req:record_route()
            req:relay { to = "sip:192.0.2.10:5060", interface = "public" }
        ]]

        it("looks at everything that went to that side, whoever of the agents got it", function()
            open(MEDIA)
            bob:invite("sip:alice@example.net", { sdp = true })
            alice:reply(alice:receive "INVITE", 486)
            bob:receive(486)
            assert.no_address("10.0.0.", "public", { where = { "SDP", "Record-Route" }, except = "Record-Route" })
            assert.no_address("10.0.0.20", alice, { where = "SDP" })
            assert.no_address("203.0.113.", "public")
            assert.no_address("0.0.0.1", "public") -- a part of a number is no address
            assert.has_no.no_address("10.0.0.", "public")
            assert.has_no.no_address("10.0.0.20", "public", { net = net })
        end)

        it("tells each place", function()
            open(MEDIA)
            bob:invite("sip:alice@example.net", { sdp = true })
            alice:reply(alice:receive "INVITE", 486)
            bob:receive(486)
            local text = fault_of(function() assert.no_address("10.0.0.20", "public", { except = "Call-ID" }) end)
            assert.matches("10.0.0.20 was seen on the public side:\n", text)
            assert.matches(" INVITE %(SDP%) to alice: Contact: <sip:bob@10.0.0.20:5060>\n", text)
        end)

        it("complains of a side that is none", function()
            open()
            begin()
            assert.matches("no interface or agent 'nowhere'",
                (fault_of(function() assert.no_address("10.0.0.", "nowhere") end)))
        end)
    end)
end)

describe("matchers", function()
    it("complain when no net is open", function()
        assert.matches("no net is open", (fault_of(function() assert.replied(200) end)))
        local net = lab.new { route = 'function request_route(req) req:reply(404, "Not Found") end' }
        assert.matches("no agent has sent a request", (fault_of(function() assert.replied(200) end)))
        net:close()
    end)
end)
