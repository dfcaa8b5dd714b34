--- Transformations: the {class.function,parameters} after a variable, applied from left to right.
--
-- Each becomes a function (value, message) -> value once, when its variable is compiled. Nothing
-- (nil) stays nothing through all of them but the val and sql classes. Parameters are texts or
-- variables; a ',' inside one is written '\,'. Meaning and types are Kamailio's.
local lpeg = require "lpeg"

local pv = require "lunasip.pv"
local suggest = require "lunasip.suggest"

local M = {}

local CLASSES = {
    s = require "lunasip.transform.text",
    uri = require "lunasip.transform.uri",
    param = require "lunasip.transform.param",
    nameaddr = require "lunasip.transform.name_addr",
    tobody = require "lunasip.transform.to_body",
    line = require "lunasip.transform.line",
    val = require "lunasip.transform.value",
    num = require "lunasip.transform.number",
    sock = require "lunasip.transform.socket",
    urialias = require "lunasip.transform.uri_alias",
    msrpuri = require "lunasip.transform.msrp_uri",
    json = require "lunasip.transform.json",
    re = require "lunasip.transform.regex",
    sql = require "lunasip.transform.sql",
    url = require "lunasip.transform.url",
}

-- Cut at commas outside escapes and nested variables.
local C, Ct, P, R, S, V = lpeg.C, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S, lpeg.V
local splitter = P {
    Ct(V "item" * (P "," * V "item") ^ 0),
    item = C((V "nested" + P "\\" * 1 + (1 - P ",")) ^ 0),
    nested = P "$" * (R("az", "AZ", "09") + "_") ^ 0 * P "(" * V "inside" ^ 0 * P ")",
    inside = P "(" * V "inside" ^ 0 * P ")" + (1 - S "()"),
}

local ESCAPES = { t = "\t", n = "\n", r = "\r", s = " ", w = " " }

-- One parameter: function (message) -> text or number.
local function parameter(text)
    local trimmed = text:match "^%s*(.*)$"
    if trimmed:sub(1, 1) == "$" and #trimmed > 1 then
        local compiled, err = pv.compile((trimmed:match "^(.-)%s*$"))
        if not compiled then
            return nil, err
        end
        return compiled.get
    end
    local literal = (trimmed == "" and text or trimmed):gsub("\\(.)", function(c)
        return ESCAPES[c] or c
    end)
    return function()
        return literal
    end
end

local function parameters(definition, text, label)
    if definition.raw then
        return definition.raw(text)
    end
    local list = text and splitter:match(text) or {}
    local least, most = definition[1] or 0, definition[2] or definition[1] or 0
    if #list < least or #list > most then
        local wanted = least == most and tostring(least) or least .. " to " .. most
        return nil, label .. " takes " .. wanted .. " parameters, not " .. #list
    end
    local out = {}
    for i, item in ipairs(list) do
        local read, err = parameter(item)
        if not read then
            return nil, err
        end
        out[i] = read
    end
    return out
end

-- The definition {least, most, apply}: apply(value, first, second, message) -> value.
local function bind(definition, list)
    local apply, first, second = definition.apply, list[1], list[2]
    local takes_nothing = definition.takes_nothing
    return function(value, message)
        if value == nil and not takes_nothing then
            return nil
        end
        if not definition.keeps_type and value ~= nil then
            value = tostring(value)
        end
        return apply(value, first and first(message), second and second(message), message)
    end
end

--- Compile one transformation.
-- @string class "s", "uri", …
-- @string call "select"
-- @string[opt] text the parameters as written, without the first comma
-- @treturn function (value, message) -> value, or nil, err
function M.compile(class, call, text)
    local known = CLASSES[class]
    if not known then
        return nil, "no transformation {" .. class .. "." .. call .. "}" .. suggest.hint(class, CLASSES)
    end
    local definition = known[call]
    local label = "{" .. class .. "." .. call .. "}"
    if not definition then
        return nil, "no transformation " .. label .. suggest.hint(call, known)
    end
    local list, err = parameters(definition, text, label)
    if not list then
        return nil, err
    end
    return bind(definition, list)
end

--- Class tables, for specs.
function M.all()
    return CLASSES
end

return M
