--- All rules over all files of a script.
local infer = require "lunasip.check.infer"
local handlers = require "lunasip.check.rules.handlers"
local walk = require "lunasip.check.walk"

local M = {}

local RULES = {
    handlers,
    require "lunasip.check.rules.fields",
    require "lunasip.check.rules.arguments",
    require "lunasip.check.rules.variables",
    require "lunasip.check.rules.media_flags",
    require "lunasip.check.rules.names",
    require "lunasip.check.rules.patterns",
    require "lunasip.check.rules.comparisons",
    require "lunasip.check.rules.routes",
}

local Context = {}
Context.__index = Context

function Context:fault(...)
    self.program:fault(...)
end

--- Which of the places that a Set assigns to is the node? @treturn int or nil
function Context.left_index(_, set, node)
    for i, left in ipairs(set[1]) do
        if left == node then
            return i
        end
    end
    return nil
end

--- What a Set assigns to one of its places: a node, or nil when it is one of the values of a call.
function Context.assigned(_, set, index)
    local value = set[2][index]
    local is_many = value and index == #set[2] and #set[1] > index and (value.tag == "Call" or value.tag == "Invoke")
    return not is_many and value or nil
end

--- Names of a class's fields; of messages, those of requests and replies too.
function Context:names_of(class)
    local names = self.api:names(class)
    for child, definition in pairs(class == "Message" and self.api.classes or {}) do
        if definition.parent == "Message" then
            for name in pairs(self.api:names(child)) do
                names[name] = true
            end
        end
    end
    return names
end

-- What a class is called in a message: as scripts call it.
local function words_of(api)
    local words = { lunasip = "sip", Request = "req", Reply = "reply", Message = "msg", DialogEvent = "event",
        ["lunasip.Dictionary"] = "sip.shared.NAME", ["lunasip.Interface"] = "sip.interface.NAME",
        ["lunasip.Database"] = "db", ["lunasip.HttpAnswer"] = "answer",
        ["lunasip.Destination"] = "destination", ["lunasip.ListedDestination"] = "destination" }
    local class = api.classes.lunasip
    for name, field in pairs(class and class.fields or {}) do
        local kind = field.type and field.type[1]
        if kind and kind.class and not words[kind.class] then
            words[kind.class] = "sip." .. name
        end
    end
    return words
end

--- Run every rule; faults are kept with the files.
-- @tparam table program of lunasip.check.program, complete
-- @tparam table facts what the configuration says
-- @bool is_faulty was a file left out because of its syntax?
function M.run(program, facts, is_faulty)
    local context = setmetatable({
        program = program, api = program.api, facts = facts, infer = infer.new(program), is_faulty = is_faulty,
        words = words_of(program.api), tested = handlers.tested(program.files),
    }, Context)
    for _, file in ipairs(program.files) do
        walk.each(file.state.ast, function(node, parent)
            for _, rule in ipairs(RULES) do
                if rule[node.tag] then
                    rule[node.tag](context, node, parent)
                end
            end
        end)
    end
    for _, rule in ipairs(RULES) do
        if rule.finish then
            rule.finish(context)
        end
    end
end

return M
