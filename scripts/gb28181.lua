-- Cameras of GB/T 28181 and the platform that looks through them: cameras register here with their passwords and say
-- every minute that they are alive; the platform reaches them, and what both say to each other passes untouched.
--
-- The configuration (conf/gb28181.lua) names one interface, "lan". A camera's user is its number of 20 digits; the
-- domain has 10. Set DOMAIN, PLATFORM and PASSWORDS.
local sip = require "lunasip"
local auth, log, nat, registrar = sip.auth, sip.log, sip.nat, sip.registrar

local DOMAIN = "3402000000" -- also the realm
local PLATFORM_IP, PLATFORM = "127.0.0.41", "sip:34020000002000000001@127.0.0.41:5060"
local PASSWORDS = { ["34020000001320000001"] = "12345678", ["34020000001320000002"] = "12345678" }
local KEEPALIVE_S, MISSED = 60, 3 -- a camera that is silent for so many times is offline
local alive = sip.shared.alive -- number -> true, for as long as a camera may be silent

-- Who is known, and what proves it; nil when there is none.
local function password_of(camera) return PASSWORDS[camera] end

local function aor_of(camera) return ("sip:%s@%s"):format(camera, DOMAIN) end

local function refuse(req, code, reason)
    return req.method == "ACK" and req:drop() or req:reply(code, reason)
end

function request_route(req)
    if not req:max_forwards_ok() then
        return refuse(req, 483, "Too Many Hops")
    elseif req:in_dialog() and req.method ~= "CANCEL" then
        return route.WITHIN_DIALOG(req)
    elseif req.method == "ACK" or req.method == "CANCEL" then -- of no call that we know
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    elseif req.method == "REGISTER" then
        return route.REGISTER(req)
    elseif req.method ~= "INVITE" and req.method ~= "MESSAGE" and req.method ~= "SUBSCRIBE" then
        return req:reply(405, "Method Not Allowed", { headers = { Allow = "REGISTER, MESSAGE, SUBSCRIBE, INVITE" } })
    elseif req.source_ip == PLATFORM_IP then
        return route.TO_CAMERA(req)
    end
    route.FROM_CAMERA(req)
end

-- A camera binds its own number; without a password, or with a wrong one, it is asked for it (GB/T 28181 9.1).
function route.REGISTER(req)
    local camera = auth.check(req, DOMAIN, { password = password_of })
    if not camera then
        return auth.challenge(req, DOMAIN, { algorithms = { "MD5" } })
    elseif camera ~= req["$tU"] then
        log.warning("REGISTER of $tU from $si:$sp refused: that is %s", camera)
        return req:reply(403, "Forbidden")
    end
    alive:set(camera, true, KEEPALIVE_S * MISSED)
    local count, problem = registrar.save(req, { aor = aor_of(camera), received = true })
    if not count then
        return log.warning("REGISTER of %s from $si:$sp refused: %s", camera, problem)
    end
    for _, device in ipairs(registrar.contacts(aor_of(camera)) or {}) do -- after a restart it may be elsewhere
        if device.received ~= req.source_uri then
            registrar.unregister(aor_of(camera), device.ruid)
        end
    end
end

-- Which have missed their time?
sip.timer.every(1, function()
    for camera in pairs(PASSWORDS) do
        if not alive:get(camera) and registrar.unregister(aor_of(camera)) > 0 then
            log.warning("camera %s has missed %d keepalives", camera, MISSED)
        end
    end
end)

-- Keepalives are answered here (GB/T 28181 9.6), everything else by the platform. A camera is known by where it
-- registered from; one that is not registers again when it hears 403.
function route.FROM_CAMERA(req)
    local camera = req["$fU"]
    local device = (registrar.contacts(aor_of(camera)) or {})[1]
    if not device or device.received ~= req.source_uri then
        log.warning("$rm from $fu at $si:$sp refused: not registered")
        return req:reply(403, "Forbidden")
    elseif req.method == "MESSAGE" and (req.body or ""):find "<CmdType>%s*Keepalive%s*</CmdType>" then
        alive:set(camera, true, KEEPALIVE_S * MISSED)
        return req:reply(200, "OK")
    end
    route.SEND(req, PLATFORM)
end

-- Catalog, control, INVITE for its picture …
function route.TO_CAMERA(req)
    local camera = req["$rU"]
    if not camera or not registrar.lookup(req, { aor = aor_of(camera) }) then
        return req:reply(480, "Temporarily Unavailable")
    end
    route.SEND(req)
end

function route.WITHIN_DIALOG(req)
    if not req:loose_route() then
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    end
    nat.handle_alias(req)
    route.SEND(req)
end

function route.SEND(req, to)
    nat.set_alias(req)
    if req.method == "INVITE" or req.method == "SUBSCRIBE" then
        req:record_route()
    end
    local ok, problem = req:relay { to = to }
    if not ok and problem ~= "cancelled" then
        log.error("$rm to $ru: not sent: %s", problem)
        refuse(req, 500, "Server Internal Error")
    end
end

function onreply_route(reply)
    nat.set_alias(reply)
end

-- What an alarm would hang on.
event_route["registration:inserted"] = function(event)
    log.info(event, "%s is online: %s", event.aor, event.contact)
end
event_route["registration:removed"] = function(event)
    log.warning(event, "%s is offline: %s", event.aor, event.contact)
end
event_route["registration:expired"] = event_route["registration:removed"]
