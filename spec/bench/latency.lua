--- How long a server takes to say 100 and 200 to an INVITE while it carries other calls: calls by hand beside SIPp's,
-- whose own clock is too coarse for that. The gateway is SIPp's.
local posix = require "support.posix"
local raw = require "support.raw"

local M = {}

local PAUSE_S = 0.01 -- between two calls: few enough that they are not the load
local number = 0 -- of the calls of this process: each has a Call-ID of its own

-- The next message of a kind; nil when none came.
local function await(socket, pattern)
    local deadline = posix.now() + 1
    while posix.now() < deadline do
        local message = socket.receive()
        if message and message:match(pattern) then return message end
        if not message then socket.wait(deadline - posix.now()) end
    end
end

-- One whole call. @return microseconds from INVITE to 100, and to 200; nil when a message was lost
local function call(socket, at, body)
    local one = {
        id = ("probe%d-%d"):format(posix.pid(), number), host = socket.host, port = socket.port,
        target = ("sip:1001@%s:5060"):format(at(10)),
    }
    local sent = posix.now()
    socket.send(at(10), 5060, raw.request(one, "INVITE", 1, { body = body }))
    local trying = await(socket, "^SIP/2.0 100 ")
    local took_us = (posix.now() - sent) * 1e6
    local ok = trying and await(socket, "^SIP/2.0 200 ")
    if not ok then return nil end
    local setup_us = (posix.now() - sent) * 1e6
    one.to_tag = ok:match "\n[Tt]o:[^\r\n]*;tag=([^;\r\n]+)"
    one.target, one.routes = raw.contact_of(ok), raw.route_of(ok)
    socket.send(at(10), 5060, raw.request(one, "ACK", 1))
    socket.send(at(10), 5060, raw.request(one, "BYE", 2))
    if await(socket, "^SIP/2.0 200 ") then return took_us, setup_us end
end

--- Make calls until `is_over()`. @return microseconds to the 100, ascending; how many calls were not whole;
-- microseconds to the 200, ascending
function M.sample(at, has_media, is_over)
    local socket = assert(posix.udp(at(14), 5060))
    local body = has_media and raw.sdp(at(14), 20000) or nil
    local times, setups, lost = {}, {}, 0
    while not is_over() do
        number = number + 1
        local took_us, setup_us = call(socket, at, body)
        if took_us then
            times[#times + 1], setups[#setups + 1] = took_us, setup_us
        else
            lost = lost + 1
        end
        posix.wait_until(function() return false end, PAUSE_S, PAUSE_S)
    end
    socket.close()
    table.sort(times)
    table.sort(setups)
    return times, lost, setups
end

return M
