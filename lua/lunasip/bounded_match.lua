--- Lua patterns matched in Lua, with a step counter: the slow and safe road of lunasip.bounded.
--
-- A pattern is compiled to items; each set of characters becomes a table of 256 booleans that the
-- native matcher fills, so that both mean the same by "%a" or "[^%s;]".
local cache = require "lunasip.cache"

local M = {}

local MOST_STEPS = 262144
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

local function step(state)
    state.steps = state.steps + 1
    if state.steps > MOST_STEPS then
        error("pattern is too expensive for a text of " .. #state.subject .. " bytes", 0)
    end
end

local try -- (state, item index, position) -> position after the match, or nil

local function try_set(state, index, position)
    local item, subject = state.items[index], state.subject
    local set, quantifier = item.set, item.quantifier
    local function fits(at)
        step(state)
        return at <= #subject and set[byte(subject, at)]
    end
    if quantifier == "" then
        return fits(position) and try(state, index + 1, position + 1) or nil
    elseif quantifier == "?" then
        local stop = fits(position) and try(state, index + 1, position + 1)
        return stop or try(state, index + 1, position)
    elseif quantifier == "-" then
        while true do
            local stop = try(state, index + 1, position)
            if stop then
                return stop
            end
            if not fits(position) then
                return nil
            end
            position = position + 1
        end
    end
    local last = position
    while fits(last) do
        last = last + 1
    end
    for at = last, position + (quantifier == "+" and 1 or 0), -1 do
        step(state)
        local stop = try(state, index + 1, at)
        if stop then
            return stop
        end
    end
    return nil
end

local function balanced_end(state, item, position)
    local subject = state.subject
    if byte(subject, position) ~= item.open then
        return nil
    end
    local depth = 1
    for at = position + 1, #subject do
        step(state)
        local c = byte(subject, at)
        if c == item.close then
            depth = depth - 1
            if depth == 0 then
                return at + 1
            end
        elseif c == item.open then
            depth = depth + 1
        end
    end
    return nil
end

local actions = { set = try_set }

function actions.open(state, index, position)
    local captures = state.captures
    captures[#captures + 1] = { start = position }
    local stop = try(state, index + 1, position)
    if not stop then
        captures[#captures] = nil
    end
    return stop
end

function actions.position(state, index, position)
    local captures = state.captures
    captures[#captures + 1] = { start = position, stop = position, is_position = true }
    local stop = try(state, index + 1, position)
    if not stop then
        captures[#captures] = nil
    end
    return stop
end

function actions.close(state, index, position)
    for i = #state.captures, 1, -1 do
        local capture = state.captures[i]
        if not capture.stop then
            capture.stop = position
            local stop = try(state, index + 1, position)
            if not stop then
                capture.stop = nil
            end
            return stop
        end
    end
    error("invalid pattern capture", 0)
end

actions["end"] = function(state, _, position)
    return position == #state.subject + 1 and position or nil
end

function actions.balance(state, index, position)
    local after = balanced_end(state, state.items[index], position)
    return after and try(state, index + 1, after)
end

function actions.frontier(state, index, position)
    local set, subject = state.items[index].set, state.subject
    local before = position > 1 and byte(subject, position - 1) or 0
    local here = position <= #subject and byte(subject, position) or 0
    return not set[before] and set[here] and try(state, index + 1, position) or nil
end

function actions.back(state, index, position)
    local capture = state.captures[state.items[index].index]
    if not capture or not capture.stop then
        error("invalid capture index", 0)
    end
    local text = sub(state.subject, capture.start, capture.stop - 1)
    step(state)
    if sub(state.subject, position, position + #text - 1) == text then
        return try(state, index + 1, position + #text)
    end
    return nil
end

function try(state, index, position)
    step(state)
    local item = state.items[index]
    if not item then
        return position
    end
    return actions[item.kind](state, index, position)
end

local function new_state(subject, compiled)
    return { subject = subject, items = compiled.items, anchored = compiled.anchored, steps = 0, captures = {} }
end

-- First match at or after init: start, position after it.
local function first_match(state, init)
    repeat
        state.captures = {}
        local stop = try(state, 1, init)
        if stop then
            return init, stop
        end
        init = init + 1
    until state.anchored or init > #state.subject + 1
    return nil
end

local function captured(state, i)
    local capture = state.captures[i]
    if not capture.stop then
        error("unfinished capture", 0)
    end
    return capture.is_position and capture.start or sub(state.subject, capture.start, capture.stop - 1)
end

local function captures_or_whole(state, start, stop)
    local out = {}
    for i = 1, #state.captures do
        out[i] = captured(state, i)
    end
    if #out == 0 then
        out[1] = sub(state.subject, start, stop - 1)
    end
    return out
end

local function first_position(subject, init)
    init = tonumber(init) or 1
    if init < 0 then
        init = #subject + init + 1
    end
    return math.max(1, init)
end

-- Errors inside the matcher carry no position; give them the script's (only tail calls in between).
local function guarded(run, ...)
    local results = { pcall(run, ...) }
    if not results[1] then
        error(results[2], type(results[2]) == "string" and 2 or 0)
    end
    return unpack(results, 2, table.maxn(results))
end

function M.find(subject, compiled, init)
    return guarded(function()
        local state = new_state(subject, compiled)
        local start, stop = first_match(state, first_position(subject, init))
        if not start then
            return nil
        end
        local captures = #state.captures > 0 and captures_or_whole(state, start, stop) or {}
        return start, stop - 1, unpack(captures)
    end)
end

function M.match(subject, compiled, init)
    return guarded(function()
        local state = new_state(subject, compiled)
        local start, stop = first_match(state, first_position(subject, init))
        if not start then
            return nil
        end
        return unpack(captures_or_whole(state, start, stop))
    end)
end

function M.gmatch(subject, compiled)
    local state, position = new_state(subject, compiled), 1
    return function()
        return guarded(function()
            if position > #subject + 1 then
                return nil
            end
            local start, stop = first_match(state, position)
            if not start then
                position = #subject + 2
                return nil
            end
            position = stop > start and stop or stop + 1
            return unpack(captures_or_whole(state, start, stop))
        end)
    end
end

local function replacement_for(state, replacement, start, stop)
    local whole = sub(state.subject, start, stop - 1)
    local captures = captures_or_whole(state, start, stop)
    local value
    if type(replacement) == "function" then
        value = replacement(unpack(captures))
    elseif type(replacement) == "table" then
        value = replacement[captures[1]]
    else
        return (tostring(replacement):gsub("%%(.?)", function(digit)
            if digit == "0" then
                return whole
            elseif find(digit, "^%d$") then
                if not captures[tonumber(digit)] then
                    error("invalid capture index", 0)
                end
                return tostring(captures[tonumber(digit)])
            end
            return digit
        end))
    end
    if not value then
        return whole
    elseif type(value) ~= "string" and type(value) ~= "number" then
        error("invalid replacement value (a " .. type(value) .. ")", 0)
    end
    return tostring(value)
end

function M.gsub(subject, compiled, replacement, most)
    return guarded(function()
        local state, out, position, count = new_state(subject, compiled), {}, 1, 0
        most = tonumber(most) or #subject + 1
        while count < most do
            state.captures = {}
            local stop = try(state, 1, position)
            if stop then
                count = count + 1
                out[#out + 1] = replacement_for(state, replacement, position, stop)
            end
            if stop and stop > position then
                position = stop
            elseif position <= #subject then
                out[#out + 1] = sub(subject, position, position)
                position = position + 1
            else
                break
            end
            if state.anchored then
                break
            end
        end
        out[#out + 1] = sub(subject, position)
        return table.concat(out), count
    end)
end

return M
