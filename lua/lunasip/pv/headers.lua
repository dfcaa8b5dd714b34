--- Header fields, body and the message as a whole: $hdr(x) $ci $cs $rb $mb $msg(x) $via0(x) ….
local lists = require "lunasip.lists"
local uri = require "lunasip.uri"
local vias = require "lunasip.pv.vias"

local M = {}

local PROTOCOL_ID = { udp = 1, tcp = 2, tls = 3, sctp = 4, ws = 5, wss = 6 }

local function word(name)
    return {
        word = name,
        get = function(m)
            return m[name]
        end,
    }
end

local function plain_header(name)
    return {
        get = function(m)
            return (m:header(name))
        end,
    }
end

-- Values by Kamailio's index: none is the first, "*" all of them joined.
local function pick(values, index)
    if index == "*" then
        return #values > 0 and table.concat(values, ",") or nil
    end
    return lists.at(values, index or 0)
end

-- Headers whose comma-joined elements $hfl counts one by one.
local LISTS = {
    ["contact"] = true, ["m"] = true, ["record-route"] = true, ["route"] = true, ["via"] = true, ["v"] = true,
    ["diversion"] = true, ["p-asserted-identity"] = true, ["p-preferred-identity"] = true,
}

local function elements(m, name)
    local values = m:headers(name) or {}
    if not LISTS[name:lower()] then
        return values
    end
    local out = {}
    for _, value in ipairs(values) do
        for _, element in ipairs(lists.split(value)) do
            out[#out + 1] = element
        end
    end
    return out
end

M.ci = word "call_id"
M.cs = {
    get = function(m)
        local number = m.cseq
        return number and tostring(number)
    end,
}
M.csb = plain_header "CSeq"
M.cT = word "content_type"
M.cl = {
    get = function(m)
        return tonumber((m.content_length))
    end,
}
M.ua = word "user_agent"
M.rb = {
    word = "body", -- nil when it is empty
    get = function(m)
        local body = m.body
        return body ~= "" and body or nil
    end,
    set = function(m, value)
        m.body = value ~= nil and tostring(value) or nil
        return true
    end,
}
M.bs = {
    get = function(m)
        return #(m.body or "")
    end,
}

M.hdr = {
    argument = "required",
    index = true,
    get = function(m, name, index)
        if not index then
            return (m:header(name))
        end
        return pick(m:headers(name) or {}, index)
    end,
}
M.hdrc = {
    argument = "required",
    get = function(m, name)
        return #(m:headers(name) or {})
    end,
}
M.hfl = {
    argument = "required",
    index = true,
    get = function(m, name, index)
        return pick(elements(m, name), index)
    end,
}
M.hflc = {
    argument = "required",
    get = function(m, name)
        return #elements(m, name)
    end,
}

M.mi = word "id"
M.ml = word "length"
M.mb = word "bytes"
M.mt = {
    get = function(m)
        return m.is_request and 1 or 2
    end,
}

-- Parts of the received bytes; the empty line divides headers and body.
local function divide(m)
    local bytes = m.bytes or ""
    local line_end = bytes:find("\r\n", 1, true) or #bytes + 1
    local head_end = bytes:find("\r\n\r\n", 1, true) or #bytes + 1
    return bytes, line_end, head_end
end

local MESSAGE_PARTS = {
    len = M.ml.get,
    buf = M.mb.get,
    body = M.rb.get,
    body_len = M.bs.get,
    fline = function(m)
        local bytes, line_end = divide(m)
        return bytes:sub(1, line_end - 1)
    end,
    hdrs = function(m)
        local bytes, line_end, head_end = divide(m)
        return bytes:sub(line_end + 2, head_end - 1)
    end,
    fpart = function(m)
        local bytes, _, head_end = divide(m)
        return bytes:sub(1, head_end + 1)
    end,
    lpart = function(m)
        local bytes, line_end = divide(m)
        return bytes:sub(line_end + 2)
    end,
}

local function one_of(table_of, name)
    return {
        argument = "required",
        prepare = function(argument)
            local known = {}
            for key in pairs(table_of) do
                known[#known + 1] = key
            end
            table.sort(known)
            return table_of[argument], "$" .. name .. "(" .. argument .. "): one of " .. table.concat(known, ", ")
        end,
        get = function(m, read)
            return read(m)
        end,
    }
end

M.msg = one_of(MESSAGE_PARTS, "msg")

-- One character of the received bytes, from 0. (Kamailio writes it, too; received bytes do not change here.)
M.msgbuf = {
    argument = "required",
    get = function(m, place)
        local at = tonumber(place)
        local c = at and at >= 0 and (m.bytes or ""):sub(at + 1, at + 1) or ""
        return c ~= "" and c or nil
    end,
}

-- Kamailio has it before a message is parsed; here it is that of the message at hand.
M.rcv = one_of({
    buf = M.mb.get,
    len = M.ml.get,
    srcip = function(m)
        return m.source_ip
    end,
    srcport = function(m)
        return m.source_port
    end,
    rcvip = function(m)
        return m.received_ip
    end,
    rcvport = function(m)
        return m.received_port
    end,
    sproto = function(m)
        return m.proto
    end,
    proto = function(m)
        return PROTOCOL_ID[m.proto] or 7
    end,
    af = function(m)
        return (m.source_ip or ""):find(":", 1, true) and 10 or 2 -- AF_INET6, AF_INET of Linux
    end,
}, "rcv")

-- The SDP of the body; sess_version is that of its o= line (RFC 8866 s5.2), -1 counts it up.
local SESSION = "^(.-o=%S+ %S+ )(%d+)(.*)$"

local SDP_PARTS = {
    body = function(m)
        return (m.content_type or ""):lower():match "^application/sdp" and M.rb.get(m) or nil
    end,
}
SDP_PARTS.sess_version = function(m)
    local _, version = (SDP_PARTS.body(m) or ""):match(SESSION)
    return version
end

M.sdp = one_of(SDP_PARTS, "sdp")
M.sdp.set = function(m, value, read)
    local before, version, after = (SDP_PARTS.body(m) or ""):match(SESSION)
    if read ~= SDP_PARTS.sess_version then
        return nil, "can only be read; $rb can be written"
    elseif not version then
        return nil, "there is no o= line"
    elseif not tonumber(value) then
        return nil, "needs a number"
    end
    local number = tonumber(value) == -1 and ("%.0f"):format(tonumber(version) + 1) or ("%.0f"):format(value)
    m.body = before .. number .. after
    return true
end

local function expires_values(m)
    local values = {}
    for _, contact in ipairs(elements(m, "Contact")) do
        local address = contact ~= "*" and uri.name_addr(contact)
        local seconds = address and tonumber(uri.param(address.params, "expires") or "")
        values[#values + 1] = seconds
    end
    if #values == 0 then
        values[1] = tonumber(m:header "Expires" or "")
    end
    return values
end

M.expires = one_of({
    min = function(m)
        local values = expires_values(m)
        return values[1] and math.min(unpack(values))
    end,
    max = function(m)
        local values = expires_values(m)
        return values[1] and math.max(unpack(values))
    end,
}, "expires")

M.rr_count = {
    get = function(m)
        return #elements(m, "Record-Route")
    end,
}
M.rr_top_count = {
    get = function(m)
        local top = elements(m, "Record-Route")[1]
        local address = top and uri.name_addr(top)
        local parsed = address and uri.parse(address.uri)
        if not parsed then
            return 0
        end
        return uri.param(parsed.params, "r2") and 2 or 1
    end,
}

local VIA_PARTS = {
    host = function(via)
        return via.host
    end,
    port = function(via)
        return via.port
    end,
    proto = function(via)
        return via.transport:lower()
    end,
    protoid = function(via)
        return PROTOCOL_ID[via.transport:lower()] or 7
    end,
    params = function(via)
        return via.params
    end,
    oc = function(via)
        local value = uri.param(via.params, "oc")
        return value == nil and 0 or value == "" and 1 or 2
    end,
}
for part, name in pairs {
    branch = "branch", rport = "rport", received = "received", i = "i", ocval = "oc", ocalgo = "oc-algo",
    ocvalidity = "oc-validity", ocseq = "oc-seq",
} do
    VIA_PARTS[part] = function(via)
        return uri.param(via.params, name)
    end
end

for name, index in pairs { via0 = 0, via1 = 1, viaZ = -1 } do
    local definition = one_of(VIA_PARTS, name)
    definition.get = function(m, read)
        local via = vias.at(m, index)
        return via and read(via)
    end
    M[name] = definition
end

return M
