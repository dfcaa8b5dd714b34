--- sip.dispatcher: choose a gateway out of a set, and the next one when it fails.
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"

local M = {}

--- Algorithms by name; the numbers are Kamailio's.
M.algorithms = {
    call_id = 0, from_uri = 1, to_uri = 2, request_uri = 3, round_robin = 4, auth_user = 5, random = 6,
    variable = 7, priority = 8, weight = 9, call_load = 10, relative_weight = 11, parallel = 12, latency = 13,
}

local STATES = { active = true, inactive = true, disabled = true, probing = true }

-- Kamailio's state letters (A I T D, then P or X): T counts as inactive and is probed.
local LETTERS = { a = "active", i = "inactive", t = "probing", d = "disabled" }

local function check_set(set)
    if type(set) ~= "number" or set % 1 ~= 0 then
        error("dispatcher: a set is a whole number, not " .. tostring(set), 3)
    end
end

local function algorithm_number(algorithm)
    if type(algorithm) == "string" then
        local number = M.algorithms[algorithm]
        if not number then
            error("dispatcher: no algorithm '" .. algorithm .. "'" .. suggest.hint(algorithm, M.algorithms), 3)
        end
        return number
    end
    if type(algorithm) ~= "number" or algorithm < 0 or algorithm > 13 or algorithm % 1 ~= 0 then
        error("dispatcher: an algorithm is a name or a number from 0 to 13, not " .. tostring(algorithm), 3)
    end
    return algorithm
end

--- Choose a destination; sets the request's next hop ($du) and sending interface.
-- Request and failure routes; does not yield.
-- @param request
-- @int set
-- @param algorithm name or Kamailio's number; round_robin when left out
-- @int[opt] limit most candidates kept for next()
-- @treturn table { uri, set, attrs, socket } or nil, err (no live destination, unknown set)
-- @usage local gateway, err = sip.dispatcher.select(req, 2, "round_robin")
function M.select(request, set, algorithm, limit)
    check_set(set)
    return core.dispatcher_select(request, set, algorithm_number(algorithm or 4), limit)
end

--- The next destination of the last select(); failure routes.
-- @treturn table or nil, err when none is left
function M.next(request)
    return core.dispatcher_next(request)
end

--- Say what became of a destination.
-- @int set
-- @string uri
-- @string state "active", "inactive", "disabled", "probing", or Kamailio's letters ("ip", "ap", "dx")
-- @treturn boolean true, or nil, err
function M.mark(set, uri, state)
    check_set(set)
    if type(uri) ~= "string" then
        error("dispatcher.mark: a URI is needed, not a " .. type(uri), 2)
    end
    local text = type(state) == "string" and state:lower() or ""
    if not STATES[text] then
        local first, second = text:match "^([aitd])([px]?)$"
        if not first then
            error("dispatcher.mark: no state '" .. tostring(state) .. "'; active, inactive, disabled or probing", 2)
        end
        text = first == "i" and second == "p" and "probing" or LETTERS[first]
    end
    return core.dispatcher_mark(set, uri, text)
end

--- All destinations, or those of one set: { set, uri, state, priority, attrs, calls }.
function M.list(set)
    if set ~= nil then
        check_set(set)
    end
    return core.dispatcher_list(set)
end

--- Does the message come from a destination of the set (of any set)?
function M.is_from(message, set)
    if set ~= nil then
        check_set(set)
    end
    return core.dispatcher_is_from(message, set)
end

return M
