--- The options session_timer and keepalive, which sip.dialog.track and sip.call.bridge share. What cannot be meant is
-- raised at the line that called the function which calls these.
local M = {}

local LONGEST_S = 86400 * 365
local SESSION_LEAST_S = 90 -- RFC 4028 s4

local function raise(whose, text, ...)
    error(whose .. ": " .. text:format(...), 4)
end

local function check_names(whose, name, given, first, second)
    if type(given) ~= "table" then
        raise(whose, "%s is { %s =, %s = }, not a %s", name, first, second, type(given))
    end
    for option in pairs(given) do
        if option ~= first and option ~= second then
            raise(whose, "%s has no option '%s'", name, tostring(option))
        end
    end
end

--- @string whose "dialog.track" @tparam[opt] table keepalive { interval_s =, failures = }
-- @treturn[1] number ms @treturn[1] number how many in a row; nothing where none is wanted
function M.keepalive(whose, keepalive)
    if keepalive == nil then
        return nil
    end
    check_names(whose, "keepalive", keepalive, "interval_s", "failures")
    local interval = keepalive.interval_s
    if type(interval) ~= "number" or not (interval >= 1 and interval <= LONGEST_S) then
        raise(whose, "keepalive.interval_s is a number of seconds, at least 1")
    end
    return math.floor(interval * 1000 + 0.5), keepalive.failures or 2
end

--- @string whose @tparam[opt] table timer { expires_s =, min_s = }
-- @treturn[1] number longest @treturn[1] number shortest interval; nothing where none is wanted
function M.session(whose, timer)
    if timer == nil then
        return nil
    end
    check_names(whose, "session_timer", timer, "expires_s", "min_s")
    local least, expires = timer.min_s or SESSION_LEAST_S, timer.expires_s or 1800
    local are_numbers = type(least) == "number" and type(expires) == "number"
    if not are_numbers or least < SESSION_LEAST_S or expires < least then
        raise(whose, "session_timer.min_s is at least 90, and expires_s at least that")
    end
    return expires, least
end

return M
