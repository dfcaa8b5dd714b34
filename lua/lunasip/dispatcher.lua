--- sip.dispatcher: choose a gateway out of a set, and the next one when it fails.
local core = require "lunasip.core"
local words = require "lunasip.dispatcher_words"

local M = {}

--- Algorithms by name; the numbers are Kamailio's.
M.algorithms = words.algorithms

local ROUND_ROBIN = M.algorithms["round-robin"]

local function check_set(set)
    if type(set) ~= "number" or set % 1 ~= 0 then
        error("dispatcher: a set is a whole number, not " .. tostring(set), 3)
    end
end

local function algorithm_number(algorithm)
    local number, err = words.algorithm(algorithm)
    if not number then
        error(err, 3)
    end
    return number
end

-- What the engine gives for one destination, as a table; nil, err as they are.
local function destination(uri, set, attrs, socket)
    if uri == nil then
        return nil, set
    end
    return { uri = uri, set = set, attrs = attrs or {}, socket = socket }
end

local SELECT_OPTIONS = { limit = true, value = true }

--- Choose a destination; sets the request's next hop ($du) and sending interface.
-- Request and failure routes; does not yield.
-- @param request
-- @int set
-- @param algorithm name or Kamailio's number; "round-robin" when left out
-- @tparam[opt] table options limit = most candidates kept for next(); value = text for "hash-value"
-- @treturn table { uri, set, attrs, socket } or nil, err (no live destination, no such set)
-- @usage local gateway, err = sip.dispatcher.select(req, 2, "round-robin")
function M.select(request, set, algorithm, options)
    local number = type(algorithm) == "number" and algorithm or algorithm_number(algorithm or ROUND_ROBIN)
    if options == nil then
        return destination(core.dispatcher_select(request, set, number))
    end
    if type(options) ~= "table" then
        error("dispatcher.select: options are a table, not a " .. type(options), 2)
    end
    for name in pairs(options) do
        if not SELECT_OPTIONS[name] then
            error("dispatcher.select: no option '" .. tostring(name) .. "'; limit or value", 2)
        end
    end
    return destination(core.dispatcher_select(request, set, number, options.limit, options.value))
end

--- The next destination of the last select(); failure routes.
-- @treturn table or nil, err when none is left
function M.next(request)
    return destination(core.dispatcher_next(request))
end

--- Say what became of a destination.
-- @int set
-- @string uri its URI or duid, or "all" of the set
-- @string state "active"; "probing" (until a ping succeeds; nil, err where nothing pings it: it stays as it
--   is, since nothing would bring it back); "inactive" (until a ping succeeds or it is set active);
--   "trying" (one failure, counted against the threshold); "disabled" (until set active again); or
--   Kamailio's letters ("ip")
-- @treturn boolean true, or nil, err
function M.mark(set, uri, state)
    check_set(set)
    if type(uri) ~= "string" then
        error("dispatcher.mark: a URI is needed, not a " .. type(uri), 2)
    end
    local text, err = words.state(state)
    if not text then
        error(err, 2)
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
