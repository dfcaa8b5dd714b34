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
-- Everything depends on the seed alone: two runs give the same trace, with any number of workers.
--
-- Specs get matchers, too: lab/matchers.lua.
local agent = require "lunasip.lab.agent"
local engine = require "lunasip.lab.engine"
local json = require "dkjson"
local options_of = require "lunasip.lab.options"
local report = require "lunasip.lab.report"
local stage = require "lunasip.stage"
local suggest = require "lunasip.suggest"

local M = { message = require "lunasip.lab.message", sdp = require "lunasip.lab.sdp" }
local Net = {}
Net.__index = Net
for _, part in ipairs {
    require "lunasip.lab.network", require "lunasip.lab.database", require "lunasip.lab.http",
    require "lunasip.lab.tools",
} do
    for name, method in pairs(part) do
        Net[name] = method
    end
end
report.attach()

-- What a test may have started and not ended is over by then: Timer C, then CANCEL, then Timer H.
local LONGEST_END_S = 300
local END_STEP_S = 0.5

--- Write a file that is gone when the network is closed: what the spec gave as text. Ladders and faults call it by
-- a word instead: "conf", "route", "route 2" for the second script.
-- @string word "conf" or "route" (default: "file") @return its path
function Net:temporary(text, suffix, word)
    local name = os.tmpname()
    os.remove(name)
    local path = name .. suffix
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    table.insert(self.temporary_files, path)
    word = word or "file"
    local count = (self.words[word] or 0) + 1
    self.words[word], self.words[path] = count, count == 1 and word or word .. " " .. count
    return path
end

local function remove_files(self)
    for _, path in ipairs(self.temporary_files) do
        os.remove(path)
    end
end

--- A network with one engine in it.
-- @tparam table options conf: path or table of blocks (default: interfaces public 192.0.2.1 and private
-- 10.0.0.1 with media); route: path or source text; workers (1); seed (1); log_level ("debug"); name; databases:
-- URL -> statements that are run in it before the engine starts; users: "USER@DOMAIN" -> password, in the database of
-- the configuration; check (false): whether what `lunasip check` finds
-- in configuration and script is a fault
function M.new(options)
    options = options_of.check("lab.new", options)
    local self = setmetatable({
        live_before = stage.live_objects(), agents = {}, engines = {}, names = {}, journal = {}, lines = {}, seen = {},
        taken_records = {},
        temporary_files = {}, words = {}, lua_dir = options.lua_dir or stage.lua_dir(),
    }, Net)
    self.stage = stage.open { seed = options.seed or 1 }
    report.opening(self)
    local ok, fault = pcall(function()
        for url, sql in pairs(options.databases or {}) do
            self:database { url = url, sql = sql }
        end
        self:add_engine(options)
    end)
    if not ok then
        self.stage:close()
        remove_files(self)
        error(self:told(fault), 2)
    end
    M.current = self
    return self
end

function Net:add_engine(options)
    local one = engine.open(self, options)
    table.insert(self.engines, one)
    for interface, addresses in pairs(one.interfaces) do
        for _, address in ipairs(addresses) do
            self.names[address] = one:label(interface)
        end
    end
    if options.users then
        self:users(options.users, one.database_url)
    end
    return one
end

--- One more engine in the same network, for instance a registrar behind a border controller.
-- @tparam table options as for lab.new: name, conf, route, workers, log_level, check
-- @return the engine (lunasip.lab.engine)
function Net:engine(options)
    options_of.check("net:engine", options)
    if not (options and options.name) then
        error("net:engine: a further engine needs a name", 2)
    end
    for _, other in ipairs(self.engines) do
        if other.name == options.name then
            error(("net:engine: there is an engine '%s' already"):format(options.name), 2)
        end
    end
    local ok, one = pcall(self.add_engine, self, options)
    if not ok then
        error(self:told(one), 2)
    end
    return one
end

-- What a network with one engine is asked is asked of that one.
for _, name in ipairs {
    "reload", "command", "status", "media", "calls", "gateways", "gateway_state", "set_gateway",
} do
    Net[name] = function(self, ...)
        local first = self.engines[1]
        return first[name](first, ...)
    end
end

-- The engine that has such an interface: of this name, or the first.
local function engine_with(self, interface, name)
    for _, one in ipairs(self.engines) do
        if one.interfaces[interface] and (not name or one.name == name) then
            return one
        end
    end
end

-- Two of a name could not be told apart; two of an address could not be bound.
local function check_agent(self, options)
    options_of.check("net:agent", options)
    options_of.need("net:agent", "address", options and options.address, "string")
    if options.credentials then
        options_of.check("credentials", options.credentials)
        options_of.need("credentials", "username", options.credentials.username, "string")
        options_of.need("credentials", "password", options.credentials.password, "string")
    end
    local name, address = options.name or options.address, agent.address_of(options.address)
    for _, other in ipairs(self.agents) do
        if other.name == name then
            error(("net:agent: there is an agent '%s' already"):format(name), 3)
        elseif other.address == address then
            error(("net:agent: %s is the address of the agent '%s' already"):format(address, other.name), 3)
        end
    end
