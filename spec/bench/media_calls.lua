--- Calls that exist only for their media: set up one by one, by hand, so that an RTP generator can fill them.
-- Through a border controller with SIP, or in rtpengine with its NG protocol.
local posix = require "support.posix"
local raw = require "support.raw"

local M = {}

--- Set up `count` calls through a border controller at at(10)/at(20).
-- @return list of streams for rtp_generator (two per call), and a function that ends the calls
function M.through_sip(at, count)
    local ends = {
        caller = assert(posix.udp(at(12), 5060)), gateway = assert(posix.udp(at(21), 5060)),
        public = at(10), private = at(20),
    }
    local streams, calls = {}, {}
    for i = 1, count do
        ends.id = ("bench%d-%d"):format(posix.pid(), i)
        ends.near_port, ends.far_port = 10000 + 2 * i, 10000 + 2 * i
        local call = raw.call(ends)
        streams[#streams + 1] = ("%s %d %s %d"):format(at(12), ends.near_port, call.near[1], call.near[2])
        streams[#streams + 1] = ("%s %d %s %d"):format(at(21), ends.far_port, call.far[1], call.far[2])
        calls[i] = call
    end
    return streams, function()
        for _, call in ipairs(calls) do raw.hang_up(ends, call) end
        ends.caller.close()
        ends.gateway.close()
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
        local reply = raw.receive(socket, "^" .. cookie .. " ")
        if not reply:find("6:result2:ok", 1, true) then error(reply, 2) end
        return raw.media_of("\n" .. reply)
    end
    local streams = {}
    for i = 1, count do
        local port = 10000 + 2 * i
        local common = {
            ["call-id"] = "bench" .. i, ["from-tag"] = "c" .. i, replace = { "origin", "session-connection" },
        }
        common.command, common.sdp, common.direction = "offer", raw.sdp(at(12), port), { "public", "private" }
        common.flags, common.ICE = { "trust-address" }, "remove"
        local far_host, far_relay = ask(common)
        common.command, common.sdp, common["to-tag"] = "answer", raw.sdp(at(21), port), "g" .. i
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
