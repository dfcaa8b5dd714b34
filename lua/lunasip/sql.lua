--- sip.sql: databases for scripts. A query looks sequential; the handler waits for it, and other calls go on.
--
--     local db = sip.sql.open "postgres://sip:secret@db.example.com/sip"
--     local rows, problem = db:query("SELECT contact FROM location WHERE username = ?", req["$rU"])
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"

local M = {}

local OPTIONS = { timeout_ms = true }
local LEAST_MS, MOST_MS = 1, 3600000

-- db -> what it stands for; scripts do not reach it.
local opened = setmetatable({}, { __mode = "k" })

local Database = {}
local metatable = {
    __index = Database,
    __metatable = false,
    __newindex = function()
        error("a database has no fields of its own", 2)
    end,
    __tostring = function(db)
        return opened[db].name
    end,
}

local function check_options(options, what)
    if type(options) ~= "table" then
        error(("%s: options are a table, not a %s"):format(what, type(options)), 3)
    end
    for name in pairs(options) do
        if not OPTIONS[name] then
            error(("%s: no option '%s'%s"):format(what, tostring(name), suggest.hint(tostring(name), OPTIONS)), 3)
        end
    end
    local timeout_ms = options.timeout_ms
    if timeout_ms ~= nil and not (type(timeout_ms) == "number" and timeout_ms % 1 == 0
        and timeout_ms >= LEAST_MS and timeout_ms <= MOST_MS) then
        error(("%s: timeout_ms is a whole number from %d to %d"):format(what, LEAST_MS, MOST_MS), 3)
    end
    return timeout_ms
end

local function new(number, name, timeout_ms)
    local db = setmetatable({}, metatable)
    opened[db] = { number = number, name = name or "database", timeout_ms = timeout_ms }
    return db
end

local function self_of(db, what)
    return opened[db] or error(("db:%s: write it with a colon, on what sip.sql.open() gave"):format(what), 3)
end

--- Open a database, best while the script is loaded. The same URL is the same connections, for all workers and
-- across reloads; it connects by itself, and again after a loss.
-- @string[opt] url sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/NAME, mysql://… (MariaDB); default: the
--   configuration's database { url = … }
-- @tparam[opt] table options timeout_ms = deadline of its queries (default: the setting database.timeout_ms)
-- @treturn table db, or nil, err
function M.open(url, options)
    local timeout_ms = check_options(options or {}, "sql.open")
    if url ~= nil and type(url) ~= "string" then
        error("sql.open: the URL is a text, not a " .. type(url), 2)
    end
    local number, name = core.sql_open(url)
    if not number then
        return nil, name
    end
    return new(number, name, timeout_ms)
end

-- The handler waits within sql_ask(); what it says itself is why nothing was asked.
local function run(db, wants_rows, what, statement, ...)
    local self = self_of(db, what)
    if type(statement) ~= "string" then
        error(("db:%s: the statement is a text, not a %s"):format(what, type(statement)), 2)
    end
    local _, problem, reason = core.sql_ask(self.number, statement, self.timeout_ms, ...)
    if problem then
        return nil, problem, reason
    end
    return core.sql_take(wants_rows)
end

--- Ask for rows. Yields.
-- @string statement with a ? for each value; values are bound, never pasted into the text
-- @param ... texts, numbers, booleans (1 and 0), nil (NULL)
-- @treturn table rows: tables by the names of the columns, without a field where there is NULL; or nil, problem (in
--   the words of the database), reason ("timeout", "unavailable", "refused", "exists", "limit", "memory", "cancelled")
-- @usage local rows, problem = sip.sql.open("sqlite::memory:"):query("SELECT ? AS number", req["$rU"])
function Database:query(statement, ...)
    return run(self, true, "query", statement, ...)
end

--- Carry out a statement that changes something: one transaction of its own. Yields.
-- @treturn integer rows affected, or nil, problem, reason as query() ("exists": a key is there already)
function Database:exec(statement, ...)
    return run(self, false, "exec", statement, ...)
end

--- The same database with other options.
-- @usage local slow = sip.sql.open("sqlite:calls.db"):with { timeout_ms = 10000 }
function Database:with(options)
    local self_data = self_of(self, "with")
    return new(self_data.number, self_data.name, check_options(options, "db:with") or self_data.timeout_ms)
end

return M
