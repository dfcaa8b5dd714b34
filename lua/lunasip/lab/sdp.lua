--- SDP of the agents: written from a short description, read into a table.
local M = {}

local CODECS = {
    audio = { payload = "8 0 101", lines = {
        "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
        "a=sendrecv",
    } },
    video = { payload = "96", lines = { "a=rtpmap:96 H264/90000", "a=fmtp:96 profile-level-id=42e01f", "a=sendrecv" } },
}

local function family(host)
    return host:find(":", 1, true) and "IP6" or "IP4"
end

--- Write an SDP.
-- @string host address of c= and o=
-- @tparam table streams { { kind = "audio", port = 4000, direction = "sendrecv", lines = {...} }, ... }
-- @int version o= version
function M.print(host, streams, version)
    local lines = {
        "v=0", ("o=agent 1 %d IN %s %s"):format(version or 1, family(host), host), "s=-",
        ("c=IN %s %s"):format(family(host), host), "t=0 0",
    }
    for _, stream in ipairs(streams) do
        local codec = CODECS[stream.kind]
        lines[#lines + 1] = ("m=%s %d RTP/AVP %s"):format(stream.kind, stream.port, codec.payload)
        for _, line in ipairs(codec.lines) do
            lines[#lines + 1] = line == "a=sendrecv" and "a=" .. (stream.direction or "sendrecv") or line
        end
        for _, line in ipairs(stream.lines or {}) do
            lines[#lines + 1] = line
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n"
end

--- Read an SDP: { origin = host, connection = host, streams = { { kind, port, host, rtcp, mux, direction } } }.
function M.parse(text)
    local sdp = { streams = {}, lines = {} }
    local stream
    for line in (text or ""):gmatch "([^\r\n]+)" do
        local kind, value = line:match "^(%a)=(.*)$"
        sdp.lines[#sdp.lines + 1] = line
        if kind == "o" then
            sdp.origin = value:match "(%S+)%s*$"
        elseif kind == "c" then
            local host = value:match "^IN IP[46] (%S+)"
            if stream then stream.host = host else sdp.connection = host end
        elseif kind == "m" then
            local media, port, profile, formats = value:match "^(%S+) (%d+)%S* (%S+) ?(.*)$"
            stream = { kind = media, port = tonumber(port), profile = profile, formats = formats }
            table.insert(sdp.streams, stream)
        elseif kind == "a" and stream then
            if value == "sendrecv" or value == "sendonly" or value == "recvonly" or value == "inactive" then
                stream.direction = value
            elseif value == "rtcp-mux" then
                stream.mux = true
            else
                stream.rtcp = tonumber(value:match "^rtcp:(%d+)") or stream.rtcp
            end
        end
    end
    for _, one in ipairs(sdp.streams) do
        one.host = one.host or sdp.connection
        one.rtcp = one.rtcp or (one.mux and one.port or one.port + 1)
    end
    return sdp
end

return M
