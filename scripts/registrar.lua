-- A registrar: phones register with a password and call each other by their numbers, from behind a NAT too.
--
-- The configuration (conf/registrar.lua) names one interface, "lan", and a database with the users, which
-- `lunasip user add` fills; or one of Kamailio's. Set DOMAIN and RELAY.
local sip = require "lunasip"
local auth, log, media, nat, registrar = sip.auth, sip.log, sip.media, sip.nat, sip.registrar
local users = sip.sql.open() -- the database of the configuration

local DOMAIN = "example.net" -- of all users, and the realm of their passwords
local REMEMBERED_S = 60 -- a password that was right is not asked of the database again for so long
local RELAY = "nat" -- audio and video of calls from and to behind a NAT run through the relay; or "always"; or "never"
local MOST_DEVICES = 5 -- of one number
local NAT = { "via_differs", "via_port_differs" } -- what tells that somebody is behind one
local ALLOW = { Allow = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, MESSAGE" }

local function aor_of(user) return ("sip:%s@%s"):format(user, DOMAIN) end

-- No, unless it is an ACK: that is never answered.
local function refuse(req, code, reason, headers)
    return req.method == "ACK" and req:drop() or req:reply(code, reason, { headers = headers })
end

-- Is there such a user? When the database cannot tell, there may be.
local function may_be_user(number)
    local rows = users:query("SELECT 1 FROM subscriber WHERE username = ? AND domain = ?", number, DOMAIN)
    return not rows or rows[1] ~= nil
end

-- Phones write the domain, or the address that they send to.
local function is_ours(host)
    return host == DOMAIN or host == sip.interface.lan.address or host == sip.interface.lan.advertised_address
end

function request_route(req)
    if not req:max_forwards_ok() then
        return refuse(req, 483, "Too Many Hops")
    elseif req:in_dialog() and req.method ~= "CANCEL" then
        return route.WITHIN_DIALOG(req)
    elseif req.method == "ACK" or req.method == "CANCEL" then -- of no call that we know
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    elseif req.method == "OPTIONS" and not req["$rU"] then
        return req:reply(200, "OK", { headers = ALLOW })
    elseif req.method ~= "REGISTER" and req.method ~= "INVITE" and req.method ~= "MESSAGE" then
        return req:reply(405, "Method Not Allowed", { headers = ALLOW })
    elseif not route.KNOWN(req) then
        return
    elseif req.method == "REGISTER" then
        return route.REGISTER(req)
    end
    route.TO_USER(req)
end

-- Is the sender who From says? Asks for the password until that is certain: 401 to a REGISTER, 407 to all else.
function route.KNOWN(req)
    local user, why = auth.check(req, DOMAIN, { cache_s = REMEMBERED_S })
    if why == "unavailable" then -- the database is away: nobody can be told from anybody
        refuse(req, 503, "Service Unavailable", { ["Retry-After"] = "10" })
    elseif not user then
        auth.challenge(req, DOMAIN, { algorithms = { "MD5" } }) -- { "SHA-256", "MD5" } where all phones bear both
    elseif user ~= req["$fU"] then
        log.warning("$rm from $fu at $si:$sp refused: that is %s", user)
        refuse(req, 403, "Forbidden")
    else
        return auth.consume(req, DOMAIN) ~= nil
    end
end

-- A user binds its own number.
function route.REGISTER(req)
    if not is_ours(req["$td"]) or req["$tU"] ~= req["$fU"] then
        log.warning("REGISTER of $tu by $fU at $si:$sp refused")
        return req:reply(403, "Forbidden")
    end
    local count, problem, status = registrar.save(req, {
        aor = aor_of(req["$tU"]), received = nat.is_natted(req, NAT), max_contacts = MOST_DEVICES,
    })
    if count then
        log.info("$tU registered from $si:$sp: %d devices", count)
    else
        log.warning("REGISTER of $tU from $si:$sp refused: %d %s", status or 500, problem)
    end
end

-- BYE, re-INVITE, ACK … of a call: they follow its Record-Route. The engine renews or frees the call's media by itself.
function route.WITHIN_DIALOG(req)
    local is_ours_or_ends = req.call_state or req.method == "BYE" or req.method == "ACK"
    if not is_ours_or_ends or not req:loose_route() then
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    end
    nat.handle_alias(req) -- of the Contact that we gave the other side
    nat.set_alias(req)
    route.SEND(req)
end

-- A call or a message to a number: all devices of the highest q at once, then those of the next.
function route.TO_USER(req)
    local number = req["$rU"]
    if not number or not is_ours(req["$rd"]) then
        return req:reply(404, "Not Found")
    end
    local ok, problem = registrar.lookup(req, { aor = aor_of(number) })
    if not ok then
        log.info("$rm from $fU to %s: %s", number, problem)
        return may_be_user(number) and req:reply(480, "Temporarily Unavailable") or req:reply(404, "Not Found")
    end
    log.info("$rm from $fU at $si:$sp to %s", number)
    if req.method == "INVITE" then
        if route.NEEDS_RELAY(req, number) and not media.manage(req, { from = "lan", to = "lan" }) then
            return req:reply(500, "Media Proxy Error")
        end
        nat.set_alias(req) -- so that what comes back meets the hole in the caller's NAT
        req:record_route()
    end
    route.SEND(req)
end

function route.NEEDS_RELAY(req, number)
    local is_needed = RELAY == "always" or RELAY == "nat" and nat.is_natted(req, NAT)
    for _, device in ipairs(RELAY == "nat" and registrar.contacts(aor_of(number)) or {}) do
        is_needed = is_needed or device.received ~= nil
    end
    return is_needed
end

function route.SEND(req)
    local ok, problem = req:relay()
    if not ok and problem ~= "cancelled" then
        log.error("$rm to $ru: not sent: %s", problem)
        refuse(req, 500, "Server Internal Error")
    end
end

-- Every response that a phone sends: like the caller's, its Contact leads back through its NAT.
function onreply_route(reply)
    if reply.method == "INVITE" and reply.status < 300 then
        nat.set_alias(reply)
    end
end

event_route["registration:expired"] = function(event)
    log.info(event, "%s is gone: %s was not refreshed", event.aor, event.contact)
end
