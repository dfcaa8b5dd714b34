--- The API as data: classes, fields, functions and their types, read from the annotations in lua/types.
--
-- What editors show and what a check knows is one text, so that they cannot differ. Understood are the
-- annotations of the Lua language server that the file uses: @class, @field, @param, @return, @overload,
-- @alias, @type, and the declarations below them. A field that a script may assign says "can be written", one that
-- is nothing without another "needs a NAME"; a function that belongs in certain routes says "Request route",
-- "Request and failure routes", "Failure routes" or "Reply routes".
--
-- A type is { alternatives } with is_optional; an alternative is { base = "string" | "number" | "integer" |
-- "boolean" | "nil" | "function" | "table" | "any" }, { literal = "text" }, { base = "integer", number = 401 },
-- { class = "Request" },
-- { base = "table", values = type } or { base = "function", params = list }. A description that begins with
-- "100 to 699" or "from 0.001" gives the type a range = { least, most }.
local M = {}

local OPENING, CLOSING = { ["<"] = true, ["("] = true, ["{"] = true }, { [">"] = true, [")"] = true, ["}"] = true }

-- Cut a text at a mark that is in no bracket and no quotes.
-- @treturn table parts
local function split(text, mark)
    local parts, depth, start, quoted = {}, 0, 1, false
    for i = 1, #text do
        local c = text:sub(i, i)
        if c == '"' then
            quoted = not quoted
        elseif not quoted and OPENING[c] then
            depth = depth + 1
        elseif not quoted and CLOSING[c] then
            depth = depth - 1
        elseif not quoted and depth == 0 and c:find(mark) then
            parts[#parts + 1] = text:sub(start, i - 1)
            start = i + 1
        end
    end
    parts[#parts + 1] = text:sub(start)
    return parts
end

local function trim(text)
    return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

-- The type that a text begins with, and what follows it.
local function first_word(text)
    text = trim(text)
    local word = split(text, "%s")[1]
    -- "fun(req: Request, ...): any" goes on after its colon.
    while word:sub(-1) == ":" or word:sub(-1) == "," do
        local more = split(trim(text:sub(#word + 1)), "%s")[1]
        word = text:sub(1, select(2, text:find(more, #word + 1, true)))
    end
    return word, trim(text:sub(#word + 1))
end

local BASES = { string = true, number = true, integer = true, boolean = true, ["nil"] = true, any = true, table = true }

local parse_type

local function parse_params(text)
    local params = {}
    for _, part in ipairs(split(text, ",")) do
        local name, mark, kind = trim(part):match "^([%w_.]+)(%??)%s*:?%s*(.*)$"
        if name then
            local parsed = parse_type(kind ~= "" and kind or "any")
            params[#params + 1] = { name = name, type = parsed, is_optional = mark == "?" or parsed.is_optional }
        end
    end
    return params
end

local function parse_alternative(text, out)
    if text:sub(-1) == "?" then
        text, out.is_optional = text:sub(1, -2), true
    end
    local inside = text:match "^fun%((.*)%)"
    if inside then
        out[#out + 1] = { base = "function", params = parse_params(inside) }
    elseif text:find '^"' then
        out[#out + 1] = { literal = text:sub(2, -2) }
    elseif text:find "^%d+$" then
        out[#out + 1] = { base = "integer", number = tonumber(text) }
    elseif text == "true" or text == "false" then
        out[#out + 1] = { base = "boolean" }
    elseif text:find "^table<" then
        local parts = split(text:sub(7, -2), ",")
        out[#out + 1] = { base = "table", values = parse_type(trim(parts[2] or "any")) }
    elseif text:sub(-2) == "[]" then
        out[#out + 1] = { base = "table", items = parse_type(text:sub(1, -3)) }
    else
        out[#out + 1] = BASES[text] and { base = text } or { class = text }
        out.is_optional = out.is_optional or text == "nil"
    end
end

function parse_type(text)
    local out = {}
    for _, part in ipairs(split(trim(text), "|")) do
        parse_alternative(trim(part), out)
    end
    return out
end

-- The range of a number that a description begins with: "100 to 699", "from 0.001". @treturn table or nil
local function parse_range(description)
    local least, most = description:match "^(%-?[%d.]+) to (%-?[%d.]+)"
    least = least or description:match "^from (%-?[%d.]+)"
    return least and { least = tonumber(least), most = tonumber(most) or math.huge } or nil
end

local Reader = {}
Reader.__index = Reader

-- Where a function may be called, by the words of its description.
local ROUTES = {
    ["Request and failure routes"] = { request_route = true, failure_route = true },
    ["Request route"] = { request_route = true },
    ["Failure routes"] = { failure_route = true },
    ["Reply routes"] = { onreply_route = true },
}

local function add_description(reader, text)
    for words, routes in pairs(ROUTES) do
        if text:find("%f[%w]" .. words .. "%f[%W]") then
            reader.routes = routes
        end
    end
end

local annotations = {}

function annotations.class(reader, rest)
    local name, parent = rest:match "^([%w_.]+)%s*:?%s*([%w_.]*)"
    local class = { name = name, parent = parent ~= "" and parent or nil, fields = {} }
    reader.api.classes[name] = class
    reader.class = class
end

function annotations.field(reader, rest)
    local key, mark, after = rest:match "^(%b[])(%??)%s+(.*)$"
    if not key then
        key, mark, after = rest:match "^([%w_]+)(%??)%s+(.*)$"
    end
    local word, description = first_word(after)
    local kind = parse_type(word)
    kind.is_optional, kind.range = kind.is_optional or mark == "?", parse_range(description)
    local field = {
        name = key, type = kind, class = reader.class.name,
        is_written = description:find("can be written", 1, true) ~= nil,
        needs = description:match "^needs an? ([%w_]+)",
    }
    if key == "[string]" then
        reader.class.index = kind
    elseif key == "[integer]" then
        reader.class.items = kind
    else
        reader.class.fields[key:match '^%["(.*)"%]$' or key] = field
    end
end

function annotations.param(reader, rest)
    local name, mark, after = rest:match "^([%w_.]+)(%??)%s+(.*)$"
    local word, description = first_word(after)
    local kind = parse_type(word)
    kind.range = parse_range(description)
    reader.params[name] = { name = name, type = kind, is_optional = mark == "?" or kind.is_optional }
end

annotations["return"] = function(reader, rest)
    for _, part in ipairs(split(rest, ",")) do
        local word = first_word(part)
        if word ~= "" then
            reader.returns[#reader.returns + 1] = parse_type(word)
        end
    end
end

function annotations.overload(reader, rest)
    reader.overloads[#reader.overloads + 1] = parse_type(rest)[1].params
end

function annotations.type(reader, rest)
    reader.type = parse_type((first_word(rest)))
end

function annotations.alias(reader, rest)
    reader.alias = parse_type "any"
    reader.alias[1] = nil
    reader.api.aliases[rest:match "^[%w_.]+"] = reader.alias
end

local function forget(reader)
    reader.params, reader.returns, reader.overloads = {}, {}, {}
    reader.class, reader.type, reader.alias, reader.routes = nil, nil, nil, nil
end

-- ---| "hash-call-id"    # 0
local function add_to_alias(reader, line)
    local text = line:match "^%-%-%-|%s*(%S+)"
    if text and reader.alias then
        parse_alternative(text, reader.alias)
    end
    return text ~= nil
end

local function declare_function(reader, owner, separator, name, arguments)
    local params, has_rest = {}, false
    for argument in arguments:gmatch "[%w_.]+" do
        if argument == "..." then
            has_rest = true
        else
            params[#params + 1] = reader.params[argument]
                or { name = argument, type = parse_type "any", is_optional = true }
        end
    end
    local declared = {
        name = name, params = params, has_rest = has_rest, returns = reader.returns, overloads = reader.overloads,
        is_method = separator == ":", routes = reader.routes,
    }
    local class = reader.owners[owner]
    if class then
        declared.class = class.name
        class.fields[name] = { name = name, declared = declared, class = class.name }
    elseif not owner then
        reader.api.globals[name] = { declared = declared }
    end
end

local function declare(reader, line)
    local owner, separator, name, arguments = line:match "^function ([%w_]+)([.:])([%w_]+)%((.-)%) end$"
    if not owner then
        name, arguments = line:match "^function ([%w_]+)%((.-)%) end$"
    end
    if name then
        declare_function(reader, owner, separator, name, arguments)
        return
    end
    local variable = line:match "^local ([%w_]+) = {}$"
    if variable then
        reader.owners[variable] = reader.class
        return
    end
    variable = line:match "^([%w_]+) = {}$"
    if variable then
        local class = reader.class and { { class = reader.class.name } }
        reader.api.globals[variable] = { type = reader.type or class }
    end
end

--- Read annotations.
-- @string text
-- @treturn table { classes = { name -> { name, parent, fields, index, items } }, globals, aliases }
function M.parse(text)
    local api = { classes = {}, globals = {}, aliases = {} }
    local reader = setmetatable({ api = api, owners = {} }, Reader)
    forget(reader)
    for line in text:gmatch "[^\n]+" do
        local word, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
        if word and annotations[word] then
            annotations[word](reader, rest)
        elseif not line:find "^%-%-" then
            declare(reader, line)
            forget(reader)
        elseif not add_to_alias(reader, line) then
            add_description(reader, line)
        end
    end
    return setmetatable(api, { __index = M })
end

--- A field of a class or of those that it extends; of Message, also what requests or replies alone have.
-- @treturn table { name, type, is_written } or { name, declared = function }, or nil
function M.field(api, class_name, name)
    local class = api.classes[class_name]
    while class do
        if class.fields[name] then
            return class.fields[name]
        end
        class = api.classes[class.parent]
    end
    for _, child in pairs(class_name == "Message" and api.classes or {}) do
        if child.parent == class_name and child.fields[name] then
            return child.fields[name]
        end
    end
    return nil
end

--- Names of the fields of a class, inherited ones included. @treturn table keys are the names
function M.names(api, class_name)
    local names, class = {}, api.classes[class_name]
    while class do
        for name in pairs(class.fields) do
            names[name] = true
        end
        class = api.classes[class.parent]
    end
    return names
end

--- Is the class the other one, or does it extend it?
function M.is_a(api, class_name, other)
    while class_name do
        if class_name == other then
            return true
        end
        class_name = api.classes[class_name] and api.classes[class_name].parent
    end
    return false
end

--- The alternatives of a type, aliases replaced by what they stand for.
function M.alternatives(api, kind)
    local out = {}
    for _, alternative in ipairs(kind) do
        local alias = api.aliases[alternative.class]
        for _, item in ipairs(alias or { alternative }) do
            out[#out + 1] = item
        end
    end
    return out
end

return M
