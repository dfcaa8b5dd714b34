--- One RTP stream of an agent: a socket for RTP and one for RTCP, packets sent every 20 ms, and
-- what arrived: packets, loss, jitter (RFC 3550 A.3, A.8).
local bit = require "bit"

local M = {}
local Stream = {}
Stream.__index = Stream

local FRAME_S = 0.02
local PAYLOAD = { audio = 8, video = 96 }
local CLOCK = { audio = 8000, video = 90000 }
local SIZE_BYTES = { audio = 160, video = 900 }
local EVEN_PORT_TRIES = 64
local DTMF, EVENT_PAYLOAD, KEY_S = "0123456789*#ABCD", 101, 0.2

local function u16(value) return string.char(bit.band(bit.rshift(value, 8), 255), bit.band(value, 255)) end
local function u32(value)
    value = value % 4294967296
    return u16(math.floor(value / 65536)) .. u16(value % 65536)
end
local function number(bytes, at, size)
    local value = 0
    for i = at, at + size - 1 do value = value * 256 + bytes:byte(i) end
    return value
end

local function address_of(host, port)
    return host:find(":", 1, true) and ("[%s]:%d"):format(host, port) or ("%s:%d"):format(host, port)
end

-- An even port and the odd one above it (RFC 3550 s11).
local function open_pair(stage, host, on_rtp, on_rtcp)
    for _ = 1, EVEN_PORT_TRIES do
        local rtp = assert(stage:socket(address_of(host, 0), on_rtp))
        local port = tonumber(rtp.address:match ":(%d+)$")
        local rtcp = port % 2 == 0 and stage:socket(address_of(host, port + 1), on_rtcp)
        if rtcp then
            return rtp, rtcp, port
        end
        rtp:close()
    end
    error("no pair of ports free on " .. host)
end

--- Open a stream.
-- @string host own address
-- @string kind "audio" or "video"
-- @int ssrc
function M.open(stage, host, kind, ssrc)
    local self = setmetatable({
        stage = stage, host = host, kind = kind, ssrc = ssrc, sequence = 0, timestamp = 0, sent = 0,
        received = 0, received_rtcp = 0, sources = {}, jitter = 0, bytes = 0,
    }, Stream)
    self.rtp, self.rtcp, self.port = open_pair(stage, host,
        function(bytes, source, time) self:on_rtp(bytes, source, time) end,
        function(bytes, source) self:on_rtcp(bytes, source) end)
    return self
end

function Stream:on_rtp(bytes, source, time)
    local kind = bytes:byte(2)
    if #bytes < 12 or (kind >= 192 and kind <= 223) then
        return self:on_rtcp(bytes, source)
    end
    local sequence, stamp = number(bytes, 3, 2), number(bytes, 5, 4)
    self.received, self.bytes = self.received + 1, self.bytes + #bytes
    self.sources[source] = (self.sources[source] or 0) + 1
    self.last_payload = bytes:sub(13)
    if not self.first then
        self.first, self.highest = sequence, sequence
    end
    local ahead = (sequence - self.highest) % 65536
    if ahead < 32768 then
        self.cycles = (self.cycles or 0) + (sequence < self.highest and 65536 or 0)
        self.highest = sequence
    end
    local transit = time * CLOCK[self.kind] - stamp
    if self.transit then
        self.jitter = self.jitter + (math.abs(transit - self.transit) - self.jitter) / 16
    end
    self.transit = transit
end

function Stream:on_rtcp(bytes, source)
    self.received_rtcp = self.received_rtcp + 1
    self.last_rtcp, self.rtcp_source = bytes, source
end

--- Where to send: from the other side's SDP.
function Stream:set_peer(host, port, rtcp_port)
    self.peer = port > 0 and address_of(host, port) or nil
    self.rtcp_peer = port > 0 and address_of(host, rtcp_port or port + 1) or nil
end

--- Send one packet now. @return false when the other side is not known
function Stream:send(payload)
    if not self.peer then
        return false
    end
    local header = string.char(0x80, PAYLOAD[self.kind]) .. u16(self.sequence) .. u32(self.timestamp) .. u32(self.ssrc)
    self.sequence = (self.sequence + 1) % 65536
    self.timestamp = self.timestamp + CLOCK[self.kind] * FRAME_S
    self.sent = self.sent + 1
    return self.rtp:send(self.peer, header .. (payload or ("\213"):rep(SIZE_BYTES[self.kind])))
end

--- Press keys: telephone-events (RFC 4733) of 60 ms each, one key every 200 ms, the end of each told three times.
-- @string digits of 0123456789*#ABCD
function Stream:dial(digits)
    local key, stamp = DTMF:find(digits:sub(1, 1), 1, true), self.timestamp
    for i = 1, self.peer and 5 or 0 do
        self.stage:after((i - 1) * FRAME_S, function()
            local header = string.char(0x80, EVENT_PAYLOAD) .. u16(self.sequence) .. u32(stamp) .. u32(self.ssrc)
            self.sequence, self.sent = (self.sequence + 1) % 65536, self.sent + 1
            self.rtp:send(self.peer, header .. string.char(key - 1, (i >= 3 and 128 or 0) + 10)
                .. u16(math.min(i, 3) * CLOCK.audio * FRAME_S))
        end)
    end
    self.timestamp = stamp + CLOCK.audio * KEY_S
    if #digits > 1 then
        self.stage:after(KEY_S, function() self:dial(digits:sub(2)) end)
    end
end

--- A sender report (RFC 3550 s6.4.1) without report blocks.
function Stream:send_rtcp()
    if not self.rtcp_peer then
        return false
    end
    local report = string.char(0x80, 200) .. u16(6) .. u32(self.ssrc) .. u32(math.floor(self.stage:now())) .. u32(0)
        .. u32(self.timestamp) .. u32(self.sent) .. u32(self.sent * SIZE_BYTES[self.kind])
    return self.rtcp:send(self.rtcp_peer, report)
end

--- Send `count` packets, one every 20 ms, the first one now, and a sender report with the last.
function Stream:play(count)
    self:send()
    if count > 1 then
        self.stage:after(FRAME_S, function() self:play(count - 1) end)
    else
        self:send_rtcp()
    end
end

--- What arrived: { packets, bytes, lost, jitter_ms, rtcp, sources }.
function Stream:statistics()
    local expected = self.first and (self.cycles or 0) + self.highest - self.first + 1 or 0
    return {
        kind = self.kind, packets = self.received, bytes = self.bytes, lost = expected - self.received,
        jitter_ms = self.jitter / CLOCK[self.kind] * 1000, rtcp = self.received_rtcp, sources = self.sources,
        sent = self.sent,
    }
end

function Stream:close()
    self.rtp:close()
    self.rtcp:close()
end

return M
