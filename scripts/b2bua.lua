-- Calls of phones to trunks that must see nothing of the inside: the engine is the callee of the phone and the caller
-- of the trunk (B2BUA). Each trunk has a limit of calls at once, the next one takes what is too much; no call lasts
-- longer than LONGEST_S. The interfaces "public" and "private" are those of the configuration (conf/sbc.lua).
local sip = require "lunasip"

local LONGEST_S = 4 * 3600
local TRUNKS = {
    { name = "trunk-a", host = "192.0.2.21", limit = 30, credentials = { username = "office", password = "secret" } },
    { name = "trunk-b", host = "192.0.2.22", limit = 10 },
}

-- The first trunk that has room; the call counts there until it ends.
local function choose_trunk(call)
    for _, trunk in ipairs(TRUNKS) do
        if call:set_profile("trunk", trunk.name, { limit = trunk.limit }) then
            return trunk
        end
    end
end

-- Requests within a call never come here: the engine handles both legs.
function request_route(req)
    if req.method == "OPTIONS" then
        return req:reply(200, "OK")
    elseif req.method ~= "INVITE" or req:in_dialog() then
        return req:reply(481, "Call/Transaction Does Not Exist")
    elseif req["$Rn"] ~= "private" then
        sip.log.warning("call from $si:$sp to $ru refused: trunks do not call us")
        return req:reply(403, "Forbidden")
    elseif not req["$rU"] then
        return req:reply(484, "Address Incomplete")
    end
    route.TO_TRUNK(req)
end

function route.TO_TRUNK(req)
    local tracked, problem = sip.dialog.track(req, {
        max_duration_s = LONGEST_S,
        on_end = function(event)
            sip.log.info("call of %s ended after %d s: %s", event.from_uri, event.duration_s or 0, event.reason)
        end,
    })
    local trunk = tracked and choose_trunk(tracked)
    if not trunk then
        sip.log.warning("no trunk takes the call to $rU: %s", problem or "all are full")
        return req:reply(503, "Service Unavailable", { headers = { ["Retry-After"] = 30 } })
    end
    local call, err = sip.call.bridge(req, {
        to = ("sip:%s@%s"):format(req["$rU"], trunk.host), interface = "public", credentials = trunk.credentials,
        from = ("sip:%s@%s"):format(req["$fU"], trunk.host),
        media = { from = "private", to = "public" },
    })
    if not call then
        sip.log.warning("call to $rU cannot go to %s: %s", trunk.name, err)
        return req:reply(500, "Server Internal Error")
    end
    sip.log.info("$fU calls $rU through %s, its Call-ID there is %s", trunk.name, call.call_id)
end
