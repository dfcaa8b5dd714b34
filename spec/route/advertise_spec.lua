-- Behind a NAT that maps one to one: an interface says another address than the one that it is bound to, and takes what
-- is addressed to it for its own.
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        if not req:loose_route() then return req.method ~= "ACK" and req:reply(404, "No Route") end
        return req:relay()
    elseif req.method == "OPTIONS" then
        return req:reply(200, req["$RAi"] .. " " .. req["$RAp"])
    end
    sip.media.manage(req, { from = req.interface, to = req.interface == "public" and "private" or "public" })
    req:record_route()
    req:relay { to = req.interface == "public" and "sip:10.0.0.20" or "sip:192.0.2.10", interface =
        req.interface == "public" and "private" or "public" }
end
]]

for name, shown in pairs { ["an address"] = "203.0.113.7", ["a name"] = "sbc.example.com" } do
    describe("an interface that advertises " .. name, function()
        local net, alice, bob

        before_each(function()
            net = lab.new {
                route = ROUTE, conf = {
                    listen = {
                        public = { { "udp:192.0.2.1:5060", advertise = shown .. ":5080" } },
                        private = { "udp:10.0.0.1:5060" },
                    },
                    media = { public = { { "192.0.2.1", advertise = "203.0.113.7" } }, private = "10.0.0.1" },
                },
            }
            alice = net:agent { name = "alice", address = "192.0.2.10", auto_ack = false }
            bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        end)
        after_each(function() net:close() end)

        local NEAR = "192.0.2.1:5060" -- where the NAT brings what alice sends to the one that is advertised

        -- 200 to a request, as alice would send it to the top Via.
        local function answer(request, sdp)
            local lines = { "SIP/2.0 200 OK" }
            for _, field in ipairs { "Via", "Record-Route", "From", "Call-ID", "CSeq" } do
                for _, value in ipairs(request:values(field)) do lines[#lines + 1] = field .. ": " .. value end
            end
            local to = request:header "To"
            lines[#lines + 1] = "To: " .. to .. (to:find ";tag=" and "" or ";tag=alice")
            lines[#lines + 1] = "Contact: <sip:alice@192.0.2.10:5060>"
            if sdp then lines[#lines + 1] = "Content-Type: application/sdp" end
            lines[#lines + 1] = "Content-Length: " .. #(sdp or "")
            alice:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (sdp or ""), NEAR)
        end

        local function assert_public(msg)
            assert.is_truthy(msg:values("Record-Route")[1]:find("<sip:" .. shown .. ":5080;", 1, true)
                or msg:values("Record-Route")[2]:find("<sip:" .. shown .. ":5080;", 1, true))
            assert.is_nil(table.concat(msg:values "Record-Route"):find("192.0.2.1:", 1, true))
        end

        it("writes it into Via, Record-Route and SDP, and finds what comes back its own", function()
            bob:invite("sip:alice@example.net", { sdp = true })
            local invite = alice:receive "INVITE"
            assert.is_truthy(invite:values("Via")[1]:find("UDP " .. shown .. ":5080;", 1, true))
            assert_public(invite)
            local sdp = alice.call.remote_sdp
            assert.same({ "203.0.113.7", "203.0.113.7" }, { sdp.origin, sdp.streams[1].host })
            answer(invite, "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                .. "m=audio 40000 RTP/AVP 8\r\n")
            bob:receive(200)
            assert.equal("10.0.0.1", bob.call.remote_sdp.streams[1].host)
            alice:receive "ACK"
            bob:hangup()
            answer(alice:receive "BYE")
            bob:receive(200)
        end)

        it("is the one that is meant by a Route, from the other side too", function()
            alice:invite("sip:bob@example.net", { sdp = true })
            local invite = bob:receive "INVITE"
            assert_public(invite)
            assert.is_truthy(invite:values("Via")[1]:find("UDP 10.0.0.1:5060;", 1, true))
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200)
            assert.equal("203.0.113.7", alice.call.remote_sdp.streams[1].host)
            alice:request(alice.call, "ACK", { to = NEAR, cseq = alice.call.invite.cseq })
            bob:receive "ACK"
            alice:ask("INFO", { to = NEAR }) -- its Route names the one that is advertised
            local info = bob:receive "INFO"
            assert.same({}, info:values "Route")
            bob:reply(info, 200)
            alice:receive(200)
            bob:hangup()
            local bye = alice:receive "BYE"
            assert.is_truthy(bye:values("Via")[1]:find("UDP " .. shown .. ":5080;", 1, true))
            answer(bye)
            bob:receive(200)
        end)

        it("is told to scripts ($RAi, $RAp)", function()
            alice:ask("OPTIONS", { uri = "sip:192.0.2.1" })
            assert.equal(shown .. " 5080", alice:receive(200).reason)
        end)
    end)
end
