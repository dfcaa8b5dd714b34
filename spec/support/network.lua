--- Loopback addresses and ports that belong to one test alone, so that test files may run side by side.
local posix = require "support.posix"

local M = {}
local blocks = 0

--- A block of 254 IPv4 loopback addresses nobody else uses: `block(10)` is its address number 10.
-- 127.0.x.y stays free for the demo and for people.
function M.block()
    local index = (posix.pid() % 4096) * 15 + blocks
    blocks = (blocks + 1) % 15
    local prefix = ("127.%d.%d."):format(1 + math.floor(index / 256), index % 256)
    return function(number) return prefix .. number end
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
