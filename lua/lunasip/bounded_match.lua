--- Lua patterns matched in Lua, with a step counter: the slow and safe road of lunasip.bounded.
--
-- The same backtracking as the native matcher's, over the items of lunasip.bounded_pattern. A match
-- that takes too many steps ends with an error at the script's line.
local M = {}

local MOST_STEPS = 262144

local find, sub, byte = string.find, string.sub, string.byte

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

--- How many steps a search takes: for `lunasip check`.
-- @treturn int, or nil when it gives up
function M.steps(subject, compiled)
    local state = new_state(subject, compiled)
    local ok = pcall(first_match, state, 1)
    return ok and state.steps or nil
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
