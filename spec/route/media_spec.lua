local world = require "route.world"

local MANAGE = [[
    if req.method == "INVITE" then
        local ok, problem = sip.media.manage(req, { from = "public", to = "private" })
        if not ok then
            sip.log.info("no media: %s", problem)
            req:reply(500, "Media Proxy Error")
            return
        end
    end
]]

describe("media of a call", function()
    local net, alice, callees, bob

    local function open(options)
        options = options or {}
        options.body = MANAGE .. (options.body or world.TO_BOB)
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function assert_relayed(agent, host)
        for _, stream in ipairs(agent.call.remote_sdp.streams) do
            assert.equal(host, stream.host)
        end
        assert.equal(host, agent.call.remote_sdp.origin)
    end

    local function ports(agent)
        local list = {}
        for i, stream in ipairs(agent.call.remote_sdp.streams) do
            list[i] = stream.port
        end
        return list
    end

    -- Everything that one side sends arrives at the other.
    local function assert_flows(count)
        count = count or 10
        local before_a, before_b = alice:received_rtp(), bob:received_rtp()
        alice:send_rtp(count)
        bob:send_rtp(count)
        net:advance(count * 0.02 + 0.1)
        for i, stream in ipairs(alice:received_rtp()) do
            assert.equal(count, stream.packets - before_a[i].packets)
            assert.equal(1, stream.rtcp - before_a[i].rtcp)
        end
        for i, stream in ipairs(bob:received_rtp()) do
            assert.equal(count, stream.packets - before_b[i].packets)
        end
    end

    local function answered(sdp)
        return world.answer(alice, bob, { sdp = sdp or { "audio", "video" } })
    end

    it("each side sees the relay's address of its own side; audio, video and RTCP flow", function()
        open()
        answered()
        assert_relayed(alice, "192.0.2.1")
        assert_relayed(bob, "10.0.0.1")
        assert_flows()
        assert.equal(1, net:status().media.calls)
        world.hang_up(alice, bob)
        assert.equal(0, net:status().media.ports)
    end)

    it("a BYE of either side frees it", function()
        open()
        answered()
        world.hang_up(bob, alice)
        assert.equal(0, net:status().media.ports)
    end)

    it("a failure frees it", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:advance(0.1)
        assert.equal(0, net:status().media.ports)
    end)

    it("CANCEL frees it", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:cancel()
        alice:receive(487)
        net:advance(0.1)
        assert.equal(0, net:status().media.ports)
    end)

    it("a time-out frees it", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:receive "INVITE"
        alice:receive(408, 40)
        net:advance(0.1)
        assert.equal(0, net:status().media.ports)
    end)

    it("a script that fails after manage frees it", function()
        open { body = "error 'oops'" }
        alice:invite("sip:bob@example.net", { sdp = true })
        alice:receive(500)
        net:advance(0.1)
        assert.equal(0, net:status().media.ports)
    end)

    it("a script that drops the call after manage frees it", function()
        open { body = "req:drop()" }
        alice:invite("sip:bob@example.net", { sdp = true, once = true })
        net:advance(1)
        assert.equal(0, net:status().media.ports)
    end)

    it("a re-INVITE keeps the ports", function()
        open()
        answered { "audio" }
        local at_alice, at_bob = ports(alice), ports(bob)
        alice:request(alice.call, "INVITE", { sdp = { "audio" } })
        bob:reply(bob:receive "INVITE", 200, { sdp = { "audio" } })
        alice:receive(200)
        bob:receive "ACK"
        assert.same(at_alice, ports(alice))
        assert.same(at_bob, ports(bob))
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a re-INVITE of the callee is rewritten the other way", function()
        open()
        answered { "audio" }
        local at_alice, at_bob = ports(alice), ports(bob)
        bob:request(bob.call, "INVITE", { sdp = { "audio" } })
        alice:reply(alice:receive "INVITE", 200, { sdp = { "audio" } })
        bob:receive(200)
        bob:ack(bob.call)
        alice:receive "ACK"
        assert_relayed(alice, "192.0.2.1")
        assert_relayed(bob, "10.0.0.1")
        assert.same(at_alice, ports(alice))
        assert.same(at_bob, ports(bob))
        assert_flows()
        world.hang_up(bob, alice)
    end)

    it("hold and resume by re-INVITE pass through", function()
        open()
        answered { "audio" }
        for _, pair in ipairs { { "sendonly", "recvonly" }, { "sendrecv", "sendrecv" } } do
            alice:request(alice.call, "INVITE", { sdp = { "audio", direction = pair[1] } })
            bob:reply(bob:receive "INVITE", 200, { sdp = { "audio", direction = pair[2] } })
            alice:receive(200)
            bob:receive "ACK"
            assert.equal(pair[1], bob.call.remote_sdp.streams[1].direction)
            assert.equal(pair[2], alice.call.remote_sdp.streams[1].direction)
        end
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a refused re-INVITE leaves the media as it was", function()
        open()
        answered { "audio" }
        alice:request(alice.call, "INVITE", { sdp = { "audio" } })
        bob:reply(bob:receive "INVITE", 488)
        alice:receive(488)
        net:advance(0.1)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a re-INVITE may add a stream", function()
        open()
        answered { "audio" }
        alice:request(alice.call, "INVITE", { sdp = { "audio", "video" } })
        bob:reply(bob:receive "INVITE", 200, { sdp = { "audio", "video" } })
        alice:receive(200)
        bob:receive "ACK"
        assert.equal(2, #alice.call.remote_sdp.streams)
        assert_relayed(alice, "192.0.2.1")
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("UPDATE is offer and answer, too (RFC 3311)", function()
        open()
        answered { "audio" }
        local at_bob = ports(bob)
        alice:ask("UPDATE", { sdp = { "audio" } })
        bob:reply(bob:receive "UPDATE", 200, { sdp = { "audio" } })
        local ok = alice:receive(200)
        assert.is_truthy(ok.body:find("c=IN IP4 192.0.2.1", 1, true))
        assert_relayed(bob, "10.0.0.1")
        assert.same(at_bob, ports(bob))
        world.hang_up(alice, bob)
    end)

    it("delayed offer: the 200 offers, the ACK answers (RFC 3264 §5)", function()
        open()
        alice.auto_ack = false
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_relayed(alice, "192.0.2.1")
        alice:ack(alice.call, { sdp = { "audio" } })
        bob:receive "ACK"
        assert_relayed(bob, "10.0.0.1")
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a re-INVITE without SDP is a delayed offer within the call", function()
        open()
        answered { "audio" }
        alice.auto_ack = false
        alice:request(alice.call, "INVITE")
        bob:reply(bob:receive "INVITE", 200, { sdp = { "audio" } })
        alice:receive(200)
        alice:ack(alice.call, { sdp = { "audio" } })
        bob:receive "ACK"
        assert_relayed(alice, "192.0.2.1")
        assert_relayed(bob, "10.0.0.1")
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a reliable 183 may offer, and PRACK answers (RFC 3262 §5)", function()
        open()
        alice:invite("sip:bob@example.net", { headers = { Supported = "100rel" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { sdp = { "audio" }, headers = { Require = "100rel", RSeq = "1" } })
        alice:receive(183)
        assert_relayed(alice, "192.0.2.1")
        alice:ask("PRACK", { sdp = { "audio" }, headers = { RAck = "1 1 INVITE" } })
        local prack = bob:receive "PRACK"
        bob:take_sdp(bob.call, prack)
        bob:reply(prack, 200)
        alice:receive(200)
        assert_relayed(bob, "10.0.0.1")
        assert_flows()
        bob:reply(invite, 200)
        alice:receive(200)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("UPDATE in the early dialog renegotiates (RFC 3311)", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = { "audio" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { sdp = { "audio" } })
        alice:receive(183)
        alice:ask("UPDATE", { sdp = { "audio", direction = "inactive" } })
        bob:reply(bob:receive "UPDATE", 200, { sdp = { "audio", direction = "inactive" } })
        alice:receive(200)
        assert_relayed(bob, "10.0.0.1")
        assert.equal("inactive", bob.call.remote_sdp.streams[1].direction)
        bob:reply(invite, 200)
        alice:receive(200)
        world.hang_up(alice, bob)
    end)

    it("an SDP inside a multipart body is rewritten in its place", function()
        open()
        local sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
            .. "m=audio 4000 RTP/AVP 0\r\na=x-kept:--edge\r\n" -- no delimiter: it begins no line
            .. "m=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.10\r\n"
        local before = "--edge\r\nContent-Type: application/sdp\r\n\r\n"
        local behind = "\r\n--edge\r\nContent-Type: application/x-other\r\n\r\n\0\1binary\r\n--edge--\r\n"
        alice:invite("sip:bob@example.net", {
            body = before .. sdp .. behind, content_type = "multipart/mixed;boundary=edge",
        })
        local invite = bob:receive "INVITE"
        assert.equal(before, invite.body:sub(1, #before))
        assert.equal(behind, invite.body:sub(-#behind))
        assert.is_truthy(invite.body:find("c=IN IP4 10.0.0.1\r\n", 1, true))
        assert.is_truthy(invite.body:find("a=x-kept:--edge\r\n", 1, true))
        assert.is_nil(invite.body:find("192.0.2.10", 1, true))
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("early media: what the 183 answers flows before the 200", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = { "audio" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 183, { sdp = { "audio" } })
        alice:receive(183)
        assert_relayed(alice, "192.0.2.1")
        assert_flows()
        bob:reply(invite, 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a fork with two To tags: each answer has its own leg, the one that answers stays", function()
        open { body = world.parallel() }
        alice:invite("sip:all@example.net", { sdp = { "audio" } })
        local carol = callees.carol
        local b, c, d = bob:receive "INVITE", carol:receive "INVITE", callees.dave:receive "INVITE"
        bob:reply(b, 183, { sdp = { "audio" } })
        alice:receive(183)
        assert_flows()
        carol:reply(c, 183, { sdp = { "audio" } })
        alice:receive(183)
        callees.dave:reply(d, 486)
        carol:reply(c, 200, { sdp = { "audio" } })
        alice:receive(200)
        bob:receive "CANCEL"
        assert_relayed(alice, "192.0.2.1")
        alice:send_rtp(5)
        carol:send_rtp(5)
        net:advance(0.3)
        assert.equal(5, carol:received_rtp()[1].packets)
        world.hang_up(alice, carol)
        assert.equal(0, net:status().media.ports)
    end)

    -- A fork to bob, carol and dave, each with his INVITE.
    local function forked(options)
        options = options or {}
        options.body = options.body or world.parallel()
        open(options)
        alice:invite("sip:all@example.net", { sdp = { "audio" } })
        return bob:receive "INVITE", callees.carol:receive "INVITE", callees.dave:receive "INVITE"
    end

    -- The port that an INVITE tells its receiver to send audio to.
    local function offered_port(invite)
        return tonumber(invite.body:match "m=audio (%d+)")
    end

    it("each branch of a fork has a port of its own from the offer on", function()
        local b, c, d = forked()
        local seen = {}
        for _, invite in ipairs { b, c, d } do
            assert.is_truthy(invite.body:find("c=IN IP4 10.0.0.1\r\n", 1, true))
            assert.is_nil(seen[offered_port(invite)])
            seen[offered_port(invite)] = true
        end
        assert.equal(4, net:status().media.ports) -- the caller's, and one for each callee
        callees.dave:reply(d, 486)
        net:advance(0.1)
        assert.equal(3, net:status().media.ports)
        bob:reply(b, 486)
        callees.carol:reply(c, 486)
        alice:receive(486)
        assert.equal(0, net:status().media.ports)
    end)

    it("two branches send early media at once: nobody's audio goes to the other, the one that answers stays", function()
        local b, c, d = forked()
        local carol = callees.carol
        callees.dave:reply(d, 486)
        bob:reply(b, 183, { sdp = { "audio" } })
        alice:receive(183)
        carol:reply(c, 183, { sdp = { "audio" } })
        alice:receive(183)
        assert_relayed(alice, "192.0.2.1")
        -- Until one answers, the branch that spoke last has the caller's audio.
        local before = alice:received_rtp()[1].packets
        bob:send_rtp(7)
        carol:send_rtp(5)
        alice:send_rtp(3)
        net:advance(0.3)
        assert.equal(5, alice:received_rtp()[1].packets - before)
        assert.equal(3, carol:received_rtp()[1].packets)
        assert.equal(0, bob:received_rtp()[1].packets)
        bob:reply(b, 200, { sdp = { "audio" } })
        alice:receive(200)
        carol:receive "CANCEL"
        net:advance(0.1)
        assert.equal(2, net:status().media.ports) -- the losers' went back with their 487
        before = alice:received_rtp()[1].packets
        bob:send_rtp(7)
        carol:send_rtp(5)
        alice:send_rtp(3)
        net:advance(0.3)
        assert.equal(7, alice:received_rtp()[1].packets - before)
        assert.equal(3, bob:received_rtp()[1].packets)
        assert.equal(3, carol:received_rtp()[1].packets)
        world.hang_up(alice, bob)
        assert.equal(0, net:status().media.ports)
    end)

    it("the branch that had the audio fails: it goes back to the one that still rings", function()
        local b, c, d = forked()
        local carol = callees.carol
        callees.dave:reply(d, 486)
        bob:reply(b, 183, { sdp = { "audio" } })
        alice:receive(183)
        carol:reply(c, 183, { sdp = { "audio" } })
        alice:receive(183)
        carol:reply(c, 486)
        net:advance(0.1)
        assert.equal(2, net:status().media.ports)
        bob:send_rtp(7)
        net:advance(0.3)
        assert.equal(7, alice:received_rtp()[1].packets)
        bob:reply(b, 486)
        alice:receive(486)
        assert.equal(0, net:status().media.ports)
    end)

    it("two branches answer: each has its ports until its own BYE", function()
        local b, c, d = forked { auto_cancel = false }
        callees.dave:reply(d, 486)
        callees.carol:reply(c, 180)
        alice:receive(180)
        bob:reply(b, 200, { sdp = { "audio" }, to_tag = "one" })
        alice:receive(200)
        callees.carol:receive "CANCEL"
        callees.carol:reply(c, 200, { sdp = { "audio" }, to_tag = "two" })
        assert.is_truthy(alice:receive(200).body:find("c=IN IP4 192.0.2.1", 1, true))
        assert.equal(3, net:status().media.ports)
        alice:request(alice.call, "BYE", { dialog = alice.call.dialogs.two })
        callees.carol:reply(callees.carol:receive "BYE", 200)
        net:advance(0.1)
        assert.equal(2, net:status().media.ports)
        assert_flows()
        alice:request(alice.call, "BYE", { dialog = alice.call.dialogs.one })
        bob:reply(bob:receive "BYE", 200)
        net:advance(0.1)
        assert.equal(0, net:status().media.ports)
    end)

    it("a branch for which no port is left is not sent; the others go on", function()
        open {
            conf = {
                listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30003 } },
            },
            body = world.parallel(),
        }
        alice:invite("sip:all@example.net", { sdp = { "audio" } })
        local b = bob:receive "INVITE"
        callees.carol:receive "INVITE"
        callees.dave:receive_nothing("INVITE", 0.1)
        assert.is_string(net:logged "SDP of INVITE not anchored")
        bob:reply(b, 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("managed in the branch route: each branch gets its ports there", function()
        net, alice, callees = world.open {
            body = world.parallel 'on_branch = "ANCHOR"',
            more = [[function branch_route.ANCHOR(req)
                assert(sip.media.manage(req, { from = "public", to = "private" }))
            end]],
        }
        bob = callees.bob
        alice:invite("sip:all@example.net", { sdp = { "audio" } })
        local b, c = bob:receive "INVITE", callees.carol:receive "INVITE"
        assert.are_not.equal(offered_port(b), offered_port(c))
        assert.is_truthy(c.body:find("c=IN IP4 10.0.0.1\r\n", 1, true))
        assert.equal(4, net:status().media.ports)
        bob:reply(b, 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a target that cannot be reached gives its ports back at once", function()
        open { body = [[
            req:record_route()
            local ok, problem = req:relay { to = "sip:nobody.example", interface = "private" }
            sip.log.info("first: %s", problem)
            req:relay { to = "sip:10.0.0.20", interface = "private" }]] }
        alice:invite("sip:bob@example.net", { sdp = { "audio" } })
        local invite = bob:receive "INVITE"
        assert.is_string(net:logged "first: ")
        assert.equal(2, net:status().media.ports)
        bob:reply(invite, 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("failover keeps the caller's ports and serves the next gateway", function()
        open {
            body = [[req:record_route()
                req:relay { to = "sip:10.0.0.21", interface = "private", on_failure = "NEXT" }]],
            more = [[function failure_route.NEXT(req) req:relay { to = "sip:10.0.0.20", interface = "private" } end]],
        }
        alice:invite("sip:bob@example.net", { sdp = { "audio" } })
        local first = callees.carol:receive "INVITE"
        callees.carol:reply(first, 503)
        local second = bob:receive "INVITE"
        assert.are_not.equal(offered_port(first), offered_port(second)) -- what the first one sends late is nobody's
        net:advance(0.1)
        assert.equal(2, net:status().media.ports)
        bob:reply(second, 200, { sdp = { "audio" } })
        alice:receive(200)
        assert_relayed(bob, "10.0.0.1")
        assert_flows()
        world.hang_up(alice, bob)
    end)

    it("a second 2xx that arrives late is anchored, too", function()
        open()
        alice:invite("sip:bob@example.net", { sdp = { "audio" } })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 200, { sdp = { "audio" }, to_tag = "one" })
        alice:receive(200)
        bob:reply(invite, 200, { sdp = { "audio" }, to_tag = "two" })
        local second = alice:receive(200)
        assert.is_truthy(second.body:find("c=IN IP4 192.0.2.1", 1, true))
        for _, tag in ipairs { "one", "two" } do
            alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[tag] })
            bob:reply(bob:receive "BYE", 200)
        end
    end)

    it("no ports left: manage gives nil, err; the script answers", function()
        open { conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30003 } },
        } }
        answered { "audio" }
        local zoe = net:agent { name = "zoe", address = "192.0.2.30" }
        zoe:invite("sip:bob@example.net", { sdp = { "audio", "video" } })
        assert.equal("Media Proxy Error", zoe:receive(500).reason)
        assert.is_string(net:logged "no media: ")
        world.hang_up(alice, bob)
    end)

    it("an SDP that is none: manage gives nil, err", function()
        open()
        alice:invite("sip:bob@example.net", {
            body = "v=0\r\nm=audio x RTP/AVP 0\r\n", content_type = "application/sdp",
        })
        alice:receive(500)
    end)

    -- A phone that lost its power calls again under the same Call-ID, with the tag that it had or with another one.
    for what, tag in pairs { ["the same tag"] = "a1", ["another tag"] = "a2" } do
        it("a dialog that begins anew, with " .. what .. ", frees those of both", function()
            open { conf = {
                listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
                media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30099 } },
                media_limits = { timeout_s = 10, offer_timeout_s = 20 },
            } }
            local SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                .. "m=audio 40000 RTP/AVP 8\r\n"
            local function invite(number, from_tag)
                alice:send(world.raw {
                    branch = "z" .. number, cseq = number, from = "From: <sip:alice@example.net>;tag=" .. from_tag,
                    headers = { "Content-Type: application/sdp" }, body = SDP,
                })
                bob:reply(bob:receive "INVITE", 200, { sdp = true, to_tag = "b" .. number })
                return alice:receive(200)
            end
            local function ask(method, number, from_tag, to)
                alice:send(world.raw {
                    method = method, branch = method .. number, cseq = number, to = "To: " .. to,
                    from = "From: <sip:alice@example.net>;tag=" .. from_tag, uri = "sip:bob@10.0.0.20:5060",
                    headers = { "Route: <sip:10.0.0.1;lr>", "Route: <sip:192.0.2.1;lr>" },
                })
            end
            local first = invite(1, "a1")
            ask("ACK", 1, "a1", first:header "To")
            bob:receive "ACK"
            assert.is_true(net:status().media.ports > 0)
            local second = invite(20, tag)
            ask("ACK", 20, tag, second:header "To")
            ask("BYE", 21, tag, second:header "To")
            bob:reply(bob:receive "BYE", 200)
            alice:receive(200)
            net:advance(30) -- nothing is sent in the first one: media_limits.timeout_s
            assert.equal(0, net:status().media.ports)
            ask("BYE", 2, "a1", first:header "To")
            bob:reply(bob:receive "BYE", 200)
            alice:receive(200)
            net:advance(1)
            assert.equal(0, net:status().dialogs)
        end)
    end

    it("a call that is tried again after a challenge has its ports once", function()
        open { body = [[
            if not req:header "Authorization" then
                return sip.auth.challenge(req, "example.net", { code = 401 })
            end
        ]] .. world.TO_BOB }
        alice.credentials = { username = "alice", password = "secret" }
        answered { "audio" }
        local media = net:status().media
        assert.equal(1, media.calls)
        assert.is_true(media.ports > 0)
        world.hang_up(alice, bob)
        assert.equal(0, net:status().media.ports)
    end)

    it("media that stops ends the call's media, and the dialog can still be ended", function()
        open { conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30099 } },
            media_limits = { timeout_s = 10 },
        } }
        answered { "audio" }
        assert_flows()
        net:advance(30)
        assert.equal(0, net:status().media.ports)
        world.hang_up(alice, bob)
    end)
end)
