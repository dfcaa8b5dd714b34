--- A small internet of network namespaces, made and removed by a test: one in the middle that forwards, hosts that
-- hang on it, and hosts behind a router that masquerades (a NAT). Nothing of the machine's own network is touched.
local posix = require "support.posix"
local process = require "support.process"

local M = {}
local Internet = {}
Internet.__index = Internet
local made, count = {}, 0

local function run(...)
    local code, output = process.run({ ... }, 60)
    if code ~= 0 then return nil, ("%s: %s"):format(table.concat({ ... }, " "), output) end
    return true
end

--- Why there can be none here; nil when there can.
function M.fault()
    local name = "lunasip-try-" .. posix.pid()
    local ok, fault = run("ip", "netns", "add", name)
    if ok then
        ok, fault = run("ip", "netns", "exec", name, "nft", "add table ip nat; add chain ip nat out "
            .. "{ type nat hook postrouting priority 100; }; add rule ip nat out masquerade")
        run("ip", "netns", "del", name)
    end
    return not ok and fault or nil
end

local function must(...)
    local ok, fault = run(...)
    if not ok then error(fault, 3) end
end

local function new_namespace(name)
    must("ip", "netns", "add", name)
    made[#made + 1] = name
    must("ip", "-n", name, "link", "set", "lo", "up")
    return name
end

-- A cable between two namespaces: `far` has its default route over it.
local function connect(near, near_address, far, far_address)
    count = count + 1
    local near_end, far_end = ("n%d-%d"):format(posix.pid(), count), ("f%d-%d"):format(posix.pid(), count)
    must("ip", "-n", near, "link", "add", near_end, "type", "veth", "peer", "name", far_end, "netns", far)
    for _, one in ipairs { { near, near_end, near_address }, { far, far_end, far_address } } do
        must("ip", "-n", one[1], "addr", "add", one[3] .. "/30", "dev", one[2])
        must("ip", "-n", one[1], "link", "set", one[2], "up")
    end
    must("ip", "-n", far, "route", "add", "default", "via", near_address)
    return far_end
end

local function forward(name)
    must("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
end

--- Make the middle; whoever runs there has this address.
function M.internet(address)
    local self = setmetatable({ hosts = 0 }, Internet)
    self.name = new_namespace("lunasip-middle-" .. posix.pid())
    must("ip", "-n", self.name, "addr", "add", address .. "/32", "dev", "lo")
    forward(self.name)
    return self
end

--- A host of its own, reached without a NAT. @return { name =, address = } for `M.command`
function Internet:host()
    self.hosts = self.hosts + 1
    local name = new_namespace(("lunasip-host%d-%d"):format(self.hosts, posix.pid()))
    local network = "10.78." .. self.hosts
    connect(self.name, network .. ".1", name, network .. ".2")
    return { name = name, address = network .. ".2" }
end

--- A host in 192.168.77.0/30 behind a router that gives its packets an address and ports of its own.
function Internet:host_behind_nat()
    local router = self:host()
    forward(router.name)
    must("ip", "netns", "exec", router.name, "nft", "add table ip nat; add chain ip nat out "
        .. "{ type nat hook postrouting priority 100; }; "
        .. "add rule ip nat out ip saddr 192.168.77.0/30 masquerade random")
    local name = new_namespace(("lunasip-inside-%d"):format(posix.pid()))
    connect(router.name, "192.168.77.1", name, "192.168.77.2")
    return { name = name, address = "192.168.77.2", outside = router.address }
end

--- The words of a command that runs on a host.
function M.command(host, words)
    return { "ip", "netns", "exec", host.name, unpack(words) }
end

--- Remove all of it; whatever runs there is ended before (process.clean).
function M.clean()
    for _, name in ipairs(made) do run("ip", "netns", "del", name) end
    made = {}
end

return M
