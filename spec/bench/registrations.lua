--- Registrations with digest: CPU of each, and memory per binding, of lunasip and of Kamailio as registrars. Passwords
-- come from memory, or from Kamailio's table of users in a MariaDB server, whose own CPU is printed beside.
local kamailio_tables = require "support.kamailio_tables"
local lunasip = require "support.lunasip"
local network = require "support.network"
local peers = require "bench.peers"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"
local text_file = require "support.text_file"

local M = {}
local USERS, WARM = 20000, 1000
local HERE = io.popen("pwd"):read "*l"

local read, write = text_file.read, text_file.write

-- User and what SIPp answers a challenge with.
local users = {}
for i = 1, USERS do users[i] = ("u%d;[authentication username=u%d password=secret-u%d]"):format(i, i, i) end

-- Kamailio looks for versions of its tables.
local function subscribers()
    local rows = {}
    for i = 1, USERS do
        rows[i] = ("('u%d','example.net',MD5('u%d:example.net:secret-u%d'))"):format(i, i, i)
    end
    return kamailio_tables.sql "mysql" .. [[

CREATE TABLE version (table_name VARCHAR(32) NOT NULL PRIMARY KEY, table_version INT UNSIGNED NOT NULL DEFAULT 0);
INSERT INTO version VALUES ('location', 9), ('subscriber', 7);
INSERT INTO subscriber (username, domain, ha1) VALUES ]] .. table.concat(rows, ",\n") .. ";\n"
end

local function run(...)
    local code, output = process.run({ ... }, 120)
    assert(code == 0, output)
end

-- A MariaDB server with Kamailio's tables. @return { folder, socket, processes }
local function start_database()
    local folder = process.folder()
    local data = folder .. "/server"
    local self = { folder = data, socket = data .. "/mysql.sock" }
    run("chmod", "755", folder)
    run(HERE .. "/spec/support/database_server.sh", "mysql", data, "init")
    write(folder .. "/tables.sql", subscribers())
    run("sh", "-c", ("mariadb --no-defaults -S %s -u sip -pgeheim sip <%s/tables.sql"):format(self.socket, folder))
    self.processes = { { pid = tonumber(read(data .. "/mysql.pid"):match "%d+") } }
    return self
end

local function stop_database(database)
    run(HERE .. "/spec/support/database_server.sh", "mysql", database.folder, "kill")
end

