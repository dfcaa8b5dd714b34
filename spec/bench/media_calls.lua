--- Calls that exist only for their media: set up one by one, by hand, so that an RTP generator can fill them.
-- Through a border controller with SIP, or in rtpengine with its NG protocol.
local posix = require "support.posix"

local M = {}

local function sdp(host, port)
    return table.concat({
        "v=0", "o=- 1 1 IN IP4 " .. host, "s=-", "c=IN IP4 " .. host, "t=0 0", ("m=audio %d RTP/AVP 8"):format(port),
        "a=rtpmap:8 PCMA/8000", "",
    }, "\r\n")
end

local function media_of(message)
    local port = tonumber(message:match "\nm=audio (%d+)")
    local host = message:match "\nc=IN IP4 ([%d.]+)"
    if not port then error("no audio in:\n" .. message, 3) end
    return host, port
end

local function header(message, name)
    local lines = {}
    for line in message:gmatch "[^\r\n]+" do
        if line:lower():sub(1, #name + 1) == name:lower() .. ":" then lines[#lines + 1] = line end
    end
    return table.concat(lines, "\r\n")
end

local function receive(socket, pattern)
    local kept
    posix.wait_until(function()
        local message = socket.receive()
        if message and message:match(pattern) then kept = message end
        return kept
    end, 5, 0.0002)
    return kept or error("nothing that matches " .. pattern .. " came", 3)
end

local function request(call, method, number, body)
    local lines = {
        ("%s %s SIP/2.0"):format(method, call.target),
        ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s"):format(call.host, call.port, method, call.id),
        "Max-Forwards: 70", "From: <sip:caller@bench>;tag=c" .. call.id,
        "To: <sip:1001@bench>" .. (call.to_tag and ";tag=" .. call.to_tag or ""),
        "Call-ID: " .. call.id, ("CSeq: %d %s"):format(number, method),
        ("Contact: <sip:c@%s:%d>"):format(call.host, call.port),
    }
    for _, route in ipairs(call.routes or {}) do lines[#lines + 1] = "Route: " .. route end
    if body then lines[#lines + 1] = "Content-Type: application/sdp" end
    lines[#lines + 1] = "Content-Length: " .. #(body or "")
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

local function answer(message, tag, host, body)
    local lines = { "SIP/2.0 200 OK", header(message, "Via") }
    local record_route = header(message, "Record-Route")
    if record_route ~= "" then lines[#lines + 1] = record_route end
    lines[#lines + 1] = header(message, "From")
    lines[#lines + 1] = header(message, "To") .. (tag and ";tag=" .. tag or "")
    lines[#lines + 1] = header(message, "Call-ID")
    lines[#lines + 1] = header(message, "CSeq")
    lines[#lines + 1] = ("Contact: <sip:g@%s:5060>"):format(host)
    if body then lines[#lines + 1] = "Content-Type: application/sdp" end
    lines[#lines + 1] = "Content-Length: " .. #(body or "")
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- Set up `count` calls through a border controller at at(10)/at(20).
-- @return list of streams for rtp_generator (two per call), and a function that ends the calls
function M.through_sip(at, count)
    local caller, gateway = assert(posix.udp(at(12), 5060)), assert(posix.udp(at(21), 5060))
    local streams, calls = {}, {}
    for i = 1, count do
        local near_port, far_port = 10000 + 2 * i, 10000 + 2 * i
        local call = {
            id = ("bench%d-%d"):format(posix.pid(), i), host = at(12), port = 5060,
            target = "sip:1001@" .. at(10) .. ":5060",
        }
        caller.send(at(10), 5060, request(call, "INVITE", 1, sdp(at(12), near_port)))
        local invite = receive(gateway, "^INVITE ")
        local far_host, far_relay = media_of(invite)
        gateway.send(at(20), 5060, answer(invite, "g" .. i, at(21), sdp(at(21), far_port)))
        local ok = receive(caller, "^SIP/2.0 200 ")
        local near_host, near_relay = media_of(ok)
        call.to_tag, call.target = "g" .. i, ok:match "[Cc]ontact: *<([^>]+)>"
        call.routes = {}
        for route in header(ok, "Record-Route"):gmatch "<[^>]+>" do table.insert(call.routes, 1, route) end
        caller.send(at(10), 5060, request(call, "ACK", 1))
        receive(gateway, "^ACK ")
        streams[#streams + 1] = ("%s %d %s %d"):format(at(12), near_port, near_host, near_relay)
        streams[#streams + 1] = ("%s %d %s %d"):format(at(21), far_port, far_host, far_relay)
        calls[i] = call
    end
    return streams, function()
        for _, call in ipairs(calls) do
            caller.send(at(10), 5060, request(call, "BYE", 2))
            local bye = receive(gateway, "^BYE ")
            gateway.send(at(20), 5060, answer(bye, nil, at(21)))
            receive(caller, "^SIP/2.0 200 ")
        end
        caller.close()
        gateway.close()
    end
end

local function bencode(value)
    if type(value) == "string" then return #value .. ":" .. value end
    if value[1] then
        local list = {}
        for i, item in ipairs(value) do list[i] = bencode(item) end
        return "l" .. table.concat(list) .. "e"
    end
    local keys, parts = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do parts[#parts + 1] = bencode(key) .. bencode(value[key]) end
    return "d" .. table.concat(parts) .. "e"
end

--- Set up `count` calls in rtpengine. @return as `through_sip`
function M.through_ng(at, count, ng_port)
    local socket = assert(posix.udp("127.0.0.1", 0))
    local cookie = 0
    local function ask(command)
        cookie = cookie + 1
        socket.send("127.0.0.1", ng_port, cookie .. " " .. bencode(command))
        local reply = receive(socket, "^" .. cookie .. " ")
        if not reply:find("6:result2:ok", 1, true) then error(reply, 2) end
        return media_of("\n" .. reply)
    end
    local streams = {}
    for i = 1, count do
        local port = 10000 + 2 * i
        local common = {
            ["call-id"] = "bench" .. i, ["from-tag"] = "c" .. i, replace = { "origin", "session-connection" },
        }
        common.command, common.sdp, common.direction = "offer", sdp(at(12), port), { "public", "private" }
        common.flags, common.ICE = { "trust-address" }, "remove"
        local far_host, far_relay = ask(common)
        common.command, common.sdp, common["to-tag"] = "answer", sdp(at(21), port), "g" .. i
        local near_host, near_relay = ask(common)
        streams[#streams + 1] = ("%s %d %s %d"):format(at(12), port, near_host, near_relay)
        streams[#streams + 1] = ("%s %d %s %d"):format(at(21), port, far_host, far_relay)
    end
    return streams, socket.close
end

--- The streams of the null relay: no set-up at all.
function M.through_null(at, count)
    local streams = {}
    for i = 0, count - 1 do
        streams[#streams + 1] = ("%s %d %s %d"):format(at(12), 10000 + 2 * i, at(10), 30000 + 2 * i)
        streams[#streams + 1] = ("%s %d %s %d"):format(at(21), 10000 + 2 * i, at(20), 30000 + 2 * i)
    end
    return streams, function() end
end

return M
