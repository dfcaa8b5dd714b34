local world = require "route.world"

local FIRST = [[req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT" }]]

describe("a gateway that failed (scripts/sbc.lua)", function()
    local lab = require "lunasip.lab"

    local function open(ping_interval)
        local net = lab.new {
            conf = {
                listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30999 } },
                dispatcher = { ping_interval = ping_interval, sets = { [2] = { "sip:10.0.0.20:5060" } } },
            },
            route = "scripts/sbc.lua",
        }
        local alice = net:agent { name = "alice", address = world.ALICE }
        local bob = net:agent { name = "bob", address = world.BOB, side = "private" }
        alice:invite "sip:bob@192.0.2.1"
        bob:reply(bob:receive "INVITE", 503)
        alice:receive(500) -- a 503 is of one gateway, not of us (RFC 3261 s16.7 6)
        return net, alice, bob
    end

    it("stays in its set when nothing pings it: nothing would bring it back", function()
        local net, alice, bob = open(0)
        alice:invite "sip:bob@192.0.2.1"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:close()
    end)

    it("leaves it until it answers a ping", function()
        local net, alice, bob = open(5)
        alice:invite "sip:bob@192.0.2.1"
        assert.equal("Service Unavailable", alice:receive(503).reason)
        bob:receive_nothing("INVITE", 0)
        bob:reply(bob:receive "OPTIONS", 200)
        net:advance(0.1)
        alice:invite "sip:bob@192.0.2.1"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:close()
    end)
end)

