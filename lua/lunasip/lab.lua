--- The lab: the whole engine in a virtual network with a virtual clock, for specs.
--
--     local lab = require "lunasip.lab"
--     local net = lab.new { conf = "conf/sbc.lua", seed = 7 }
--     local alice = net:agent { name = "alice", address = "127.0.0.12", side = "public" }
--     local gateway = net:agent { name = "gateway", address = "127.0.0.21", side = "private", auto_options = true }
--     alice:invite("sip:bob@example.net", { sdp = true })
--     gateway:reply(gateway:receive "INVITE", 200, { sdp = true })
--     alice:receive(200)
--     alice:hangup()
--     gateway:reply(gateway:receive "BYE", 200)
--     net:close()                       -- fails when anything of a call is left
--
-- Everything depends on the seed alone: two runs give the same trace.
local agent = require "lunasip.lab.agent"
local configuration = require "lunasip.lab.configuration"
local json = require "dkjson"
local ladder = require "lunasip.lab.ladder"
local stage = require "lunasip.stage"

local M = {}
local Net = {}
Net.__index = Net

-- What a test may have started and not ended is over by then: Timer C, then CANCEL, then Timer H.
local LONGEST_END_S = 300
local END_STEP_S = 0.5

local DEFAULT_CONF = {
    listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
    media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30999 } },
}

local function write_temporary(text, suffix)
    local name = os.tmpname()
    os.remove(name)
    local path = name .. suffix
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

local function is_source(route)
    return route and (route:find("\n", 1, true) or route:find("[%s%(]")) and true or false
end

function Net:temporary(text, suffix)
    local path = write_temporary(text, suffix)
    table.insert(self.temporary_files, path)
    return path
end

local function route_path(self, route)
    return is_source(route) and self:temporary(route, ".lua") or route
end

local function conf_path(self, options)
    local conf = options.conf or DEFAULT_CONF
    if type(conf) == "string" then
        self.interfaces = configuration.interfaces(configuration.listen_of(conf))
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
        local here = io.popen "pwd"
        blocks.route = here:read "*l" .. "/" .. blocks.route
        here:close()
    end
    self.interfaces = configuration.interfaces(blocks.listen)
    return self:temporary(configuration.print(blocks), ".conf.lua")
end

local function remove_files(self)
    for _, path in ipairs(self.temporary_files) do
        os.remove(path)
    end
    self.temporary_files = {}
end

--- A network with one engine in it.
-- @tparam table options conf: path or table of blocks (default: interfaces public 192.0.2.1 and private
-- 10.0.0.1 with media); route: path or source text; workers (1); seed (1); log_level ("debug")
function M.new(options)
    options = options or {}
    local self = setmetatable({
        live_before = stage.live_objects(), agents = {}, names = {}, journal = {}, lines = {}, seen = {},
        temporary_files = {},
    }, Net)
    local ok, conf, route = pcall(conf_path, self, options)
    if not ok then
        remove_files(self)
        error(conf, 2)
    end
    self.stage = stage.open { seed = options.seed or 1 }
    local number, fault = self.stage:engine(conf, {
        route = route, workers = options.workers or 1, log_level = options.log_level or "debug",
        lua_dir = options.lua_dir,
    })
    if not number then
        self.stage:close()
        remove_files(self)
        error(fault, 2)
    end
    self.engine = number
    for interface, addresses in pairs(self.interfaces) do
        for _, address in ipairs(addresses) do
            self.names[address] = interface
        end
    end
    return self
end

--- A scripted user agent (lunasip.lab.agent) on the network.
-- @tparam table options name, address, side ("public"), proxy (default: our address on that side), auto_ack,
-- auto_options, auto_cancel
function Net:agent(options)
    local side = options.side or "public"
    local addresses = self.interfaces[side] or error("no interface '" .. tostring(side) .. "'", 2)
    local given = {
        journal = self.journal, side = side, proxy = addresses[1],
        on_failure = function(text) return self:failed(text) end,
    }
    for name, value in pairs(options) do
        given[name] = value
    end
    local one = agent.new(self.stage, given)
    table.insert(self.agents, one)
    self.names[one.address] = one.name
    return one
end

--- Let time pass.
function Net:advance(seconds)
    self.stage:run(seconds)
end

function Net:now()
    return self.stage:now()
end

