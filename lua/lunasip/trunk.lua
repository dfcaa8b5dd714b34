--- sip.trunk: how the accounts of the configuration's trunk block stand at their registrars.
--
--     local trunk = sip.trunk.get "provider"
--     if trunk.state ~= "up" then return req:reply(503, "Service Unavailable") end
local core = require "lunasip.core"

local M = {}

--- How a trunk stands. Handlers; does not yield.
-- @string name of the configuration
-- @treturn table name, state ("registering", "up", "down", "disabled"), status, reason, expires_in_s, next_in_s,
--   failures, registrar, user, domain, interface; or nil, err
-- @usage local trunk = sip.trunk.get "provider"
function M.get(name)
    if type(name) ~= "string" then
        error("trunk.get: a name is a text, not a " .. type(name), 2)
    end
    local trunk = core.trunk_get(name)
    if not trunk then
        return nil, "the configuration has no trunk '" .. name .. "'"
    end
    return trunk
end

--- All trunks as get() shows them, in the order of their names. Handlers; does not yield.
-- @treturn table
-- @usage for _, trunk in ipairs(sip.trunk.list()) do sip.log.info("%s is %s", trunk.name, trunk.state) end
function M.list()
    return core.trunk_list()
end

return M
