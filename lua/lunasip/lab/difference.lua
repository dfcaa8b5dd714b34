--- What differs between two SIP messages, line by line: for ladders (what the engine changed) and replays.
--
--     difference.of(before, after) -> { { sign = "~", name = "Max-Forwards", before = "70", after = "69" }, ... }
--
-- Headers are compared by name, SDP lines by media section and type: what stands elsewhere is the same.
local M = {}

-- An ordered list of { key, name, value }.
local function parts_of(msg)
    local parts = {}
    local function add(key, name, value)
        parts[#parts + 1] = { key = key, name = name, value = value }
    end
    if msg.method then
        add("request-uri", "Request-URI", msg.uri)
    else
        add("status", "Status", ("%d %s"):format(msg.status, msg.reason))
    end
    for _, header in ipairs(msg.headers) do
        if header.key ~= "content-length" then -- it follows from the body
            add("header " .. header.key, header.name, header.value)
        end
    end
    local section = "session"
    local is_sdp = (msg:header "Content-Type" or ""):lower():find("application/sdp", 1, true)
    for line in msg.body:gmatch "[^\r\n]+" do
        if line:match "^m=" then
            section = section .. "m"
        end
        local kind = is_sdp and (line:match "^a=[^:]*" or line:match "^%a=") or "body"
        add(section .. kind, is_sdp and "SDP" or "body", line)
    end
    return parts
end

-- Take out of both lists what they share.
local function drop_common(before, after)
    local seen = {}
    for _, part in ipairs(before) do
        local id = part.key .. "\0" .. part.value
        seen[id] = seen[id] or {}
        table.insert(seen[id], part)
    end
    for _, part in ipairs(after) do
        local same = seen[part.key .. "\0" .. part.value]
        if same and same[1] then
            table.remove(same, 1).is_common = true
            part.is_common = true
        end
    end
end

local function take_counterpart(before, key)
    for _, part in ipairs(before) do
        if part.key == key and not part.is_common then
            part.is_common = true
            return part
        end
    end
end

local function count_of(parts, key)
    local n = 0
    for _, part in ipairs(parts) do
        if part.key == key and not part.is_common then
            n = n + 1
        end
    end
    return n
end

-- The part that became this one. Our own Via stands above those that were there; of any other header a value
-- changed only where it is plain which became which.
local function counterpart(old, new, part)
    local was, is = count_of(old, part.key), count_of(new, part.key)
    if was == is and was == 1 or part.key == "header via" and was == is and was > 0 then
        return take_counterpart(old, part.key)
    end
end

--- List of differences: { sign = "-" | "+" | "~", name, before, after }, in the order of the messages.
-- @tparam table before, after messages of lunasip.lab.message
function M.of(before, after)
    local old, new, out = parts_of(before), parts_of(after), {}
    drop_common(old, new)
    for _, part in ipairs(new) do
        if not part.is_common then
            local was = counterpart(old, new, part)
            out[#out + 1] = {
                sign = was and "~" or "+", name = part.name, before = was and was.value, after = part.value,
            }
            part.is_common = true
        end
    end
    for _, part in ipairs(old) do
        if not part.is_common then
            out[#out + 1] = { sign = "-", name = part.name, before = part.value }
        end
    end
    return out
end

local function cut(text, most)
    return #text > most and text:sub(1, most - 3) .. "..." or text
end

local SHARED_LEAST = 20 -- a shorter common beginning is shown

-- Both without the beginning that they share, from the last delimiter on.
local function without_shared(before, after)
    local n = 0
    while n < #before and before:byte(n + 1) == after:byte(n + 1) do
        n = n + 1
    end
    while n > 0 and not before:sub(n, n):find "[;, ]" do
        n = n - 1
    end
    if n < SHARED_LEAST then
        return before, after
    end
    return "..." .. before:sub(n), "..." .. after:sub(n)
end

--- One difference as a line: "~ Max-Forwards: 70 -> 69".
-- @tparam[opt] number most longest value, in characters
function M.line(entry, most)
    local function value(text)
        return cut(text, most or 100)
    end
    if entry.sign == "~" then
        local before, after = without_shared(entry.before, entry.after)
        return ("~ %s: %s -> %s"):format(entry.name, value(before), value(after))
    end
    return ("%s %s: %s"):format(entry.sign, entry.name, value(entry.after or entry.before))
end

return M
