--- {val.…}: what to make of nothing, and JSON text.
local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
    ["\t"] = "\\t" }

local function json_text(value)
    return (value:gsub('[%c"\\]', function(c)
        return ESCAPES[c] or ("\\u%04x"):format(c:byte())
    end))
end

local function on_nothing(apply)
    return { 0, 0, takes_nothing = true, keeps_type = true, apply = apply }
end

return {
    n0 = on_nothing(function(value)
        return value == nil and 0 or value
    end),
    ne = on_nothing(function(value)
        return value == nil and "" or value
    end),
    json = on_nothing(function(value)
        return value == nil and "" or json_text(tostring(value))
    end),
    jsonqe = on_nothing(function(value)
        if type(value) == "number" then
            return value
        end
        return '"' .. json_text(value or "") .. '"'
    end),
}
