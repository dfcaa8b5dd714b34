--- URLs of databases in a configuration.
local core = require "lunasip.core"

local M = {}

--- Check a URL; the path of a SQLite file is relative to the configuration's folder.
-- @treturn string the URL
function M.url(check, value, folder)
    check:type(value, "string", "database", "database = \"sqlite:location.db\"")
    local problem = core.sql_check_url(value)
    if problem then
        check:fail("database: " .. problem .. "; write database = \"sqlite:location.db\"", "database")
    end
    local path = value:match "^sqlite:(.*)$"
    if path and path ~= ":memory:" and not path:find "^/" and folder ~= "" then
        value = "sqlite:" .. folder:gsub("/?$", "/") .. path
    end
    return value
end

return M
