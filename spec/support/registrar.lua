--- scripts/registrar.lua on real sockets, as every scenario of it uses it: one lunasip with one interface, a SQLite
-- file with users, and loopback addresses that belong to this test alone.
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local text_file = require "support.text_file"

local M = {}

local read = text_file.read

-- The script with other words in the place of its own.
local function script_with(changes)
    local text = read "scripts/registrar.lua"
    for from, to in pairs(changes) do
        local at, last = text:find(from, 1, true)
        assert(at, "scripts/registrar.lua has no " .. from)
        text = text:sub(1, at - 1) .. to .. text:sub(last + 1)
    end
    return text_file.write(process.folder() .. "/registrar.lua", text)
end

--- The password of "u1", "u2" …
function M.password(user) return "secret-" .. user end

-- Rows as `lunasip user add` writes them, many at once. @param most how many of "u1", "u2" …
local function write_users(path, most)
    local command = { "sqlite3", path, ([[
        CREATE TABLE subscriber (username TEXT, domain TEXT, password TEXT, ha1 TEXT DEFAULT '', ha1b TEXT DEFAULT '',
            UNIQUE (username, domain));
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
            INSERT INTO subscriber (username, domain, password) SELECT 'u' || i, 'example.net', 'secret-u' || i FROM n;
        ]]):format(most) }
    local code, output = process.run(command, 60)
    assert(code == 0, output)
end

local function add_user(conf, name, password)
    local code, output = process.run({ lunasip.build .. "/lunasip", "user", "--conf", conf, "add", name, password }, 60)
    assert(code == 0, output)
end

--- Start it. options: relay ("nat", "always", "never"), host (default: of the test's own block), blocks, workers,
-- timers, build, on (a host of support.namespaces), users (how many of "u1", "u2" …, or user -> password)
-- @return { engine =, at = (number -> address), host = }
function M.start(options)
    options = options or {}
    local at = network.block()
    local host = options.host or at(10)
    local users_path = process.folder() .. "/users.db"
    if type(options.users) == "number" then write_users(users_path, options.users) end
    local changes = { ['local RELAY = "nat"'] = ("local RELAY = %q"):format(options.relay or "nat") }
    local blocks = {
        listen = { lan = { ("udp:%s:5060"):format(host) } }, media = { lan = host, ports = { 30000, 39999 } },
        database = { url = "sqlite:" .. users_path }, auth = { domain = "example.net" },
    }
    for name, value in pairs(options.blocks or {}) do blocks[name] = value end
    local engine = lunasip.start {
        route = script_with(changes), blocks = blocks, workers = options.workers, timers = options.timers,
        build = options.build, on = options.on,
    }
    for name, password in pairs(type(options.users) == "table" and options.users or {}) do
        add_user(engine.folder .. "/lunasip.lua", name, password)
    end
    return { at = at, host = host, engine = engine }
end

M.clean = process.clean

return M
