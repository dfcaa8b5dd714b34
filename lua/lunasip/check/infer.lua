--- What an expression of a script is, as far as its text tells.
--
-- A kind is { class = "Request" }, { declared = function of the API, name = "sip.log.info" },
-- { base = "string" | "number" | "boolean" | "nil" | "table" | "function", value = literal, node = node },
-- or nil: not known. Upvalues, constants, modules and the arguments of handlers are followed; a variable
-- that is two different things is not known. Nothing here guesses: what is not certain gives nil.
local possible = require "lunasip.check.possible"
local pv = require "lunasip.pv"
local walk = require "lunasip.check.walk"

local M = {}

local Inference = { possible = possible.of, entries = possible.entries }
Inference.__index = Inference

-- Public modules by the class that describes them.
local MODULES = {
    ["lunasip"] = "lunasip",
    ["lunasip.dispatcher"] = "lunasip.Dispatcher",
    ["lunasip.log"] = "lunasip.Log",
    ["lunasip.call"] = "lunasip.CallMaker",
    ["lunasip.media"] = "lunasip.Media",
    ["lunasip.timer"] = "lunasip.Timer",
}

local MOST_DEPTH = 100 -- of variables that stand for variables

local ARITHMETIC = { add = true, sub = true, mul = true, div = true, mod = true, pow = true, unm = true, len = true }
local BOOLEAN = { ["not"] = true, eq = true, ne = true, lt = true, le = true, gt = true, ge = true }

--- @tparam table program of lunasip.check.program, complete
function M.new(program)
    local self = setmetatable({ program = program, api = program.api, known = {}, depth = 0 }, Inference)
    self:find_callers()
    return self
end

--- Kind of what a type of the API describes; nil when it may be several things.
function Inference:of_type(kind)
    local found
    for _, alternative in ipairs(kind and self.api:alternatives(kind) or {}) do
        if alternative.base ~= "nil" then
            if found then
                return nil
            end
            found = alternative
        end
    end
    if not found or found.base == "any" then
        return nil
    elseif found.class then
        return self.api.classes[found.class] and { class = found.class } or nil
    elseif found.literal then
        return { base = "string" }
    elseif found.values then
        return { base = "table", values = found.values }
    end
    return { base = found.base == "integer" and "number" or found.base }
end

local function is_same(a, b)
    return a.class == b.class and a.base == b.base and a.declared == b.declared and a.node == b.node
end

-- Two kinds as one: requests and replies are messages; what differs otherwise is not known.
local function join(api, a, b)
    if is_same(a, b) then
        return a.value == b.value and a or { base = a.base, class = a.class, declared = a.declared, node = a.node }
    end
    if a.class and b.class and api:is_a(a.class, "Message") and api:is_a(b.class, "Message") then
        return { class = "Message" }
    end
    return nil
end

-- Kind of a list of values; nil when one is not known or they differ.
local function joined(self, count, kind_at)
    local result
    for i = 1, count do
        local kind = kind_at(i)
        if not kind then
            return nil
        end
        if kind.base ~= "nil" then
            result = result and join(self.api, result, kind) or not result and kind or nil
            if not result then
                return nil
            end
        end
    end
    return result
end

-- The arguments that a registry's handlers get, by its annotation.
local function handler_params(api, registry, name)
    local global = api.globals[registry]
    if not global then
        return nil
    elseif global.declared then
        return global.declared.params
    end
    local kind = global.type and global.type[1] or {}
    local class = api.classes[kind.class]
    local values = kind.values or class and (class.fields[name] and class.fields[name].type or class.index)
    return values and values[1] and values[1].params
end

