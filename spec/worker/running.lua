--- What the specs of the running command share: the real binary between two sides, and scripted agents on real
-- sockets around it.
local agent = require "lunasip.lab.agent"
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local stage = require "lunasip.stage"

local M = {}
local Running = {}
Running.__index = Running

--- A route that record-routes INVITE to `%s`, answers OPTIONS 200, and follows dialogs.
M.ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() or req.method == "ACK" then
            req:relay()
        else
            req:reply(481, "Call/Transaction Does Not Exist")
        end
    elseif req.method == "INVITE" then
        req:record_route()
        req:relay { to = "sip:%s:5060", interface = "private" }
    else
        req:reply(200, "OK")
    end
end
]]

--- Start it. options: route (text with one %s for bob's address; default M.ROUTE), blocks, sets, build, at
function M.start(options)
    options = options or {}
    local at = options.at or network.block()
    local self = setmetatable({
        at = at, public = at(10) .. ":5060", private = at(20) .. ":5060", agents = {},
        world = stage.open { real = true },
    }, Running)
    self.engine = lunasip.start {
        public = { "udp:" .. self.public }, private = { "udp:" .. self.private },
        route = self:write_route((options.route or M.ROUTE):format(at(21))), sets = options.sets,
        blocks = options.blocks, workers = options.workers,
    }
    self.alice = self:agent("alice", at(12), self.public)
    self.bob = self:agent("bob", at(21), self.private)
    return self
end

function Running.write_route(_, text)
    local path = process.folder() .. "/route.lua"
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

function Running:agent(name, address, proxy)
    local one = agent.new(self.world, { name = name, address = address, proxy = proxy })
    table.insert(self.agents, one)
    return one
end

--- A call from alice to bob that stays up.
function Running:call()
    self.alice:invite "sip:bob@example.net"
    self.bob:reply(self.bob:receive "INVITE", 200)
    self.alice:receive(200)
    self.bob:receive "ACK"
end

function Running:hang_up()
    self.alice:hangup()
    self.bob:reply(self.bob:receive "BYE", 200)
    self.alice:receive(function(msg) return msg.status == 200 and msg.cseq_method == "BYE" end)
end

--- Wait for a line of the engine's log.
function Running:wait_for_log(pattern)
    return self.engine.process:wait_for_output(pattern, 60)
end

--- Wait for its end. @return exit code, or nil
function Running:wait_for_end(seconds)
    return self.engine.process:wait(seconds or 60)
end

--- End whatever runs; fails when a sanitizer complained.
function Running:close()
    for _, one in ipairs(self.agents) do
        one:close()
    end
    self.world:close()
    local _, complaint = self.engine:stop()
    process.clean()
    if complaint ~= "" then error(complaint, 2) end
end

return M
