-- Prepaid calls of phones to trunks that must see nothing of the inside: the engine is the callee of the phone and
-- the caller of the trunk (B2BUA). A phone proves whose it is by its password (`lunasip user add`). An account has
-- seconds in the same database: at most so long its call lasts, and 30 s before the end the log is told. Each trunk has
-- a limit of calls at once, the next one takes what is too much. The interfaces "public" and "private", database and
-- passwords of trunks are those of the configuration (conf/b2bua.lua).
local sip = require "lunasip"

local DOMAIN = "example.net" -- of the accounts, and the realm of their passwords
local WARNING_S, LONGEST_S = 30, 4 * 3600
local TRUNKS = {
    { name = "trunk-a", host = "192.0.2.21", limit = 30, account = "trunk_a" }, -- account: of the block trunk
    { name = "trunk-b", host = "192.0.2.22", limit = 10 },
}
local db = sip.sql.open()

sip.timer.after(0.01, function()
    local ok, problem = db:exec("CREATE TABLE IF NOT EXISTS accounts "
        .. "(number VARCHAR(64) PRIMARY KEY, seconds INTEGER NOT NULL)")
    if not ok then
        sip.log.error("no table of accounts: %s", problem)
    end
end)

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
    local account = route.ACCOUNT_OF(req)
    local seconds = account and route.SECONDS_OF(req, account)
    if seconds then
        route.TO_TRUNK(req, account, seconds)
    end
end

-- Who knows the password pays, whoever From says it is; nil: the call was answered.
function route.ACCOUNT_OF(req)
    local account, why = sip.auth.check(req, DOMAIN)
    if account then
        return account
    elseif why == "unavailable" then
        sip.log.error("nobody can tell whether $fU may call: the database is away")
        req:reply(503, "Service Unavailable", { headers = { ["Retry-After"] = 30 } })
    else
        sip.auth.challenge(req, DOMAIN, { algorithms = { "MD5" } })
    end
end

-- How long the account may speak; nil: the call was answered.
function route.SECONDS_OF(req, account)
    local rows, problem = db:query("SELECT seconds FROM accounts WHERE number = ?", account)
    if not rows then
        sip.log.error("the account of %s cannot be read: %s", account, problem)
        req:reply(503, "Service Unavailable", { headers = { ["Retry-After"] = 30 } })
    elseif not rows[1] then
        req:reply(403, "Forbidden")
    elseif rows[1].seconds <= 0 then
        req:reply(402, "Payment Required")
    else
        return rows[1].seconds
    end
end

-- What the call took is paid, whoever ended it, and no more than there was.
local function charge(account, most, event)
    local seconds = math.min(math.ceil(event.duration_s or 0), most)
    local ok, problem = db:exec("UPDATE accounts SET seconds = seconds - ? WHERE number = ?", seconds, account)
    if ok then
        sip.log.info("%s pays %d s to %s: %s", account, seconds, event.to_uri, event.reason)
    else
        sip.log.error("%s owes %d s: %s", account, seconds, problem)
    end
end

-- The first trunk that has room; the call counts there until it ends.
local function choose_trunk(call)
    for _, trunk in ipairs(TRUNKS) do
        if call:set_profile("trunk", trunk.name, { limit = trunk.limit }) then
            return trunk
        end
    end
end

function route.TO_TRUNK(req, account, seconds)
    local call = sip.dialog.track(req, {
        max_duration_s = math.min(seconds, LONGEST_S), warn_s = WARNING_S,
        on_end = function(event) charge(account, seconds, event) end,
    })
    if not call:set_profile("account", account, { limit = 1 }) then -- or two calls would spend the same seconds
        return req:reply(486, "Busy Here")
    end
    local trunk = choose_trunk(call)
    if not trunk then
        sip.log.warning("no trunk takes the call to $rU: all are full")
        return req:reply(503, "Service Unavailable", { headers = { ["Retry-After"] = 30 } })
    end
    req:record { account = account, trunk = trunk.name } -- beside what every record has
    local bridged, err = sip.call.bridge(req, {
        to = ("sip:%s@%s"):format(req["$rU"], trunk.host), interface = "public", trunk = trunk.account,
        from = ("sip:%s@%s"):format(account, trunk.host),
        media = { from = "private", to = "public" },
    })
    if not bridged then
        sip.log.warning("call to $rU cannot go to %s: %s", trunk.name, err)
        return req:reply(500, "Server Internal Error")
    end
    sip.log.info("%s calls $rU through %s for at most %d s, its Call-ID there is %s", account, trunk.name,
        seconds, bridged.call_id)
end

event_route["dialog:warning"] = function(event)
    sip.log.info("the call of %s to %s has %d s left", event.from_uri, event.to_uri, WARNING_S)
end
