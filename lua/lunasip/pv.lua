--- Pseudo-variables by their Kamailio names: "$ru", "$hdr(X-Foo)", "$(avp(x)[1]{s.len})".
--
-- A text is parsed once (lpeg), compiled to a getter and, where it makes sense, a setter, and kept
-- in a bounded cache. What a name means is in lunasip.pv_names, what a transformation does in
-- lunasip.transformations. An unknown name is misuse: it raises at the script's line.
--
-- Grammar:  variable  = "$" ( "(" full ")" / name [ "(" argument ")" ] / "$" )
--           full      = name [ "(" argument ")" ] [ "[" index "]" ] { "{" class "." call "}" }
--           index     = integer / "*" / variable
local lpeg = require "lpeg"

local cache = require "lunasip.cache"

local M = {}

local C, Cg, Ct, Cp, P, R, S, V = lpeg.C, lpeg.Cg, lpeg.Ct, lpeg.Cp, lpeg.P, lpeg.R, lpeg.S, lpeg.V

-- lpeg bounds the nesting: beyond its backtrack stack it raises, which M.parse catches.
local grammar = P {
    "variable",
    variable = P "$" * (P "(" * V "full" * P ")" + V "plain" + V "dollar"),
    dollar = Ct(Cg(C "$", "name")),
    plain = Ct(V "name" * V "argument" ^ -1),
    full = Ct(V "name" * V "argument" ^ -1 * V "index" ^ -1 * Cg(Ct(V "transformation" ^ 0), "transformations")),
    name = Cg(V "dotted" + (R("az", "AZ") + "_") * (R("az", "AZ", "09") + "_") ^ 0, "name"),
    -- The few names with a dot; another dot after a name is text: "$fU."
    dotted = ((P "from" + "to" + "ruri") * "." * (P "user" + "domain")
        + P "err." * (P "class" + "level" + "info" + "rcode" + "rreason")) * -(R("az", "AZ", "09") + "_"),
    argument = P "(" * Cg(C(V "inside" ^ 0), "argument") * P ")",
    inside = P "(" * V "inside" ^ 0 * P ")" + (1 - S "()"),
    index = P "[" * Cg(P "-" ^ -1 * R "09" ^ 1 / tonumber + C "*" + V "variable", "index") * P "]",
    transformation = P "{" * Ct(
        Cg(R("az", "AZ") ^ 1, "class") * P "." * Cg((R("az", "AZ", "09") + S "._") ^ 1, "call")
            * (P "," * Cg(C(V "parameter" ^ 0), "parameters")) ^ -1
    ) * P "}",
    parameter = V "nested" + P "\\" * 1 + V "braces" + (1 - P "}"),
    braces = P "{" * (V "nested" + P "\\" * 1 + V "braces" + (1 - S "{}")) ^ 0 * P "}",
    nested = P "$" * (R("az", "AZ", "09") + "_") ^ 0 * P "(" * V "inside" ^ 0 * P ")",
}

--- lpeg pattern of one variable; captures its syntax tree. For lunasip.format.
M.grammar = grammar

local whole = grammar * (-P(1) + Cp() * P(true))

--- Parse without compiling.
-- @treturn table { name, argument, index, transformations } or nil, err
function M.parse(text)
    local ok, tree, stopped = pcall(lpeg.match, whole, text)
    if not ok then
        return nil, "a variable of " .. #text .. " bytes is nested too deeply"
    end
    if not tree then
        return nil, "'" .. text .. "' is not a variable"
    end
    if stopped then
        return nil, "'" .. text .. "' goes on after the variable: '" .. text:sub(stopped) .. "'"
    end
    return tree
end

local function constant(value)
    return function()
        return value
    end
end

-- Argument: a text, or a format when it names other variables ("$hdr($var(name))").
local function compile_argument(definition, tree)
    local argument = tree.argument
    local takes = definition.argument
    if argument and not takes then
        return nil, "$" .. tree.name .. " takes no argument"
    end
    if not argument and takes == "required" then
        return nil, "$" .. tree.name .. " needs an argument: $" .. tree.name .. "(NAME)"
    end
    if definition.prepare then
        -- Fixed arguments are checked and translated once, here.
        local prepared, err = definition.prepare(argument)
        if prepared == nil and err then
            return nil, err
        end
        return constant(prepared)
    end
    if argument and definition.check and not argument:find("$", 1, true) then
        local ok, err = definition.check(argument)
        if not ok then
            return nil, "$" .. tree.name .. ": " .. err
        end
    end
    if argument and argument:find("$", 1, true) and not definition.literal then
        local format, err = require("lunasip.format").compile(argument)
        if not format then
            return nil, err
        end
        return format
    end
    return constant(argument)
end

local function compile_index(definition, tree)
    local index = tree.index
    if index == nil then
        return constant(nil)
    end
    if not definition.index then
        return nil, "$" .. tree.name .. " takes no index"
    end
    if type(index) ~= "table" then
        return constant(index)
    end
    local compiled, err = M.compile_tree(index)
    if not compiled then
        return nil, err
    end
    return function(m)
        return tonumber((compiled.get(m))) or 0
    end
end

local function with_transformations(get, tree)
    local transformations = require "lunasip.transformations"
    for _, item in ipairs(tree.transformations or {}) do
        local apply, err = transformations.compile(item.class, item.call, item.parameters)
        if not apply then
            return nil, err
        end
        local inner = get
        get = function(m)
            return apply(inner(m), m)
        end
    end
    return get
end

--- Compile a syntax tree.
-- @treturn table { get = function(message), set = function(message, value) or nil, word = the word of messages that
--   is the same, or nil } or nil, err
function M.compile_tree(tree)
    local definition, err = require("lunasip.pv_names").find(tree.name)
    if not definition then
        return nil, err
    end
    local argument, index, get
    argument, err = compile_argument(definition, tree)
    if not argument then
        return nil, err
    end
    index, err = compile_index(definition, tree)
    if not index then
        return nil, err
    end
    local read, write = definition.get, definition.set
    get, err = with_transformations(function(m)
        return read(m, argument(m), index(m))
    end, tree)
    if not get then
        return nil, err
    end
    local is_plain = #(tree.transformations or {}) == 0
    local compiled = { get = get, name = tree.name, word = is_plain and definition.word or nil }
    if write and is_plain then
        compiled.set = function(m, value)
            return write(m, value, argument(m), index(m))
        end
    end
    return compiled
end

--- Compile a text, or take it from the cache.
-- @string text
-- @treturn table { get, set } or nil, err
M.compile = cache.new(2048, function(text)
    local tree, err = M.parse(text)
    if not tree then
        return nil, err
    end
    return M.compile_tree(tree)
end)

--- Value of a variable: string, number or nil. An unknown variable raises at the caller's caller
-- (the engine's message userdata stands between a script and this function).
function M.get(message, text)
    local compiled, err = M.compile(text)
    if not compiled then
        error(err, 3)
    end
    return compiled.get(message)
end

--- Assign a variable; nil is Kamailio's $null. Read-only variables and wrong types raise.
function M.set(message, text, value)
    local compiled, err = M.compile(text)
    if not compiled then
        error(err, 3)
    end
    if not compiled.set then
        error("'" .. text .. "' is read-only", 3)
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "nil" then
        error("'" .. text .. "' takes a string, a number or nil, not a " .. kind, 3)
    end
    local ok
    ok, err = compiled.set(message, value)
    if ok == nil and err then
        error("'" .. text .. "': " .. err, 3)
    end
end

return M
