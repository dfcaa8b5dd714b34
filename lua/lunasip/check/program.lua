--- A script as a whole: its files, what its variables and handlers are defined as, who calls what.
local walk = require "lunasip.check.walk"

local M = {}

local Program = {}
Program.__index = Program

local REGISTRIES = {
    route = true, branch_route = true, failure_route = true, onreply_route = true, event_route = true,
}

--- @tparam table api of lunasip.check.api
function M.new(api)
    local handlers = {}
    for name in pairs(REGISTRIES) do
        handlers[name] = {}
    end
    return setmetatable({
        api = api, files = {}, modules = {}, -- modules: name -> file
        definitions = {}, -- luacheck's variable -> list of { node, position }
        fields = {}, -- variable -> name -> list of value nodes: M.name = …
        globals = {}, -- name -> list of value nodes
        handlers = handlers, -- registry -> name -> list of { node = value, place = node }
        is_computed = {}, -- registry -> true when a name in it is not literal
        roles = {}, -- Function node -> { registry, name }
        arguments = {}, -- argument's variable -> { Function node, index }
        calls = {}, -- list of { node, file }
        set_fields = {}, -- name -> true: assigned to some table somewhere
    }, Program)
end

--- The registry that a node names: the global failure_route, not a local of that name.
function M.registry_of(node)
    return node and node.tag == "Id" and not node.var and REGISTRIES[node[1]] and node[1] or nil
end

local function append(t, key, value)
    t[key] = t[key] or {}
    table.insert(t[key], value)
end

local function define_index(program, left, value)
    local registry, name = M.registry_of(left[1]), walk.key(left, 2)
    if registry and name then
        append(program.handlers[registry], name, { node = value, place = left })
        program.roles[value] = { registry = registry, name = name }
    elseif registry then
        program.is_computed[registry] = true
    elseif name then
        program.set_fields[name] = true
        if left[1].tag == "Id" and left[1].var then
            program.fields[left[1].var] = program.fields[left[1].var] or {}
            append(program.fields[left[1].var], name, value)
        end
    end
end

local function define(program, left, value, position)
    if left.tag == "Index" then
        define_index(program, left, position == 1 and value or { tag = "Unknown" })
    elseif left.var then
        append(program.definitions, left.var, { node = value, position = position })
    else
        append(program.globals, left[1], value)
        program.roles[value] = { registry = left[1] }
    end
end

-- a, b = f(): the value of b is the second of the call.
local function define_all(program, lefts, values)
    local last = #values
    for i, left in ipairs(lefts) do
        if values[i] then
            define(program, left, values[i], 1)
        elseif last > 0 then
            define(program, left, values[last], i - last + 1)
        end
    end
end

local visits = {}

function visits.Local(program, node)
    define_all(program, node[1], node[2] or {})
end

function visits.Localrec(program, node)
    define_all(program, node[1], node[2])
end

function visits.Set(program, node)
    define_all(program, node[1], node[2])
end

function visits.Fornum(program, node)
    append(program.definitions, node[1].var, { node = { tag = "Number" }, position = 1 })
end

function visits.Forin(program, node)
    local call = node[2][1]
    local callee = call.tag == "Call" and call[1].tag == "Id" and not call[1].var and call[1][1]
    local is_list = callee == "ipairs" or callee == "pairs"
    for i, name in ipairs(node[1]) do
        local value = i == 2 and is_list and { tag = "Items", call[2] } or { tag = "Unknown" }
        append(program.definitions, name.var, { node = value, position = 1 })
    end
end

visits["Function"] = function(program, node)
    for i, argument in ipairs(node[1]) do
        if argument.var then
            program.arguments[argument.var] = { node = node, index = i }
        end
    end
end

function visits.Call(program, node, file)
    program.calls[#program.calls + 1] = { node = node, file = file }
end

visits.Invoke = visits.Call

--- Add a file: lunasip.check.source's, with module = its name when it was required.
function Program:add(file)
    self.files[#self.files + 1] = file
    if file.module then
        self.modules[file.module] = file
    end
    walk.each(file.state.ast, function(node)
        node.file = file
        local visit = visits[node.tag]
        if visit then
            visit(self, node, file)
        end
    end)
    local last = file.state.ast[#file.state.ast]
    file.result = last and last.tag == "Return" and last[1] or nil
end

--- Names of the modules that a file requires literally. @treturn table list of { name, node }
function M.required(file)
    local out = {}
    walk.each(file.state.ast, function(node)
        local callee, argument = node[1], node[2]
        if node.tag == "Call" and callee.tag == "Id" and callee[1] == "require" and not callee.var
            and argument and argument.tag == "String" then
            out[#out + 1] = { name = argument[1], node = argument }
        end
    end)
    return out
end

--- Note a fault at a node.
-- @string code for "luacheck: ignore CODE"
-- @tparam table node where
-- @string name what "luacheck: ignore CODE/NAME" would name
-- @string message "what; what to do"
function Program.fault(_, code, node, name, message)
    local file = node.file
    local line, offset = node.line, node.offset
    table.insert(file.faults, {
        code = code, line = line, column = file.state:offset_to_column(line, offset), name = name, message = message,
        end_column = file.state:offset_to_column(line, node.end_offset or offset),
    })
end

return M
