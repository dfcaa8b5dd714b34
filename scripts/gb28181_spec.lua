-- The specs of scripts/gb28181.lua: cameras, the platform, and what passes between them byte for byte.
-- Run it: build/lunasip test --coverage scripts/gb28181_spec.lua
local lab = require "lunasip.lab"

local CAMERA, OTHER, PLATFORM = "34020000001320000001", "34020000001320000002", "34020000002000000001"
local DOMAIN = "3402000000"

-- In GB2312, with a name of two characters that are no UTF-8.
local function manscdp(kind, command, more)
    return ('<?xml version="1.0" encoding="GB2312"?>\r\n<%s>\r\n<CmdType>%s</CmdType>\r\n<SN>17</SN>\r\n'
        .. "<DeviceID>%s</DeviceID>\r\n%s</%s>\r\n"):format(kind, command, CAMERA, more or "", kind)
end
local CATALOG = manscdp("Response", "Catalog", "<Name>\195\197\191\218</Name>\r\n")
local XML = "Application/MANSCDP+xml"

-- The platform asks for a picture; `y=` and `f=` are no lines of RFC 4566.
local OFFER = table.concat({
    "v=0", "o=34020000001320000001 0 0 IN IP4 127.0.0.41", "s=Play", "c=IN IP4 127.0.0.41", "t=0 0",
    "m=video 6000 RTP/AVP 96 98 97", "a=recvonly", "a=rtpmap:96 PS/90000", "y=0100000001", "f=v/2/5/25/1/4000a///", "",
}, "\r\n")

