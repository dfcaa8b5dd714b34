--- Lua patterns taken apart: the items that lunasip.bounded_match walks, and what they may cost.
--
-- Each set of characters becomes a table of 256 booleans that the native matcher fills, so that both
-- mean the same by "%a" or "[^%s;]".
local cache = require "lunasip.cache"

local M = {}

local MOST_PATTERN = 4096 -- bytes; also bounds the recursion

local find, sub, byte = string.find, string.sub, string.byte

local set_of = cache.new(512, function(text)
    local set = {}
    for code = 0, 255 do
        local ok, found = pcall(find, string.char(code), "^" .. text)
        if not ok then
            return nil, (tostring(found):gsub("^.-:%d+: ", ""))
        end
        set[code] = found ~= nil
    end
    return set
end)

-- End of the single-character class that starts at position, or nil.
local function class_end(pattern, position)
    local c = sub(pattern, position, position)
    if c == "%" then
        return position < #pattern and position + 1 or nil
    end
    if c ~= "[" then
        return position
    end
    position = position + 1
    if sub(pattern, position, position) == "^" then
        position = position + 1
    end
    repeat
        if position > #pattern then
            return nil
        end
        local inside = sub(pattern, position, position)
        position = position + (inside == "%" and 2 or 1)
    until sub(pattern, position, position) == "]"
    return position
end

-- One item other than a plain class; nil when there is none at this position.
local function special_item(pattern, position, compiled)
    local c, following = sub(pattern, position, position), sub(pattern, position + 1, position + 1)
    if c == "(" then
        if following == ")" then
            return { kind = "position" }, position + 2
        end
        return { kind = "open" }, position + 1
    elseif c == ")" then
        return { kind = "close" }, position + 1
    elseif c == "$" and position == #pattern then
        return { kind = "end" }, position + 1
    elseif c == "%" and following == "b" then
        if position + 3 > #pattern then
            return nil, nil, "malformed pattern (missing arguments to '%b')"
        end
        compiled.quantifiers = compiled.quantifiers + 1
        local open, close = byte(pattern, position + 2, position + 3)
        return { kind = "balance", open = open, close = close }, position + 4
    elseif c == "%" and following == "f" then
        local stop = sub(pattern, position + 2, position + 2) == "[" and class_end(pattern, position + 2)
        if not stop then
            return nil, nil, "missing '[' after '%f' in pattern"
        end
        local set, err = set_of(sub(pattern, position + 2, stop))
        return set and { kind = "frontier", set = set }, stop + 1, err
    elseif c == "%" and find(following, "^%d") then
        compiled.quantifiers = compiled.quantifiers + 1
        return { kind = "back", index = tonumber(following) }, position + 2
    end
    return nil
end

local function class_item(pattern, position, compiled)
    local stop = class_end(pattern, position)
    if not stop then
        return nil, nil, "malformed pattern (ends with '%' or misses ']')"
    end
    local text = sub(pattern, position, stop)
    if find(text, "^[%^%$%*%+%-%?]$") then
        text = "%" .. text -- stands for itself here
    end
    local set, err = set_of(text)
    if not set then
        return nil, nil, err
    end
    local quantifier = sub(pattern, stop + 1, stop + 1)
    if find(quantifier, "^[%*%+%-]$") then
        compiled.quantifiers = compiled.quantifiers + 1
    elseif quantifier == "?" then
        compiled.optional = compiled.optional * 2
    else
        quantifier = ""
    end
    local is_literal = quantifier == "" and (#text == 1 and text ~= "." or find(text, "^%%%W$"))
    return { kind = "set", set = set, quantifier = quantifier }, stop + 1 + #quantifier, nil,
        is_literal and sub(text, -1) or nil
end

--- Compile a pattern: { items, anchored, quantifiers, optional, prefix }.
-- @treturn table or nil, err
M.compile = cache.new(512, function(pattern)
    if #pattern > MOST_PATTERN then
        return nil, "a pattern of " .. #pattern .. " bytes is too long"
    end
    local compiled = { items = {}, anchored = sub(pattern, 1, 1) == "^", quantifiers = 0, optional = 1, prefix = "" }
    local position, in_prefix = compiled.anchored and 2 or 1, true
    while position <= #pattern do
        local literal
        local item, following, err = special_item(pattern, position, compiled)
        if not item and not err then
            item, following, err, literal = class_item(pattern, position, compiled)
        end
        if not item then
            return nil, err
        end
        in_prefix = in_prefix and literal ~= nil
        if in_prefix then
            compiled.prefix = compiled.prefix .. literal
        end
        compiled.items[#compiled.items + 1] = item
        position = following
    end
    return compiled
end)

return M
