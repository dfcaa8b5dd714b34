--- {line.…}: lines of a text, ended by LF or CRLF. A line that is not there is empty.
local function lines(value)
    local out = {}
    for line, mark in value:gmatch "([^\n]*)(\n?)" do
        if line ~= "" or mark ~= "" then
            out[#out + 1] = (line:gsub("\r$", ""))
        end
    end
    return out
end

return {
    count = { 0, 0, apply = function(value)
        return tostring(#lines(value))
    end },
    at = { 1, 1, apply = function(value, index)
        index = tonumber(index)
        local all = lines(value)
        return index and (all[index >= 0 and index + 1 or #all + index + 1] or "")
    end },
    sw = { 1, 1, apply = function(value, start)
        start = tostring(start)
        for _, line in ipairs(lines(value)) do
            if line:sub(1, #start) == start then
                return line
            end
        end
        return ""
    end },
}
