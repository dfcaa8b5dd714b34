--- {param.…}: lists like "a=1;b=2"; the delimiter may be given as last parameter.
local uri = require "lunasip.uri"

local M = {}

local function one_character(delimiter)
    return delimiter and tostring(delimiter):sub(1, 1) or ";"
end

-- Parameter by position, negative from the end.
local function at(value, index, delimiter)
    local all = {}
    for name, text in uri.each_param(value, one_character(delimiter)) do
        all[#all + 1] = { name = name, value = text or "" }
    end
    index = tonumber(index)
    if not index then
        return nil
    end
    return all[index >= 0 and index + 1 or #all + index + 1]
end

local function unquoted(value)
    return value and (value:match '^"(.*)"$' or value)
end

-- Of a name that is there more than once the last value counts.
M.value = { 1, 2, apply = function(value, name, delimiter)
    local wanted, found = tostring(name):lower(), nil
    for key, text in uri.each_param(value, one_character(delimiter)) do
        if key:lower() == wanted then
            found = text or ""
        end
    end
    return unquoted(found) or ""
end }
M["in"] = { 1, 2, apply = function(value, name, delimiter)
    return uri.param(value, tostring(name), one_character(delimiter)) and 1 or 0
end }
M.valueat = { 1, 2, apply = function(value, index, delimiter)
    local found = at(value, index, delimiter)
    return found and unquoted(found.value) or ""
end }
M.name = { 1, 2, apply = function(value, index, delimiter)
    local found = at(value, index, delimiter)
    return found and found.name or ""
end }
M.count = { 0, 1, apply = function(value, delimiter)
    local count = 0
    for _ in uri.each_param(value, one_character(delimiter)) do
        count = count + 1
    end
    return count
end }

return M
