-- What kamailio_registrar.cfg does, as a script of lunasip. {{...}} is filled by the bench.
local sip = require "lunasip"
local DOMAIN = "example.net"
local SECRET = {{secret}}

function request_route(req)
    if not req:max_forwards_ok() then
        return req:reply(483, "Too Many Hops")
    elseif req.method ~= "REGISTER" then
        return req:reply(405, "Method Not Allowed")
    end
    local user = sip.auth.check(req, DOMAIN, SECRET)
    if not user then
        return sip.auth.challenge(req, DOMAIN, { algorithms = { "MD5" } })
    elseif user ~= req["$tU"] then
        return req:reply(403, "Forbidden")
    end
    sip.registrar.save(req)
end
