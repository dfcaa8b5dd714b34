-- RTPBleed: who sprays RTP at the relay's ports gets no stream, in no learning mode but `immediate`.
local border = require "support.border"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

describe("strangers that spray RTP", function()
    after_each(border.clean)

    -- The smallest border: one gateway, and the mode as rtpengine's flag.
    local function route_file(mode)
        local path = process.folder() .. "/route.lua"
        local file = assert(io.open(path, "w"))
        file:write(([[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        req:loose_route()
        return req:relay()
    end
    sip.dispatcher.select(req, 2, 4)
    sip.media.manage(req, "direction=public direction=private endpoint-learning-%s")
    req:record_route()
    req:relay { interface = "private" }
end
]]):format(mode))
        file:close()
        return path
    end

    local function packet(sequence, payload)
        return string.char(0x80, 8, math.floor(sequence / 256) % 256, sequence % 256) .. ("\0"):rep(4) .. "\1\2\3\4" ..
            payload:rep(160)
    end

    local function drain(socket, counts)
        for bytes in socket.receive do
            local letter = bytes:sub(13, 13)
            counts[letter] = (counts[letter] or 0) + 1
        end
    end

    for _, mode in ipairs { "heuristic", "delayed", "off" } do
        it("win no stream in mode " .. mode, function()
            local sbc = border.start { route = route_file(mode) }
            local ends = {
                caller = assert(posix.udp(sbc.public_caller, 5060)),
                gateway = assert(posix.udp(sbc.private_gateway, 5060)),
                public = sbc.public, private = sbc.private, id = "stranger", near_port = 10000, far_port = 10000,
            }
            local near, far = assert(posix.udp(sbc.public_caller, 10000)), assert(posix.udp(sbc.private_gateway, 10000))
            local stranger = assert(posix.udp(sbc.at(66), 10000))
            local call = raw.call(ends)
            local at_near, at_far, at_stranger = {}, {}, {}
            for sequence = 1, 200 do
                -- The stranger is always first, and louder.
                stranger.send(call.near[1], call.near[2], packet(sequence, "S"))
                stranger.send(call.far[1], call.far[2], packet(sequence, "S"))
                near.send(call.near[1], call.near[2], packet(sequence, "N"))
                far.send(call.far[1], call.far[2], packet(sequence, "F"))
                posix.wait_until(function()
                    drain(near, at_near)
                    drain(far, at_far)
                    drain(stranger, at_stranger)
                    return (at_near.F or 0) >= sequence - 20 and (at_far.N or 0) >= sequence - 20
                end, 60, 0.0002)
            end
            posix.wait_until(function()
                drain(near, at_near)
                drain(far, at_far)
                return (at_near.F or 0) >= 200 and (at_far.N or 0) >= 200
            end, 60, 0.001)
            drain(stranger, at_stranger)
            assert.same({}, at_stranger, "the stranger was sent packets")
            assert.same({ F = 200 }, at_near)
            assert.same({ N = 200 }, at_far)
            for _, socket in ipairs { near, far, stranger } do socket.close() end
            raw.hang_up(ends, call)
            ends.caller.close()
            ends.gateway.close()
            sbc:expect_nothing_left()
        end)
    end
end)
