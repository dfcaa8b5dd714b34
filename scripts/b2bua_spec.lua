-- The specs of scripts/b2bua.lua. Run them: build/lunasip test scripts/b2bua_spec.lua
local lab = require "lunasip.lab"

local CONF = {
    listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
    media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30399 } },
}

describe("scripts/b2bua.lua", function()
    local net, phone, trunk_a, trunk_b

    before_each(function()
        net = lab.new { conf = CONF, route = "scripts/b2bua.lua", seed = 7 }
        phone = net:agent { name = "phone", address = "10.0.0.10", side = "private" }
        trunk_a = net:agent { name = "trunk-a", address = "192.0.2.21", side = "public", auto_cancel = true }
        trunk_b = net:agent { name = "trunk-b", address = "192.0.2.22", side = "public", auto_cancel = true }
    end)

    after_each(function()
        assert.no_address("10.0.0.", "public")
        net:close() -- fails when a transaction, a dialog or a port is left
    end)

    local function call(trunk)
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        local invite = trunk:receive "INVITE"
        trunk:reply(invite, 200, { sdp = true })
        phone:receive(200)
        trunk:receive "ACK"
        return invite
    end

    local function hang_up()
        phone:hangup()
        trunk_a:reply(trunk_a:receive "BYE", 200)
        phone:receive(200)
    end

    it("calls the trunk for the phone, which shows nothing of itself", function()
        local invite = call(trunk_a)
        assert.equal("sip:4930123@192.0.2.21", invite.uri)
        assert.matches("^<sip:phone@192%.0%.2%.21>;tag=", invite:header "From")
        phone:send_rtp(50)
        net:advance(2)
        assert.equal(50, trunk_a:received_rtp()[1].packets)
        hang_up()
        assert.truthy(net:logged "ended after %d s: bye")
    end)

    it("answers the challenge of the trunk", function()
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        trunk_a:reply(trunk_a:receive "INVITE", 407, {
            headers = { ["Proxy-Authenticate"] = 'Digest realm="trunk", nonce="abc"' },
        })
        local invite = trunk_a:receive "INVITE"
        assert.matches('username="office"', invite:header "Proxy-Authorization")
        trunk_a:reply(invite, 486)
        phone:receive(486)
    end)

    it("takes the second trunk when the first is full, and refuses when both are", function()
        for _ = 1, 30 do
            call(trunk_a)
        end
        for _ = 1, 10 do
            call(trunk_b)
        end
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        assert.equal("30", phone:receive(503):header "Retry-After")
        net:command("calls", "end", "--all")
        net:advance(0.1)
        for _, agent in ipairs { trunk_a, trunk_b, phone } do
            while agent.queue[1] do
                agent:reply(agent:receive "BYE", 200)
            end
        end
    end)

    it("ends a call that lasts too long, on both sides", function()
        call(trunk_a)
        net:advance(4 * 3600 + 1)
        for _, agent in ipairs { phone, trunk_a } do
            agent:reply(agent:receive "BYE", 200)
        end
    end)

    it("refuses what is none of its business", function()
        trunk_a:invite "sip:phone@192.0.2.1"
        trunk_a:receive(403)
        phone:ask("INFO", { uri = "sip:4930123@10.0.0.1" })
        phone:receive(481)
        phone:ask("OPTIONS", { uri = "sip:10.0.0.1" })
        phone:receive(200)
        phone:invite "sip:10.0.0.1"
        phone:receive(484)
        phone:send(table.concat({ -- of no call
            "ACK sip:4930123@10.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bKstray",
            "Max-Forwards: 70", "From: <sip:phone@10.0.0.10>;tag=a", "To: <sip:4930123@10.0.0.1>",
            "Call-ID: stray", "CSeq: 1 ACK", "Content-Length: 0", "", "",
        }, "\r\n"))
        phone:receive_nothing(function() return true end)
    end)

    it("answers 500 when the call cannot be made", function()
        phone:invite("sip:4930123@10.0.0.1", { headers = { ["Content-Type"] = "application/sdp" }, body = "m=audio" })
        phone:receive(500)
        assert.truthy(net:logged "cannot go to trunk%-a")
    end)
end)
