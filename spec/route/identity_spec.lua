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

    -- The Request-URI is of one message: later requests go to the Contact (RFC 3261 s12.2.1.1).
    it("stand beside a number that belongs to one message", function()
        open { body = REWRITE .. [[req["$rU"] = "0049" .. req["$rU"]:sub(2)]] .. world.TO_BOB }
        alice:invite "sip:01234@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("sip:00491234@example.net", invite.uri)
        bob:reply(invite, 200)
        assert.equal("<sip:01234@example.net>", name(alice:receive(200):header "To"))
        bob:receive "ACK"
        alice:ask "INFO"
        local info = bob:receive "INFO"
        assert.matches("^sip:bob@10.0.0.20", info.uri)
        bob:reply(info, 200)
        assert.equal("<sip:01234@example.net>", name(alice:receive(200):header "To"))
        world.hang_up(alice, bob)
    end)

    describe("and P-Asserted-Identity (RFC 3325 s9.1) with Remote-Party-ID", function()
        local INSIDE, OUTSIDE = "<sip:alice@inside.example>", "<sip:+4930123@trunk.example>"
        local BOB_INSIDE, BOB_SHOWN = '"Bob" <sip:bob@inside.example>', "<sip:+4989456@trunk.example>"
        local EDIT = [[
            req:set_header("P-Asserted-Identity", "<sip:+4930123@trunk.example>")
            req:remove_header "Remote-Party-ID"
        ]]
        local REPLY = [[
            function onreply_route(reply)
                if reply["$rm"] == "INVITE" then
                    reply:set_header("P-Asserted-Identity", "<sip:+4989456@trunk.example>")
                    reply:remove_header "Remote-Party-ID"
                end
            end
        ]]

        local function identities(of)
            return { ["P-Asserted-Identity"] = of, ["Remote-Party-ID"] = of }
        end

        local function shown(msg)
            return { msg:header "P-Asserted-Identity", msg:header "Remote-Party-ID" or nil }
        end

        local function call(body, more)
            open { body = (body or EDIT) .. world.TO_BOB, more = more or REPLY }
            alice:invite("sip:bob@example.net", { headers = identities(INSIDE) })
            local invite = bob:receive "INVITE"
            assert.same({ OUTSIDE }, shown(invite))
            for _, status in ipairs { 180, 200 } do
                bob:reply(invite, status, { headers = identities(BOB_INSIDE) })
                assert.same({ BOB_SHOWN }, shown(alice:receive(status)))
            end
            bob:receive "ACK"
        end

        -- A request of one side, answered by the other. @return request and answer as they arrived
        local function ask(from, to, of_request, of_answer, method)
            from:ask(method or "INFO", { headers = identities(of_request) })
            local request = to:receive(method or "INFO")
            to:reply(request, 200, { headers = identities(of_answer) })
            return request, from:receive(200)
        end

        it("go on to be shown as the script has shown them, in requests and answers of either side", function()
            call()
            local request, answer = ask(alice, bob, INSIDE, BOB_INSIDE)
            assert.same({ OUTSIDE }, shown(request))
            assert.same({ BOB_SHOWN }, shown(answer))
            request, answer = ask(bob, alice, BOB_INSIDE, INSIDE)
            assert.same({ BOB_SHOWN }, shown(request))
            assert.same({ OUTSIDE }, shown(answer))
            world.hang_up(bob, alice)
        end)

        it("pass when they are others, and are not added where there are none", function()
            call()
            local request = ask(alice, bob, "<sip:carol@inside.example>", BOB_INSIDE)
            assert.same({ "<sip:carol@inside.example>", "<sip:carol@inside.example>" }, shown(request))
            alice:ask "INFO"
            request = bob:receive "INFO"
            assert.same({}, shown(request))
            bob:reply(request, 200)
            assert.same({}, shown(alice:receive(200)))
            world.hang_up(alice, bob)
        end)

        it("are the script's, where it changes them again", function()
            open {
                route = [[
                    function request_route(req)
                        if req.method == "INFO" then
                            req:set_header("P-Asserted-Identity", "<sip:later@trunk.example>")
                        end
                        if req:in_dialog() then return req:loose_route() and req:relay() end
                        ]] .. EDIT .. world.TO_BOB .. "end",
            }
            alice:invite("sip:bob@example.net", { headers = identities(INSIDE) })
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            bob:receive "ACK"
            assert.same({ "<sip:later@trunk.example>" }, shown((ask(alice, bob, INSIDE, BOB_INSIDE))))
            world.hang_up(alice, bob)
        end)

        it("are those that the gateway was shown that took the call", function()
            open {
                body = EDIT .. [[
                    req:record_route()
                    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "NEXT" }]],
                more = [[
                    function failure_route.NEXT(req)
                        req:set_header("P-Asserted-Identity", "<sip:next@trunk.example>")
                        req:relay { to = "sip:10.0.0.21:5060", interface = "private" }
                    end]],
            }
            alice:invite("sip:bob@example.net", { headers = identities(INSIDE) })
            bob:reply(bob:receive "INVITE", 503)
            local carol = callees.carol
            carol:reply(carol:receive "INVITE", 200)
            alice:receive(200)
            carol:receive "ACK"
            assert.same({ "<sip:next@trunk.example>" }, shown((ask(alice, carol, INSIDE, BOB_INSIDE))))
            world.hang_up(alice, carol)
        end)

        it("of several lines are one text", function()
            open { body = EDIT .. world.TO_BOB }
            local two = { { "P-Asserted-Identity", INSIDE }, { "P-Asserted-Identity", "<tel:+4930123>" } }
            alice:invite("sip:bob@example.net", { headers = two })
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            bob:receive "ACK"
            alice:ask("INFO", { headers = two })
            local info = bob:receive "INFO"
            assert.same({ OUTSIDE }, shown(info))
            bob:reply(info, 200)
            alice:receive(200)
            world.hang_up(alice, bob)
        end)
    end)

    it("leave a call alone whose script changed nothing", function()
        open { body = world.TO_BOB }
        local invite = world.answer(alice, bob)
        assert_names(invite, ALICE_FROM, ALICE_TO)
        world.hang_up(bob, alice)
    end)
end)