end

local function no_side(self, side, engine_name)
    local sides, engines = {}, {}
    for _, one in ipairs(self.engines) do
        engines[one.name or ""] = true
        for interface in pairs(one.interfaces) do
            sides[interface] = true
        end
    end
    if engine_name and not engines[engine_name] then
        error(("net:agent: no engine '%s'%s"):format(engine_name, suggest.hint(engine_name, engines)), 3)
    end
    error(("net:agent: no interface '%s'%s"):format(side, suggest.hint(side, sides)), 3)
end

--- A scripted user agent (lunasip.lab.agent) on the network.
-- @tparam table options name, address, side ("public"), engine (name, when several have such a side), proxy
-- (default: the engine's address on that side), and those of lunasip.lab.agent
function Net:agent(options)
    check_agent(self, options)
    local side = options.side or "public"
    local near = engine_with(self, side, options.engine) or no_side(self, side, options.engine)
    local given = {
        journal = self.journal, side = side, proxy = near.interfaces[side][1],
        on_failure = function(text, level) report.fail(self:failed(text), level + 1) end,
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
    options_of.need("net:advance", "the time", options_of.seconds("net:advance", seconds), "number")
    self.stage:run(seconds)
end

function Net:now()
    return self.stage:now()
end

-- Packets are kept as seen: SIP whole, everything else by its size.
local function take_packets(self)
    if not self.stage.handle then
        return
    end
    for packet in self.stage:packets() do
        packet.payload = packet.bytes
        if not packet.bytes:match "^[%u%l][%w%-%.!%%*_+`'~]* ?%S* ?" or not packet.bytes:find("SIP/2.0", 1, true) then
            packet.size_bytes, packet.bytes = #packet.bytes, nil
        end
        table.insert(self.seen, packet)
    end
end

--- Every packet so far: { time, source, destination, lost, arrivals (times), bytes (SIP) or size_bytes, payload,
-- cause }; cause is why the engine sent it: "route.lua:12", "timer A", or nil.
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

--- Log lines so far: { time, level, group, call_id, text, engine (name) }.
function Net:log()
    for line in self.stage.handle and self.stage:log() or function() end do
        local from = self.engines[line.engine + 1]
        line.engine = from and from.name
        table.insert(self.lines, line)
    end
    return self.lines
end

--- Records of the calls that have ended so far, oldest first: what a line of the records' file has, as tables, and
-- engine (its name). The configuration needs a block `records`; in the lab no file is written.
function Net:records()
    local here = self.stage.handle and self.stage.is_real ~= true
    for number, line in here and self.stage:records() or function() end do
        local record = json.decode(line)
        local from = self.engines[number + 1]
        record.engine = from and from.name
        table.insert(self.taken_records, record)
    end
    return self.taken_records
end

--- Text of the first log line that matches the pattern; nil.
function Net:logged(pattern)
    options_of.need("net:logged", "the pattern", pattern, "string")
    for _, line in ipairs(self:log()) do
        if line.text:find(pattern) then
            return line.text
        end
    end
    return nil
end

-- A failure is told with everything that led to it.
function Net:failed(text)
    self.has_failed = true
    return text .. "\n\n" .. report.story(self)
end

local function remains(self)
    local left = {}
    for _, one in ipairs(self.engines) do
        left[#left + 1] = one:remains()
    end
    return left[1] and table.concat(left, "; ") or nil
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

--- End the network. Time passes until every transaction and dialog is over; what is left then, and every
-- object of the engine that is still alive afterwards, fails the test. After a failure it only cleans up.
function Net:close()
    if not self.stage.handle then
        return
    end
    self.stage:impair {}
    self.stage:heal_links()
    for _, one in ipairs(not self.has_failed and self.engines or {}) do
        one:end_pings()
    end
    local left = not self.has_failed and self:settle() or nil
    -- busted tells of after_each without the name of the test.
    local of_test = self.test_name and (" (test: %s)"):format(self.test_name) or ""
    local text = left and self:failed("left at the end: " .. left .. of_test)
    report.closing(self)
    for _, one in ipairs(self.agents) do
        one:close()
    end
    self.stage:close()
    remove_files(self)
    M.current = M.current ~= self and M.current or nil
    local leaked = stage.live_objects() - self.live_before
    if text then
        report.fail(text, 2)
    elseif leaked > 0 and not self.has_failed then -- fewer: what an earlier test let go of was collected meanwhile
        report.fail(("%d objects of the engine are left at the end%s"):format(leaked, of_test), 2)
    end
end

require("lunasip.lab.matchers").register(function() return M.current end)

return M
