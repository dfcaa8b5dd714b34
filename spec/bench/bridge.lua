-- What scripts/sbc.lua does, by calls of two legs: what the bench measures beside the proxied call.
local sip = require "lunasip"

local FROM = { public = { set = 2, other = "private" }, private = { set = 1, other = "public" } }

function request_route(req)
    if req.method == "OPTIONS" then
        return req:reply(200, "OK")
    elseif req.method ~= "INVITE" or req:in_dialog() then
        return req:reply(481, "Call/Transaction Does Not Exist")
    end
    local way = FROM[req["$Rn"]]
    local gateway, problem = sip.dispatcher.select(req, way.set, "round-robin")
    if not gateway then
        sip.log.warning("no gateway for $ru: %s", problem)
        return req:reply(503, "Service Unavailable")
    end
    local call, err = sip.call.bridge(req, {
        interface = way.other,
        media = req["$cT"] == "application/sdp" and { from = req["$Rn"], to = way.other } or nil,
    })
    if not call then
        sip.log.error("call to $ru: %s", err)
        return req:reply(500, "Server Internal Error")
    end
    sip.log.info("$fU at $si:$sp calls $rU through %s", gateway.uri)
end
