-- limits.cps_per_source: a source that calls too often is told so before anything is kept for it.
local lab = require "lunasip.lab"

local ROUTE = [[
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() or req.method == "ACK" then
            req:relay()
        else
            req:reply(481, "Call/Transaction Does Not Exist")
        end
    elseif req.method == "INVITE" then
        req:record_route()
        req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
    else
        req:reply(200, "OK")
    end
end
]]

describe("calls per second of one source (limits.cps_per_source)", function()
    local net, alice, carol

    local function open(options)
        net = lab.new {
            conf = { limits = { cps_per_source = options.rate } }, route = ROUTE, workers = options.workers,
        }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
        carol = net:agent { name = "carol", address = "192.0.2.11" }
    end

    after_each(function()
        net:close()
    end)

    -- Send so many OPTIONS at once. @return how many were answered 200, and 503
    local function burst(agent, count, limit_s)
        for _ = 1, count do
            agent:ask("OPTIONS", { uri = "sip:192.0.2.1", once = true })
        end
        net:advance(limit_s or 0.1)
        local seen = { [200] = 0, [503] = 0 }
        for _, msg in ipairs(agent.queue) do
            seen[msg.status] = seen[msg.status] + 1
        end
        agent.queue = {}
        return seen[200], seen[503]
    end

    it("lets one second's worth pass and answers the rest 503", function()
        open { rate = 5 }
        local passed, refused = burst(alice, 12)
        assert.same({ 5, 7 }, { passed, refused })
        assert.equal(7, net:status().counters["sip.source_limited"])
    end)

    it("keeps nothing for a request that it refuses", function()
        open { rate = 5 }
        burst(alice, 12)
        assert.equal(5, net:status().counters["transaction.created"])
    end)

    it("says when to try again (RFC 3261 s21.5.4)", function()
        open { rate = 1 }
        burst(alice, 1)
        alice:ask("OPTIONS", { uri = "sip:192.0.2.1" })
        assert.equal("1", alice:receive(503):header "Retry-After")
    end)

    it("lets the source pass again as time passes", function()
        open { rate = 5 }
        burst(alice, 12)
        net:advance(1)
        assert.same({ 5, 7 }, { burst(alice, 12) })
    end)

    it("counts each source for itself, whatever its port", function()
        open { rate = 5 }
        local other_port = net:agent { name = "other", address = "192.0.2.10:5080" }
        burst(alice, 5)
        assert.same({ 0, 2 }, { burst(other_port, 2) })
        assert.same({ 5, 0 }, { burst(carol, 5) })
    end)

    it("counts a source once, however many workers its calls are spread over", function()
        open { rate = 8, workers = 4 }
        assert.same({ 8, 24 }, { burst(alice, 32) })
    end)

    it("does not count retransmissions, ACK, CANCEL and requests in a dialog", function()
        open { rate = 1 }
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        alice:send(alice.call.last_sent)
        bob:reply(invite, 200)
        alice:receive(200)
        bob:receive "ACK"
        for _ = 1, 3 do
            alice:ask "INFO"
            bob:reply(bob:receive "INFO", 200)
            alice:receive(200)
        end
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
        assert.equal(0, net:status().counters["sip.source_limited"])
    end)

    it("absorbs the ACK to its answer (RFC 3261 s8.2.7)", function()
        open { rate = 1 }
        burst(alice, 1)
        alice:invite "sip:bob@example.net"
        alice:receive(503)
        net:advance(1)
        assert.equal(0, net:status().counters["transaction.stray_ack"])
    end)

    it("limits nobody when it is 0", function()
        open { rate = 0 }
        assert.same({ 50, 0 }, { burst(alice, 50) })
    end)
end)
