--- The border with a script that joins its calls of two legs (sip.call.bridge), credentials for trunks included.
local border = require "support.border"

local M = {}

local ROUTE = [[
local sip = require "lunasip"
local FAR = { public = "private", private = "public" }
local GATEWAY = { public = %q, private = %q }
function request_route(req)
    if req.method ~= "INVITE" or req:in_dialog() then
        return req.method ~= "ACK" and req:reply(481)
    end
    local to = FAR[req.interface]
    local call, err = sip.call.bridge(req, {
        to = ("sip:%%s@%%s:5060"):format(req["$rU"], GATEWAY[to]), interface = to, pass = { "X-Unknown" },
        media = { from = req.interface, to = to }, credentials = { username = "office", password = "secret" },
        session_timer = req:header "Session-Expires" and { expires_s = 600 } or nil,
    })
    if not call then
        sip.log.error("no call: %%s", err)
        req:reply(500)
    end
end
]]

--- @tparam[opt] table timers of the engine and of SIPp @return as border.start()
function M.start(timers)
    return border.start { source = ROUTE, timers = timers }
end

return M
