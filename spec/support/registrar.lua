--- scripts/registrar.lua on real sockets, as every scenario of it uses it: one lunasip with one interface, users
-- "u1", "u2" … whose passwords are told by their names, and loopback addresses that belong to this test alone.
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"

local M = {}

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

-- The script with other words in the place of its own.
local function script_with(changes)
    local text = read "scripts/registrar.lua"
    for from, to in pairs(changes) do
        local at, last = text:find(from, 1, true)
        assert(at, "scripts/registrar.lua has no " .. from)
        text = text:sub(1, at - 1) .. to .. text:sub(last + 1)
    end
    local path = process.folder() .. "/registrar.lua"
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

--- The password of a user.
function M.password(user) return "secret-" .. user end

--- Start it. options: relay ("nat", "always", "never"), host (default: of the test's own block), blocks, workers,
-- timers, build, on (a host of support.namespaces), users (true: "u1" and so on; else those of the script)
-- @return { engine =, at = (number -> address), host = }
function M.start(options)
    options = options or {}
    local at = network.block()
    local host = options.host or at(10)
    local changes = { ['local RELAY = "nat"'] = ("local RELAY = %q"):format(options.relay or "nat") }
    if options.users then
        changes["return PASSWORDS[user] end"] =
            'return user:match "^u%d+$" and "secret-" .. user or nil end'
    end
    local blocks = {
        listen = { lan = { ("udp:%s:5060"):format(host) } }, media = { lan = host, ports = { 30000, 39999 } },
    }
    for name, value in pairs(options.blocks or {}) do blocks[name] = value end
    return {
        at = at, host = host,
        engine = lunasip.start {
            route = script_with(changes), blocks = blocks, workers = options.workers, timers = options.timers,
            build = options.build, on = options.on,
        },
    }
end

M.clean = process.clean

return M
