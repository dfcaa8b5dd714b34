--- Values that a script gets on the engine, for the specs of variables.
local world = require "route.world"

local M = {}

local FRAME = [[
local sip = require "lunasip"
function request_route(req)
    local values = {}
    local function out(value) values[#values + 1] = tostring(value) end
    %s
    req:reply(200, "OK", { body = table.concat(values, "\30"), content_type = "text/plain" })
end
]]

--- Texts that `body` gave to out(value) when an INVITE came. @tparam[opt] table message for world.raw
function M.all(body, message)
    local net, alice = world.open { route = FRAME:format(body) }
    alice:send(world.raw(message or {}))
    local reply = alice:receive(function(msg) return msg.status and msg.status >= 200 end)
    net:close()
    assert(reply.status == 200, "the script failed: " .. reply.status)
    local values = {}
    for value in (reply.body .. "\30"):gmatch "(.-)\30" do
        values[#values + 1] = value
    end
    return values
end

--- The first of them.
function M.one(body, message)
    return M.all(body, message)[1]
end

return M
