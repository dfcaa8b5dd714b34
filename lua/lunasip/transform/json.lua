--- {json.…}: a field of a JSON object, and texts as keys.
local core = require "lunasip.core"

return {
    -- Texts as they are, everything else as JSON text.
    parse = { 1, 1, apply = function(value, name)
        return core.json_field(value, tostring(name))
    end },
    -- Only letters, digits, '-', '~' and '_' stay; a blank becomes '+', the rest %XX.
    encode = { 0, 0, apply = function(value)
        if value == "#" or value == "*" then
            return value
        end
        return (value:gsub("[^%w%-~_ ]", function(c)
            return ("%%%02X"):format(c:byte())
        end):gsub(" ", "+"))
    end },
}
