-- What phones write into an SDP beside the usual: whatever it is, no address of theirs passes the relay.
local world = require "route.world"

local BODY = [[
    if req.method == "INVITE" then
        local ok, problem = sip.media.manage(req, { from = "public", to = "private" })
        if not ok then
            return req:reply(488, problem)
        end
    end
]] .. world.TO_BOB

local HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"

describe("an SDP through the relay (RFC 8866, RFC 3264)", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { body = BODY }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    -- @return what bob reads; every port of ours written as PORT, the one after it as NEXT
    local function offered(sdp)
        alice:invite("sip:bob@example.net", { body = sdp, content_type = "application/sdp" })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 486)
        alice:receive(486)
        return (invite.body:gsub("%f[%d]3%d%d%d%d", function(port)
            return tonumber(port) % 2 == 0 and "PORT" or "NEXT"
        end))
    end

    -- `sdp` with the values `from` in its %s is read with the values `to`, and is the same otherwise.
    local function expect(sdp, from, to)
        assert.equal(sdp:format(unpack(to)), offered(sdp:format(unpack(from))))
    end

    for name, line_end in pairs { CRLF = "\r\n", LF = "\n", CR = "\r", ["CR CR LF"] = "\r\r\n" } do
        it("may end its lines with " .. name, function()
            local sdp = "v=0\no=- 1 1 IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\nm=audio %s RTP/AVP 8\na=x-kept\n"
            expect((sdp:gsub("\n", line_end)), { "192.0.2.10", "192.0.2.10", "4000" },
                { "10.0.0.1", "10.0.0.1", "PORT" })
        end)
    end

    it("may name an IPv6 zone, which means nothing to others (RFC 6874)", function()
        expect("v=0\r\no=- 1 1 %s\r\ns=-\r\nc=%s\r\nt=0 0\r\nm=audio %s RTP/AVP 8\r\n",
            { "IN IP6 fe80::1%eth0", "IN IP6 fe80::1%eth0", "4000" }, { "IN IP4 10.0.0.1", "IN IP4 10.0.0.1", "PORT" })
    end)

    it("may have streams that are off, first, last and all of them", function()
        expect("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"
            .. "m=video %s RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\nm=text 0 RTP/AVP 98\r\n",
            { "192.0.2.10", "192.0.2.10", "4002" }, { "10.0.0.1", "10.0.0.1", "PORT" })
        expect("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n",
            { "192.0.2.10", "192.0.2.10" }, { "10.0.0.1", "10.0.0.1" })
    end)

    it("may have no stream at all (RFC 3264 §5)", function()
        assert.is_nil(offered(HEAD):find("192.0.2.10", 1, true))
    end)

    it("has one connection and one a=rtcp for a stream, ours", function()
        assert.equal("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio PORT RTP/AVP 8\r\n"
            .. "c=IN IP4 10.0.0.1\r\nb=AS:64\r\na=rtcp:NEXT IN IP4 10.0.0.1\r\n",
            offered("v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=audio 4000/2 RTP/AVP 8\r\n"
                .. "c=IN IP4 192.0.2.10\r\nc=IN IP4 192.0.2.11\r\nb=AS:64\r\na=rtcp:4009 IN IP4 192.0.2.12\r\n"))
    end)

    it("has no ICE and no BUNDLE behind us, whatever the case of their names (RFC 8839, RFC 9143)", function()
        assert.equal(HEAD:gsub("192.0.2.10", "10.0.0.1") .. "m=audio PORT UDP/TLS/RTP/SAVPF 8\r\na=mid:0\r\n"
            .. "a=setup:actpass\r\na=fingerprint:sha-256 AA\r\n",
            offered(HEAD .. "a=ice-lite\r\na=group:BUNDLE 0\r\na=ICE-UFRAG:x\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 8\r\n"
                .. "a=candidate:1 1 UDP 1 192.0.2.10 4000 typ host\r\na=mid:0\r\na=setup:actpass\r\n"
                .. "a=fingerprint:sha-256 AA\r\na=end-of-candidates\r\n"))
    end)

    it("may be as long as a message may be", function()
        local sdp = HEAD .. "m=audio 4000 RTP/AVP 8\r\n" .. ("a=x-long:" .. ("y"):rep(990) .. "\r\n"):rep(58)
        local read = offered(sdp)
        assert.equal(58, select(2, read:gsub("a=x%-long:", "")))
        assert.is_nil(read:find("192.0.2.10", 1, true))
    end)

    it("is answered with the streams of the offer, refused ones off", function()
        alice:invite("sip:bob@example.net", {
            body = HEAD .. "m=audio 4000 RTP/AVP 8\r\nm=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n",
            content_type = "application/sdp",
        })
        bob:reply(bob:receive "INVITE", 200, {
            body = "v=0\r\no=- 2 1 IN IP4 10.0.0.20\r\ns=-\r\nc=IN IP4 10.0.0.20\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"
                .. "m=video 5002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=inactive\r\n",
            content_type = "application/sdp",
        })
        local answer = alice:receive(200).body
        assert.matches("\r\nm=audio 0 RTP/AVP 8\r\nm=video 3%d%d%d%d RTP/AVP 99\r\n.*a=inactive\r\n$", answer)
        assert.is_nil(answer:find("10.0.0", 1, true))
        world.hang_up(alice, bob)
    end)
end)
