-- The specs of scripts/sbc.lua: every decision that it takes, on the real engine in the lab's virtual network. Copy
-- this file beside a route of your own. Run it: build/lunasip test scripts/sbc_spec.lua
local lab = require "lunasip.lab"

-- Two gateways on each side. The lab has no ports or addresses to share: every spec has a network of its own.
local CONF = {
    listen = {
        public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" }, management = { "udp:172.16.0.1:5060" },
    },
    media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30099 } },
    dispatcher = {
        sets = { [1] = { "sip:192.0.2.21:5060", "sip:192.0.2.22:5060" }, [2] = { "sip:10.0.0.21", "sip:10.0.0.22" } },
    },
}

describe("scripts/sbc.lua", function()
    local net, phone, pbx_a, pbx_b, carrier_a, carrier_b

    -- A network with the script in it; `changes` replace blocks of the configuration.
    local function open(changes)
        local conf = {}
        for name, block in pairs(CONF) do conf[name] = block end
        for name, block in pairs(changes or {}) do conf[name] = block end
        net = lab.new { conf = conf, route = "scripts/sbc.lua", seed = 7 }
        phone = net:agent { name = "phone", address = "192.0.2.10", side = "public" }
        pbx_a = net:agent { name = "pbx-a", address = "10.0.0.21", side = "private", auto_cancel = true }
        pbx_b = net:agent { name = "pbx-b", address = "10.0.0.22", side = "private", auto_cancel = true }
        carrier_a = net:agent { name = "carrier-a", address = "192.0.2.21", side = "public", auto_cancel = true }
        carrier_b = net:agent { name = "carrier-b", address = "192.0.2.22", side = "public", auto_cancel = true }
    end

    before_each(function() open() end)
    after_each(function() net:close() end) -- fails when a transaction, a dialog or a port is left

    local function reopen(changes)
        net:close()
        open(changes)
    end

    -- From the INVITE to the ACK.
    local function answer(caller, callee)
        callee:reply(callee:receive "INVITE", 200, { sdp = true })
        caller:receive(200)
        callee:receive "ACK"
    end

    local function hang_up(from, to)
        from:hangup()
        to:reply(to:receive "BYE", 200)
        from:receive { status = 200, method = "BYE" }
    end

    it("leaves a record of each call, and no port", function()
        reopen { records = {} }
        phone:invite("sip:4711@192.0.2.1", { sdp = true })
        answer(phone, pbx_a)
        assert.is_true(net:status().media.ports > 0)
        pbx_a:send_rtp(50)
        net:advance(2)
        hang_up(pbx_a, phone)
        net:settle()
        assert.equal(0, net:status().media.ports)
        local records = net:records()
        local record = records[1]
        assert.same({ 1, "answered", "bye", "callee", 2 },
            { #records, record.outcome, record["end"], record.ended_by, record.tries[1].set })
        assert.same({ 50, "public to private" }, { record.media[1].callee.packets, record.fields.direction })
    end)

    it("knows its sides by all the addresses that they listen on", function()
        reopen { listen = {
            public = { "udp:192.0.2.1:5060", "udp:192.0.2.2:5070" }, private = { "udp:10.0.0.1:5060" },
        } }
        local other = net:agent { name = "other", address = "192.0.2.11", side = "public", proxy = "192.0.2.2:5070" }
        other:invite("sip:4711@192.0.2.2", { sdp = true })
        answer(other, pbx_a)
        hang_up(other, pbx_a)
    end)

    describe("a call from the public side", function()
        it("goes to a private gateway, its media through the relay, and ends", function()
            phone:invite("sip:4711@192.0.2.1", { sdp = true })
            assert.relayed_to(pbx_a)
            answer(phone, pbx_a)
            assert.no_address("10.0.0.", "public", { where = "SDP" })
            assert.no_address("192.0.2.10", "private", { where = "SDP" })
            phone:send_rtp(50) -- one second
            pbx_a:send_rtp(50)
            net:advance(2.5)
            assert.equal(50, pbx_a:received_rtp()[1].packets)
            assert.equal(50, phone:received_rtp()[1].packets)
            hang_up(phone, pbx_a)
            assert.is_truthy(net:logged "call from sip:phone@.* goes public %-> private, gateway sip:10%.0%.0%.21")
            assert.is_truthy(net:logged "call ended: .*, after 2 s")
        end)

        it("takes the gateways in turn", function()
            for _, pbx in ipairs { pbx_a, pbx_b, pbx_a } do
                phone:invite("sip:4711@192.0.2.1", { sdp = true })
                answer(phone, pbx)
                hang_up(pbx, phone)
            end
        end)

        it("is put on hold by a re-INVITE, which follows the path of the call", function()
            phone:invite("sip:4711@192.0.2.1", { sdp = true })
            answer(phone, pbx_a)
            phone:reinvite { sdp = { "audio", direction = "sendonly" } }
            local hold = pbx_a:receive "INVITE"
            assert.sdp(hold, { host = "10.0.0.1", direction = "sendonly" })
            pbx_a:reply(hold, 200, { sdp = { "audio", direction = "recvonly" } })
            phone:receive { status = 200, method = "INVITE" }
            hang_up(phone, pbx_a)
        end)

        it("can be given up while it rings", function()
            phone:invite("sip:4711@192.0.2.1", { sdp = true })
            pbx_a:reply(pbx_a:receive "INVITE", 180)
            phone:receive(180)
            phone:hangup() -- a CANCEL, as nobody has answered
            phone:receive(487)
        end)

        it("can be given up while the gateway's name is looked up: nothing more is said", function()
            reopen { dispatcher = { sets = { [2] = { { uri = "sip:pbx.example", flags = 16 } } } } }
            net:dns({ ["pbx.example"] = "10.0.0.21" }, { delay = 0.2 })
            phone:invite("sip:4711@192.0.2.1", { sdp = true })
            net:advance(0.1)
            phone:hangup()
            phone:receive(487)
            assert.is_nil(net:logged "not sent")
        end)
    end)

    describe("a call from the private side", function()
        it("goes from a gateway to a public one", function()
            pbx_a:invite("sip:+431234@10.0.0.1", { sdp = true })
            assert.relayed_to(carrier_a)
            local invite = carrier_a:receive "INVITE"
            assert.sdp(invite, { host = "192.0.2.1" })
            carrier_a:reply(invite, 200, { sdp = true })
            pbx_a:receive(200)
            hang_up(carrier_a, pbx_a)
            assert.no_address("10.0.0.", "public", { where = { "SDP", "Record-Route" }, except = "Record-Route" })
        end)

        it("is refused when it comes from nobody we know", function()
            local stranger = net:agent { name = "stranger", address = "10.0.0.66", side = "private" }
            stranger:invite "sip:+431234@10.0.0.1"
            assert.replied(403)
            assert.is_truthy(net:logged "10.0.0.66:5060 .* refused: not one of the private gateways")
        end)
    end)

    describe("when a gateway fails", function()
        local function call()
            phone:invite("sip:4711@192.0.2.1", { sdp = true })
        end

        it("a busy callee is no failure: 486 goes back", function()
            call()
            pbx_a:reply(pbx_a:receive "INVITE", 486)
            phone:receive(486)
            assert.is_not.relayed_to(pbx_b)
            assert.is_truthy(net:logged "call not answered: failed %(486%)")
        end)

        it("with a 500 the next one gets the call; the first stays in", function()
            call()
            pbx_a:reply(pbx_a:receive "INVITE", 500)
            answer(phone, pbx_b)
            hang_up(phone, pbx_b)
            assert.equal("AX", net:gateway_state(2, "sip:10.0.0.21"))
        end)

        it("with a 503 it is out of the set until it answers a ping", function()
            reopen { dispatcher = { sets = CONF.dispatcher.sets, ping_interval = 60 } }
            for _, gateway in ipairs { pbx_a, pbx_b, carrier_a, carrier_b } do gateway.auto_options = true end
            call()
            pbx_a:reply(pbx_a:receive "INVITE", 503)
            answer(phone, pbx_b)
            hang_up(phone, pbx_b)
            assert.equal("IP", net:gateway_state(2, "sip:10.0.0.21"))
            net:advance(70)
            assert.equal("AP", net:gateway_state(2, "sip:10.0.0.21"))
        end)

        it("with a 503 where nobody pings, it stays in", function()
            call()
            pbx_a:reply(pbx_a:receive "INVITE", 503)
            answer(phone, pbx_b)
            hang_up(phone, pbx_b)
            assert.equal("AX", net:gateway_state(2, "sip:10.0.0.21"))
        end)

        it("with silence the next one gets the call when Timer B fires", function()
            call()
            pbx_a:receive "INVITE"
            local invite = pbx_b:receive("INVITE", 40) -- 40 virtual seconds
            pbx_b:reply(invite, 404)
            phone:receive(404)
        end)

        it("that was the last one, the caller hears it", function()
            call()
            pbx_a:reply(pbx_a:receive "INVITE", 500)
            pbx_b:reply(pbx_b:receive "INVITE", 502)
            assert.is_true(phone:receive(function(msg) return msg.status and msg.status >= 300 end).status >= 500)
            assert.is_truthy(net:logged "failed with 502, and it was the last one")
        end)

        it("on the public side the same is true", function()
            pbx_a:invite("sip:+431234@10.0.0.1", { sdp = true })
            carrier_a:reply(carrier_a:receive "INVITE", 503)
            answer(pbx_a, carrier_b)
            hang_up(pbx_a, carrier_b)
        end)

        it("there is a 503 for the caller when none is alive", function()
            for _, uri in ipairs { "sip:10.0.0.21", "sip:10.0.0.22" } do
                assert.is_true(net:set_gateway(2, uri, "inactive"))
            end
            call()
            assert.replied(503)
            assert.is_truthy(net:logged "no gateway of set 2 is alive")
        end)

        it("there is a 500 when it cannot be reached at all", function()
            reopen { dispatcher = { sets = { [2] = { "sip:[2001:db8::21]" } } } }
            call()
            assert.replied(500)
            assert.is_truthy(net:logged "not sent")
        end)

        it("there is a 500 when there are no ports for its media", function()
            reopen { media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30003 } } }
            phone:invite("sip:4711@192.0.2.1", { sdp = { "audio", "video", "audio" } })
            assert.replied(500)
            assert.is_truthy(net:logged "no media: ")
        end)
    end)

    describe("what is no call", function()
        it("OPTIONS is answered", function()
            phone:ask("OPTIONS", { uri = "sip:192.0.2.1" })
            assert.header(phone:receive(200), "Allow", "^INVITE, ACK, BYE")
        end)

        it("other methods are not allowed", function()
            phone:ask("SUBSCRIBE", { uri = "sip:192.0.2.1" })
            assert.header(phone:receive(405), "Allow", "^INVITE")
        end)

        it("what comes in on neither side is refused", function()
            local admin = net:agent { name = "admin", address = "172.16.0.9", side = "management" }
            admin:invite "sip:4711@172.16.0.1"
            assert.replied(403)
            assert.is_truthy(net:logged "which is neither side")
        end)

        it("a request that has travelled too far ends here", function()
            phone:ask("INVITE", { uri = "sip:4711@192.0.2.1", max_forwards = 0 })
            assert.replied(483)
        end)

        it("a broken request is refused", function() -- by the engine, before the script sees it
            phone:ask("OPTIONS", { uri = "sip:192.0.2.1", headers = { ["Proxy-Require"] = "nothing-we-know" } })
            assert.replied(420)
        end)
    end)

    describe("a request of no call that we know", function()
        local function ask(method, tag, options)
            phone.call = phone:new_call "sip:4711@192.0.2.1"
            phone.call.remote_tag = tag
            phone:request(phone.call, method, options)
        end

        it("is answered 481", function()
            ask("BYE", "unknown")
            assert.replied(481)
            ask "CANCEL"
            phone:receive { status = 481, method = "CANCEL" }
        end)

        it("is answered 481 when only its Route says that it is of a call", function()
            phone.call = phone:new_call "sip:+900@192.0.2.21"
            phone.call.remote_tag, phone.call.is_new = "forged", nil
            phone.call.route = { "<sip:192.0.2.1;lr>" }
            phone:request(phone.call, "INVITE", { sdp = true })
            phone:receive(481)
            carrier_a:receive_nothing("INVITE", 0.1)
        end)

        it("is not answered when it is an ACK, whatever is wrong with it", function()
            ask("ACK", nil, { cseq = 1 })
            ask("ACK", "unknown", { cseq = 1 })
            ask("ACK", nil, { cseq = 1, max_forwards = 0 })
            phone:receive_nothing(function() return true end, 2)
        end)

        it("is answered 500 when its Route leads nowhere", function()
            phone.call = phone:new_call "sip:4711@192.0.2.1"
            phone.call.remote_tag, phone.call.is_new = "lost", nil
            phone.call.route = { "<sip:192.0.2.1;lr>", "<sip:nowhere.example;lr>" }
            phone:request(phone.call, "BYE")
            phone:receive(500)
        end)
    end)
end)
