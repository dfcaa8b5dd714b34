--- One engine of the lab's network: its configuration, scripts, status, log and gateways.
local configuration = require "lunasip.lab.configuration"
local options_of = require "lunasip.lab.options"
local stage = require "lunasip.stage"
local json = require "dkjson"

local M = {}
local Engine = {}
Engine.__index = Engine

local DEFAULT_CONF = {
    listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
    media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30999 } },
    database = { url = "sqlite:/lab.db" },
}

-- The numbers of stage:held(), one and many.
local HELD = {
    { "transaction", "transactions" }, { "dialog", "dialogs" }, { "call with media", "calls with media" },
    { "port", "ports" },
    { "port that was given back and cannot be taken", "ports that were given back and cannot be taken" },
}

local function is_source(route)
    return route and (route:find("\n", 1, true) or route:find("[%s%(]")) and true or false
end

local function working_directory()
    local here = io.popen "pwd"
    local path = here:read "*l"
    here:close()
    return path
end

-- A script in the net's own words: the path of a file with it.
local function route_path(self, route)
    return is_source(route) and self.net:temporary(route, ".lua", "route") or route
end

-- @return path of the configuration, path of the script when it is not the configuration's
local function conf_path(self, options)
    local conf = options.conf or DEFAULT_CONF
    if type(conf) == "string" then
        local blocks = configuration.read(conf)
        self.interfaces = configuration.interfaces(blocks.listen or {})
        self.database_url = configuration.database_url(blocks.database, conf:match "^.*/" or "")
        return conf, route_path(self, options.route)
    end
    local blocks = {}
    for name, value in pairs(DEFAULT_CONF) do
        blocks[name] = value
    end
    for name, value in pairs(conf) do
        blocks[name] = value or nil
    end
    if conf.listen and not conf.media then
        blocks.media = nil
    end
    blocks.route = route_path(self, options.route) or blocks.route
    if blocks.route and blocks.route:sub(1, 1) ~= "/" then
        blocks.route = working_directory() .. "/" .. blocks.route
    end
    self.interfaces = configuration.interfaces(blocks.listen)
    self.database_url = configuration.database_url(blocks.database, "")
    return self.net:temporary(configuration.print(blocks), ".conf.lua", "conf")
end

--- Start an engine in a network.
-- @tparam table net of lunasip.lab; borrowed
-- @tparam table options name (nil for the only one), conf: path or table of blocks (default: interfaces public
-- 192.0.2.1 and private 10.0.0.1 with media, and a database); route: path or source text; workers (1); log_level
-- ("debug"); users: "USER@DOMAIN" -> password, in its database; check (false): whether what `lunasip check` finds is
-- a fault
-- @return the engine; raises one line when it does not start, or what the check says
function M.open(net, options)
    local self = setmetatable({ net = net, stage = net.stage, name = options.name }, Engine)
    local conf, route = conf_path(self, options)
    if options.check then
        local ok, fault = stage.check(conf, { route = route, lua_dir = options.lua_dir })
        if not ok then
            error(fault, 0)
        end
    end
    local number, fault = self.stage:engine(conf, {
        route = route, workers = options.workers or 1, log_level = options.log_level or "debug",
        lua_dir = options.lua_dir,
    })
    if not number then
        error(fault, 0)
    end
    self.number = number
    return self
end

--- What ladders call an interface of this engine: "public", or "registrar.public" for an engine with a name.
function Engine:label(interface)
    return self.name and self.name .. "." .. interface or interface
end

--- A new generation: a path, { source = text }, or the same file again. What `lunasip check` finds in it is a fault,
-- as in `lunasip ctl reload`.
-- @return true, or nil and what is wrong
function Engine:reload(route)
    if type(route) == "table" then
        options_of.check("net:reload", route)
        options_of.need("net:reload", "source", route.source, "string")
    end
    local path = type(route) == "table" and self.net:temporary(route.source, ".lua", "route") or route
    local ok, fault = self.stage:reload(self.number, path)
    return ok, fault and self.net:told(fault)
end

--- A verb of `lunasip ctl`: { code, text, data }.
function Engine:command(...)
    local answer = json.decode(self.stage:command(self.number, ...))
    answer.text = self.net:told(answer.text)
    return answer
end

--- What `lunasip ctl status --json` says.
function Engine:status()
    return self:command "status".data
end

--- The calls with media, as `lunasip ctl media --json` lists them: { call_id, streams = { { type, caller = { interface,
-- local, peer, learned, packets, ... }, callee = { ... } } }, ... }.
function Engine:media()
    return self:command "media".data.list
end

--- The calls, as `lunasip ctl calls --json` lists them.
function Engine:calls()
    return self:command "calls".data
end

--- The gateways: { set, uri, state ("AP"), ... } in the order of their sets.
-- @int[opt] set of this set alone
function Engine:gateways(set)
    local list = {}
    for _, gateway in ipairs(self:command("dispatcher", "list").data) do
        if not set or gateway.set == set then
            list[#list + 1] = gateway
        end
    end
    return list
end

--- Kamailio's letters of one gateway, "AP"; nil when there is none.
function Engine:gateway_state(set, uri)
    for _, gateway in ipairs(self:gateways(set)) do
        if gateway.uri == uri then
            return gateway.state
        end
    end
end

--- Take a gateway out or bring it back: "active", "inactive", "disabled", "trying", "probing".
-- @return true, or nil and one line
function Engine:set_gateway(set, uri, state)
    local answer = self:command("dispatcher", "set", tostring(set), uri, state)
    if answer.code ~= 0 then
        return nil, answer.text
    end
    return true
end

--- Log lines of this engine so far: { time, level, group, call_id, text, engine }.
function Engine:log()
    local list = {}
    for _, line in ipairs(self.net:log()) do
        if line.engine == self.name then
            list[#list + 1] = line
        end
    end
    return list
end

--- What of calls is left, as text; nil when nothing is.
function Engine:remains()
    local left = {}
    for i, count in ipairs { self.stage:held(self.number) } do
        if count > 0 then
            left[#left + 1] = ("%d %s"):format(count, count == 1 and HELD[i][1] or HELD[i][2])
        end
    end
    return left[1] and (self.name and self.name .. ": " or "") .. table.concat(left, ", ") or nil
end

-- Gateways that nobody plays would be pinged for ever, and each ping is a transaction.
function Engine:end_pings()
    for _, gateway in ipairs(self:gateways()) do
        self:set_gateway(gateway.set, gateway.uri, "disabled")
    end
end

return M