describe("scripts/gb28181.lua", function()
    local net, camera, platform

    local function new_camera(number, address, password)
        return net:agent {
            name = "camera-" .. address:gsub("%p", "-"), user = number, address = address, side = "lan",
            advertise = "192.168.1.64:5060", credentials = { username = number, password = password or "12345678" },
        }
    end

    before_each(function()
        net = lab.new { conf = "conf/gb28181.lua", seed = 7 }
        platform = net:agent { name = PLATFORM, address = "127.0.0.41", side = "lan" }
        camera = new_camera(CAMERA, "127.0.0.50:40001")
    end)
    after_each(function() net:close() end) -- fails when a transaction or a dialog is left

    local function register(one, options)
        options = options or {}
        options.uri = "sip:" .. DOMAIN
        one:register(options)
        return one:receive(function(msg) return msg.status and msg.cseq_method == "REGISTER" end)
    end

    local function say(body, from)
        local uri = ("sip:%s@%s"):format(PLATFORM, DOMAIN)
        return (from or camera):ask("MESSAGE", { uri = uri, body = body, content_type = XML })
    end

    local function cameras_online() return net:status().registrations.bindings end

    describe("a camera", function()
        it("registers with its password (GB/T 28181 9.1)", function()
            assert.equal(200, register(camera, { expires = 3600 }).status)
            assert.equal(401, register(new_camera(OTHER, "127.0.0.51", "wrong")).status)
            camera:register { uri = "sip:" .. DOMAIN, aor = ("sip:%s@%s"):format(OTHER, DOMAIN) }
            camera:receive(403)
            assert.equal(1, cameras_online())
            assert.is_truthy(net:logged(CAMERA .. "@3402000000 is online"))
        end)

        it("is refused for too brief a time", function()
            assert.equal(423, register(camera, { expires = 10 }).status)
            assert.is_truthy(net:logged "REGISTER of 34020000001320000001 from 127%.0%.0%.50:40001 refused")
        end)

        it("stays online for as long as its keepalives come, and is offline after three that did not (9.6)", function()
            register(camera)
            for _ = 1, 10 do
                net:advance(60)
                say(manscdp("Notify", "Keepalive", "<Status>OK</Status>\r\n"))
                camera:receive { status = 200, method = "MESSAGE" }
            end
            assert.equal(1, cameras_online())
            net:advance(178)
            assert.equal(1, cameras_online())
            net:advance(4)
            assert.equal(0, cameras_online())
            assert.is_truthy(net:logged "has missed 3 keepalives")
            assert.is_truthy(net:logged(CAMERA .. "@3402000000 is offline"))
        end)

        it("that is not registered hears 403, so that it registers again", function()
            say(manscdp("Notify", "Keepalive"))
            camera:receive(403)
            register(camera)
            say(manscdp("Notify", "Keepalive"), new_camera(CAMERA, "127.0.0.66:5060")) -- another's number
            net:advance(1)
            assert.is_truthy(net:logged "MESSAGE from .* at 127%.0%.0%.66:5060 refused: not registered")
        end)

        it("is found where it is after a restart, and gone when it says so", function()
            register(camera)
            local moved = new_camera(CAMERA, "127.0.0.50:40002")
            register(moved, { contact = ("<sip:%s@192.168.1.64:5062>"):format(CAMERA) })
            assert.equal(1, cameras_online())
            platform:ask("MESSAGE", { uri = ("sip:%s@%s"):format(CAMERA, DOMAIN), body = "", content_type = XML })
            moved:reply(moved:receive "MESSAGE", 200)
            platform:receive(200)
            register(moved, { contact = "*", expires = 0 })
            assert.equal(0, cameras_online())
        end)
    end)

    describe("between platform and camera", function()
        before_each(function() register(camera) end)

        it("a Catalog and its answer pass as they are", function()
            local query = manscdp("Query", "Catalog")
            platform:ask("MESSAGE", { uri = ("sip:%s@%s"):format(CAMERA, DOMAIN), body = query, content_type = XML })
            local asked = camera:receive "MESSAGE"
            assert.equal(query, asked.body)
            camera:reply(asked, 200)
            platform:receive(200)
            say(CATALOG)
            local answered = platform:receive "MESSAGE"
            assert.equal(CATALOG, answered.body)
            assert.header(answered, "Content-Type", XML)
            platform:reply(answered, 200)
            camera:receive { status = 200, method = "MESSAGE" }
        end)

        it("an INVITE passes with y= and f=, and the call ends from either side", function()
            for _, ends in ipairs { "platform", "camera" } do
                platform:invite(("sip:%s@%s"):format(CAMERA, DOMAIN), {
                    body = OFFER, content_type = "APPLICATION/SDP",
                    headers = { Subject = CAMERA .. ":0100000001," .. PLATFORM .. ":0" },
                })
                local invite = camera:receive "INVITE"
                assert.equal(OFFER, invite.body)
                local answer = OFFER:gsub("recvonly", "sendonly"):gsub("127%.0%.0%.41", "192.168.1.64")
                camera:reply(invite, 200, { body = answer, content_type = "APPLICATION/SDP" })
                assert.equal(answer, platform:receive { status = 200, method = "INVITE" }.body)
                camera:receive "ACK"
                local from, to = platform, camera
                if ends == "camera" then from, to = camera, platform end
                from:hangup()
                to:reply(to:receive "BYE", 200)
                from:receive { status = 200, method = "BYE" }
            end
        end)

        it("a camera that is offline is 480, and one that cannot be reached 500", function()
            platform:invite(("sip:%s@%s"):format(OTHER, DOMAIN), { body = OFFER, content_type = "application/sdp" })
            platform:receive(480)
            net:dns {}
            register(new_camera(OTHER, "127.0.0.51"), { headers = { Path = "<sip:edge.example;lr>" } })
            platform:ask("MESSAGE", { uri = ("sip:%s@%s"):format(OTHER, DOMAIN), body = "", content_type = XML })
            platform:receive(500)
            assert.is_truthy(net:logged "not sent")
        end)
    end)

    it("answers what is for nobody", function()
        platform:ask("OPTIONS", { uri = "sip:127.0.0.40" })
        assert.header(platform:receive(405), "Allow", "^REGISTER")
        platform:ask("MESSAGE", { uri = "sip:127.0.0.40", max_forwards = 0 })
        platform:receive(483)
        for _, method in ipairs { "INFO", "CANCEL", "ACK" } do
            local tag = method == "INFO" and ";tag=2" or ""
            platform:send(table.concat({
                method .. " sip:x@127.0.0.40 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.41;branch=z9hG4bK" .. method,
                "Max-Forwards: 70", "From: <sip:a@b>;tag=1", "To: <sip:x@127.0.0.40>" .. tag,
                "Call-ID: of-no-call", "CSeq: 7 " .. method, "", "",
            }, "\r\n"))
        end
        platform:receive { status = 481, method = "INFO" }
        platform:receive { status = 481, method = "CANCEL" }
    end)
end)
