--- sip.call: calls of two legs, where the engine is the callee of one and the caller of the other (B2BUA).
--
--     local call, err = sip.call.bridge(req, { to = "sip:+49301234@trunk.example", from = "sip:+49891@pbx.example" })
--     if not call then req:reply(500) end
local call_handle = require "lunasip.call_handle"
local call_timers = require "lunasip.call_timers"
local core = require "lunasip.core"
local media = require "lunasip.media"
local suggest = require "lunasip.suggest"

local M = {}

local REFER = { refuse = 0, handle = 1, pass = 2 }

local KNOWN = {
    to = "string", next_hop = "string", interface = "string", from = "string", headers = "table", pass = "table",
    media = "media", credentials = "table", redirect = "string", prack = "boolean", refer = "string",
    trunk = "string", session_timer = "table", keepalive = "table",
}
-- Those that the engine makes itself.
local OURS = {
    via = true, v = true, from = true, f = true, to = true, t = true, ["call-id"] = true, i = true, cseq = true,
    contact = true, m = true, route = true, ["record-route"] = true, ["max-forwards"] = true,
    ["content-length"] = true, l = true, ["content-type"] = true, c = true, allow = true,
}

local function misuse(text, ...)
    error("call.bridge: " .. text:format(...), 4)
end

-- The same from one function further below.
local function misuse_name(text, ...)
    error("call.bridge: " .. text:format(...), 5)
end

local function check(options)
    for name, value in pairs(options) do
        local kind = KNOWN[name]
        if not kind then
            misuse("no option '%s'%s", tostring(name), suggest.hint(tostring(name), KNOWN))
        elseif kind ~= "media" and type(value) ~= kind then
            misuse("%s is a %s, not a %s", name, kind, type(value))
        elseif kind == "string" and value:find "[\r\n]" then
            misuse("%s cannot have line ends in it", name)
        end
    end
end

local function check_credentials(credentials)
    for name in pairs(credentials) do
        if name ~= "username" and name ~= "password" then
            misuse("credentials are { username =, password = }, not '%s'", tostring(name))
        end
    end
    if type(credentials.username) ~= "string" or type(credentials.password) ~= "string" then
        misuse "credentials need a username and a password"
    end
end

local function check_name(name)
    if type(name) ~= "string" or not name:find "^[%w%-%.!%%%*_%+`'~]+$" then
        misuse_name("'%s' is no name of a header", tostring(name))
    elseif OURS[name:lower()] then
        misuse_name("%s is made by the engine", name)
    end
end

-- headers = { NAME = VALUE } as lines, in the order of their names.
local function lines_of(headers)
    local names, lines = {}, {}
    for name, value in pairs(headers) do
        check_name(name)
        if type(value) ~= "string" and type(value) ~= "number" or tostring(value):find "[\r\n]" then
            misuse("the value of %s is a text without line ends", name)
        end
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        lines[i] = name .. ": " .. headers[name] .. "\r\n"
    end
    return table.concat(lines)
end

local function names_of(pass)
    for _, name in ipairs(pass) do
        check_name(name)
    end
    return table.concat(pass, ",")
end

--- Join the caller of an INVITE with a callee. request_route; does not yield.
-- @param request INVITE outside of a dialog
-- @tparam[opt] table options to, next_hop, interface, from, headers, pass, credentials, trunk, redirect, prack,
--   refer, media, session_timer, keepalive
-- @return the call, or nil, err
-- @usage local call = sip.call.bridge(req, { to = "sip:bob@10.0.0.20", interface = "private", media = true })
function M.bridge(request, options)
    options = options or {}
    if type(options) ~= "table" then
        error("call.bridge: a table of options is needed, not a " .. type(options), 2)
    end
    check(options)
    if options.redirect and options.redirect ~= "follow" and options.redirect ~= "refuse" then
        error("call.bridge: redirect is 'follow' or 'refuse', not '" .. options.redirect .. "'", 2)
    elseif options.refer and not REFER[options.refer] then
        error("call.bridge: refer is 'handle', 'pass' or 'refuse', not '" .. options.refer .. "'", 2)
    elseif options.credentials then
        check_credentials(options.credentials)
    end
    local lines = options.headers and lines_of(options.headers)
    local names = options.pass and names_of(options.pass)
    local expires_s, least_s = call_timers.session("call.bridge", options.session_timer)
    local keepalive_ms, failures = call_timers.keepalive("call.bridge", options.keepalive)
    if options.media then
        local ok, err = media.manage(request, options.media ~= true and options.media or nil)
        if not ok then
            return nil, err
        end
    end
    local credentials = options.credentials or {}
    local call_id, tag = core.call_bridge(request, options.to, options.next_hop, options.interface, options.from,
        lines, names, credentials.username, credentials.password, options.redirect == "follow", options.prack == false,
        options.trunk, REFER[options.refer or "refuse"], expires_s, least_s, keepalive_ms, failures)
    if not call_id then
        return nil, tag
    end
    return call_handle(call_id, tag)
end

return M
