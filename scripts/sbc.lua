-- A border between two networks, without NAT.
--
-- Calls that come in on the public card go to a private gateway, calls from the private card to a
-- public one; audio and video run through the relay. Gateways stand in the dispatcher list: set 1 on
-- the public side, set 2 on the private side. The interfaces "public" and "private" are those of the
-- configuration (conf/sbc.lua).
local sip = require "lunasip"
local dispatcher, log, media = sip.dispatcher, sip.log, sip.media

local PUBLIC_GATEWAYS, PRIVATE_GATEWAYS = 1, 2
local ROUND_ROBIN = 4 -- Kamailio's number; "round-robin" means the same

-- The two ways through the border.
local TO_PRIVATE = {
    gateways = PRIVATE_GATEWAYS,
    media = { from = "public", to = "private" },
    record = { direction = "public to private" }, -- beside what every record has
    relay = { interface = "private", on_failure = "NEXT_GATEWAY" },
}
local TO_PUBLIC = {
    gateways = PUBLIC_GATEWAYS,
    media = { from = "private", to = "public" },
    record = { direction = "private to public" },
    relay = { interface = "public", on_failure = "NEXT_GATEWAY" },
}

-- No, unless it is an ACK: that is never answered.
local function refuse(req, code, reason)
    return req.method == "ACK" and req:drop() or req:reply(code, reason)
end

-- To the gateway that was chosen.
local function send(req, way)
    local ok, problem = req:relay(way.relay)
    if not ok and problem ~= "cancelled" then
        log.error("call to $ru via $du: not sent: %s", problem)
        req:reply(500, "Server Internal Error")
    end
end

-- BYE, re-INVITE, UPDATE, ACK … of a call: they follow its Record-Route. The engine renews or frees
-- the call's media by itself.
local function within_dialog(req)
    -- Anybody can write a To tag and a Route: only calls of ours go on, and the end of older ones.
    if (req.call_state or req.method == "BYE" or req.method == "ACK") and req:loose_route() then
        log.debug("$rm of a call from $si:$sp")
        if not req:relay() then
            refuse(req, 500, "Server Internal Error")
        end
    else
        log.info("$rm from $si:$sp is of no call that we know")
        refuse(req, 481, "Call/Transaction Does Not Exist")
    end
end

-- One call to a gateway of the other side, its media through the relay.
local function new_call(req, way)
    local gateway = dispatcher.select(req, way.gateways, ROUND_ROBIN)
    if not gateway then
        log.error("call from $fu to $ru: no gateway of set %d is alive", way.gateways)
        return req:reply(503, "Service Unavailable")
    end
    local ok, problem = media.manage(req, way.media)
    if not ok then
        log.error("call from $fu to $ru: no media: %s", problem)
        return req:reply(500, "Media Proxy Error")
    end
    log.info("call from $fu at $si:$sp to $ru goes $Rn -> %s, gateway %s", way.media.to, gateway.uri)
    req:record_route()
    req:record(way.record)
    send(req, way)
end

function route.FROM_PUBLIC(req)
    new_call(req, TO_PRIVATE)
end

function route.FROM_PRIVATE(req)
    if not dispatcher.is_from(req, PRIVATE_GATEWAYS) then
        log.warning("call from $si:$sp to $ru refused: not one of the private gateways")
        return req:reply(403, "Forbidden")
    end
    new_call(req, TO_PUBLIC)
end

function request_route(req)
    -- What is broken the engine has refused by now; a loop is the script's business.
    if not req:max_forwards_ok() then
        log.warning("$rm from $si:$sp refused: it has passed too many proxies")
        return refuse(req, 483, "Too Many Hops")
    end
    local method = req.method
    if req:in_dialog() and method ~= "CANCEL" then
        return within_dialog(req)
    end
    if method == "INVITE" then
        local card = req.interface -- the one that has $Ri
        if card == "public" then
            return route.FROM_PUBLIC(req)
        elseif card == "private" then
            return route.FROM_PRIVATE(req)
        end
        log.warning("call from $si:$sp to $ru came in on $Rn, which is neither side")
        return req:reply(403, "Forbidden")
    end
    if method == "OPTIONS" then
        return req:reply(200, "OK", { headers = { Allow = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO" } })
    end
    if method == "ACK" or method == "CANCEL" then -- of no call that we know
        return refuse(req, 481, "Call/Transaction Does Not Exist")
    end
    req:reply(405, "Method Not Allowed", { headers = { Allow = "INVITE, ACK, BYE, CANCEL, OPTIONS" } })
end

-- However it ended: the status that the caller got, or for how long both could talk.
event_route["dialog:end"] = function(event)
    if event.answered then
        log.info(event, "call ended: %s, after %d s", event.reason, event.duration_s)
    else
        log.info(event, "call not answered: %s (%s)", event.reason, event.status or "no response")
    end
end

-- No answer (408) or a gateway in trouble (5xx): the next one of the set, if there is one. Else the
-- best response goes back to the caller.
function failure_route.NEXT_GATEWAY(req, reply)
    local status = reply.status
    if status ~= 408 and (status < 500 or status > 599) then
        return
    end
    local way, failed = req.interface == "public" and TO_PRIVATE or TO_PUBLIC, req["$du"]
    if reply.is_local or status == 503 then
        dispatcher.mark(way.gateways, failed, "probing") -- out of the set until it answers a ping, where pings are sent
    end
    local gateway = dispatcher.next(req)
    if not gateway then
        return log.warning("gateway %s failed with %d, and it was the last one", failed, status)
    end
    log.warning("gateway %s failed with %d; the call goes on to %s", failed, status, gateway.uri)
    send(req, way)
end
