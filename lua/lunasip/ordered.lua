--- pairs() in an order that does not depend on the process: numbers, then texts, then the rest.
--
-- LuaJIT hashes texts differently in each process, so that a plain pairs() would make two runs of
-- the same trace differ. A table is walked over a copy of its keys: what is removed on the way is
-- skipped, what is added is not seen.
local M = {}

local MOST_KEYS = 65536 -- sorting more would hold the worker up longer than a handler's budget

local function before(a, b)
    local type_a, type_b = type(a), type(b)
    if type_a ~= type_b then
        return type_a < type_b -- "number" < "string"
    end
    return a < b
end

local function sorted_keys(t)
    local keys, rest = {}, {}
    for key in next, t do
        local kind = type(key)
        if kind == "string" or kind == "number" then
            keys[#keys + 1] = key
        else
            rest[#rest + 1] = key
        end
        if #keys + #rest > MOST_KEYS then
            error("pairs: more than " .. MOST_KEYS .. " keys", 3)
        end
    end
    table.sort(keys, before)
    for _, key in ipairs(rest) do
        keys[#keys + 1] = key
    end
    return keys
end

--- As pairs(); honours __pairs.
function M.pairs(t)
    local metatable = debug.getmetatable(t)
    local own = metatable and rawget(metatable, "__pairs")
    if own then
        return own(t)
    end
    if type(t) ~= "table" then
        error("pairs: a table is needed, not a " .. type(t), 2)
    end
    local keys, position = sorted_keys(t), 0
    return function()
        while true do
            position = position + 1
            local key = keys[position]
            if key == nil then
                return nil
            end
            local value = rawget(t, key)
            if value ~= nil then
                return key, value
            end
        end
    end, t, nil
end

--- next(t): a first key and its value, in the order of pairs(), or nil for an empty table.
function M.next(t, key)
    if type(t) ~= "table" then
        error("next: a table is needed, not a " .. type(t), 2)
    end
    if key ~= nil then
        error("next: only next(t), to ask whether a table is empty; use pairs to walk it", 2)
    end
    if next(t) == nil then
        return nil
    end
    local first = sorted_keys(t)[1]
    return first, t[first]
end

return M
