--- Comma-joined header values (RFC 3261 s7.3.1), cut at commas outside quotes and <>.
local M = {}

--- @treturn table array of elements without surrounding white space
function M.split(value)
    local out, start, position, quoted, inside = {}, 1, 1, false, false
    local function add(stop)
        local element = string.match(string.sub(value, start, stop), "^%s*(.-)%s*$")
        if element ~= "" then
            out[#out + 1] = element
        end
    end
    while true do
        position = string.find(value, '[",<>\\]', position)
        if not position then
            break
        end
        local c = string.sub(value, position, position)
        if c == "\\" then
            position = position + (quoted and 1 or 0)
        elseif c == '"' then
            quoted = not quoted
        elseif not quoted and c == "<" then
            inside = true
        elseif not quoted and c == ">" then
            inside = false
        elseif c == "," and not quoted and not inside then
            add(position - 1)
            start = position + 1
        end
        position = position + 1
    end
    add(#value)
    return out
end

--- Element by Kamailio's index: 0 is the first, -1 the last.
function M.at(array, index)
    if index < 0 then
        index = #array + index
    end
    return array[index + 1]
end

return M
