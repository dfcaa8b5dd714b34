--- sip.auth: digest authentication (RFC 3261 s22, RFC 7616, RFC 8760) of those who call us, and to those we call.
local core = require "lunasip.core"
local log = require "lunasip.log"
local sql = require "lunasip.sql"
local subscriber = require "lunasip.subscriber"
local suggest = require "lunasip.suggest"

local M = {}

local CHECK = {
    ha1 = true, password = true, database = true, table = true, use_domain = true, cache_s = true, code = true,
}
local CHALLENGE = { algorithms = true, qop = true, code = true }
local QOPS = { ["none"] = "", ["auth"] = true, ["auth-int"] = true, ["auth,auth-int"] = true }
local MOST_CACHE_S = 86400

local function check_options(options, known, what)
    if type(options) ~= "table" then
        error(("%s: options are a table, not a %s"):format(what, type(options)), 3)
    end
    for name in pairs(options) do
        if not known[name] then
            error(("%s: no option '%s'%s"):format(what, tostring(name), suggest.hint(tostring(name), known)), 3)
        end
    end
    if options.code ~= nil and options.code ~= 401 and options.code ~= 407 then
        error(what .. ": code is 401 or 407", 3)
    end
end

-- What the options say of a user: a text for everybody, texts by algorithm, or a function that may wait.
local function look_up(given, user, realm, algorithm)
    if type(given) == "function" then
        given = given(user, realm, algorithm)
    end
    if type(given) == "table" then
        given = given[algorithm]
    end
    if given ~= nil and type(given) ~= "string" then
        error("auth.check: an HA1 or a password is a text, not a " .. type(given), 3)
    end
    return given
end

-- What kind of secret the options have; the configuration's database where they have none.
local function source_of(options)
    local found
    for _, name in ipairs { "password", "ha1", "database" } do
        if options[name] ~= nil then
            if found then
                error("auth.check: one of password, ha1 and database is needed, not two", 3)
            end
            found = name
        end
    end
    found = found or "database"
    if found ~= "database" and (options.table ~= nil or options.use_domain ~= nil) then
        error("auth.check: table and use_domain belong to a database", 3)
    end
    if options.table ~= nil and not subscriber.is_table(options.table) then
        error("auth.check: table is the name of a table", 3)
    end
    return found
end

-- The database that the options name, else the configuration's, which is opened once.
local configured
local function database_of(options)
    if options.database or configured then
        return options.database or configured
    end
    local ok, db, problem = pcall(sql.open)
    if not ok then
        error("auth.check: either password, ha1 or database is needed, or the configuration's database { url = … }", 3)
    elseif not db then
        log.error("auth.check: %s", problem)
    end
    configured = db
    return db
end

--- Whose request is it? Answers nothing: challenge() does.
--
-- Yields when the function given does, and for a database.
-- @param req request
-- @string realm
-- @tparam[opt] table options one of
--   password = text | function(user, realm, algorithm) -> text, or nil when there is no such user;
--   ha1 = likewise, H(user:realm:password) in hexadecimal digits of that algorithm, or a table of them by algorithm;
--   database = what sip.sql.open() gave, with Kamailio's table of users: table = its name ("subscriber"), use_domain =
--   false when the user name alone counts; without any of them the database of the configuration's
--   database { url = … };
--   and cache_s = how long what was right is remembered; code = 401 or 407: look only at the credentials for that
-- @treturn string user, or nil, reason: "no credentials", "wrong" (password or user: nobody is told which), "stale",
--   "replayed", "foreign nonce", "malformed", "not supported", "unavailable" (the database could not tell)
-- @usage if not sip.auth.check(req, "example.com", { password = "secret" }) then req:set_header("X-Stranger", "1") end
function M.check(req, realm, options)
    options = options or {}
    check_options(options, CHECK, "auth.check")
    local form = source_of(options)
    local cache_s, code = options.cache_s, options.code
    if cache_s ~= nil and (type(cache_s) ~= "number" or not (cache_s >= 0.001 and cache_s <= MOST_CACHE_S)) then
        error("auth.check: cache_s is a number of seconds, at most " .. MOST_CACHE_S, 2)
    end
    local db = form == "database" and database_of(options)
    if db == nil then
        return nil, "unavailable"
    end
    local user, algorithm = core.auth_find(req, realm, code)
    if not user then
        return nil, algorithm
    end
    if cache_s then
        local known, reason = core.auth_verify(req, realm, code, "remembered")
        if known ~= false then
            return known, reason
        end
    end
    local secret
    if form == "database" then
        form, secret = subscriber.find(db, options, user, realm, algorithm)
        if not form then
            log.error("auth.check: %s", secret)
            return nil, "unavailable"
        end
    else
        secret = look_up(options[form], user, realm, algorithm)
    end
    return core.auth_verify(req, realm, code, form, secret, cache_s and math.floor(cache_s * 1000))
end

--- Answer 401 or 407 with a challenge per algorithm, and forget the request: nothing is kept for it.
--
-- It says stale=true after a check() that found right credentials with a nonce that is no longer good.
-- @param req request; ACK and CANCEL cannot be challenged
-- @string realm
-- @tparam[opt] table options algorithms = those that passwords or HA1s are there for, preferred first
--   ({ "SHA-256", "MD5" }); qop = "auth" (default), "auth-int", "auth,auth-int" or "none";
--   code = 401 (default for REGISTER) or 407 (default for all else)
-- @treturn boolean true, or nil, err
function M.challenge(req, realm, options)
    options = options or {}
    check_options(options, CHALLENGE, "auth.challenge")
    local qop = options.qop or "auth"
    if not QOPS[qop] then
        error("auth.challenge: qop is auth, auth-int, \"auth,auth-int\" or none", 2)
    end
    local algorithms = options.algorithms or { "SHA-256", "MD5" }
    if type(algorithms) ~= "table" or #algorithms == 0 then
        error("auth.challenge: algorithms are a list: { \"SHA-256\", \"MD5\" }", 2)
    end
    local code = options.code or (req.method == "REGISTER" and 401 or 407)
    return core.auth_challenge(req, realm, code, table.concat(algorithms, ","), qop == "none" and "" or qop)
end

--- Take the credentials for a realm out of a request that goes on.
-- @treturn integer headers taken out, or nil, err
function M.consume(req, realm)
    return core.auth_consume(req, realm)
end

--- A user's password has changed: what cache_s keeps of it is forgotten.
function M.forget(user, realm)
    return core.auth_forget(user, realm)
end

--- In a failure route: answer the challenge of a gateway, so that another relay carries our credentials.
--
-- Deviation: CSeq stays what it is (RFC 3261 s22.2 counts on), since the caller's dialog counts it.
-- @param req request
-- @param reply its 401 or 407
-- @tparam table options username, password
-- @treturn boolean true, or nil, reason; credentials that were refused are not sent again
function M.answer(req, reply, options)
    check_options(options, { username = true, password = true }, "auth.answer")
    return core.auth_answer(req, reply, options.username, options.password)
end

return M
