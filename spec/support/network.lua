--- Loopback addresses and ports that belong to one test alone, so that test files may run side by side.
local posix = require "support.posix"

local M = {}
local blocks = 0

-- A test holds this port of each of its blocks until its process ends, so that another one sees the block is taken.
local HELD_PORT = 1719
local held = {}

local function prefix_of(index)
    return ("127.%d.%d."):format(1 + math.floor(index / 256), index % 256)
end

--- A block of 253 IPv4 loopback addresses nobody else uses: `block(10)` is its address number 10.
-- 127.0.x.y stays free for the demo and for people.
function M.block()
    local first = (posix.pid() % 4096) * 15
    for offset = blocks, blocks + 4095 do
        local prefix = prefix_of((first + offset) % 61440)
        local socket = posix.udp(prefix .. 254, HELD_PORT)
        if socket then
            blocks = offset + 1
            held[#held + 1] = socket
            return function(number) return prefix .. number end
        end
    end
    error("no block of loopback addresses is free", 2)
end

--- A free UDP port on an address.
function M.free_port(host)
    local socket = assert(posix.udp(host, 0))
    local port = socket.port
    socket.close()
    return port
end

--- An inclusive range of ports for media on an address that is shared with others (::1).
function M.port_range(count)
    local first = 16384 + (posix.pid() % 200) * 80
    return first, first + count - 1
end

--- Is IPv6 there at all?
function M.has_ipv6()
    local socket = posix.udp("::1", 0)
    if socket then socket.close() end
    return socket ~= nil
end

--- Does somebody listen on this UDP address?
function M.is_bound(host, port)
    local socket = posix.udp(host, port)
    if socket then socket.close() end
    return socket == nil
end

--- host:port, with brackets where IPv6 needs them.
function M.host_port(host, port)
    return (host:find ":" and "[%s]:%d" or "%s:%d"):format(host, port)
end

return M
