--- Where a message came from, came in and goes out: $si $sp $Ri $Rp $Rn $fs $pr ….
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

local function proto(m)
    return (m.proto or "udp"):lower()
end

-- A host as SIP URIs want it: IPv6 in brackets.
local function bracketed(host)
    if host and host:find(":", 1, true) and host:sub(1, 1) ~= "[" then
        return "[" .. host .. "]"
    end
    return host
end

local function bare(host)
    return host and (host:match "^%[(.*)%]$" or host)
end

local function host_port(host, port)
    return bracketed(host) .. ":" .. port
end

-- WS and WSS are both transport=ws in a URI (RFC 7118).
local function transport_parameter(m)
    local name = proto(m)
    return ";transport=" .. ((name == "ws" or name == "wss") and "ws" or name)
end

-- The forms of one address: ip, ip for URIs, port, URI, URI with transport, socket. The engine's own words have no
-- brackets; an advertised address has those of the configuration.
local function forms(ip_word, port_word)
    local function with(print_form, same_word)
        return {
            word = same_word,
            get = function(m)
                local host, port = m[ip_word], m[port_word]
                if not host then
                    return nil
                end
                return print_form(m, host, port)
            end,
        }
    end
    return {
        ip = with(function(_, host)
            return bare(host)
        end, ip_word ~= "advertised_ip" and ip_word or nil),
        ip_bracketed = with(function(_, host)
            return bracketed(host)
        end),
        port = with(function(_, _, port)
            return tonumber(port)
        end, port_word),
        uri = with(function(m, host, port)
            return "sip:" .. host_port(host, port) .. (proto(m) == "udp" and "" or transport_parameter(m))
        end),
        full_uri = with(function(m, host, port)
            return "sip:" .. host_port(host, port) .. transport_parameter(m)
        end),
        socket = with(function(m, host, port)
            return proto(m) .. ":" .. host_port(host, port)
        end),
    }
end

local source = forms("source_ip", "source_port")
M.si, M.siz, M.sp = source.ip, source.ip_bracketed, source.port
M.su, M.sut, M.sas = source.uri, source.full_uri, source.socket
M.src_ip = M.si

local received = forms("received_ip", "received_port")
M.Ri, M.Rp, M.Ru, M.Rut, M.Ras = received.ip, received.port, received.uri, received.full_uri, received.socket
M.Rn = word "interface"

local advertised = forms("advertised_ip", "advertised_port")
M.RAi, M.RAp, M.RAu, M.RAut = advertised.ip, advertised.port, advertised.uri, advertised.full_uri

M.fs = {
    word = "send_socket",
    get = word("send_socket").get,
    set = function(m, value)
        m.send_socket = value ~= nil and value ~= "" and tostring(value) or nil
        return true
    end,
}
M.fsn = {
    word = "send_interface",
    get = word("send_interface").get,
    set = function(m, value)
        m.send_interface = value ~= nil and value ~= "" and tostring(value) or nil
        return true
    end,
}

M.pr = { get = proto }
M.proto = M.pr
M.prid = {
    get = function(m)
        return PROTOCOL_ID[proto(m)] or 7
    end,
}
M.af = {
    get = function(m)
        return (m.source_ip or ""):find(":", 1, true) and 10 or 2 -- AF_INET6, AF_INET of Linux
    end,
}

local function flags(name)
    local function set(m, value)
        local number = tonumber(value ~= nil and value or 0)
        if not number then
            return nil, "needs a number"
        end
        m[name] = number
        return true
    end
    return { word = name, get = word(name).get, set = set }, {
        get = function(m)
            return ("%08x"):format(m[name] or 0)
        end,
        set = function(m, value)
            return set(m, type(value) == "string" and tonumber(value, 16) or value)
        end,
    }
end

M.mf, M.mF = flags "flags"
M.bf, M.bF = flags "branch_flags"
M.sf, M.sF = flags "script_flags"

-- $Mf(3): one of the 32, as 1 or 0; any other number but 0 sets it.
local function flag(name)
    local function bit_of(argument)
        local number = tonumber(argument)
        return number and number >= 0 and number <= 31 and number % 1 == 0 and 2 ^ number or nil
    end
    local function is_set(m, weight)
        return math.floor(m[name] / weight) % 2 == 1
    end
    return {
        argument = "required",
        get = function(m, argument)
            local weight = bit_of(argument)
            return weight and (is_set(m, weight) and 1 or 0)
        end,
        set = function(m, value, argument)
            local weight, wanted = bit_of(argument), tonumber(value or 0)
            if not weight or not wanted then
                return nil, "flags are 0 to 31, and set to a number"
            end
            if is_set(m, weight) ~= (wanted ~= 0) then
                m[name] = m[name] + (wanted ~= 0 and weight or -weight)
            end
            return true
        end,
    }
end

M.Mf, M.Bf, M.Sf = flag "flags", flag "branch_flags", flag "script_flags"

return M
