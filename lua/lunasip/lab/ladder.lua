--- Call ladders: who sent what to whom, as text.
local difference = require "lunasip.lab.difference"
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

-- ---- what crossed the lab's network ----

local COLOURS = { failure = "31", answer = "32", cause = "36", change = "2", lost = "33" }

local function paint(options, name, text)
    return options.colour and name and ("\27[%sm%s\27[0m"):format(COLOURS[name], text) or text
end

-- Has the same message left from there before?
local function is_again(sent, packet)
    local key = packet.source .. " " .. packet.destination .. "\n" .. packet.bytes
    local before = sent[key]
    sent[key] = true
    return before
end

-- A request is known again by Call-ID and CSeq, a response by its status, too.
local function keys_of(msg)
    local id = ("%s %s "):format(msg:header "Call-ID" or "", msg:header "CSeq" or "")
    return id .. (msg.status or "request"), id .. (msg.status and "response" or "request")
end

-- What the engine changed of the message that it received last.
local function changes(received, msg)
    local exact, same = keys_of(msg)
    local before = received[exact] or received[same]
    local is_own = msg.method == "CANCEL" or msg.status == 100 -- made by the engine for this hop
    return before and not is_own and difference.of(before, msg) or {}
end

local function remember(received, msg)
    local exact, same = keys_of(msg)
    received[exact], received[same] = msg, msg
end

local function cause_of(packet, msg, options)
    if not (options.is_engine and options.is_engine(packet.source)) then
        return ""
    elseif not packet.cause then
        return ("  (engine: %s)"):format(msg:title():gsub(" %(SDP%)$", ""))
    elseif not packet.cause:find ":%d+$" then
        return ("  (%s)"):format(packet.cause)
    end
    return "  " .. (options.place and options.place(packet.cause) or packet.cause)
end

local function kind_of(msg)
    return msg.status and (msg.status >= 300 and "failure" or msg.status >= 200 and "answer") or nil
end

local function line_of(packet, msg, options)
    local names = options.names or {}
    local via = msg:values "Via"[1]
    return ("%10.3f  %-14s -> %-14s %s%s   %s %s%s"):format(packet.time,
        names[packet.source] or packet.source, names[packet.destination] or packet.destination,
        paint(options, kind_of(msg), msg:title()), packet.lost and paint(options, "lost", "  (lost)") or "",
        msg:header "CSeq" or "", via and message.via_param(via, "branch") or "",
        paint(options, "cause", cause_of(packet, msg, options)))
end

--- One line per SIP message that crossed the lab's network: time, hosts, message, CSeq, branch, and what
-- caused it: the script line that relayed or answered, or the part of the engine by name.
-- @tparam table packets of net:packets()
-- @tparam[opt] table options names ("HOST:PORT" -> name), is_engine(address), place(cause) -> text,
-- changes (true: also what the engine changed between the message in and the message out), colour,
-- most (only the last so many messages)
function M.packets(packets, options)
    options = options or {}
    local out, received, sent = {}, {}, {}
    for _, packet in ipairs(packets) do
        local msg = packet.bytes and message.parse(packet.bytes)
        if msg then
            local block = { line_of(packet, msg, options) }
            if options.changes and options.is_engine then
                local is_new = not is_again(sent, packet)
                if options.is_engine(packet.source) then
                    for _, entry in ipairs(is_new and changes(received, msg) or {}) do
                        block[#block + 1] = paint(options, "change", (" "):rep(16) .. difference.line(entry, 70))
                    end
                elseif options.is_engine(packet.destination) and not packet.lost then
                    remember(received, msg)
                end
            end
            out[#out + 1] = table.concat(block, "\n")
        end
    end
    local skipped = options.most and math.max(0, #out - options.most) or 0
    if skipped > 0 then
        out[skipped] = ("%10s  %d messages before"):format("...", skipped)
    end
    return table.concat(out, "\n", math.max(1, skipped), #out)
end

return M
