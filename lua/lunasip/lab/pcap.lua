--- Capture files: written and read by libpcap, which knows pcap and pcapng.
--
--     pcap.write(path, net:packets())
--     local packets, passed_over = pcap.read "capture.pcap"   -- UDP datagrams { number, time, source, ... }
--
-- Files are written as raw IP (no Ethernet), with the lab's time: second 0 is the begin of the network.
local bit = require "bit"
local ffi = require "ffi"
local fragments = require "lunasip.lab.fragments"

ffi.cdef [[
struct lab_pcap_header { long seconds, microseconds; uint32_t captured_bytes, size_bytes; };
void *pcap_open_dead(int link_type, int snapshot_bytes);
void *pcap_open_offline(const char *path, char *fault);
int pcap_datalink(void *pcap);
const char *pcap_datalink_val_to_name(int link_type);
int pcap_next_ex(void *pcap, struct lab_pcap_header **header, const uint8_t **bytes);
char *pcap_geterr(void *pcap);
void pcap_close(void *pcap);
void *pcap_dump_open(void *pcap, const char *path);
void pcap_dump(void *dumper, const struct lab_pcap_header *header, const char *bytes);
int pcap_dump_flush(void *dumper);
void pcap_dump_close(void *dumper);
]]

local DLT_RAW = 12 -- libpcap's number on Linux
local SNAPSHOT_BYTES = 65535 + 40
local FAULT_BYTES = 256
local PROTOCOL_UDP = 17
local HOP_LIMIT = 64
local CUT = "a packet that was cut when it was captured"

local M = {}
local library

local function libpcap()
    if not library then
        local found, loaded = pcall(ffi.load, "libpcap.so.0.8")
        if not found then
            error("libpcap is not installed; on Debian: apt-get install libpcap0.8", 0)
        end
        library = loaded
    end
    return library
end

-- ---- addresses ----

local function word(number)
    return string.char(bit.band(bit.rshift(number, 8), 255), bit.band(number, 255))
end

local function ipv4_bytes(host)
    local a, b, c, d = host:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    return a and string.char(a, b, c, d)
end

