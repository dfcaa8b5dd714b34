--- sip.call: calls of two legs (B2BUA). The engine is the callee of one and the caller of the other, or of both.
--
--     local call, err = sip.call.bridge(req, { to = "sip:+49301234@trunk.example", from = "sip:+49891@pbx.example" })
--     if not call then req:reply(500) end
local call_handle = require "lunasip.call_handle"
local call_options = require "lunasip.call_options"
local call_timers = require "lunasip.call_timers"
local core = require "lunasip.core"
local media = require "lunasip.media"

local M = {}

local BRIDGE = {
    to = "string", next_hop = "string", interface = "string", from = "string", headers = "table", pass = "table",
    media = "media", credentials = "table", redirect = "string", prack = "boolean", refer = "string",
    trunk = "string", session_timer = "table", keepalive = "table",
}
local ORIGINATE = {
    from = "string", from_next_hop = "string", from_interface = "string", from_headers = "table",
    to = "string", next_hop = "string", interface = "string", headers = "table", caller_id = "string",
    trunk = "string", credentials = "table", redirect = "string", refer = "string", pass = "table", media = "media",
    timeout_ms = "number", ringing_timeout_ms = "number", on_end = "function",
}

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
    local fault = call_options.fault(options, BRIDGE)
    if fault then
        error("call.bridge: " .. fault, 2)
    end
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
        call_options.lines_of(options.headers), call_options.names_of(options.pass), credentials.username,
        credentials.password, options.redirect == "follow", options.prack == false, options.trunk,
        call_options.REFER[options.refer or "refuse"], expires_s, least_s, keepalive_ms, failures,
        credentials.realm)
    if not call_id then
        return nil, tag
    end
    return call_handle(call_id, tag)
end

--- Have the sender of an INVITE with Replaces (RFC 3891) take the place of the party that it names, of a call of two
-- legs. Whether it may is yours to say before. request_route; does not yield.
-- @param request INVITE outside of a dialog, with an SDP
-- @return the call, whose "transfer" event tells the outcome, or nil, err, status: what to answer (481: there is no
--   such call, 486: it is answered and "early-only" was asked for, 603: it is over, 488: no SDP, 491, 420, 400)
-- @usage local call, err, status = sip.call.replace(req)
--        if not call then req:reply(status) end
function M.replace(request)
    local call_id, tag, status = core.call_replace(request)
    if not call_id then
        return nil, tag, status
    end
    return call_handle(call_id, tag)
end

local MOST_MS = 2 ^ 31

local function times_fault(options)
    for _, name in ipairs { "timeout_ms", "ringing_timeout_ms" } do
        local ms = options[name]
        if ms and not (ms >= 1 and ms <= MOST_MS and ms % 1 == 0) then
            return name .. " is a whole number of ms, not " .. tostring(ms)
        end
    end
end

--- Call one party, and when it has answered another, and join them (click-to-call, RFC 3725). Any handler; does not
-- yield. call:on("ringing"), ("answer") and ("end") hear what becomes of it, whose event.from tells the party.
-- @tparam table options from and to: URIs of the two; caller_id, interface, next_hop, headers, trunk, credentials,
--   from_interface, from_next_hop, from_headers, timeout_ms, ringing_timeout_ms, redirect, refer, pass, media, on_end
-- @return the call, or nil, err: nothing was sent
-- @usage local call = sip.call.originate { from = "sip:200@10.0.0.20", to = "sip:+49301234@trunk.example" }
function M.originate(options)
    if type(options) ~= "table" then
        error("call.originate: a table of options is needed, not a " .. type(options), 2)
    end
    local fault = call_options.fault(options, ORIGINATE) or times_fault(options)
    if not fault and not (options.from and options.to) then
        fault = "from and to are needed: who is called first, and whom it talks to"
    end
    if fault then
        error("call.originate: " .. fault, 2)
    end
    local flags, credentials = options.media, options.credentials or {}
    local call_id, tag = core.call_originate({
        from = options.from, from_next_hop = options.from_next_hop, from_interface = options.from_interface,
        from_headers = call_options.lines_of(options.from_headers), to = options.to, next_hop = options.next_hop,
        interface = options.interface, headers = call_options.lines_of(options.headers),
        caller_id = options.caller_id, trunk = options.trunk, username = credentials.username,
        password = credentials.password, realm = credentials.realm, follows_redirects = options.redirect == "follow",
        refer = call_options.REFER[options.refer or "refuse"], pass = call_options.names_of(options.pass),
        timeout_ms = options.timeout_ms, ringing_timeout_ms = options.ringing_timeout_ms,
        has_media = flags and true or false,
    }, type(flags) ~= "boolean" and flags or nil)
    if not call_id then
        return nil, tag
    end
    local call = call_handle(call_id, tag)
    if options.on_end then
        call:on("end", options.on_end)
    end
    return call
end

return M
