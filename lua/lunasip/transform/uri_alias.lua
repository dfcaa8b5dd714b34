--- {urialias.…}: "127.0.0.1~5060~1" for a URI, the number being Kamailio's of the transport.
local uri = require "lunasip.uri"

local ID = { udp = 1, tcp = 2, tls = 3, sctp = 4, ws = 5, wss = 6 }
local NAME = { "udp", "tcp", "tls", "sctp", "ws", "wss" }

return {
    encode = { 0, 0, apply = function(value)
        local parsed = uri.parse(value)
        local id = parsed and ID[uri.transport(parsed)]
        return id and ("%s~%d~%d"):format(parsed.host or "", uri.port(parsed), id)
    end },
    decode = { 0, 0, apply = function(value)
        local host, port, id = value:match "^(.-)~(%d+)~(%d)$"
        local name = id and NAME[tonumber(id)]
        return name and "sip:" .. host .. ":" .. port .. (name == "udp" and "" or ";transport=" .. name)
    end },
}
