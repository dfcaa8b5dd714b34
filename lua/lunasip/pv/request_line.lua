--- Request-URI, original Request-URI and next hop: $ru $rU $rd $rp …, $ou …, $du ….
local uri = require "lunasip.uri"
local vias = require "lunasip.pv.vias"

local M = {}

local function need_text(value)
    if value == nil then
        return nil, "needs a value"
    end
    return tostring(value)
end

-- A part of the URI text that read() gives; nil without a URI or without that part.
local function part_getter(read, part)
    return function(m)
        local text = read(m)
        local parsed = text and uri.parse(text)
        return parsed and part(parsed)
    end
end

-- urn:NID:NSS has no host: $rU is the NID and $rd the NSS.
local function urn_parts(parsed)
    if parsed.scheme == "urn" and parsed.whole then
        return parsed.whole:match "^[^:]*:([^:]*):(.*)$"
    end
end

local function user_of(parsed)
    return (urn_parts(parsed)) or parsed.user
end

local function host_of(parsed)
    local _, nss = urn_parts(parsed)
    return nss or parsed.host
end

local function port_text(parsed)
    return tostring(uri.port(parsed))
end

-- As it is written; upper case when the scheme implies it.
local function protocol(parsed)
    local written = uri.param(parsed.params, "transport")
    return written and written ~= "" and written or uri.transport(parsed):upper()
end

local function setter(read, write, part)
    return function(m, value)
        local text = read(m)
        if not text then
            return nil, "there is no URI to change"
        end
        if value == nil and part == "host" then
            return nil, "needs a value"
        end
        if part == "port" then
            value = value ~= nil and value ~= "" and tonumber(value) or nil
        elseif value ~= nil then
            value = tostring(value)
        end
        local changed, err = uri.with(text, part, value)
        if not changed then
            return nil, err
        end
        write(m, changed)
        return true
    end
end

local function length_of(get)
    return function(m)
        return #(get(m) or "")
    end
end

local function ruri(m)
    return m.ruri
end

local function write_ruri(m, text)
    m.ruri = text
end

local function original(m)
    return m.original_ruri
end

local function next_hop(m)
    return m.next_hop
end

M.ru = {
    word = "ruri",
    get = ruri,
    set = function(m, value)
        local text, err = need_text(value)
        if not text then
            return nil, err
        end
        m.ruri = text
        return true
    end,
}
M.ruri = M.ru
M.rU = { get = part_getter(ruri, user_of), set = setter(ruri, write_ruri, "user") }
M.rd = { get = part_getter(ruri, host_of), set = setter(ruri, write_ruri, "host") }
M.rp = { get = part_getter(ruri, port_text), set = setter(ruri, write_ruri, "port") }
M.rP = { get = part_getter(ruri, protocol) }
M.rz = {
    get = part_getter(ruri, function(parsed)
        return parsed.scheme
    end),
}
M.rul = { get = length_of(ruri) }
M.rUl = { get = length_of(M.rU.get) }

M["ruri.user"], M["ruri.domain"] = M.rU, M.rd

M.ou = { word = "original_ruri", get = original }
M.ouri = M.ou
M.oU = { get = part_getter(original, user_of) }
M.od = { get = part_getter(original, host_of) }
M.op = { get = part_getter(original, port_text) }
M.oP = { get = part_getter(original, protocol) }
M.oUl = { get = length_of(M.oU.get) }

M.du = {
    word = "next_hop",
    get = next_hop,
    set = function(m, value)
        m.next_hop = value ~= nil and value ~= "" and tostring(value) or nil
        return true
    end,
}
M.duri = M.du
M.dd = { get = part_getter(next_hop, host_of) }
M.dp = { get = part_getter(next_hop, port_text) }
M.dP = { get = part_getter(next_hop, protocol) }

-- Of a reply what its second Via says (RFC 3261 s18.2.2).
local function next_hop_text(m)
    if m.is_request then
        return m.next_hop or m.ruri
    end
    return vias.reply_uri(m)
end

local NEXT_HOP = {
    u = next_hop_text,
    U = part_getter(next_hop_text, user_of),
    d = part_getter(next_hop_text, host_of),
    p = part_getter(next_hop_text, port_text),
    P = part_getter(next_hop_text, protocol),
}

M.nh = {
    argument = "required",
    prepare = function(argument)
        return NEXT_HOP[argument], "$nh(" .. argument .. "): u, U, d, p or P"
    end,
    get = function(m, read)
        return read(m)
    end,
}

-- Kamailio's numbers of the methods (one bit each); 0 for others.
local METHOD_ID = {
    INVITE = 1, CANCEL = 2, ACK = 4, BYE = 8, INFO = 16, REGISTER = 32, SUBSCRIBE = 64, NOTIFY = 128,
    MESSAGE = 256, OPTIONS = 512, PRACK = 1024, UPDATE = 2048, REFER = 4096, PUBLISH = 8192,
}

M.rm = {
    word = "method",
    get = function(m)
        return m.method
    end,
}
M.rmid = {
    get = function(m)
        return METHOD_ID[m.method] or 0
    end,
}
M.rs = {
    word = "status",
    get = function(m)
        return m.status
    end,
}
M.rr = {
    word = "reason",
    get = function(m)
        return m.reason
    end,
}
M.rv = {
    get = function()
        return "SIP/2.0"
    end,
}

return M
