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

-- A call of alice and bob, with a second of audio from alice.
local function talk(route)
    local net = lab.new { route = route, conf = { media_limits = { timeout_s = 10 } } }
    local alice = net:agent { name = "alice", address = "192.0.2.10" }
    local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
    alice:invite("sip:bob@example.net", { sdp = true })
    bob:reply(bob:receive "INVITE", 200, { sdp = true })
    alice:receive(200)
    bob:receive "ACK"
    alice:send_rtp(50)
    return net, alice, bob
end

local BRIDGED = [[
local sip = require "lunasip"
function request_route(req)
    sip.media.manage(req, { from = "public", to = "private" })
    sip.call.bridge(req, { to = "sip:10.0.0.20:5060", interface = "private" })
end
]]

describe("a call whose media stops", function()
    for name, route in pairs { ["through the proxy"] = ROUTE, ["of two legs"] = BRIDGED } do
        for _, offerer in ipairs { "alice", "bob" } do
            it(("%s is heard again after an offer of %s, and shows no inside address"):format(name, offerer), function()
                local net, alice, bob = talk(route)
                net:advance(21)
                assert.equal(0, net:status().media.ports)
                local from, to = alice, bob
                if offerer == "bob" then from, to = bob, alice end
                from:reinvite { sdp = true }
                local offered = to:receive "INVITE"
                to:reply(offered, 200, { sdp = true })
                local answered = from:receive(200)
                to:receive "ACK"
                local inside = offerer == "alice" and { answered, "10.0.0.20", offered, "192.0.2.10" } or
                    { offered, "10.0.0.20", answered, "192.0.2.10" }
                assert.is_nil(inside[1].body:find(inside[2], 1, true))
                assert.is_nil(inside[3].body:find(inside[4], 1, true))
                assert.equal(2, net:status().media.ports)
                alice:send_rtp(50)
                bob:send_rtp(50)
                net:advance(2)
                assert.equal(100, bob:received_rtp()[1].packets) -- 50 of them before
                assert.equal(50, alice:received_rtp()[1].packets)
                alice:hangup()
                bob:reply(bob:receive "BYE", 200)
                alice:receive(200)
                net:close()
            end)
        end
    end

    it("gives its ports back, raises media:timeout, and can still be hung up", function()
        local net, alice, bob = talk(ROUTE)
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
