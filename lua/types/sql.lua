---@meta
-- Annotations for the Lua language server: sip.sql. Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.SqlOptions
---@field timeout_ms? integer deadline of a query; default: the setting database.timeout_ms

---SQL of SQLite, PostgreSQL and MariaDB. A query looks sequential; the handler waits, and other calls go on.
---@class lunasip.Sql
local Sql = {}

---Open a database, best while the script is loaded. The same URL is the same connections, for all workers and across
---reloads; it connects by itself, and again after a loss.
---@param url? string sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/NAME, mysql://... (MariaDB); default: the
---configuration's database { url = ... }
---@param options? lunasip.SqlOptions
---@return lunasip.Database? db, string? err
function Sql.open(url, options) end

---An open database.
---@class lunasip.Database
local Database = {}

---Ask for rows. Handlers, events and timers; yields.
---@param statement string with a ? for each value, which is bound and never pasted into the text
---@param ... string|number|boolean|nil
---@return table[]? rows by the names of their columns; no field where there is NULL
---@return string? problem in the words of the database
---@return string? reason "timeout", "unavailable", "refused", "exists", "limit", "memory", "cancelled"
function Database:query(statement, ...) end

---Carry out a statement that changes something, a transaction of its own. Handlers, events and timers; yields.
---@param statement string
---@param ... string|number|boolean|nil
---@return integer? affected rows
---@return string? problem
---@return string? reason as for query(); "exists": a key is there already
function Database:exec(statement, ...) end

---The same database with other options.
---@param options lunasip.SqlOptions
---@return lunasip.Database
function Database:with(options) end
