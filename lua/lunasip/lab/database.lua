--- Databases of the lab (a part of lunasip.lab's net): every URL is SQLite in memory, on the virtual clock.
--
--     local db = net:database { url = "postgres://db.example/sip", sql = "CREATE TABLE t (n INTEGER)" }
--     db:impair { delay = 2 }           -- answers come 2 s later
--     db:impair { fail = true }         -- the server is away
--     db:impair {}                      -- all is well again
--     db:rows "SELECT n FROM t"         -- { { n = 1 }, … }, whatever is impaired
local json = require "dkjson"

local options_of = require "lunasip.lab.options"
local suggest = require "lunasip.suggest"

local Net, Database = {}, {}
Database.__index = Database

-- The columns of Kamailio's that count.
local SUBSCRIBER = [[CREATE TABLE IF NOT EXISTS subscriber (username TEXT NOT NULL, domain TEXT NOT NULL,
    password TEXT NOT NULL, ha1 TEXT NOT NULL DEFAULT '', ha1b TEXT NOT NULL DEFAULT '', UNIQUE (username, domain))]]

--- The database that engines of this network reach by a URL. Its tables outlive them.
-- @tparam[opt] string|table options the URL, or url = (default: that of the first engine's configuration, which the lab
-- gives one when it is a table without), and sql = statements that are run in it now
function Net:database(options)
    options = type(options) == "string" and { url = options } or options
    options = options_of.check("net:database", options)
    local url = options.url or self.engines[1] and self.engines[1].database_url
    options_of.need("net:database", "url", url, "string")
    local number, fault = self.stage:database(url)
    if not number then
        options_of.misuse("net:database: %s", fault)
    end
    local db = setmetatable({ stage = self.stage, number = number, url = url }, Database)
    if options.sql then
        db:load(options.sql)
    end
    return db
end

--- Users with passwords, as `lunasip user add` adds them: what sip.auth.check() asks the database for.
-- @tparam table users "2001@example.net" -> password
-- @string[opt] url of the database, as for net:database()
function Net:users(users, url)
    local db = self:database { url = url, sql = SUBSCRIBER }
    local names = {}
    for name, password in pairs(type(users) == "table" and users or {}) do
        if type(name) ~= "string" or not name:find "^[^@']+@[^@']+$" or type(password) ~= "string" then
            options_of.misuse("net:users: write { [\"2001@example.net\"] = \"password\" }, not %s", tostring(name))
        end
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local user, domain = name:match "^(.*)@(.*)$"
        db:load(("REPLACE INTO subscriber (username, domain, password) VALUES ('%s', '%s', '%s')"):format(user, domain,
            (users[name]:gsub("'", "''"))))
    end
    return db
end

--- Run statements, separated by ';', at once.
function Database:load(sql)
    local ok, fault = self.stage:load_database(self.number, sql)
    if not ok then
        options_of.misuse("db:load: %s", fault)
    end
end

--- The rows of one statement, at once: tables by the names of columns.
function Database:rows(sql)
    local rows, fault = self.stage:database_rows(self.number, sql)
    if not rows then
        options_of.misuse("db:rows: %s", fault)
    end
    return (json.decode(rows))
end

--- Make it bad for every engine: { delay = seconds } until an answer comes; fail = true ("unavailable"), or the reason
-- that sip.sql gives. {} makes it good again. A statement takes effect even when its answer is late.
function Database:impair(given)
    options_of.check("db:impair", given)
    local reason = given and given.fail or nil
    if reason == true then
        reason = "unavailable"
    end
    if reason and not self.stage.database_errors[reason] then
        options_of.misuse("db:impair: no reason '%s'%s", tostring(reason),
            suggest.hint(tostring(reason), self.stage.database_errors))
    end
    self.stage:impair_database(self.number, given and given.delay, reason)
end

return Net
