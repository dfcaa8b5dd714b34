-- From and To that a script changed: each side sees those of its own dialog, from the first message to the last.
local world = require "route.world"

local REWRITE = [[
    req.from_uri = "sip:+4930123@trunk.example"
    req.to_uri = "sip:+4989456@trunk.example"
]]
local BODY = REWRITE .. world.TO_BOB

-- "Name" <uri> without parameters.
local function name(value)
    return (value:gsub(">.*$", ">"))
end

describe("changed From and To (RFC 3261 s12.2.1.1)", function()
    local net, alice, bob, callees

    local function open(options)
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    local ALICE_FROM = "<sip:alice@192.0.2.10:5060>"
    local ALICE_TO = "<sip:bob@example.net>"
    local BOB_FROM, BOB_TO = "<sip:+4930123@trunk.example>", "<sip:+4989456@trunk.example>"

    local function assert_names(msg, from, to)
        assert.equal(from, name(msg:header "From"))
        assert.equal(to, name(msg:header "To"))
    end

    local function tags(msg)
        return { msg:tag "From", msg:tag "To" }
    end

    it("are what the callee sees, and the caller's own what the caller sees", function()
        open { body = BODY }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert_names(invite, BOB_FROM, BOB_TO)
        assert.equal(alice.call.local_tag, invite:tag "From")
        for _, status in ipairs { 180, 200 } do
            bob:reply(invite, status)
            local reply = alice:receive(status)
            assert_names(reply, ALICE_FROM, ALICE_TO)
            assert.same({ alice.call.local_tag, bob.call.local_tag }, tags(reply))
        end
        assert_names(bob:receive "ACK", BOB_FROM, BOB_TO)
        world.hang_up(alice, bob)
    end)

    it("are put into later requests of the caller, and restored in the responses", function()
        open { body = BODY }
        world.answer(alice, bob)
        for _, method in ipairs { "INFO", "UPDATE", "INVITE", "BYE" } do
            alice:ask(method)
            local request = bob:receive(method)
            assert_names(request, BOB_FROM, BOB_TO)
            bob:reply(request, 200)
            local reply = alice:receive(function(msg) return msg.status == 200 and msg.cseq_method == method end)
            assert_names(reply, ALICE_FROM, ALICE_TO)
            if method == "INVITE" then
                assert_names(bob:receive "ACK", BOB_FROM, BOB_TO)
            end
        end
    end)

    it("are exchanged for the caller's own in requests of the callee", function()
        open { body = BODY }
        world.answer(alice, bob)
        for _, method in ipairs { "INFO", "INVITE", "BYE" } do
            bob:request(bob.call, method)
            local request = alice:receive(method)
            assert_names(request, ALICE_TO, ALICE_FROM)
            alice:reply(request, 200)
            local reply = bob:receive(function(msg) return msg.status == 200 and msg.cseq_method == method end)
            assert_names(reply, "<sip:+4989456@trunk.example>", "<sip:+4930123@trunk.example>")
            if method == "INVITE" then
                assert_names(alice:receive "ACK", ALICE_TO, ALICE_FROM)
            end
        end
    end)

    it("keep the display name that the script gives, and the tag whatever it does", function()
        open {
            body = [[req:set_header("From", '"Reception" <sip:0@trunk.example>;tag=forged')]] .. world.TO_BOB,
        }
        local invite = world.answer(alice, bob)
        assert.equal('"Reception" <sip:0@trunk.example>', name(invite:header "From"))
        assert.equal(alice.call.local_tag, invite:tag "From")
        alice:hangup()
        local bye = bob:receive "BYE"
        assert.equal('"Reception" <sip:0@trunk.example>', name(bye:header "From"))
        bob:reply(bye, 200)
        assert.equal(ALICE_FROM, name(alice:receive(200):header "From"))
    end)

    it("are restored in a failure, which ends with the ACK of this hop", function()
        open { body = BODY }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        assert_names(alice:receive(486), ALICE_FROM, ALICE_TO)
        assert_names(bob:receive "ACK", BOB_FROM, BOB_TO)
    end)

    it("stay in the CANCEL (RFC 3261 s9.1)", function()
        open { body = BODY }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        assert_names(bob:receive "CANCEL", BOB_FROM, BOB_TO)
        assert_names(alice:receive(487), ALICE_FROM, ALICE_TO)
    end)

    it("differ between the branches of a fork, and each leg keeps its own", function()
        open {
            body = world.parallel [[on_branch = "MARK"]],
            more = [[
function branch_route.MARK(req)
    req.from_uri = "sip:branch" .. req.branch_index .. "@trunk.example"
end
]],
        }
        local carol, dave = callees.carol, callees.dave
        alice:invite "sip:bob@example.net"
        local first, second = carol:receive "INVITE", dave:receive "INVITE"
        bob:receive "INVITE"
        assert.equal("<sip:branch1@trunk.example>", name(first:header "From"))
        assert.equal("<sip:branch2@trunk.example>", name(second:header "From"))
        carol:reply(first, 180)
        assert.equal(ALICE_FROM, name(alice:receive(180):header "From"))
        dave:reply(second, 200)
        assert.equal(ALICE_FROM, name(alice:receive(200):header "From"))
        assert.equal("<sip:branch2@trunk.example>", name(dave:receive "ACK":header "From"))
        alice:hangup()
        local bye = dave:receive "BYE"
        assert.equal("<sip:branch2@trunk.example>", name(bye:header "From"))
        dave:reply(bye, 200)
    end)

    it("are restored without Record-Route, too, where the response still comes through us", function()
        open { body = REWRITE .. [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]] }
        alice:ask("MESSAGE", { uri = "sip:bob@example.net", body = "hello" })
        local message = bob:receive "MESSAGE"
        assert_names(message, BOB_FROM, BOB_TO)
        bob:reply(message, 200)
        assert_names(alice:receive(200), ALICE_FROM, ALICE_TO)
    end)

    it("do not depend on how a folded header was written", function()
        open { body = BODY, auto_ack = false }
        alice:send(world.raw {
            from = 'From: "Alice,\r\n of \\"Example\\"" <sip:alice@example.net>;tag=a1;x=1',
            to = "t: sip:bob@example.net",
        })
        local invite = bob:receive "INVITE"
        assert.equal("sip:+4930123@trunk.example", invite:header("From"):match "<(.-)>")
        bob:reply(invite, 200)
        local reply = alice:receive(200)
        assert.equal('"Alice,   of \\"Example\\"" <sip:alice@example.net>;tag=a1;x=1', reply:header "From")
        assert.matches("^sip:bob@example.net;tag=", reply:header "To")
        bob:request(bob.call, "BYE")
        local bye = alice:receive "BYE"
        assert.equal("sip:bob@example.net", (bye:header("From"):gsub(";.*", "")))
        assert.equal('"Alice,   of \\"Example\\"" <sip:alice@example.net>', name(bye:header "To"))
        alice:reply(bye, 200)
        bob:receive(200)
    end)

    it("fail the relay when they are no address", function()
        open {
            body = [[req:set_header("From", "nobody at all <")
    local ok, err = req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
    if not ok then req:reply(500, err) end]],
        }
        alice:invite "sip:bob@example.net"
        alice:receive(500)
        assert.equal(0, world.count_received(net, "bob", "INVITE"))
    end)

    -- P-Asserted-Identity (RFC 3325 s9.1) and Remote-Party-ID speak of one message, and no dialog is known by them:
    -- what a script changes goes no further than the message, and what comes later passes as it is. The same holds
    -- for the Request-URI: later requests go to the Contact (RFC 3261 s12.2.1.1).
    it("stand beside identities and numbers that belong to one message", function()
        open {
            body = REWRITE .. [[
                req["$rU"] = "0049" .. req["$rU"]:sub(2)
                req:set_header("P-Asserted-Identity", "<sip:+4930123@trunk.example>")
                req:remove_header "Remote-Party-ID"
            ]] .. world.TO_BOB,
            more = [[function onreply_route(reply) reply:remove_header "Remote-Party-ID" end]],
        }
        local asserted = "<sip:alice@inside.example>"
        local headers = { { "P-Asserted-Identity", asserted }, { "Remote-Party-ID", asserted } }
        alice:invite("sip:01234@example.net", { headers = headers })
        local invite = bob:receive "INVITE"
        assert.equal("sip:00491234@example.net", invite.uri)
        assert.equal("<sip:+4930123@trunk.example>", invite:header "P-Asserted-Identity")
        assert.is_nil(invite:header "Remote-Party-ID")
        assert.equal(BOB_FROM, name(invite:header "From"))
        bob:reply(invite, 200, { headers = headers })
        local ok = alice:receive(200)
        assert.equal(asserted, ok:header "P-Asserted-Identity")
        assert.is_nil(ok:header "Remote-Party-ID")
        assert.equal("<sip:01234@example.net>", name(ok:header "To"))
        bob:receive "ACK"
        alice:ask("INFO", { headers = headers })
        local info = bob:receive "INFO"
        assert.equal(asserted, info:header "P-Asserted-Identity")
        assert.equal(asserted, info:header "Remote-Party-ID")
        assert_names(info, BOB_FROM, BOB_TO)
        assert.matches("^sip:bob@10.0.0.20", info.uri)
        bob:reply(info, 200)
        assert.equal("<sip:01234@example.net>", name(alice:receive(200):header "To"))
        world.hang_up(alice, bob)
    end)

    it("leave a call alone whose script changed nothing", function()
        open { body = world.TO_BOB }
        local invite = world.answer(alice, bob)
        assert_names(invite, ALICE_FROM, ALICE_TO)
        world.hang_up(bob, alice)
    end)
end)
