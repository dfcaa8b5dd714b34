--- sip.dialog: calls that a script keeps in its hands.
--
-- A handle names its call by a number, so it may be kept anywhere; once the call is gone, what it is asked for
-- is nil, "the call has ended".
local call_timers = require "lunasip.call_timers"
local core = require "lunasip.core"

local M = {}

local DURATION_MOST_S = 86400 * 365

local function check_name(name)
    if type(name) ~= "string" then
        error("dialog.vars: a name is a text, not a " .. type(name), 3)
    end
    return name
end

local variables = {
    __metatable = false,
    __index = function(self, name)
        return (core.dialog_get(rawget(self, 1), check_name(name)))
    end,
    __newindex = function(self, name, value)
        local ok, err = core.dialog_set(rawget(self, 1), check_name(name), value)
        if not ok then
            error("dialog.vars." .. name .. ": " .. err, 2)
        end
    end,
}

local function check_field(name)
    if type(name) ~= "string" then
        error("dialog.record: a name is a text, not a " .. type(name), 3)
    end
    return name
end

local fields = {
    __metatable = false,
    __index = function(self, name)
        return (core.record_get(rawget(self, 1), check_field(name)))
    end,
    __newindex = function(self, name, value)
        local ok, err = core.record_set(rawget(self, 1), check_field(name), value)
        if not ok then
            error("dialog.record." .. name .. ": " .. err, 2)
        end
    end,
}

local methods = {}

local handle = {
    __metatable = false,
    __index = function(self, name)
        if methods[name] then
            return methods[name]
        end
        local number = rawget(self, 1)
        if name == "vars" then
            return setmetatable({ number }, variables)
        elseif name == "record" then
            return setmetatable({ number }, fields)
        end
        return core.dialog_word(number, name)
    end,
    __newindex = function(_, name)
        error("dialog." .. tostring(name) .. " cannot be written; vars and record can", 2)
    end,
}

local function check(self, what)
    local number = type(self) == "table" and rawget(self, 1)
    if type(number) ~= "number" then
        error("dialog:" .. what .. ": a tracked call is expected, not a " .. type(self), 3)
    end
    return number
end

--- For the tables of events. @param number of a track, or nil
function M.with_number(number)
    return number and setmetatable({ number }, handle)
end

local function check_duration(what, seconds, least)
    if type(seconds) ~= "number" or not (seconds >= least and seconds <= DURATION_MOST_S) then
        error(what .. " is a number of seconds, at most a year, not " .. tostring(seconds), 3)
    end
    return math.floor(seconds * 1000 + 0.5)
end

local OPTIONS = {
    max_duration_s = true, warn_s = true, on_end = true, hide = true, hide_call_id = true, session_timer = true,
    keepalive = true,
}

-- Interfaces joined by ","; "": all of them; nil: none.
local function hidden_interfaces(hide)
    if hide == nil or hide == false then
        return nil
    elseif hide == true then
        return ""
    elseif type(hide) == "string" and hide ~= "" then
        return hide
    elseif type(hide) == "table" and #hide > 0 then
        for _, name in ipairs(hide) do
            if type(name) ~= "string" then
                error("dialog.track: hide names interfaces by texts, not by a " .. type(name), 3)
            end
        end
        return table.concat(hide, ",")
    end
    error("dialog.track: hide is true, an interface or a list of them", 3)
end

local OF_PROXIED_CALLS = { "hide", "hide_call_id", "session_timer", "keepalive" }

-- A call of two legs, by what sip.call gave for it.
local function track_call(call, options, duration_ms)
    for _, name in ipairs(OF_PROXIED_CALLS) do
        if options[name] ~= nil then
            error("dialog.track: " .. name .. " is for proxied calls", 3)
        end
    end
    return core.dialog_track_call(call.call_id, call.tag, duration_ms, options.on_end)
end

local function is_call(message)
    return type(message) == "table" and type(message.call_id) == "string" and type(message.tag) == "string"
end

