--- SDP of the agents: written from a short description, read into a table.
local M = {}

local CODECS = {
    PCMA = { payload = 8, rate = 8000 }, PCMU = { payload = 0, rate = 8000 }, G722 = { payload = 9, rate = 8000 },
    G729 = { payload = 18, rate = 8000 }, opus = { payload = 111, rate = "48000/2" },
    H264 = { payload = 96, rate = 90000, fmtp = "profile-level-id=42e01f" }, VP8 = { payload = 97, rate = 90000 },
    ["telephone-event"] = { payload = 101, rate = 8000, fmtp = "0-15" },
}
local DEFAULT_CODECS = { audio = { "PCMA", "PCMU", "telephone-event" }, video = { "H264" } }
-- Payload types that need no rtpmap (RFC 3551 s6).
local STATIC = { [0] = "PCMU", [3] = "GSM", [8] = "PCMA", [9] = "G722", [18] = "G729" }

local function family(host)
    return host:find(":", 1, true) and "IP6" or "IP4"
end

local function print_stream(lines, stream, host)
    local payloads, maps = {}, {}
    for _, name in ipairs(stream.codecs or DEFAULT_CODECS[stream.kind] or {}) do
        local codec = CODECS[name] or error(("no codec '%s'"):format(tostring(name)), 0)
        payloads[#payloads + 1] = codec.payload
        maps[#maps + 1] = ("a=rtpmap:%d %s/%s"):format(codec.payload, name, codec.rate)
        maps[#maps + 1] = codec.fmtp and ("a=fmtp:%d %s"):format(codec.payload, codec.fmtp)
    end
    lines[#lines + 1] = ("m=%s %d %s %s"):format(stream.kind, stream.port, stream.profile or "RTP/AVP",
        stream.formats or table.concat(payloads, " "))
    if stream.host and stream.host ~= host then
        lines[#lines + 1] = ("c=IN %s %s"):format(family(stream.host), stream.host)
    end
    for _, line in ipairs(maps) do
        lines[#lines + 1] = line
    end
    lines[#lines + 1] = "a=" .. (stream.direction or "sendrecv")
    for _, line in ipairs(stream.lines or {}) do
        lines[#lines + 1] = line
    end
end

--- Write an SDP.
-- @string host address of c= and o=
-- @tparam table streams { { kind = "audio", port = 4000, direction = "sendrecv", codecs = { "PCMA" }, host =,
-- profile =, formats =, lines = { ... } }, ... }
-- @int version o= version
function M.print(host, streams, version)
    local lines = {
        "v=0", ("o=agent 1 %d IN %s %s"):format(version or 1, family(host), host), "s=-",
        ("c=IN %s %s"):format(family(host), host), "t=0 0",
    }
    for _, stream in ipairs(streams) do
        print_stream(lines, stream, host)
    end
    return table.concat(lines, "\r\n") .. "\r\n"
end

local DIRECTIONS = { sendrecv = true, sendonly = true, recvonly = true, inactive = true }

local function read_attribute(sdp, stream, value)
    local place = stream or sdp
    place.attributes[#place.attributes + 1] = value
    if DIRECTIONS[value] then
        place.direction = value
    elseif stream and value == "rtcp-mux" then
        stream.mux = true
    elseif stream then
        stream.rtcp = tonumber(value:match "^rtcp:(%d+)") or stream.rtcp
        local payload, name = value:match "^rtpmap:(%d+) ([^/%s]+)"
        if payload then
            stream.names[payload] = name
        end
    end
end

local function new_stream(value)
    local media, port, profile, formats = value:match "^(%S+) (%d+)%S* (%S+) ?(.*)$"
    return {
        kind = media, port = tonumber(port), profile = profile, formats = formats, attributes = {}, names = {},
    }
end

local function finish_stream(sdp, stream)
    stream.host = stream.host or sdp.connection
    stream.rtcp = stream.rtcp or stream.port and (stream.mux and stream.port or stream.port + 1)
    stream.direction = stream.direction or sdp.direction
    stream.codecs = {}
    for payload in (stream.formats or ""):gmatch "%S+" do
        table.insert(stream.codecs, stream.names[payload] or STATIC[tonumber(payload)] or payload)
    end
    stream.names = nil
end

--- Read an SDP: { origin = host, version = (of o=), connection = host, direction, attributes, lines, streams = { {
-- kind, port, host, profile, formats, codecs, direction, rtcp, mux, attributes } } }. Attributes are the values of a=.
function M.parse(text)
    local sdp = { streams = {}, lines = {}, attributes = {} }
    local stream
    for line in (text or ""):gmatch "([^\r\n]+)" do
        local kind, value = line:match "^(%a)=(.*)$"
        sdp.lines[#sdp.lines + 1] = line
        if kind == "o" then
            sdp.origin, sdp.version = value:match "(%S+)%s*$", value:match "^%S+ %S+ (%d+)"
        elseif kind == "c" then
            local host = value:match "^IN IP[46] (%S+)"
            if stream then stream.host = host else sdp.connection = host end
        elseif kind == "m" then
            stream = new_stream(value)
            table.insert(sdp.streams, stream)
        elseif kind == "a" then
            read_attribute(sdp, stream, value)
        end
    end
    for _, one in ipairs(sdp.streams) do
        finish_stream(sdp, one)
    end
    return sdp
end

--- What is wrong with an SDP, compared with a pattern; nil when it fits. In a pattern only what is named counts; names
-- of a stream outside `streams` are those of the first one; a list must be equal; a function is asked.
function M.difference(sdp, pattern)
    local first, whole = {}, {}
    for name, value in pairs(pattern) do
        local is_whole = name == "streams" or name == "origin" or name == "version" or name == "connection"
        local place = is_whole and whole or first
        place[name] = value
    end
    local function compare(at, found, wanted)
        if type(wanted) == "function" then
            return not wanted(found) and ("%s is %s"):format(at, tostring(found)) or nil
        elseif type(wanted) ~= "table" then
            return found ~= wanted and ("%s is %s, not %s"):format(at, tostring(found), tostring(wanted)) or nil
        elseif type(found) ~= "table" then
            return ("%s is %s"):format(at, tostring(found))
        elseif type(wanted[1]) == "string" then
            local has, needs = table.concat(found, ", "), table.concat(wanted, ", ")
            return has ~= needs and ("%s is { %s }, not { %s }"):format(at, has, needs) or nil
        end
        local names = {}
        for name in pairs(wanted) do
            names[#names + 1] = name
        end
        table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
        for _, name in ipairs(names) do
            local inner = type(name) == "number" and ("%s[%d]"):format(at, name)
                or (at == "" and "" or at .. ".") .. tostring(name)
            local fault = compare(inner, found[name], wanted[name])
            if fault then
                return fault
            end
        end
    end
    return compare("", sdp, whole) or next(first) and compare("streams[1]", sdp.streams[1], first) or nil
end

return M
