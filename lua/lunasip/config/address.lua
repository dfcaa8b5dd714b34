--- IP addresses, networks and listen entries as they are written in a configuration.
--
-- Only addresses: a name would have to be resolved before the resolver runs.
local M = {}

local function is_ipv4(text)
    local a, b, c, d = text:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$"
    if not a then
        return false
    end
    for _, part in ipairs { a, b, c, d } do
        if tonumber(part) > 255 or (#part > 1 and part:sub(1, 1) == "0") then
            return false
        end
    end
    return true
end

-- Groups of one side of a "::"; nil when one is wrong. The last may be an IPv4 address.
local function count_groups(text, may_end_ipv4)
    if text == "" then
        return 0
    end
    local count = 0
    for group, colon in (text .. ":"):gmatch "([^:]*)(:)" do
        if group:match "^%x%x?%x?%x?$" then
            count = count + 1
        elseif colon and may_end_ipv4 and text:sub(-#group) == group and is_ipv4(group) then
            count = count + 2
        else
            return nil
        end
    end
    return count
end

local function is_ipv6(text)
    if not text:find(":", 1, true) then
        return false
    end
    local head, tail = text:match "^(.-)::(.*)$"
    if not head then
        return count_groups(text, true) == 8
    end
    local before, after = count_groups(head, false), count_groups(tail, true)
    return before ~= nil and after ~= nil and before + after <= 7
end

--- Family of an address without brackets. @treturn 4, 6 or nil
function M.family(text)
    return is_ipv4(text) and 4 or is_ipv6(text) and 6 or nil
end

--- Is it 0.0.0.0 or ::?
function M.is_wildcard(text)
    return text == "0.0.0.0" or (is_ipv6(text) and not text:find "[1-9a-fA-F]")
end

--- Cut "HOST:PORT", IPv6 in brackets. @treturn string host without brackets, number port or nil
function M.host_port(text)
    local host, port = text:match "^%[([^%]]+)%]:(%d+)$"
    if not host then
        host, port = text:match "^([^:]+):(%d+)$"
    end
    if not host then
        return text:match "^%[([^%]]+)%]$" or text, nil
    end
    return host, tonumber(port)
end

local PROTOCOLS = { udp = true }
local LATER = { tcp = true, tls = true, ws = true, wss = true, sctp = true }

--- Check a port. @treturn number or nil, err
function M.port(port, what)
    if not port then
        return nil, what .. " has no port; write HOST:PORT"
    end
    if port < 1 or port > 65535 then
        return nil, what .. " has port " .. port .. "; ports go from 1 to 65535"
    end
    return port
end

--- A listen entry "udp:HOST:PORT". @treturn table { proto, host, port } or nil, err
function M.listener(text)
    local proto, rest = text:match "^(%a+):(.+)$"
    if not proto then
        return nil, "'" .. text .. "' is not a listen address; write \"udp:HOST:PORT\", IPv6 in brackets"
    end
    proto = proto:lower()
    if not PROTOCOLS[proto] then
        if LATER[proto] then
            return nil, "transport '" .. proto .. "' is not available yet; use udp"
        end
        return nil, "there is no transport '" .. proto .. "'; use udp"
    end
    local host, port = M.host_port(rest)
    local ok, err = M.port(port, "'" .. text .. "'")
    if not ok then
        return nil, err
    end
    if not M.family(host) then
        return nil, "'" .. host .. "' is not an IP address; write an address of this machine, IPv6 in brackets"
    end
    if M.is_wildcard(host) then
        return nil, "'" .. host .. "' means every address; name each address to listen on"
    end
    return { proto = proto, host = host, port = port }
end

--- A network "10.0.0.0/8" or one host. @treturn string or nil, err
function M.network(text)
    local host, bits = text:match "^([^/]+)/(%d+)$"
    host = host or text
    local family = M.family(host)
    if not family then
        return nil, "'" .. text .. "' is not an address or network; write 10.0.0.0/8 or 2001:db8::/32"
    end
    local most = family == 4 and 32 or 128
    if bits and tonumber(bits) > most then
        return nil, "'" .. text .. "' has a prefix longer than " .. most .. " bits"
    end
    return text
end

return M
