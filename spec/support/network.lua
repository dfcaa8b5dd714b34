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

-- Ports of ::1 below those that the kernel gives away; the first one of each range is held as in a block.
local FIRST_PORT, RANGE, RANGES = 16384, 86, 190

--- An inclusive range of at most 84 ports on ::1 that nobody else uses, from an even one.
function M.port_range(count)
    for offset = 0, RANGES - 1 do
        local first = FIRST_PORT + (posix.pid() + offset) % RANGES * RANGE
        local socket = posix.udp("::1", first)
        if socket then
            held[#held + 1] = socket
            return first + 2, first + 1 + count
        end
    end
    error("no range of ports is free", 2)
end

--- Is IPv6 there at all?
function M.has_ipv6()
    local socket = posix.udp("::1", 0)
    if socket then socket.close() end
    return socket ~= nil
end

-- An address as /proc/net/udp prints it: words of the machine's own order.
local function printed(host, port)
    local bytes, out = posix.address_bytes(host), {}
    for word = 1, #bytes, 4 do
        for i = 3, 0, -1 do out[#out + 1] = ("%02X"):format(bytes:byte(word + i)) end
    end
    return ("%s:%04X"):format(table.concat(out), port)
end

--- Does somebody listen on this UDP address? Looked up, not tried: whoever is about to bind it must find it free.
function M.is_bound(host, port)
    local wanted, is_found = " " .. printed(host, port) .. " ", false
    -- Line by line: beside a spec with many sockets it is longer than what a script may search, once a sandbox is up.
    for line in io.lines(host:find ":" and "/proc/net/udp6" or "/proc/net/udp") do
        is_found = is_found or line:find(wanted, 1, true) ~= nil
    end
    return is_found
end

--- host:port, with brackets where IPv6 needs them.
function M.host_port(host, port)
    return (host:find ":" and "[%s]:%d" or "%s:%d"):format(host, port)
end

return M
