--- sip.shared.NAME: dictionaries that all workers see; names and sizes are in the configuration.
--
-- Values are texts, numbers or booleans; a time to live is in seconds. A full dictionary answers
-- nil, "full". Allowed everywhere, never yields.
local core = require "lunasip.core"

local dictionary = {}
dictionary.__index = dictionary
dictionary.__metatable = false

local function check_key(key)
    if type(key) ~= "string" and type(key) ~= "number" then
        error("sip.shared: a key is a text or a number, not a " .. type(key), 3)
    end
    return tostring(key)
end

local STORABLE = { string = true, number = true, boolean = true }

local function check_value(value)
    if not STORABLE[type(value)] then
        error("sip.shared: a value is a text, a number or a boolean, not a " .. type(value), 3)
    end
    return value
end

--- @treturn value or nil
function dictionary:get(key)
    return core.shared_get(self.name, check_key(key))
end

--- @treturn boolean true, or nil, err
function dictionary:set(key, value, ttl_s)
    return core.shared_set(self.name, check_key(key), check_value(value), ttl_s)
end

--- Set only when the key is not there. @treturn boolean true, or nil, "exists" | err
function dictionary:add(key, value, ttl_s)
    return core.shared_add(self.name, check_key(key), check_value(value), ttl_s)
end

--- Add to a number atomically; a missing key counts from 0. @treturn number or nil, err
function dictionary:incr(key, amount, ttl_s)
    amount = amount == nil and 1 or amount
    if type(amount) ~= "number" then
        error("sip.shared: incr takes a number, not a " .. type(amount), 2)
    end
    return core.shared_incr(self.name, check_key(key), amount, ttl_s)
end

--- @treturn boolean true, or nil, err
function dictionary:delete(key)
    return core.shared_delete(self.name, check_key(key))
end

local known = {}

return setmetatable({}, {
    __metatable = false,
    __newindex = function()
        error("sip.shared: dictionaries are named in the configuration: shared { \"NAME\" }", 2)
    end,
    __index = function(_, name)
        if type(name) ~= "string" then
            error("sip.shared: a dictionary's name is a text", 2)
        end
        local found = known[name]
        if not found then
            found = setmetatable({ name = name }, dictionary)
            known[name] = found
        end
        return found
    end,
})
