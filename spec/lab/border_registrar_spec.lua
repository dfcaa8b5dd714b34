-- Two engines in one network: scripts/sbc.lua at the border, scripts/registrar.lua behind it as its private gateway.
-- A phone inside registers, and somebody outside calls it through both.
local lab = require "lunasip.lab"

describe("a border controller in front of a registrar", function()
    local net, outside, inside

    before_each(function()
        net = lab.new {
            name = "sbc", route = "scripts/sbc.lua",
            conf = {
                listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30999 } },
                dispatcher = { sets = { [2] = { "sip:10.0.0.30:5060" } } },
            },
        }
        net:engine {
            name = "registrar", route = "scripts/registrar.lua",
            users = { ["2001@example.net"] = "reception", ["2002@example.net"] = "workshop" },
            conf = { listen = { lan = { "udp:10.0.0.30:5060" } }, media = { lan = "10.0.0.30" } },
        }
        outside = net:agent {
            name = "outside", user = "2001", address = "192.0.2.10",
            credentials = { username = "2001", password = "reception" },
        }
        inside = net:agent {
            name = "inside", user = "2002", address = "10.0.0.40", side = "lan", engine = "registrar",
            credentials = { username = "2002", password = "workshop" },
        }
    end)
    after_each(function()
        net:close()
    end)

    it("carries a call with media to a phone that has registered, and its end", function()
        inside:register { uri = "sip:example.net" }
        inside:receive(200)
        outside:invite("sip:2002@example.net", { sdp = true })
        local invite = inside:receive "INVITE"
        inside:reply(invite, 180)
        outside:receive(180)
        inside:reply(invite, 200, { sdp = true })
        outside:receive(200)
        inside:receive "ACK"
        outside:send_rtp(50)
        inside:send_rtp(50)
        net:advance(1.5)
        assert.equal(50, inside:received_rtp()[1].packets)
        assert.equal(50, outside:received_rtp()[1].packets)
        outside:hangup()
        inside:reply(inside:receive "BYE", 200)
        outside:receive(200)
    end)

    it("says that a phone has not registered", function()
        outside:invite "sip:2002@example.net"
        outside:receive(480)
    end)
end)
