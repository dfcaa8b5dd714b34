local world = require "route.world"

describe("response processing (RFC 3261 §16.7)", function()
    local net, alice, callees, bob, carol, dave

    local function open(body, more, options)
        options = options or {}
        options.body, options.more = body, more
        net, alice, callees = world.open(options)
        bob, carol, dave = callees.bob, callees.carol, callees.dave
    end

    after_each(function()
        net:close()
    end)

    local function invite_all(options)
        alice:invite("sip:all@example.net", options)
        return bob:receive "INVITE", carol:receive "INVITE", dave:receive "INVITE"
    end

    it("takes our Via off (3)", function()
        open(world.TO_BOB)
        alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
        bob:reply(bob:receive "OPTIONS", 200)
        assert.equal(1, #alice:receive(200):values "Via")
    end)

    it("absorbs 100 (5), sends its own once", function()
        open(world.TO_BOB)
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 100)
        net:advance(1)
        assert.equal(1, world.count_received(net, "alice", 100))
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("forwards every 101-199 at once (5)", function()
        open(world.parallel())
        local b, c, d = invite_all()
        bob:reply(b, 180)
        alice:receive(180)
        carol:reply(c, 183)
        alice:receive(183)
        bob:reply(b, 182)
        alice:receive(182)
        bob:reply(b, 486)
        carol:reply(c, 486)
        dave:reply(d, 486)
        alice:receive(486)
    end)

    it("forwards a 2xx at once and cancels the others (5, 10)", function()
        open(world.parallel())
        local b, c, d = invite_all()
        carol:reply(c, 180)
        dave:reply(d, 180)
        bob:reply(b, 200)
        alice:receive(200)
        bob:receive "ACK"
        carol:receive "CANCEL"
        dave:receive "CANCEL"
        alice:receive_nothing(487, 5)
        world.hang_up(alice, bob)
    end)

    it("cancels a branch without provisional response only once it has one (§9.1)", function()
        open(world.parallel())
        local b, c = invite_all()
        bob:reply(b, 200)
        alice:receive(200)
        carol:receive_nothing("CANCEL", 0.2)
        carol:reply(c, 180)
        carol:receive "CANCEL"
        world.hang_up(alice, bob)
    end)

    it("forwards every 2xx to INVITE, also the late one of a loser (5)", function()
        open(world.parallel(), nil, { auto_cancel = false })
        local b, c, d = invite_all()
        carol:reply(c, 180)
        bob:reply(b, 200)
        local first = alice:receive(200)
        carol:reply(carol:receive "CANCEL", 200)
        carol:reply(c, 200)
        local second = alice:receive(200)
        assert.not_equal(first:tag "To", second:tag "To")
        bob:receive "ACK"
        carol:receive "ACK"
        dave:reply(d, 487)
        -- Both answered: alice ends both.
        for _, pair in ipairs { { first, bob }, { second, carol } } do
            alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[pair[1]:tag "To"] })
            pair[2]:reply(pair[2]:receive "BYE", 200)
        end
    end)

    it("forwards the 2xx of each To tag that one branch brings (RFC 6026 §7.2)", function()
        open(world.TO_BOB)
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { to_tag = "one" })
        assert.equal("one", alice:receive(200):tag "To")
        bob:reply(invite, 200, { to_tag = "two" })
        assert.equal("two", alice:receive(200):tag "To")
        for _, tag in ipairs { "one", "two" } do
            alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[tag] })
            bob:reply(bob:receive "BYE", 200)
        end
    end)

    it("sends a repeated 2xx on as the first one, each To tag's own", function()
        open(world.parallel(), nil, { auto_ack = false })
        local b, c, d = invite_all()
        bob:reply(b, 200)
        carol:reply(c, 200)
        dave:reply(d, 486)
        local first, second = alice:receive(200), alice:receive(200)
        net:advance(3) -- both repeat theirs
        local seen = {}
        for _, entry in ipairs(net.journal) do
            local msg = entry.message
            if entry.agent == "alice" and msg.status == 200 then
                local tag = msg:tag "To"
                seen[tag] = seen[tag] or { count = 0, bytes = msg.bytes }
                assert.equal(seen[tag].bytes, msg.bytes)
                seen[tag].count = seen[tag].count + 1
            end
        end
        for _, response in ipairs { first, second } do
            assert.is_true(seen[response:tag "To"].count >= 3)
            alice:ack(alice.call, { dialog = alice.call.dialogs[response:tag "To"] })
        end
        for _, pair in ipairs { { first, bob }, { second, carol } } do
            alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[pair[1]:tag "To"] })
            pair[2]:reply(pair[2]:receive "BYE", 200)
        end
    end)

    it("forwards one final response to a request that is no INVITE", function()
        open(world.parallel())
        alice:ask("OPTIONS", { uri = "sip:all@example.net" })
        for _, one in ipairs { bob, carol, dave } do
            one:reply(one:receive "OPTIONS", 200)
        end
        alice:receive(200)
        net:advance(1)
        assert.equal(1, world.count_received(net, "alice", 200))
    end)

    it("a 6xx cancels the others and waits for them (5, 10)", function()
        open(world.parallel(), nil, { auto_cancel = false })
        local b, c, d = invite_all()
        carol:reply(c, 180)
        dave:reply(d, 180)
        bob:reply(b, 603)
        carol:reply(carol:receive "CANCEL", 200)
        dave:reply(dave:receive "CANCEL", 200)
        alice:receive_nothing(603, 1)
        carol:reply(c, 487)
        alice:receive_nothing(603, 1)
        dave:reply(d, 487)
        alice:receive(603)
    end)

    it("a 2xx that comes after a 6xx still wins (10)", function()
        open(world.parallel(), nil, { auto_cancel = false })
        local b, c, d = invite_all()
        carol:reply(c, 180)
        dave:reply(d, 180)
        bob:reply(b, 603)
        carol:reply(carol:receive "CANCEL", 200)
        carol:reply(c, 200)
        alice:receive(200)
        dave:reply(dave:receive "CANCEL", 200)
        dave:reply(d, 487)
        alice:receive_nothing(603, 1)
        world.hang_up(alice, carol)
    end)

    describe("the best response (6)", function()
        -- Three answers in each order of arrival give the same one.
        local CASES = {
            { 603, 404, 301, best = 603 }, { 301, 404, 500, best = 301 }, { 404, 500, 503, best = 404 },
            { 486, 401, 404, best = 401 }, { 486, 407, 500, best = 407 }, { 415, 404, 480, best = 415 },
            { 420, 404, 480, best = 420 }, { 484, 404, 480, best = 484 }, { 408, 404, 500, best = 404 },
            { 500, 503, 503, best = 500 }, { 501, 503, 408, best = 408 }, { 408, 503, 500, best = 408 },
        }
        for _, case in ipairs(CASES) do
            for turn = 1, 3 do
                local statuses = { case[turn], case[turn % 3 + 1], case[(turn + 1) % 3 + 1] }
                it(("of %d, %d and %d is %d"):format(statuses[1], statuses[2], statuses[3], case.best), function()
                    open(world.parallel())
                    local b, c, d = invite_all()
                    bob:reply(b, statuses[1])
                    carol:reply(c, statuses[2])
                    dave:reply(d, statuses[3])
                    local final = alice:receive(function(msg) return msg.status >= 300 end)
                    assert.equal(case.best, final.status)
                end)
            end
        end

        it("503 of everybody goes up as 500: it is not us who is overloaded", function()
            open(world.TO_BOB)
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 503, { headers = { ["Retry-After"] = "100" } })
            assert.equal("Server Internal Error", alice:receive(500).reason)
        end)

        it("408 when nobody answers", function()
            open(world.TO_BOB)
            alice:invite "sip:bob@example.net"
            bob:receive "INVITE"
            alice:receive(408, 40)
        end)
    end)

    it("401 and 407 bring the challenges of all branches (7)", function()
        open(world.parallel())
        local b, c, d = invite_all()
        bob:reply(b, 407, { headers = { ["Proxy-Authenticate"] = 'Digest realm="bob", nonce="1"' } })
        carol:reply(c, 401, { headers = { ["WWW-Authenticate"] = 'Digest realm="carol",\r\n nonce="2"' } })
        dave:reply(d, 407, { headers = {
            { "Proxy-Authenticate", 'Digest realm="dave", nonce="3"' },
            { "Proxy-Authenticate", 'Digest realm="dave2", nonce="4"' },
        } })
        local final = alice:receive(407)
        local proxies = final:values "Proxy-Authenticate"
        table.sort(proxies)
        assert.same({ 'Digest realm="bob", nonce="1"', 'Digest realm="dave", nonce="3"',
            'Digest realm="dave2", nonce="4"' }, proxies)
        assert.same({ 'Digest realm="carol", nonce="2"' }, { (final:header "WWW-Authenticate":gsub("%s+", " ")) })
    end)

    it("a Contact of a 3xx goes up as it is (8)", function()
        open(world.TO_BOB)
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 302, { headers = { { "Contact", "<sip:there@example.org>" } } })
        local contacts = alice:receive(302):values "Contact"
        assert.equal("<sip:there@example.org>", contacts[#contacts])
    end)

    describe("onreply_route", function()
        it("sees every response, the named one after the default one", function()
            open('req:relay { to = "sip:10.0.0.20", interface = "private", on_reply = "NAMED" }', [[
                function onreply_route(reply) reply:add_header("X-Seen", "default " .. reply.status) end
                function onreply_route.NAMED(reply) reply:add_header("X-Seen", "named " .. reply.status) end]])
            alice:invite "sip:bob@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, 180)
            assert.same({ "default 180", "named 180" }, alice:receive(180):values "X-Seen")
            bob:reply(invite, 486)
            assert.same({ "default 486", "named 486" }, alice:receive(486):values "X-Seen")
        end)

        it("drops a provisional response", function()
            open(world.TO_BOB, "function onreply_route(reply) if reply.status == 183 then reply:drop() end end")
            alice:invite "sip:bob@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, 183, { sdp = true })
            bob:reply(invite, 180)
            alice:receive(180)
            bob:reply(invite, 486)
            alice:receive(486)
            assert.equal(0, world.count_received(net, "alice", 183))
        end)

        it("cannot drop a final response", function()
            open(world.TO_BOB, "function onreply_route(reply) reply:drop() end")
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
        end)

        it("that fails lets the response pass", function()
            open(world.TO_BOB, 'function onreply_route(reply) error "oops" end')
            alice:invite "sip:bob@example.net"
            bob:reply(bob:receive "INVITE", 200)
            alice:receive(200)
            assert.is_string(net:logged "oops")
            world.hang_up(alice, bob)
        end)

        it("may wait: later responses wait behind it", function()
            open(world.TO_BOB, "function onreply_route(reply) if reply.status == 180 then sip.sleep(0.5) end end")
            alice:invite "sip:bob@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, 180)
            bob:reply(invite, 200)
            alice:receive_nothing(200, 0.4)
            local statuses = {}
            alice:receive(180)
            alice:receive(200)
            for _, entry in ipairs(net.journal) do
                if entry.agent == "alice" and entry.direction == "in" then
                    statuses[#statuses + 1] = entry.message.status
                end
            end
            assert.same({ 100, 180, 200 }, statuses)
            world.hang_up(alice, bob)
        end)

        it("is not there any more for a second 2xx after the call was answered; that passes", function()
            open(world.TO_BOB, "function onreply_route(reply) sip.log.info('reply %s', reply.status) end")
            alice:invite "sip:bob@example.net"
            local invite = bob:receive "INVITE"
            bob:reply(invite, 200, { to_tag = "one" })
            alice:receive(200)
            bob:reply(invite, 200, { to_tag = "two" })
            alice:receive(200)
            for _, tag in ipairs { "one", "two" } do
                alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[tag] })
                bob:reply(bob:receive "BYE", 200)
            end
        end)
    end)

    it("a stray response of nobody's transaction goes nowhere (RFC 6026 §8.9)", function()
        open(world.TO_BOB)
        bob:send(table.concat({
            "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKlu0123456789abcdef.x",
            "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKnone", "From: <sip:a@b>;tag=1", "To: <sip:b@b>;tag=2",
            "Call-ID: stray", "CSeq: 1 INVITE", "Content-Length: 0", "", "",
        }, "\r\n"), world.US_PRIVATE)
        alice:receive_nothing(200, 1)
    end)
end)
