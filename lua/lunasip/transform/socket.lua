--- {sock.…}: "udp:127.0.0.1:5060".
local function part(read)
    return { 0, 0, apply = function(value)
        local proto, host, port = value:match "^(%a+):(%[[^%]]*%]):?(%d*)$"
        if not proto then
            proto, host, port = value:match "^(%a+):([^:]+):?(%d*)$"
        end
        return proto and read(proto, host, port)
    end }
end

return {
    proto = part(function(proto)
        return proto
    end),
    host = part(function(_, host)
        return host
    end),
    port = part(function(_, _, port)
        return port
    end),
    touri = part(function(proto, host, port)
        return "sip:" .. host .. (port ~= "" and ":" .. port or "") .. ";transport=" .. proto:lower()
    end),
}
