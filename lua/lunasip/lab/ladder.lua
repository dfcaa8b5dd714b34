--- Call ladders: who sent what to whom, as text.
local message = require "lunasip.lab.message"

local M = {}

local WIDTH = 34

local function centred(text, width)
    local left = math.max(0, math.floor((width - #text) / 2))
    return (" "):rep(left) .. text .. (" "):rep(math.max(0, width - #text - left))
end

local function arrow(text, is_rightward)
    local line = "-" .. ("-"):rep(math.max(0, math.floor((WIDTH - #text - 4) / 2))) .. " " .. text .. " "
    line = line .. ("-"):rep(math.max(0, WIDTH - #line - 1))
    return is_rightward and line .. ">" or "<" .. line
end

--- One line per message that an agent sent or received.
-- @tparam table journal entries of lunasip.lab.agent
-- @string left name of the agent on the left; the engine stands in the middle
-- @string right name of the agent on the right
-- @string middle name of the engine
function M.print(journal, left, right, middle)
    local out = { ("%9s  %s%s%s"):format("seconds", left, centred(middle, 2 * WIDTH - #left - #right + 2), right) }
    local start = journal[1] and journal[1].time or 0
    for _, entry in ipairs(journal) do
        local is_left = entry.agent == left
        if is_left or entry.agent == right then
            local is_rightward = (entry.direction == "out") == is_left
            local shaft = arrow(entry.message:title(), is_rightward)
            local gap = (" "):rep(WIDTH)
            local line = is_left and "|" .. shaft .. "|" .. gap .. "|" or "|" .. gap .. "|" .. shaft .. "|"
            out[#out + 1] = ("%9.3f  %s"):format(entry.time - start, line)
        end
    end
    return table.concat(out, "\n")
end

--- One line per SIP message that crossed the lab's network.
-- @tparam table packets of net:packets()
-- @tparam table names "HOST:PORT" -> name
function M.packets(packets, names)
    local out = {}
    for _, packet in ipairs(packets) do
        local msg = packet.bytes and message.parse(packet.bytes)
        if msg then
            local via = msg:values "Via"[1]
            out[#out + 1] = ("%10.3f  %-14s -> %-14s %s%s   %s %s"):format(packet.time,
                names[packet.source] or packet.source, names[packet.destination] or packet.destination, msg:title(),
                packet.lost and "  (lost)" or "", msg:header "CSeq" or "",
                via and message.via_param(via, "branch") or "")
        end
    end
    return table.concat(out, "\n")
end

return M
