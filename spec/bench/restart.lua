--- How long lunasip takes to serve again with many stored bindings: SQLite, all of them loaded before it listens.
local ffi = require "ffi"
local lunasip = require "support.lunasip"
local network = require "support.network"
local peers = require "bench.peers"
local posix = require "support.posix"
local process = require "support.process"

ffi.cdef [[
int sqlite3_open(const char *path, void **db);
int sqlite3_exec(void *db, const char *sql, void *row, void *arg, char **problem);
int sqlite3_close(void *db);
]]

local M = {}

local ROUTE = "function request_route(req) return req:reply(480) end\n"

-- Rows as lunasip writes them: address of record 30 bytes, contact 60, Call-ID and User-Agent 40 each.
local ROWS = [[
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO location (ruid, username, domain, contact, received, expires, q, callid, cseq, last_modified, user_agent,
    socket, methods, instance, reg_id)
SELECT printf('uloc-%%08x-%%016x', 1, i), printf('user%%09d', i), 'sip.example.net',
    printf('sip:user%%09d@192.0.2.%%d:5060;transport=udp;line=%%08x', i, i %% 254, i),
    printf('sip:203.0.113.%%d:%%d', i %% 254, 1024 + i %% 60000),
    datetime('now', 'localtime', '+1 hour', printf('+%%d seconds', i %% 600)), -1, printf('%%032x@192.0.2.1', i), 1,
    datetime('now', 'localtime'), 'Some Phone 1.2.3.4/0123456789abcdef0123', 'udp:%s:5060', 5087,
    printf('<urn:uuid:%%08x-0000-1000-8000-00085d300b61>', i), 1 FROM n;
]]

local function fill(path, count, host)
    local sqlite = ffi.load "libsqlite3.so.0"
    local db, problem = ffi.new "void *[1]", ffi.new "char *[1]"
    assert(sqlite.sqlite3_open(path, db) == 0)
    local status = sqlite.sqlite3_exec(db[0], ROWS:format(count, host), nil, nil, problem)
    assert(status == 0, status ~= 0 and ffi.string(problem[0]))
    sqlite.sqlite3_close(db[0])
end

local function start(path, host, route)
    local before = posix.now()
    local engine = lunasip.start {
        route = route, workers = 1, timers = { t1_ms = 500, t2_ms = 4000, t4_ms = 5000 },
        blocks = { listen = { lan = { ("udp:%s:5060"):format(host) } }, location = { database = "sqlite:" .. path } },
    }
    return engine, posix.now() - before
end

--- @return { seconds (until it serves), cpu_s, bytes (of memory, a binding), loaded }
function M.measure(count)
    local folder, host = process.folder(), network.block()(10)
    local path, route = folder .. "/location.db", folder .. "/route.lua"
    local file = assert(io.open(route, "w"))
    file:write(ROUTE)
    file:close()
    -- It makes the table itself.
    local empty = start(path, host, route)
    local kb_before = peers.memory_kb { processes = { empty.process } }
    empty:stop()
    fill(path, count, host)
    local engine, seconds = start(path, host, route)
    local up = { processes = { engine.process } }
    local loaded = engine:status().registrations.bindings
    local cpu_s, kb = peers.usage(up), peers.memory_kb(up)
    engine:stop()
    return { seconds = seconds, cpu_s = cpu_s, bytes = (kb - kb_before) * 1024 / count, loaded = loaded }
end

return M
