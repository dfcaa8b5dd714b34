-- A call whose packets stop (setting media_limits.timeout_s): the relay takes its ports back, the
-- script hears of it, the dialog goes on until somebody hangs up.
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        req:loose_route()
        return req:relay()
    end
    sip.media.manage(req, { from = "public", to = "private" })
    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
end
event_route["media:timeout"] = function(event)
    sip.log.warning(event, "no media, answered: %s", tostring(event.answered))
end
]]

describe("a call whose media stops", function()
    it("gives its ports back, raises media:timeout, and can still be hung up", function()
        local net = lab.new { route = ROUTE, conf = { media_limits = { timeout_s = 10 } } }
        local alice = net:agent { name = "alice", address = "192.0.2.10" }
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        alice:send_rtp(50)
        net:advance(9)
        assert.equal(2, net:status().media.ports)
        assert.is_nil((net:logged "no media"))
        net:advance(12)
        assert.equal(0, net:status().media.ports)
        assert.is_truthy((net:logged "no media, answered: true"))
        assert.equal(1, net:status().counters["media.timeout"])
        assert.equal(1, net:status().dialogs)
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
        net:close()
    end)
end)
