--- {sql.…}: a value as it stands in a query: numbers as they are, texts quoted, nothing as NULL.
--
-- For log lines and files; queries themselves take parameters, which need no quoting.
local encodings = require "lunasip.transform.encodings"

local function value_or(nothing)
    return { 0, 0, takes_nothing = true, keeps_type = true, apply = function(value)
        if value == nil then
            return nothing
        end
        return type(value) == "number" and tostring(value) or "'" .. encodings.escape.common(value) .. "'"
    end }
end

return { val = value_or "NULL", ["val.int"] = value_or "0", ["val.str"] = value_or "''" }