describe("failure route", function()
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

    local function refuse(agent, status)
        agent:reply(agent:receive "INVITE", status)
    end

    it("makes a new branch with relay", function()
        open(FIRST, [[
            function failure_route.NEXT(req, reply)
                sip.log.info("failed: %d local=%s", reply.status, reply.is_local)
                req:relay { to = "sip:10.0.0.21", interface = "private" }
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 500)
        refuse(carol, 486)
        alice:receive(486)
        assert.is_string(net:logged "failed: 500 local=false")
        assert.equal(0, world.count_received(net, "alice", 500))
    end)

    it("without relay or reply lets the best response go on", function()
        open(FIRST, "function failure_route.NEXT() end")
        alice:invite "sip:bob@example.net"
        refuse(bob, 486)
        alice:receive(486)
    end)

    it("may answer something else", function()
        open(FIRST, "function failure_route.NEXT(req) req:reply(480, 'Gone Fishing') end")
        alice:invite "sip:bob@example.net"
        refuse(bob, 486)
        assert.equal("Gone Fishing", alice:receive(480).reason)
    end)

    it("is armed anew by each relay, in a chain", function()
        open(FIRST, [[
            function failure_route.NEXT(req)
                req:relay { to = "sip:10.0.0.21", interface = "private", on_failure = "LAST" }
            end
            function failure_route.LAST(req)
                req:relay { to = "sip:10.0.0.22", interface = "private" }
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 500)
        refuse(carol, 404)
        refuse(dave, 486)
        alice:receive(486)
    end)

    it("sees local failures: 408 when nobody answers, 503 when nobody is there", function()
        open([[req:relay { to = "sip:10.0.0.77", interface = "private", on_failure = "NEXT" }]], [[
            function failure_route.NEXT(req, reply)
                sip.log.info("failed: %d local=%s", reply.status, reply.is_local)
                if reply.status == 503 then
                    req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT", timeout_ms = 700 }
                end
            end]])
        alice:invite "sip:bob@example.net"
        bob:receive "INVITE"
        alice:receive(408)
        assert.is_string(net:logged "failed: 503 local=true")
        assert.is_string(net:logged "failed: 408 local=true")
    end)

    it("follows a 3xx by script (§16.5)", function()
        open(FIRST, [[
            function failure_route.NEXT(req, reply)
                if reply.status == 302 then
                    req.ruri = reply:header("Contact"):match "<(.-)>"
                    req:relay { interface = "private" }
                end
            end]])
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 302, { headers = { { "X-None", "1" } } })
        -- bob's own Contact: it gets the call once more, under it.
        local again = bob:receive "INVITE"
        assert.equal("sip:bob@10.0.0.20:5060", again.uri)
        bob:reply(again, 486)
        alice:receive(486)
    end)

    it("whose relay cannot be sent lets the best response of before go on", function()
        open(FIRST, [[
            function failure_route.NEXT(req)
                local ok, err = req:relay { to = "sip:nowhere.example", on_failure = "NEXT" }
                sip.log.info("relay: %s %s", ok, err)
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 486)
        alice:receive(486)
        assert.equal(1, world.count_logged(net, "relay: nil"))
    end)

    it("whose relay is no URI at all does not run again", function()
        open(FIRST, [[
            function failure_route.NEXT(req)
                req:relay { to = "tel:1", on_failure = "NEXT" }
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 486)
        alice:receive(486)
    end)

    it("that fails is answered 500", function()
        open(FIRST, "function failure_route.NEXT() error 'oops' end")
        alice:invite "sip:bob@example.net"
        refuse(bob, 486)
        alice:receive(500)
        assert.is_string(net:logged "oops")
    end)

    it("that fails after its relay leaves the new branch alone", function()
        open(FIRST, [[
            function failure_route.NEXT(req)
                req:relay { to = "sip:10.0.0.21", interface = "private" }
                error "oops"
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 500)
        refuse(carol, 486)
        alice:receive(486)
    end)

    it("may wait", function()
        open(FIRST, [[
            function failure_route.NEXT(req, reply)
                sip.sleep(1)
                sip.log.info("still %d", reply.status)
                req:relay { to = "sip:10.0.0.21", interface = "private" }
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 500)
        carol:receive_nothing("INVITE", 0.9)
        refuse(carol, 486)
        alice:receive(486)
        assert.is_string(net:logged "still 500")
    end)

    it("does not run when somebody answered, or the caller gave up", function()
        open(world.parallel 'on_failure = "NEXT"', [[
            function failure_route.NEXT(req, reply) sip.log.info "ran" end]])
        alice:invite "sip:all@example.net"
        local b, c, d = bob:receive "INVITE", carol:receive "INVITE", dave:receive "INVITE"
        bob:reply(b, 180)
        carol:reply(c, 180)
        dave:reply(d, 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(487)
        assert.is_nil(net:logged "^ran")
    end)

    it("fork in a failure route makes several new branches", function()
        open(FIRST, [[
            function failure_route.NEXT(req)
                req:fork { "sip:carol@10.0.0.21", "sip:dave@10.0.0.22", interface = "private" }
            end]])
        alice:invite "sip:bob@example.net"
        refuse(bob, 500)
        refuse(carol, 486)
        refuse(dave, 404)
        alice:receive(function(msg) return msg.status == 486 or msg.status == 404 end)
    end)

    it("edits of the request stay for the next branch, those of a branch route do not", function()
        open([[
            req:add_header("X-Request", "kept")
            req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT", on_branch = "MARK" }]], [[
            function branch_route.MARK(req) req:add_header("X-Branch", req["$T_branch_idx"]) end
            function failure_route.NEXT(req) req:relay { to = "sip:10.0.0.21", interface = "private" } end]])
        alice:invite "sip:bob@example.net"
        local first = bob:receive "INVITE"
        assert.equal("kept", first:header "X-Request")
        assert.equal("0", first:header "X-Branch")
        bob:reply(first, 500)
        local second = carol:receive "INVITE"
        assert.equal("kept", second:header "X-Request")
        assert.is_nil(second:header "X-Branch")
        carol:reply(second, 486)
        alice:receive(486)
    end)
end)

describe("branch route", function()
    local net, alice, callees

    after_each(function()
        net:close()
    end)

    it("edits each branch on its own", function()
        net, alice, callees = world.open {
            body = world.parallel 'on_branch = "MARK"',
            more = 'function branch_route.MARK(req) req:add_header("X-To", req.ruri) end',
        }
        alice:ask("OPTIONS", { uri = "sip:all@example.net" })
        for _, name in ipairs { "bob", "carol", "dave" } do
            local options = callees[name]:receive "OPTIONS"
            assert.equal(options.uri, options:header "X-To")
            assert.equal(1, #options:values "X-To")
            callees[name]:reply(options, 404)
        end
        alice:receive(404)
    end)

    it("that fails gives up its branch only", function()
        net, alice, callees = world.open {
            body = world.parallel 'on_branch = "MARK"',
            more = 'function branch_route.MARK(req) if req.ruri:find "carol" then error "not her" end end',
        }
        alice:ask("OPTIONS", { uri = "sip:all@example.net" })
        callees.bob:reply(callees.bob:receive "OPTIONS", 404)
        callees.dave:reply(callees.dave:receive "OPTIONS", 404)
        callees.carol:receive_nothing "OPTIONS"
        alice:receive(404)
    end)

    it("that fails for every branch makes relay fail; the request is still readable", function()
        net, alice, callees = world.open {
            body = [[
                local ok, err = req:relay { to = "sip:10.0.0.20", on_branch = "BAD" }
                sip.log.info("relay: %s", ok)
                req:reply(480, "Not " .. req.method)
                sip.log.info("after: %s", req.ruri)]],
            more = 'function branch_route.BAD() error "no" end',
        }
        alice:invite "sip:bob@example.net"
        assert.equal("Not INVITE", alice:receive(480).reason)
        assert.is_string(net:logged "after: sip:bob@example.net")
    end)

    it("may wait; the branch is sent afterwards", function()
        net, alice, callees = world.open {
            body = [[req:relay { to = "sip:10.0.0.20", interface = "private", on_branch = "SLOW" }]],
            more = "function branch_route.SLOW(req) sip.sleep(1) req:add_header('X-Slow', 'yes') end",
        }
        alice:invite "sip:bob@example.net"
        callees.bob:receive_nothing("INVITE", 0.9)
        local invite = callees.bob:receive "INVITE"
        assert.equal("yes", invite:header "X-Slow")
        callees.bob:reply(invite, 486)
        alice:receive(486)
    end)
end)

describe("request_route", function()
    local net, alice, callees

    local function open(body, more)
        net, alice, callees = world.open { body = body, more = more }
    end

    after_each(function()
        net:close()
    end)

    it("that neither answers nor relays: 500 and a log line that says so", function()
        open ""
        alice:invite "sip:bob@example.net"
        alice:receive(500)
        assert.is_string(net:logged "neither relayed, answered nor dropped")
    end)

    it("that fails: 500 and a log line with the place", function()
        open "error 'oops'"
        alice:invite "sip:bob@example.net"
        alice:receive(500)
        assert.matches("%.lua:%d+: oops", net:logged "oops")
    end)

    it("that fails after relay leaves the branch alone", function()
        open 'req:relay { to = "sip:10.0.0.20", interface = "private" } error "oops"'
        alice:invite "sip:bob@example.net"
        callees.bob:reply(callees.bob:receive "INVITE", 486)
        alice:receive(486)
    end)

    it("that drops: no answer, and a repeated request comes anew", function()
        open "sip.log.info 'seen' req:drop()"
        alice:ask("OPTIONS", { uri = "sip:bob@example.net", once = true })
        alice:receive_nothing(function(msg) return msg.status end, 2)
        assert.equal(0, net:status().transactions)
    end)

    it("relay twice: the second gives nil, err and sends nothing", function()
        open [[
            assert(req:relay { to = "sip:10.0.0.20", interface = "private" })
            local ok, err = req:relay { to = "sip:10.0.0.21", interface = "private" }
            sip.log.info("second: %s %s", ok, err)]]
        alice:invite "sip:bob@example.net"
        callees.bob:reply(callees.bob:receive "INVITE", 486)
        alice:receive(486)
        callees.carol:receive_nothing "INVITE"
        assert.matches("second: nil %S+", net:logged "second: ")
    end)

    it("reply twice: the second gives nil, err", function()
        open [[
            req:reply(480)
            sip.log.info("second: %s %s", req:reply(486))]]
        alice:invite "sip:bob@example.net"
        alice:receive(480)
        assert.matches("second: nil %S+", net:logged "second: ")
    end)

    it("reply after relay cancels the branches and answers", function()
        open [[
            req:relay { to = "sip:10.0.0.20", interface = "private" }
            req:reply(480, "Changed my mind")]]
        alice:invite "sip:bob@example.net"
        callees.bob:reply(callees.bob:receive "INVITE", 180)
        callees.bob:receive "CANCEL"
        alice:receive(480)
        alice:receive_nothing(487, 1)
    end)

    it("with an unknown interface makes relay fail", function()
        open [[
            local ok, err = req:relay { to = "sip:10.0.0.20", interface = "office" }
            sip.log.info("relay: %s %s", ok, err)
            req:reply(480)]]
        alice:invite "sip:bob@example.net"
        alice:receive(480)
        assert.matches("relay: nil", net:logged "relay: ")
    end)

    it("beyond limits.branches a fork is refused whole", function()
        open [[
            local targets = {}
            for i = 1, 17 do targets[i] = "sip:x" .. i .. "@10.0.0.20" end
            local ok, err = req:fork(targets)
            sip.log.info("fork: %s %s", ok, err)
            req:reply(480)]]
        alice:invite "sip:bob@example.net"
        alice:receive(480)
        assert.matches("fork: nil", net:logged "fork: ")
        callees.bob:receive_nothing "INVITE"
    end)
end)
