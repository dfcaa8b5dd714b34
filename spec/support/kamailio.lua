--- A real Kamailio as the provider's registrar: spec/support/kamailio.cfg, on an address of the test's own.
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"

local SIGKILL = 9

local M = {}
local Kamailio = {}
Kamailio.__index = Kamailio

-- It and all that it has forked.
local function family(pid, list)
    list[#list + 1] = pid
    local children = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    if children then
        for child in children:read("*a"):gmatch "%d+" do family(tonumber(child), list) end
        children:close()
    end
    return list
end

--- Start it and wait until it is there. options: host, password, expires_s (most that a binding lasts)
function M.start(options)
    local folder = process.folder()
    local file = assert(io.open "spec/support/kamailio.cfg")
    local text = file:read "*a":gsub("{{([%w_]+)}}", function(name) return tostring(assert(options[name], name)) end)
    file:close()
    file = assert(io.open(folder .. "/kamailio.cfg", "w"))
    file:write(text)
    file:close()
    local self = setmetatable({ folder = folder, host = options.host }, Kamailio)
    self:up()
    return self
end

--- Start it (again): without any binding.
function Kamailio:up()
    local folder = self.folder
    self.process = process.start {
        command = {
            "kamailio", "-DD", "-E", "-m", "32", "-M", "8", "-f", folder .. "/kamailio.cfg", "-w", folder, "-Y", folder,
        },
        directory = folder,
    }
    local up = posix.wait_until(function()
        return network.is_bound(self.host, 5060) or self.process:poll()
    end, 60, 0.05)
    if not up or self.process.exit then error("kamailio did not come up:\n" .. self.process:output(), 2) end
end

--- kill -9 to all of its processes, which says nothing to anybody.
function Kamailio:kill()
    local all = family(self.process.pid, {})
    for _, pid in ipairs(all) do posix.kill(pid, SIGKILL) end
    self.process:wait(60)
    assert(posix.wait_until(function() return not network.is_bound(self.host, 5060) end, 60, 0.05))
end

--- REGISTERs of a user that it has seen since it was started, repeated ones once: the Expires of each.
function Kamailio:registers(user)
    local list, last = {}, nil
    for number, expires in self.process:output():gmatch("REGISTER " .. user .. " (%d+) (%d+)") do
        if number ~= last then list[#list + 1] = expires end
        last = number
    end
    return list
end

return M
