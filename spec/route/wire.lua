--- What must be true of everything that crossed the wire, whatever was lost, duplicated or reordered.
--
-- Order: messages of one call leave in the order in which they came, whichever way they go; what came or leaves on
-- both sides in the same microsecond has no order there: each side has its own socket. What counts is the first
-- arrival and the first departure of each message that a proxy passes on: requests but CANCEL and ACK to a failure,
-- which are hop by hop; provisional and 2xx responses to INVITE, and responses to other requests. Failures wait for
-- the best of a fork. A response with no Via but ours answers a request that the engine made.
--
-- Content: what leaves under the name of a message has its body; SDP is the engine's to rewrite.
--
-- 2xx: the engine makes none. What leaves for the caller with one To tag is the same bytes, and leaves at most as often
-- as the callee's 2xx arrived: a retransmission of the UAS (RFC 3261 s13.3.1.4) passes once (RFC 6026 s7.1), and the
-- duplicate of a datagram counts as one more arrival, as the engine cannot tell them apart.
local message = require "lunasip.lab.message"

local M = {}

local US = { ["192.0.2.1:5060"] = "public", ["10.0.0.1:5060"] = "private" }
local OTHER = { public = "private", private = "public" }

-- Tags of the dialogs that were answered: their ACKs go end to end.
local function answered_tags(packets)
    local tags = {}
    for _, packet in ipairs(packets) do
        local msg = packet.sip
        if msg.status and msg.status >= 200 and msg.status < 300 and msg.cseq_method == "INVITE" then
            tags[msg:tag "To" or ""] = true
        end
    end
    return tags
end

-- A name for the message that is the same on both sides; nil for one that is not passed on.
local function key_of(msg, answered)
    local tags = (msg:tag "From" or "") .. " " .. (msg:tag "To" or "")
    if msg.method then
        local is_hop_by_hop = msg.method == "CANCEL" or msg.method == "ACK" and not answered[msg:tag "To" or ""]
        return not is_hop_by_hop and ("%s %d %s"):format(msg.method, msg.cseq, tags) or nil
    end
    local is_invite = msg.cseq_method == "INVITE"
    if msg.status == 100 or is_invite and msg.status >= 300 or msg.cseq_method == "CANCEL" then
        return nil
    end
    return ("%d %d %s %s %s"):format(msg.status, msg.cseq, msg.cseq_method, tags, msg:header "RSeq" or "")
end

local function sip_packets(net)
    local list = {}
    for _, packet in ipairs(net:packets()) do
        local msg = packet.bytes and message.parse(packet.bytes)
        if msg then
            list[#list + 1] = {
                sip = msg, time = packet.time, arrivals = packet.arrivals, order = #list,
                from = US[packet.source], to = US[packet.destination],
            }
        end
    end
    return list
end

-- Everything that reached us, in the order of arrival.
local function arrivals_of(packets)
    local list = {}
    for _, packet in ipairs(packets) do
        for copy, time in ipairs(packet.to and packet.arrivals or {}) do
            list[#list + 1] = { packet = packet, time = time, order = packet.order * 2 + copy }
        end
    end
    table.sort(list, function(a, b) return a.time < b.time or a.time == b.time and a.order < b.order end)
    return list
end

-- First arrivals: name -> { place, time, to, body }; names hold the Call-ID and the side that they leave for.
-- @param is_hidden calls hide their topology: every response comes with our Via alone
local function first_arrivals(packets, answered, is_hidden)
    local first = {}
    for place, arrival in ipairs(arrivals_of(packets)) do
        local msg, to = arrival.packet.sip, arrival.packet.to
        local is_for_us = not is_hidden and msg.status and #msg:values "Via" == 1
        local key = not is_for_us and key_of(msg, answered)
        local name = key and ("%s to %s: %s"):format(msg:header "Call-ID", OTHER[to], key)
        if name and not first[name] then
            first[name] = { place = place, time = arrival.time, to = to, body = msg.body, name = name }
        end
    end
    return first
end

local function is_before(a, b)
    return a.time < b.time or a.time == b.time and a.to == b.to and a.place < b.place
end

-- What came later than this and has left before it: one of the latest of each side.
local function overtaker(latest, arrival, now)
    for _, other in pairs(latest) do
        if is_before(arrival, other) and (other.to == arrival.to or other.left < now) then
            return other
        end
    end
end

local function is_sdp(msg)
    return (msg:header "Content-Type" or ""):lower():find("sdp", 1, true)
end

--- The first message that overtook another of its call, or left with another body, as text; nil when none did.
-- @tparam[opt] boolean is_hidden calls hide their topology
function M.overtaking(net, is_hidden)
    local packets = sip_packets(net)
    local answered = answered_tags(packets)
    local first, latest, left = first_arrivals(packets, answered, is_hidden), {}, {}
    for _, packet in ipairs(packets) do
        local msg, key = packet.sip, packet.from and key_of(packet.sip, answered)
        local call = msg:header "Call-ID"
        local name = key and ("%s to %s: %s"):format(call, packet.from, key)
        local arrival = name and first[name]
        -- What left before it came was made here, as a 481.
        if arrival and arrival.time <= packet.time and not left[name] then
            left[name] = true
            arrival.left = packet.time
            local of_call = latest[call] or {}
            local other = overtaker(of_call, arrival, packet.time)
            if other then
                return ("%s left at %.6f after %s"):format(name, packet.time, other.name)
            end
            latest[call], of_call[arrival.to] = of_call, arrival
            if arrival.body ~= msg.body and not is_sdp(msg) then
                return ("%s left at %.6f with the body '%s' and came with '%s'"):format(name, packet.time,
                    msg.body or "", arrival.body or "")
            end
        end
    end
end

--- A 2xx that left more often than it came, or with other bytes, as text; nil when there is none.
function M.invented_success(net)
    local came, left, bytes = {}, {}, {}
    for _, packet in ipairs(sip_packets(net)) do
        local msg = packet.sip
        if msg.status and msg.status >= 200 and msg.status < 300 and msg.cseq_method == "INVITE" then
            local side = packet.to and OTHER[packet.to] or packet.from
            local name = ("%s to %s: %d, tag %s"):format(msg:header "Call-ID", side, msg.cseq, msg:tag "To" or "")
            if packet.to then
                came[name] = (came[name] or 0) + #packet.arrivals
            else
                left[name] = (left[name] or 0) + 1
                bytes[name] = bytes[name] or msg.bytes
                if bytes[name] ~= msg.bytes then
                    return name .. ": two that differ:\n" .. bytes[name] .. msg.bytes
                end
            end
        end
    end
    for name, count in pairs(left) do
        if count > (came[name] or 0) then
            return ("%s: a 2xx left %d times and came %d times"):format(name, count, came[name] or 0)
        end
    end
end

return M
