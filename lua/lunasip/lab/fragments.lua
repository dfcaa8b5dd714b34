--- Datagrams that were captured in fragments, put together (RFC 791 s3.2, RFC 8200 s4.5).
--
-- Fragments may come in any order, and more than once: a capture of all interfaces has what loopback carries twice.
local M = {}

local AGAIN_S = 1 -- so soon after a datagram was whole, a fragment of the same identification is one of it

--- @return a place where fragments are collected
function M.new()
    return { open = {}, whole = {} }
end

-- The data in order; nil while a piece is missing.
local function join(datagram)
    local out, at = {}, 0
    while datagram.pieces[at] do
        local piece = datagram.pieces[at]
        out[#out + 1] = piece
        at = at + #piece
        if at == datagram.size_bytes then
            return table.concat(out)
        elseif piece == "" then
            return nil
        end
    end
end

--- Take a fragment.
-- @tparam table self of M.new()
-- @tparam table fragment key (text: source, destination, protocol, identification), offset (bytes), is_last
-- @string data what it carries
-- @int number of its packet
-- @number time_s when it was captured
-- @return the whole datagram's data when this was what it lacked, else nil
function M.add(self, fragment, data, number, time_s)
    local key = fragment.key
    if self.whole[key] and time_s - self.whole[key] < AGAIN_S then
        return nil
    end
    local datagram = self.open[key]
    local known = datagram and datagram.pieces[fragment.offset]
    if known and known ~= data then -- the identification is used again, and the one before was never whole
        self.missing = self.missing or datagram.number
        datagram = nil
    end
    if not datagram then
        datagram = { number = number, pieces = {} }
        self.open[key] = datagram
    end
    datagram.pieces[fragment.offset] = data
    if fragment.is_last then
        datagram.size_bytes = fragment.offset + #data
    end
    local whole = datagram.size_bytes and join(datagram)
    if whole then
        self.open[key], self.whole[key] = nil, time_s
    end
    return whole
end

--- The first packet whose datagram lacks a fragment, when all packets were read.
-- @return its number, or nil
function M.first_incomplete(self)
    local first = self.missing
    for _, datagram in pairs(self.open) do
        first = math.min(first or datagram.number, datagram.number)
    end
    return first
end

return M
