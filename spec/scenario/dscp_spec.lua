-- The marks that routers go by, read back from the packets that arrive: SIP and RTP have one each.
local border = require "support.border"
local posix = require "support.posix"
local raw = require "support.raw"

describe("DSCP (RFC 2474, RFC 4594)", function()
    after_each(border.clean)

    -- A socket whose datagrams leave their marks in a set.
    local function marked(host, port)
        local socket, marks = assert(posix.udp(host, port)), {}
        local self = { host = socket.host, port = socket.port, send = socket.send, close = socket.close, marks = marks }
        function self.receive()
            local bytes, mark = socket.receive_marked()
            if bytes then marks[mark] = true end
            return bytes
        end
        return self
    end

    local function expect_marks(blocks, sip, rtp)
        local sbc = border.start { blocks = blocks, timers = { t1_ms = 30, t2_ms = 100, t4_ms = 100 } }
        local ends = {
            caller = marked(sbc.public_caller, 5060), gateway = marked(sbc.private_gateway, 5060),
            public = sbc.public, private = sbc.private, id = "marked", near_port = 10000, far_port = 10000,
        }
        local near, far = marked(sbc.public_caller, 10000), marked(sbc.private_gateway, 10000)
        local near_rtcp, far_rtcp = marked(sbc.public_caller, 10001), marked(sbc.private_gateway, 10001)
        local call = raw.call(ends)
        local rtp_packet = "\128\8\0\1" .. ("\0"):rep(8) .. ("x"):rep(160)
        local receiver_report = "\128\201\0\1\0\0\0\1" -- RFC 3550 s6.4.2
        near.send(call.near[1], call.near[2], rtp_packet)
        far.send(call.far[1], call.far[2], rtp_packet)
        near_rtcp.send(call.near[1], call.near[2] + 1, receiver_report)
        far_rtcp.send(call.far[1], call.far[2] + 1, receiver_report)
        for _, socket in ipairs { near, far, near_rtcp, far_rtcp } do
            raw.receive(socket, "^\128")
            assert.same({ [rtp] = true }, socket.marks)
            socket.close()
        end
        raw.hang_up(ends, call)
        for _, socket in ipairs { ends.caller, ends.gateway } do
            assert.same({ [sip] = true }, socket.marks)
            socket.close()
        end
        sbc:expect_nothing_left()
    end

    it("is CS3 for SIP, EF for RTP and RTCP", function() expect_marks({}, 24, 46) end)
    it("is what the configuration says", function() expect_marks({ dscp = { sip = 40, rtp = 34 } }, 40, 34) end)
    it("is none where 0 is said", function() expect_marks({ dscp = { sip = 0, rtp = 0 } }, 0, 0) end)
end)