--- Keep the call in the script's hands. Implies Record-Route. Request, failure and branch routes, and replies
-- of a relay that was record-routed; a call of sip.call anywhere. Does not yield.
-- @treturn table handle, or nil, err
-- @usage local dlg = sip.dialog.track(req, { max_duration_s = 3600 })
function M.track(message, options)
    options = options or {}
    if type(options) ~= "table" then
        error("dialog.track: options are a table, not a " .. type(options), 2)
    end
    for name in pairs(options) do
        if not OPTIONS[name] then
            error("dialog.track: there is no option '" .. tostring(name) .. "'", 2)
        end
    end
    local duration_ms = options.max_duration_s
        and check_duration("dialog.track: max_duration_s", options.max_duration_s, 0.001)
    local warn_ms = options.warn_s and check_duration("dialog.track: warn_s", options.warn_s, 0)
    if options.on_end ~= nil and type(options.on_end) ~= "function" then
        error("dialog.track: on_end is a function, not a " .. type(options.on_end), 2)
    end
    local number, err
    if is_call(message) then
        number, err = track_call(message, options, duration_ms)
    else
        local expires_s, least_s = call_timers.session("dialog.track", options.session_timer)
        local keepalive_ms, failures = call_timers.keepalive("dialog.track", options.keepalive)
        number, err = core.dialog_track(message, duration_ms, options.on_end, hidden_interfaces(options.hide),
            options.hide_call_id, expires_s, least_s, keepalive_ms, failures)
    end
    if not number then
        return nil, err
    end
    if warn_ms then
        core.dialog_warn(number, warn_ms)
    end
    return M.with_number(number)
end

--- The tracked call that a message is of; nil: none.
function M.of(message)
    return M.with_number(core.dialog_of(message))
end

--- How many calls of all workers are in a profile.
-- @string profile
-- @string[opt] value only those of that value
-- @treturn number
-- @usage if sip.dialog.count("trunk-a", "outbound") > 25 then sip.log.warning(req, "trunk-a is nearly full") end
function M.count(profile, value)
    return core.dialog_count(profile, value)
end

-- A Reason header's value (RFC 3326): as given when it names a protocol, else a text beside a 200.
local function reason_value(reason)
    if reason:find "[%c]" then
        error("dialog:bye: a reason has no control characters", 3)
    end
    if reason:find "^[%w.%-]+%s*;" then
        return reason
    end
    return 'SIP;cause=200;text="' .. reason:gsub('[\\"]', "\\%0") .. '"'
end

--- End the call: BYE to both sides, or CANCEL and 503 while it is not answered. It happens when the message at
-- hand has gone on; event_route["dialog:end"] has the reason "script".
-- @treturn boolean true, or nil, err
-- @usage sip.dialog.track(req):bye { reason = "Credit used up" }
function methods:bye(options)
    local number = check(self, "bye")
    local reason = options and options.reason
    if reason ~= nil and type(reason) ~= "string" then
        error("dialog:bye: a reason is a text, not a " .. type(reason), 2)
    end
    return core.dialog_hang_up(number, reason and reason_value(reason))
end

--- How long the call may last, from its answer on; 0: as long as it likes.
-- @treturn boolean true, or nil, err
function methods:set_max_duration(seconds)
    return core.dialog_limit(check(self, "set_max_duration"),
        check_duration("dialog:set_max_duration: that", seconds, 0))
end

--- Count the call in a profile until it ends, whichever way; with another value it moves there.
-- @string profile
-- @string[opt] value
-- @tparam[opt] table options limit: most calls of that value at once, of all workers
-- @treturn boolean true, or nil, "full" | err; it then stays where it was
-- @usage sip.dialog.track(req):set_profile("trunk-a", "outbound", { limit = 30 })
function methods:set_profile(profile, value, options)
    local number = check(self, "set_profile")
    for name in pairs(options or {}) do
        if name ~= "limit" then
            error("dialog:set_profile: there is no option '" .. tostring(name) .. "'", 2)
        end
    end
    return core.dialog_set_profile(number, profile, value, options and options.limit)
end

--- Take the call out of a profile before it ends. @treturn boolean was it counted there?
function methods:unset_profile(profile)
    return core.dialog_unset_profile(check(self, "unset_profile"), profile)
end

return M
