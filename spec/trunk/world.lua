-- An engine with trunks, and the registrar of their provider.
local digest = require "lunasip.lab.digest"
local lab = require "lunasip.lab"
local assert = require "luassert"

local M = {}

local ROUTE = [[
local sip = require "lunasip"
local function tell(event)
    local trunk = event.trunk
    sip.log.info("%s: %s is %s, %s %s", event.name, trunk.name, trunk.state, tostring(trunk.status), trunk.reason)
end
event_route["trunk:up"], event_route["trunk:down"] = tell, tell
function request_route(req)
    local trunk, err = sip.trunk.get(req["$rU"])
    if not trunk then return req:reply(404, err) end
    req:reply(480, ("%s %d %d %d"):format(trunk.state, trunk.expires_in_s or -1, trunk.failures, #sip.trunk.list()))
end
]]

--- @tparam table trunks the block @tparam[opt] table more options of lab.new, conf among them
function M.open(trunks, more)
    more = more or {}
    local conf = { listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } } }
    for name, block in pairs(more.conf or {}) do conf[name] = block end
    conf.trunk = trunks
    local net = lab.new { conf = conf, route = more.route or ROUTE, seed = more.seed or 5, workers = more.workers }
    return net, net:agent { name = "registrar", address = more.address or "192.0.2.50" }
end

--- The usual trunk, and what is said of it. @tparam[opt] table more its other options
function M.provider(more)
    local trunk = { registrar = "sip:192.0.2.50", domain = "provider.example", user = "4930", password = "secret" }
    for name, value in pairs(more or {}) do trunk[name] = value end
    return trunk
end

function M.challenge(nonce, more)
    return ('Digest realm="provider.example", nonce="%s", qop="auth"%s'):format(nonce, more or "")
end

--- The headers of a 401 or 407.
function M.challenged(status, nonce, more)
    return { headers = { [status == 401 and "WWW-Authenticate" or "Proxy-Authenticate"] = M.challenge(nonce, more) } }
end

--- Are the credentials right? @return what is in them
function M.check(register, name, password)
    local answer = digest.parse(register:header(name or "Authorization"))
    assert.is_truthy(answer, "no credentials")
    assert.equal(digest.response(answer, "REGISTER", answer.username, password or "secret"), answer.response)
    return answer
end

--- Bind what the REGISTER asks for.
function M.accept(registrar, register, seconds)
    local contact = register:header "Contact"
    registrar:reply(register, 200, { headers = { Contact = contact .. ";expires=" .. (seconds or 3600) } })
end

--- A trunk as `ctl trunks` lists it.
function M.trunk(net, name)
    for _, trunk in ipairs(net:command("trunks").data) do
        if trunk.name == (name or "provider") then return trunk end
    end
end

return M
