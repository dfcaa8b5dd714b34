--- URLs of databases in a configuration.
local core = require "lunasip.core"

local M = {}

--- Check a URL; the path of a SQLite file is relative to the configuration's folder.
-- @string[opt] name of the setting; default "database"
-- @treturn string the URL
function M.url(check, value, folder, name)
    name = name or "database"
    local example = name .. " = \"sqlite:location.db\""
    check:type(value, "string", name, example)
    local problem = core.sql_check_url(value)
    if problem then
        check:fail(("%s: %s; write %s"):format(name, problem, example), name)
    end
    local path = value:match "^sqlite:(.*)$"
    if path and path ~= ":memory:" and not path:find "^/" then
        value = "sqlite:" .. folder .. path
    end
    return value
end

return M
