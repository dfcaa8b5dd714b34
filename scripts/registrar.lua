-- A registrar: phones register, and call each other by their numbers, from behind a NAT too.
--
-- The configuration (conf/registrar.lua) names one interface, "lan". Set USERS and DOMAIN; with RELAY audio and video
-- run through the media relay, without it they go from phone to phone. It asks for no password
-- (sip.auth does): only for a network where everybody is trusted.
local sip = require "lunasip"
local log, media, registrar = sip.log, sip.media, sip.registrar

local DOMAIN = "example.net"
local RELAY = true
local MOST_DEVICES = 5 -- of one number
local USERS = { ["2001"] = "Reception", ["2002"] = "Workshop", ["2003"] = "Door" }
local ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, MESSAGE"

-- No, unless it is an ACK: that is never answered.
local function refuse(req, code, reason, headers)
    return req.method == "ACK" and req:drop() or req:reply(code, reason, { headers = headers })
end

-- Is it for us? Phones write the domain, or the address that they send to.
local function is_ours(host)
    return host == DOMAIN or host == sip.interface.lan.address or host == sip.interface.lan.advertised_address
end

-- Does the Contact name another address than the one that the message came from?
local function is_behind_nat(msg)
    local host = msg["$(ct{nameaddr.uri}{uri.host})"]
    return host ~= nil and host ~= "" and host ~= msg.source_ip
end

-- What the other side sends within the call then reaches the hole in the NAT.
local function fix_contact(msg)
    if is_behind_nat(msg) then
        local user = msg["$(ct{nameaddr.uri}{uri.user})"] or ""
        local prefix = user ~= "" and user .. "@" or ""
        msg:set_header("Contact", ("<sip:%s%s:%d>"):format(prefix, msg.source_ip, msg.source_port))
    end
end

function request_route(req)
    if not route.ACCEPTABLE(req) then
        return
    elseif req.method == "REGISTER" then
        return route.REGISTER(req)
    elseif req:in_dialog() and req.method ~= "CANCEL" then
        return route.WITHIN_DIALOG(req)
    elseif req.method == "ACK" or req.method == "CANCEL" then -- of no call that we know
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    elseif req.method == "OPTIONS" and not req["$rU"] then
        return req:reply(200, "OK", { headers = { Allow = ALLOW } })
    elseif req.method ~= "INVITE" and req.method ~= "MESSAGE" then
        return req:reply(405, "Method Not Allowed", { headers = { Allow = ALLOW } })
    end
    route.TO_USER(req)
end

-- Requests that are not worth a look at what they want.
function route.ACCEPTABLE(req)
    if not req:max_forwards_ok() then
        return refuse(req, 483, "Too Many Hops") and false
    end
    local ok, problem, status = req:sanity_ok()
    if not ok then
        log.warning("$rm from $si:$sp refused: %d %s", status or 400, problem)
        refuse(req, status or 400, problem)
    end
    return ok
end

-- Who may bind what: a user of ours, its own number.
function route.REGISTER(req)
    if not is_ours(req["$td"]) or not USERS[req["$tU"]] or req["$fU"] ~= req["$tU"] then
        log.warning("REGISTER of $tu from $si:$sp refused: no such user")
        return req:reply(403, "Forbidden")
    end
    local count, problem, status = registrar.save(req, {
        aor = ("sip:%s@%s"):format(req["$tU"], DOMAIN), received = is_behind_nat(req), max_contacts = MOST_DEVICES,
    })
    if count then
        log.info("$tU registered from $si:$sp: %d devices", count)
    else
        log.warning("REGISTER of $tU from $si:$sp refused: %d %s", status or 500, problem)
    end
end

-- BYE, re-INVITE, ACK … of a call: they follow its Record-Route. The engine renews or frees the call's media by itself.
function route.WITHIN_DIALOG(req)
    if req:loose_route() then
        fix_contact(req)
        if not req:relay() then
            refuse(req, 500, "Server Internal Error")
        end
    else
        refuse(req, 481, "Call/Transaction Does Not Exist")
    end
end

-- A call or a message to a number: every device of it rings.
function route.TO_USER(req)
    local number = req["$rU"]
    if not is_ours(req["$rd"]) or not USERS[req["$fU"]] then
        log.warning("$rm from $fu at $si:$sp to $ru refused: we are no open relay")
        return req:reply(403, "Forbidden")
    elseif not USERS[number] then
        return req:reply(404, "Not Found")
    end
    local ok, problem = registrar.lookup(req, { aor = ("sip:%s@%s"):format(number, DOMAIN) })
    if not ok then
        log.info("$rm from $fU to %s: %s", number, problem)
        return req:reply(480, "Temporarily Unavailable")
    end
    if req.method == "INVITE" then
        return route.CALL(req, number)
    end
    route.SEND(req)
end

function route.CALL(req, number)
    if RELAY then
        local ok, problem = media.manage(req, { from = "lan", to = "lan" })
        if not ok then
            log.error("call from $fU to %s: no media: %s", number, problem)
            return req:reply(500, "Media Proxy Error")
        end
    end
    log.info("call from $fU at $si:$sp to %s", number)
    fix_contact(req)
    req:record_route()
    route.SEND(req)
end

function route.SEND(req)
    local ok, problem = req:relay()
    if not ok and problem ~= "cancelled" then
        log.error("$rm to $ru: not sent: %s", problem)
        req:reply(500, "Server Internal Error")
    end
end

-- Every response that a phone sends.
function onreply_route(reply)
    if reply.method == "INVITE" and reply.status < 300 then
        fix_contact(reply)
    end
end

event_route["registration:expired"] = function(event)
    log.info(event, "%s is gone: %s was not refreshed", event.aor, event.contact)
end
