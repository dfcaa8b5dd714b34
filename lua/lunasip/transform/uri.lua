--- {uri.…}: parts of a URI. What is missing is an empty text; what is no URI gives nothing.
local uri = require "lunasip.uri"

local M = {}

local function define(name, least, most, apply)
    M[name] = { least, most, apply = function(value, first)
        local parsed = uri.parse(value)
        if not parsed then
            return nil
        end
        return apply(parsed, first, value)
    end }
end

local function part(name, key)
    define(name, 0, 0, function(parsed)
        return parsed[key] or ""
    end)
end

part("user", "user")
part("host", "host")
part("domain", "host")
part("passwd", "password")
part("params", "params")
part("headers", "headers")
part("scheme", "scheme")

-- A port that is not written is 0: ($ru's, with the transport's default, is $rp).
define("port", 0, 0, function(parsed)
    return parsed.port or 0
end)
define("param", 1, 2, function(parsed, name)
    return uri.param(parsed.params, tostring(name)) or ""
end)

for name, parameter in pairs {
    transport = "transport", ttl = "ttl", uparam = "user", maddr = "maddr", method = "method", lr = "lr", r2 = "r2",
} do
    define(name, 0, 0, function(parsed)
        return uri.param(parsed.params, parameter) or ""
    end)
end

define("rmparam", 1, 1, function(parsed, name, value)
    name = tostring(name):lower()
    local kept, found = {}, false
    for key, _, start, stop in uri.each_param(parsed.params or "") do
        if key:lower() == name then
            found = true
        else
            kept[#kept + 1] = parsed.params:sub(start, stop)
        end
    end
    if not found then
        return value
    end
    return (uri.with(value, "params", table.concat(kept, ";")))
end)

define("tosocket", 0, 0, function(parsed)
    return parsed.host and uri.transport(parsed) .. ":" .. parsed.host .. ":" .. uri.port(parsed) or ""
end)

-- The same URI reduced to some of its parts, of the parameters only the transport.
local function reduced(keeps_user, keeps_route)
    return function(parsed)
        local transport = keeps_route and uri.param(parsed.params, "transport")
        return uri.compose {
            scheme = parsed.scheme,
            user = keeps_user and parsed.user or nil,
            host = parsed.host,
            port = keeps_route and parsed.port or nil,
            params = transport and "transport=" .. transport or nil,
        }
    end
end

define("duri", 0, 0, reduced(false, true))
define("saor", 0, 0, reduced(true, false))
define("suri", 0, 0, reduced(true, true))

return M