--- { loss, duplicate, reorder } as probabilities 0-1, { delay, jitter } in seconds; {} heals it.
function Net:impair(given)
    self.stage:impair(given)
end

--- A record of the virtual name server.
function Net:name(name, kind, value)
    self.stage:name(name, kind, value)
end

--- A new generation: a path, { source = text }, or the same file again.
-- @return true, or nil and one line
function Net:reload(route)
    local path = type(route) == "table" and self:temporary(route.source, ".lua") or route
    return self.stage:reload(self.engine, path)
end

--- A verb of `lunasip ctl`: { code, text, data }.
function Net:command(...)
    return (json.decode(self.stage:command(self.engine, ...)))
end

--- What `lunasip ctl status --json` says.
function Net:status()
    return self:command "status".data
end

-- Packets are kept as seen: SIP whole, everything else by its size.
local function take_packets(self)
    for packet in self.stage:packets() do
        if not packet.bytes:match "^[%u%l][%w%-%.!%%*_+`'~]* ?%S* ?" or not packet.bytes:find("SIP/2.0", 1, true) then
            packet.size_bytes, packet.bytes = #packet.bytes, nil
        end
        table.insert(self.seen, packet)
    end
end

--- Every packet so far: { time, source, destination, lost, bytes (SIP) or size_bytes }.
function Net:packets()
    take_packets(self)
    return self.seen
end

--- One line per packet, bytes included: equal texts mean equal runs.
function Net:trace()
    local out = {}
    for i, packet in ipairs(self:packets()) do
        out[i] = ("%.6f %s %s%s %s"):format(packet.time, packet.source, packet.destination,
            packet.lost and " lost" or "", packet.bytes or packet.size_bytes)
    end
    return table.concat(out, "\n")
end

--- Every SIP message that crossed the network, as text.
function Net:ladder()
    return ladder.packets(self:packets(), self.names)
end

--- Log lines so far: { level, group, call_id, text }, those of the engine.
function Net:log()
    for line in self.stage:log() do
        table.insert(self.lines, line)
    end
    return self.lines
end

--- Text of the first log line that matches the pattern; nil.
function Net:logged(pattern)
    for _, line in ipairs(self:log()) do
        if line.text:find(pattern) then
            return line.text
        end
    end
end

-- A failure is told with everything that led to it.
function Net:failed(text)
    self.has_failed = true
    local out = { text, "", self:ladder() }
    for _, line in ipairs(self:log()) do
        if line.level ~= "debug" then
            out[#out + 1] = ("log %s %s: %s"):format(line.level, line.group, line.text)
        end
    end
    return table.concat(out, "\n")
end

local function remains(self)
    local s = self:status()
    local text = ("%d transactions, %d dialogs, %d media calls, %d ports"):format(
        s.transactions, s.dialogs, s.media.calls, s.media.ports)
    local is_over = s.transactions == 0 and s.dialogs == 0 and s.media.calls == 0 and s.media.ports == 0
    return not is_over and text or nil
end

--- Let time pass until nothing of a call is left. @return nil, or what is
function Net:settle(seconds)
    local deadline = self:now() + (seconds or LONGEST_END_S)
    local left = remains(self)
    while left and self:now() < deadline do
        self:advance(END_STEP_S)
        left = remains(self)
    end
    return left
end

-- Gateways that nobody plays would be pinged for ever, and each ping is a transaction.
local function end_pings(self)
    for _, gateway in ipairs(self:command("dispatcher", "list").data) do
        self:command("dispatcher", "set", tostring(gateway.set), gateway.uri, "disabled")
    end
end

--- End the network. Time passes until every transaction and dialog is over; what is left then, and every
-- object of the engine that is still alive afterwards, fails the test. After a failure it only cleans up.
function Net:close()
    if not self.stage.handle then
        return
    end
    self.stage:impair {}
    if not self.has_failed then
        end_pings(self)
    end
    local left = not self.has_failed and self:settle() or nil
    local text = left and self:failed("left at the end: " .. left)
    for _, one in ipairs(self.agents) do
        one:close()
    end
    self.stage:close()
    remove_files(self)
    local leaked = stage.live_objects() - self.live_before
    if text then
        error(text, 2)
    elseif leaked ~= 0 and not self.has_failed then
        error(("%d objects of the engine are left at the end"):format(leaked), 2)
    end
end

return M
