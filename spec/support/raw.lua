--- SIP by hand, over plain sockets: for what SIPp cannot say or see (bytes as they are, order, many calls at once).
local posix = require "support.posix"

local M = {}

--- A minimal audio offer or answer.
function M.sdp(host, port)
    return table.concat({
        "v=0", "o=- 1 1 IN IP4 " .. host, "s=-", "c=IN IP4 " .. host, "t=0 0", ("m=audio %d RTP/AVP 8"):format(port),
        "a=rtpmap:8 PCMA/8000", "",
    }, "\r\n")
end

--- Host and port of the first audio line of a message.
function M.media_of(message)
    local port = tonumber(message:match "\nm=audio (%d+)")
    if not port then error("no audio in:\n" .. message, 2) end
    return message:match "\nc=IN IP4 ([%d.]+)", port
end

--- Every line of a header field, joined by line ends; "" when there is none.
function M.header(message, name)
    local lines = {}
    for line in message:gmatch "[^\r\n]+" do
        if line:lower():sub(1, #name + 1) == name:lower() .. ":" then lines[#lines + 1] = line end
    end
    return table.concat(lines, "\r\n")
end

--- Wait for a message that matches, of this Call-ID when one is given; others are dropped (a message that a busy
-- machine let be sent twice comes late).
function M.receive(socket, pattern, seconds, id)
    local kept
    posix.wait_until(function()
        local message = socket.receive()
        if message and message:match(pattern) and (not id or message:find("Call-ID: " .. id .. "\r", 1, true)) then
            kept = message
        end
        return kept
    end, seconds or 30, 0.0002)
    return kept or error("nothing that matches " .. pattern .. " came", 2)
end

--- The URI in Contact.
function M.contact_of(message) return message:match "[Cc]ontact: *<([^>]+)>" end

--- The route set of whoever sent the request that this response answers (RFC 3261 s12.1.2).
function M.route_of(response)
    local routes = {}
    for route in M.header(response, "Record-Route"):gmatch "<[^>]+>" do table.insert(routes, 1, route) end
    return routes
end

--- A request of a call: { id, host, port, target, to_tag, routes }.
function M.request(call, method, number, options)
    options = options or {}
    local lines = {
        ("%s %s SIP/2.0"):format(method, call.target),
        ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%d%s"):format(call.host, call.port, method, number, call.id),
        "Max-Forwards: 70", "From: <sip:caller@example.org>;tag=c" .. call.id,
        "To: <sip:1001@example.org>" .. (call.to_tag and ";tag=" .. call.to_tag or ""),
        "Call-ID: " .. call.id, ("CSeq: %d %s"):format(number, method),
        ("Contact: <sip:c@%s:%d>"):format(call.host, call.port),
    }
    for _, route in ipairs(call.routes or {}) do lines[#lines + 1] = "Route: " .. route end
    for _, line in ipairs(options.headers or {}) do lines[#lines + 1] = line end
    if options.body then lines[#lines + 1] = "Content-Type: application/sdp" end
    lines[#lines + 1] = "Content-Length: " .. #(options.body or "")
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (options.body or "")
end

--- A response to a request (status: "200 OK" by default); `tag` goes behind To when it has none yet.
function M.answer(message, tag, host, body, status)
    local lines = { "SIP/2.0 " .. (status or "200 OK"), M.header(message, "Via") }
    local record_route = M.header(message, "Record-Route")
    if record_route ~= "" then lines[#lines + 1] = record_route end
    lines[#lines + 1] = M.header(message, "From")
    lines[#lines + 1] = M.header(message, "To") .. (tag and ";tag=" .. tag or "")
    lines[#lines + 1] = M.header(message, "Call-ID")
    lines[#lines + 1] = M.header(message, "CSeq")
    lines[#lines + 1] = ("Contact: <sip:g@%s:5060>"):format(host)
    if body then lines[#lines + 1] = "Content-Type: application/sdp" end
    lines[#lines + 1] = "Content-Length: " .. #(body or "")
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- Set up one call from the public side through a border controller.
-- ends: caller and gateway (sockets of `posix.udp`), public and private (the controller's hosts), id,
-- near_port and far_port (media ports of the two ends)
-- @return the call, with `near` and `far`: { host, port } of the relay on each side
function M.call(ends)
    local call = {
        id = ends.id, host = ends.caller.host, port = ends.caller.port,
        target = ("sip:1001@%s:5060"):format(ends.public),
    }
    local offer = ends.near_port and M.sdp(ends.caller.host, ends.near_port)
    ends.caller.send(ends.public, 5060, M.request(call, "INVITE", 1, { body = offer }))
    local invite = M.receive(ends.gateway, "^INVITE ", nil, call.id)
    local answer = ends.far_port and M.sdp(ends.gateway.host, ends.far_port)
    ends.gateway.send(ends.private, 5060, M.answer(invite, "g" .. ends.id, ends.gateway.host, answer))
    local ok = M.receive(ends.caller, "^SIP/2.0 200 ", nil, call.id)
    if offer then
        call.far = { M.media_of(invite) }
        call.near = { M.media_of(ok) }
    end
    call.to_tag, call.target, call.routes = "g" .. ends.id, M.contact_of(ok), M.route_of(ok)
    ends.caller.send(ends.public, 5060, M.request(call, "ACK", 1))
    M.receive(ends.gateway, "^ACK ", nil, call.id)
    return call
end

--- The caller hangs up.
function M.hang_up(ends, call, number)
    ends.caller.send(ends.public, 5060, M.request(call, "BYE", number or 2))
    local bye = M.receive(ends.gateway, "^BYE ", nil, call.id)
    ends.gateway.send(ends.private, 5060, M.answer(bye, nil, ends.gateway.host))
    M.receive(ends.caller, "^SIP/2.0 200 .-\nCSeq: %d+ BYE", nil, call.id)
end

return M
