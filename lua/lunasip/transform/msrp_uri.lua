--- {msrpuri.…}: "msrp://user@host:port/session;tcp;params" (RFC 4975 s6). What is missing is an empty text.

local function parse(value)
    local rest = value:match "^[Mm][Ss][Rr][Pp][Ss]?://(.+)$"
    if not rest then
        return nil
    end
    local authority, path = rest:match "^([^/]*)/(.*)$"
    if not authority then
        authority, path = rest:match "^([^;]*)(.*)$"
    end
    local userinfo, address = authority:match "^(.*)@([^@]*)$"
    address = address or authority
    local host, port = address:match "^(%[[^%]]*%]):?(%d*)$"
    if not host then
        host, port = address:match "^([^:]+):?(%d*)$"
    end
    if not host then
        return nil
    end
    local session, proto, params = path:match "^([^;]*);([^;]*);?(.*)$"
    return {
        user = userinfo and userinfo:match "^[^;:]*", userinfo = userinfo, host = host, port = port,
        session = session or path, proto = proto, params = params,
    }
end

local M = {}
for _, name in ipairs { "user", "userinfo", "host", "port", "session", "proto", "params" } do
    M[name] = { 0, 0, apply = function(value)
        local parsed = parse(value)
        return parsed and (parsed[name] or "")
    end }
end
return M