-- options: passwords ("memory", "database"; lunasip's "remembered": of the database, cached), db_mode, children,
-- workers, memory (true: measure it)
local function start_kamailio(at, options, database)
    local folder = process.folder()
    local config = sipp.fill(read "spec/bench/kamailio_registrar.cfg", {
        host = at(10), children = options.children, db_mode = options.db_mode,
        database = "mysql://sip:geheim@localhost/sip", define_database = database and "#!define WITH_DATABASE" or "",
    })
    local child = process.start {
        command = { "kamailio", "-DD", "-E", "-m", "512", "-M", "32", "-f", write(folder .. "/kamailio.cfg", config),
            "-w", folder, "-Y", folder },
        env = database and { MYSQL_UNIX_PORT = database.socket } or nil,
    }
    peers.wait_bound(child, at(10), 5060)
    return { processes = { child } }
end

local SECRETS = {
    memory = '{ password = function(user) return "secret-" .. user end }',
    database = "{ database = sip.sql.open %q }",
    remembered = "{ database = sip.sql.open %q, cache_s = 600 }",
}

local function start_lunasip(at, options, database)
    local url = database and ("mysql://sip:geheim@localhost/sip?socket=" .. database.socket)
    local route = sipp.fill(read "spec/bench/registrar.lua", { secret = SECRETS[options.passwords]:format(url) })
    local location = {}
    if options.db_mode ~= 0 then location.database, location.db_mode = url, options.db_mode end
    local engine = lunasip.start {
        route = write(process.folder() .. "/registrar.lua", route), workers = options.workers,
        timers = { t1_ms = 500, t2_ms = 4000, t4_ms = 5000 },
        blocks = { listen = { lan = { ("udp:%s:5060"):format(at(10)) } }, location = location },
    }
    return { processes = { engine.process }, engine = engine }
end

local function row(name, start, options)
    return { name = name, start = start, options = options, own = start == start_lunasip }
end

M.rows = {
    row("lunasip registrar, no database", start_lunasip,
        { passwords = "memory", db_mode = 0, workers = 1, memory = true }),
    row("Kamailio registrar, no database", start_kamailio,
        { passwords = "memory", db_mode = 0, children = 1, memory = true }),
    row("lunasip registrar, db_mode 0", start_lunasip, { passwords = "database", db_mode = 0, workers = 1 }),
    row("lunasip registrar, db_mode 0, HA1s cached", start_lunasip,
        { passwords = "remembered", db_mode = 0, workers = 1 }),
    row("Kamailio registrar, db_mode 0", start_kamailio, { passwords = "database", db_mode = 0, children = 4 }),
    row("lunasip registrar, db_mode 1", start_lunasip, { passwords = "database", db_mode = 1, workers = 1 }),
    row("lunasip registrar, db_mode 1, HA1s cached", start_lunasip,
        { passwords = "remembered", db_mode = 1, workers = 1, memory = true }),
    row("Kamailio registrar, db_mode 1", start_kamailio,
        { passwords = "database", db_mode = 1, children = 4, memory = true }),
}

-- Registrations of users `first` and following. @return SIPp's results, CPU seconds of the peer and of the database
local function register(at, run_by, first, count, rate)
    local list = {}
    for i = first, first + count - 1 do list[#list + 1] = users[i] end
    local before, server_before = peers.usage(run_by.up), run_by.database and peers.usage(run_by.database) or 0
    local saw = sipp.start({
        scenario = "spec/bench/register", host = at(12), remote = at(10) .. ":5060", users = list, calls = count,
        rate = rate, seconds = count / rate + 40, simultaneous = 100000,
    }):wait()
    return saw, peers.usage(run_by.up) - before, (run_by.database and peers.usage(run_by.database) or 0) - server_before
end

-- Memory when the transactions have ended (Timer J of RFC 3261 s17.2.2, 32 s), and the allocator gave back theirs.
local function settled_memory_kb(up)
    if up.engine then
        posix.wait_until(function() return up.engine:status().transactions == 0 end, 60, 1)
    end
    local kb = peers.memory_kb(up)
    posix.wait_until(function()
        local now = peers.memory_kb(up)
        local is_still = now >= kb
        kb = now
        return is_still
    end, 30, 5)
    return kb
end

local function measure_with(database, entry, rate, seconds)
    local at = network.block()
    local run_by = { up = entry.start(at, entry.options, database), database = database }
    -- Warm: compiled traces, pools at their size, prepared statements.
    register(at, run_by, 1, WARM, rate)
    local kb_before = entry.options.memory and settled_memory_kb(run_by.up)
    local first, first_cpu, server_cpu = register(at, run_by, WARM + 1, USERS - WARM, rate)
    local kb = kb_before and settled_memory_kb(run_by.up) - kb_before
    local again, again_cpu = register(at, run_by, WARM + 1, math.min(USERS - WARM, rate * seconds), rate)
    peers.stop(run_by.up)
    local ok = math.max(1, first.ok)
    return {
        rate = rate, us_first = first_cpu * 1e6 / ok, us_again = again_cpu * 1e6 / math.max(1, again.ok),
        server_us = server_cpu * 1e6 / ok, bytes = kb and kb * 1024 / ok,
        failed = first.failed + again.failed, retransmissions = first.retransmissions + again.retransmissions,
    }
end

-- The database goes whatever happens.
local function measure_at(entry, rate, seconds)
    local database = entry.options.passwords ~= "memory" and start_database() or nil
    local ok, result = pcall(measure_with, database, entry, rate, seconds)
    if database then stop_database(database) end
    if not ok then error(result, 0) end
    return result
end

--- CPU of the first registration of each user, and of registering again for some seconds; memory per binding; at half
-- the rate when any fail.
function M.measure(entry, seconds)
    local result
    for _, rate in ipairs { 1000, 500, 250 } do
        result = measure_at(entry, rate, seconds)
        if result.failed == 0 then return result end
    end
    return result
end

return M
