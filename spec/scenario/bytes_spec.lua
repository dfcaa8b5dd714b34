-- A forwarded message is the received bytes plus a short list of edits: nothing else may change.
local border = require "support.border"
local posix = require "support.posix"
local raw = require "support.raw"

describe("a forwarded request (RFC 3261 s16.6)", function()
    local sbc, caller, gateway

    setup(function()
        sbc = border.start { timers = border.PATIENT }
        caller, gateway = assert(posix.udp(sbc.public_caller, 5060)), assert(posix.udp(sbc.private_gateway, 5060))
    end)
    teardown(function()
        caller.close()
        gateway.close()
        border.clean()
    end)

    -- What a proxy may add or change, taken out again.
    local function without_edits(message)
        local kept, skipped_via = {}, false
        for line in (message .. "\n"):gmatch "(.-)\n" do
            if line:match "^Record%-Route:" then
                kept.record_routes = (kept.record_routes or 0) + 1
            elseif line:match "^Via:" and not skipped_via then
                skipped_via = true
            else
                kept[#kept + 1] = line
            end
        end
        return table.concat(kept, "\n"), kept.record_routes
    end

    it("keeps unknown header fields, their case, order, folding and spaces, and a body that is not SDP", function()
        local body = "odd body\r\n\r\nwith \0 in it"
        local sent = table.concat({
            "INVITE sip:1001@" .. sbc.public .. ":5060;x-Param=Y SIP/2.0",
            "x-FIRST:   spaces   kept  ",
            "v: SIP/2.0/UDP " .. sbc.public_caller .. ":5060;branch=z9hG4bKbytes;oddparam",
            "MAX-FORWARDS: 70",
            "f: \"A, B\" <sip:a@example.org>;tag=1;p=q",
            "t:<sip:1001@example.org>",
            "i: bytes@example.org",
            "CSeq:   0007   INVITE",
            "m: <sip:a@" .. sbc.public_caller .. ":5060>",
            "Subject: folded",
            "  over lines",
            "X-List: a,b ,  c",
            "x-list: d",
            "Content-Type: application/odd",
            "l: " .. #body,
            "", body,
        }, "\r\n")
        assert(caller.send(sbc.public, 5060, sent))
        local received = raw.receive(gateway, "^INVITE ")
        local rest, record_routes = without_edits(received)
        assert.equal(2, record_routes)
        assert.equal((sent:gsub("MAX%-FORWARDS: 70", "MAX-FORWARDS: 69")), rest)
        gateway.send(sbc.private, 5060, (raw.answer(received:gsub("\nv:", "\nVia:"):gsub("\nf:", "\nFrom:")
            :gsub("\nt:", "\nTo:"):gsub("\ni:", "\nCall-ID:"), "g", sbc.private_gateway)
            :gsub("SIP/2.0 200 OK", "SIP/2.0 603 No")))
        raw.receive(caller, "^SIP/2.0 603 No")
    end)

    it("edits an SDP in place: unknown lines survive byte for byte (GB/T 28181 y= and f=)", function()
        local call = {
            id = "sdp@example.org", host = sbc.public_caller, port = 5060,
            target = "sip:1001@" .. sbc.public .. ":5060",
        }
        local offer = table.concat({
            "v=0", "o=34020000002000000001 0 0 IN IP4 " .. sbc.public_caller, "s=Play",
            "c=IN IP4 " .. sbc.public_caller, "t=0 0", "m=video 6000 RTP/AVP 96 97", "a=recvonly",
            "a=rtpmap:96 PS/90000", "a=rtpmap:97 MPEG4/90000", "a=odd:thing  kept", "y=0100000001",
            "f=v/2/5/25/1/4096a///", "",
        }, "\r\n")
        assert(caller.send(sbc.public, 5060, raw.request(call, "INVITE", 1, { body = offer })))
        local received = raw.receive(gateway, "^INVITE ")
        local body = received:match "\r\n\r\n(.*)$"
        local port = body:match "m=video (%d+) "
        assert.equal(tostring(#body), received:match "Content%-Length: (%d+)")
        assert.not_equal("6000", port)
        local ours = sbc.public_caller:gsub("%.", "%%.")
        assert.equal((offer:gsub("m=video 6000", "m=video " .. port):gsub(ours, sbc.private)), body)
        gateway.send(sbc.private, 5060, (raw.answer(received, "g", sbc.private_gateway)
            :gsub("SIP/2.0 200 OK", "SIP/2.0 603 No")))
        raw.receive(caller, "^SIP/2.0 603 No")
    end)
end)
