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

--- The database that engines of this network reach by a URL. Its tables outlive them.
-- @tparam string|table options the URL, or url =, and sql = statements that are run in it now
function Net:database(options)
    options = type(options) == "string" and { url = options } or options
    options_of.check("net:database", options)
    options_of.need("net:database", "url", options and options.url, "string")
    local number, fault = self.stage:database(options.url)
    if not number then
        options_of.misuse("net:database: %s", fault)
    end
    local db = setmetatable({ stage = self.stage, number = number, url = options.url }, Database)
    if options.sql then
        db:load(options.sql)
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