local function ipv6_words(text)
    local words = {}
    for part in text:gmatch "[^:]+" do
        words[#words + 1] = word(tonumber(part, 16))
    end
    return words
end

local function ipv6_bytes(host)
    local head, tail = host:match "^(.-)::(.*)$"
    local front, back = ipv6_words(head or host), ipv6_words(tail or "")
    return table.concat(front) .. ("\0\0"):rep(8 - #front - #back) .. table.concat(back)
end

-- "192.0.2.1:5060" or "[2001:db8::1]:5060" -> address bytes, port
local function split_address(text)
    local host, port = text:match "^%[?(.-)%]?:(%d+)$"
    return ipv4_bytes(host) or ipv6_bytes(host), tonumber(port)
end

-- The longest run of at least two zero words becomes "::" (RFC 5952 s4.2).
local function ipv6_text(bytes)
    local words, best, length = {}, nil, 1
    for i = 1, 8 do
        words[i] = ("%x"):format(bytes:byte(2 * i - 1) * 256 + bytes:byte(2 * i))
    end
    for i = 1, 8 do
        local n = 0
        while words[i + n] == "0" do
            n = n + 1
        end
        if n > length then
            best, length = i, n
        end
    end
    if not best then
        return table.concat(words, ":")
    end
    return table.concat(words, ":", 1, best - 1) .. "::" .. table.concat(words, ":", best + length, 8)
end

local function host_text(bytes)
    return #bytes == 4 and table.concat({ bytes:byte(1, 4) }, ".") or "[" .. ipv6_text(bytes) .. "]"
end

-- ---- writing ----

-- RFC 1071.
local function checksum(bytes)
    local sum = 0
    for i = 1, #bytes, 2 do
        sum = sum + bytes:byte(i) * 256 + (bytes:byte(i + 1) or 0)
    end
    while sum > 0xffff do
        sum = bit.band(sum, 0xffff) + bit.rshift(sum, 16)
    end
    return 0xffff - sum
end

local function ipv4(source, destination, size_bytes)
    local function header(sum)
        return "\69\0" .. word(20 + size_bytes) .. "\0\0\64\0" .. string.char(HOP_LIMIT, PROTOCOL_UDP)
            .. word(sum) .. source .. destination
    end
    return header(checksum(header(0)))
end

local function ipv6(source, destination, size_bytes)
    return "\96\0\0\0" .. word(size_bytes) .. string.char(PROTOCOL_UDP, HOP_LIMIT) .. source .. destination
end

--- A datagram as IP packet, checksums filled in (RFC 768, RFC 791, RFC 8200 s8.1).
-- @string source "HOST:PORT", IPv6 in brackets
function M.ip_packet(source, destination, payload)
    local from, from_port = split_address(source)
    local to, to_port = split_address(destination)
    local size_bytes = 8 + #payload
    local function udp(sum)
        return word(from_port) .. word(to_port) .. word(size_bytes) .. word(sum)
    end
    local length = #from == 4 and word(size_bytes) or "\0\0" .. word(size_bytes)
    local between = #from == 4 and "\0" or "\0\0\0"
    local sum = checksum(from .. to .. (#from == 4 and "" or length) .. between .. string.char(PROTOCOL_UDP)
        .. (#from == 4 and length or "") .. udp(0) .. payload)
    return (#from == 4 and ipv4 or ipv6)(from, to, size_bytes) .. udp(sum == 0 and 0xffff or sum) .. payload
end

--- Write packets { time, source, destination, payload } into a file.
-- @return true, or nil and one line
function M.write(path, packets)
    local pcap = libpcap()
    local dead = pcap.pcap_open_dead(DLT_RAW, SNAPSHOT_BYTES)
    if dead == nil then
        return nil, path .. ": no memory"
    end
    local dumper = pcap.pcap_dump_open(dead, path)
    if dumper == nil then
        local fault = ffi.string(pcap.pcap_geterr(dead))
        pcap.pcap_close(dead)
        return nil, fault
    end
    local header = ffi.new "struct lab_pcap_header"
    for _, packet in ipairs(packets) do
        local bytes = M.ip_packet(packet.source, packet.destination, packet.payload)
        local time_us = math.floor(packet.time * 1e6 + 0.5)
        header.seconds, header.microseconds = math.floor(time_us / 1e6), time_us % 1e6
        header.captured_bytes, header.size_bytes = #bytes, #bytes
        pcap.pcap_dump(dumper, header, bytes)
    end
    local is_written = pcap.pcap_dump_flush(dumper) == 0
    pcap.pcap_dump_close(dumper)
    pcap.pcap_close(dead)
    if not is_written then
        return nil, path .. ": cannot be written"
    end
    return true
end

-- ---- reading ----

local function number_at(bytes, at)
    local high, low = bytes:byte(at, at + 1)
    return low and high * 256 + low
end

-- Behind the VLAN tags of an Ethernet frame.
local function behind_ethernet(bytes)
    local at, kind = 13, number_at(bytes, 13)
    while kind == 0x8100 or kind == 0x88a8 do
        at = at + 4
        kind = number_at(bytes, at)
    end
    return at + 2
end

-- Link type -> where the IP packet begins.
local LINK_HEADERS = {
    [0] = function() return 5 end, -- BSD loopback
    [1] = behind_ethernet,
    [12] = function() return 1 end, -- raw IP, three numbers for it
    [14] = function() return 1 end,
    [101] = function() return 1 end,
    [108] = function() return 5 end,
    [113] = function() return 17 end, -- Linux "any", tcpdump -i any
    [228] = function() return 1 end,
    [229] = function() return 1 end,
    [276] = function() return 21 end, -- Linux "any", second version
}
-- IPv6 headers that may stand before UDP: hop-by-hop, routing, destination options.
local IPV6_EXTENSIONS = { [0] = true, [43] = true, [60] = true }
local IPV6_FRAGMENT = 44

-- What is behind an IPv4 header. @return source, destination, protocol, data, fragment (lunasip.lab.fragments) or nil
local function read_ipv4(bytes)
    local header_bytes = bit.band(bytes:byte(1), 15) * 4
    local size_bytes, place = number_at(bytes, 3), number_at(bytes, 7)
    local from, to, protocol = bytes:sub(13, 16), bytes:sub(17, 20), bytes:byte(10)
    if size_bytes > #bytes then
        error(CUT, 0)
    end
    -- Ethernet fills short frames up; a size of 0 is that of a packet which the network card was to take apart.
    local data = bytes:sub(header_bytes + 1, size_bytes > 0 and size_bytes or nil)
    local offset, has_more = bit.band(place, 0x1fff) * 8, bit.band(place, 0x2000) ~= 0
    local fragment = (offset > 0 or has_more) and {
        key = from .. to .. string.char(protocol) .. bytes:sub(5, 6), offset = offset, is_last = not has_more,
    } or nil
    return from, to, protocol, data, fragment
end

-- Past the headers that may stand before UDP. @return protocol, data
local function behind_extensions(kind, data)
    while IPV6_EXTENSIONS[kind] and #data >= 8 do
        kind, data = data:byte(1), data:sub(9 + data:byte(2) * 8)
    end
    return kind, data
end

-- As read_ipv4(); the data of a fragment may begin with further headers.
local function read_ipv6(bytes)
    local size_bytes = number_at(bytes, 5)
    local from, to = bytes:sub(9, 24), bytes:sub(25, 40)
    if 40 + size_bytes > #bytes then
        error(CUT, 0)
    end
    local kind, data = behind_extensions(bytes:byte(7), bytes:sub(41, size_bytes > 0 and 40 + size_bytes or nil))
    if kind ~= IPV6_FRAGMENT or #data < 8 then
        return from, to, kind, data
    end
    local place = number_at(data, 3)
    local offset, has_more = bit.band(place, 0xfff8), bit.band(place, 1) ~= 0
    kind = data:byte(1)
    if offset == 0 and not has_more then -- alone (RFC 6946)
        return from, to, behind_extensions(kind, data:sub(9))
    end
    return from, to, kind, data:sub(9), {
        key = from .. to .. data:sub(5, 8), offset = offset, is_last = not has_more,
    }
end

-- @tparam table place of fragments
-- @return source, destination, payload; nil when it is no UDP, or a fragment that others have to follow; then whether
-- it is such a fragment
local function read_ip(bytes, place, number, time_s)
    local version = bit.rshift(bytes:byte(1) or 0, 4)
    local from, to, protocol, udp, fragment
    if version == 4 and #bytes >= 20 then
        from, to, protocol, udp, fragment = read_ipv4(bytes)
    elseif version == 6 and #bytes >= 40 then
        from, to, protocol, udp, fragment = read_ipv6(bytes)
    end
    if fragment then
        udp = fragments.add(place, fragment, udp, number, time_s)
        if not udp then
            return nil, true
        end
        if version == 6 then
            protocol, udp = behind_extensions(protocol, udp)
        end
    end
    if protocol ~= PROTOCOL_UDP or #udp < 8 then
        return nil
    end
    local size_bytes = number_at(udp, 5)
    if size_bytes > #udp then
        error(CUT, 0)
    end
    return host_text(from) .. ":" .. number_at(udp, 1), host_text(to) .. ":" .. number_at(udp, 3),
        udp:sub(9, size_bytes)
end

local function refuse(number, what, advice)
    error(("packet %d is %s; %s"):format(number, what, advice), 0)
end

local function read_all(pcap, handle, link_header)
    local packets, passed_over, number, place = {}, 0, 0, fragments.new()
    local header, bytes = ffi.new "struct lab_pcap_header *[1]", ffi.new "const uint8_t *[1]"
    local result = pcap.pcap_next_ex(handle, header, bytes)
    while result == 1 do
        number = number + 1
        local frame = ffi.string(bytes[0], header[0].captured_bytes)
        local time_s = tonumber(header[0].seconds) + tonumber(header[0].microseconds) / 1e6
        local is_read, source, destination, payload = pcall(function()
            return read_ip(frame:sub(link_header(frame)), place, number, time_s)
        end)
        if not is_read then
            refuse(number, source, "capture whole packets (tcpdump -s 0)")
        elseif source then
            packets[#packets + 1] = {
                number = number, source = source, destination = destination, bytes = payload, time = time_s,
            }
        elseif not destination then
            passed_over = passed_over + 1
        end
        result = pcap.pcap_next_ex(handle, header, bytes)
    end
    if result == -1 then
        error(ffi.string(pcap.pcap_geterr(handle)), 0)
    end
    local incomplete = fragments.first_incomplete(place)
    if incomplete then
        refuse(incomplete, "a fragment of a datagram that is not whole",
            "capture all fragments: a filter by port lets only the first one of each pass")
    end
    return packets, passed_over
end

--- Read the UDP datagrams of a capture, pcap or pcapng, in its order; fragments are put together, at the time of the
-- last. Raises one line on a file that is no capture, a link type that is not known, a datagram that lacks a fragment,
-- or a packet that was cut.
-- @return list of { number (from 1), time (s), source, destination, bytes }, and how many other packets there were
function M.read(path)
    local pcap = libpcap()
    local fault = ffi.new("char[?]", FAULT_BYTES)
    local handle = pcap.pcap_open_offline(path, fault)
    if handle == nil then
        local text = ffi.string(fault)
        error(text:find(path, 1, true) and text or path .. ": " .. text, 0)
    end
    local link_type = pcap.pcap_datalink(handle)
    local link_header = LINK_HEADERS[link_type]
    local ok, packets, passed_over = pcall(function()
        if not link_header then
            local name = pcap.pcap_datalink_val_to_name(link_type)
            error(("link type %s is not known"):format(name ~= nil and ffi.string(name) or link_type), 0)
        end
        return read_all(pcap, handle, link_header)
    end)
    pcap.pcap_close(handle)
    if not ok then
        error(path .. ": " .. packets, 0)
    end
    return packets, passed_over
end

return M