-- The argument of a function that is no handler: what its callers give.
function Inference:of_given(node, index)
    local callers = self.callers and self.callers[node]
    if not callers then
        return nil
    end
    local seen = {}
    for _, call in ipairs(callers) do
        local given = call[index + 1]
        local is_open = not given and #call > 1 and (call[#call].tag == "Call" or call[#call].tag == "Invoke"
            or call[#call].tag == "Dots")
        if is_open then
            return nil
        end
        -- A function that calls itself with its own argument says nothing about it.
        local is_own = given and given.tag == "Id" and given.var and self.program.arguments[given.var]
            and self.program.arguments[given.var].node == node and self.program.arguments[given.var].index == index
        if not is_own then
            seen[#seen + 1] = given or { tag = "Nil" }
        end
    end
    return joined(self, #seen, function(i)
        return self:of(seen[i])
    end)
end

function Inference:of_argument(argument)
    local role = self.program.roles[argument.node]
    if role and role.registry ~= "route" then
        local registry = role.registry
        if registry == "onreply_route" and not role.name then
            return argument.index == 1 and { class = "Reply" } or nil
        end
        local params = handler_params(self.api, registry, role.name)
        local param = params and params[argument.index]
        if params then
            return param and self:of_type(param.type)
        end
    end
    local kind = self:of_given(argument.node, argument.index)
    if not kind and role and role.registry == "route" and self.callers and not self.callers[argument.node] then
        local params = handler_params(self.api, "route")
        local param = params and params[argument.index]
        kind = param and self:of_type(param.type)
    end
    return kind
end

function Inference:of_variable(var)
    local known = self.known[var]
    if known ~= nil then
        return known or nil
    end
    self.known[var] = false -- a variable that is defined by itself
    local definitions, argument = self.program.definitions[var], self.program.arguments[var]
    local kind
    if argument and not definitions then
        kind = self:of_argument(argument)
    elseif definitions and not argument then
        kind = joined(self, #definitions, function(i)
            return self:of(definitions[i].node, definitions[i].position)
        end)
        kind = kind and kind.base == "table" and kind.node and not kind.var
            and { base = "table", node = kind.node, var = var } or kind
    end
    self.known[var] = self.callers and kind or nil
    return kind
end

-- A field of a table that the script made: local M = {}; function M.f() end
function Inference:of_own_field(kind, name)
    local values = {}
    for key, value in kind.node.tag == "Table" and walk.pairs_of(kind.node) or function() end do
        if key == name then
            values[#values + 1] = value
        end
    end
    for _, value in ipairs(kind.var and self.program.fields[kind.var] and self.program.fields[kind.var][name] or {}) do
        values[#values + 1] = value
    end
    return joined(self, #values, function(i)
        return self:of(values[i])
    end)
end

--- Kind of a field of something; of a message, "$rs" is the word status.
function Inference:of_field(kind, name)
    if kind.class and name:sub(1, 1) == "$" and self.api:is_a(kind.class, "Message") then
        local compiled = pv.compile(name)
        name = compiled and compiled.word or name
    end
    if kind.class then
        local class = self.api.classes[kind.class]
        local field = self.api:field(kind.class, name)
        if field and field.declared then
            return { declared = field.declared, name = name, owner = kind.class }
        elseif field then
            return self:of_type(field.type)
        elseif class.index and not self.api:is_a(kind.class, "Message") then
            return self:of_type(class.index)
        end
    elseif kind.values then
        return self:of_type(kind.values)
    elseif kind.base == "table" and kind.node then
        return self:of_own_field(kind, name)
    end
    return nil
end

function Inference:of_module(name)
    if MODULES[name] then
        return self.api.classes[MODULES[name]] and { class = MODULES[name] }
    end
    local file = self.program.modules[name]
    return file and file.result and self:of(file.result)
end

local kinds = {}

function kinds.String(_, node)
    return { base = "string", value = node[1] }
end

function kinds.Number(_, node)
    return { base = "number", value = node[1] and tonumber(node[1]) }
end

function kinds.Nil()
    return { base = "nil" }
end

function kinds.True()
    return { base = "boolean", value = true }
end

function kinds.False()
    return { base = "boolean", value = false }
end

function kinds.Table(_, node)
    return { base = "table", node = node }
end

kinds["Function"] = function(_, node)
    return { base = "function", node = node }
end

function kinds.Paren(self, node)
    return self:of(node[1])
end

function kinds.Id(self, node)
    if node.var then
        return self:of_variable(node.var)
    end
    local values = self.program.globals[node[1]]
    if values and not self.api.globals[node[1]] then
        return joined(self, #values, function(i)
            return self:of(values[i])
        end)
    end
    return nil
end

function kinds.Index(self, node)
    local name = walk.key(node, 2)
    if node[1].tag == "Id" and not node[1].var and name then
        local defined = self.program.handlers[node[1][1]]
        defined = defined and defined[name]
        if defined and #defined == 1 then
            return self:of(defined[1].node)
        end
    end
    local base = self:of(node[1])
    return base and name and self:of_field(base, name)
end

function kinds.Op(self, node)
    local operator = node[1]
    if operator == "concat" then
        local left, right = self:of(node[2]), self:of(node[3])
        local is_fixed = left and right and left.value ~= nil and right.value ~= nil
        return { base = "string", value = is_fixed and tostring(left.value) .. tostring(right.value) or nil }
    elseif operator == "unm" then
        local operand = self:of(node[2])
        return { base = "number", value = operand and type(operand.value) == "number" and -operand.value or nil }
    elseif ARITHMETIC[operator] then
        return { base = "number" }
    elseif BOOLEAN[operator] then
        return { base = "boolean" }
    elseif operator == "or" then
        local left, right = self:of(node[2]), self:of(node[3])
        return left and right and left.base ~= "boolean" and join(self.api, left, right)
    end
    return nil
end

local function returned(self, callee, position)
    local kind = callee and callee.declared and callee.declared.returns[position]
    return kind and self:of_type(kind)
end

function kinds.Call(self, node, position)
    local callee, argument = node[1], node[2]
    if callee.tag == "Id" and callee[1] == "require" and not callee.var then
        return argument and argument.tag == "String" and position == 1 and self:of_module(argument[1])
    end
    return returned(self, self:of(callee), position)
end

-- Methods of texts that give a text.
local TEXT_METHODS = { format = true, gsub = true, lower = true, rep = true, reverse = true, sub = true, upper = true }

function kinds.Invoke(self, node, position)
    local object = self:of(node[1])
    if object and object.base == "string" and TEXT_METHODS[node[2][1]] and position == 1 then
        return { base = "string" }
    end
    return object and returned(self, self:of_field(object, node[2][1]), position)
end

--- Kind of an expression.
-- @tparam table node
-- @int[opt=1] position of the value that is meant, when it gives several
-- @treturn table or nil
function Inference:of(node, position)
    local find = kinds[node.tag]
    if not find or self.depth > MOST_DEPTH then
        return nil
    end
    position = position or 1
    if position > 1 and node.tag ~= "Call" and node.tag ~= "Invoke" then
        return nil
    end
    self.depth = self.depth + 1
    local kind = find(self, node, position)
    self.depth = self.depth - 1
    return kind or nil
end

-- Who calls the script's own functions. Until this is known, arguments are not.
function Inference:find_callers()
    local callers = {}
    for _, call in ipairs(self.program.calls) do
        local node = call.node
        local callee = node.tag == "Call" and self:of(node[1])
        if callee and callee.base == "function" and callee.node then
            callers[callee.node] = callers[callee.node] or {}
            table.insert(callers[callee.node], node)
        end
    end
    self.callers, self.known = callers, {}
end

return M
