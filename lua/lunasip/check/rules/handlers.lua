--- Handlers: names that lead nowhere, events that do not exist, definitions that would not be taken.
local suggest = require "lunasip.suggest"
local program = require "lunasip.check.program"
local walk = require "lunasip.check.walk"

local M = {}

local REGISTRY = { on_failure = "failure_route", on_reply = "onreply_route", on_branch = "branch_route" }
local ARGUMENTS = { failure_route = "req, reply", onreply_route = "reply", branch_route = "req", route = "req" }

local function check_name(context, registry, node, name)
    local defined = context.program.handlers[registry]
    if type(name) ~= "string" or defined[name] or context.program.is_computed[registry] then
        return
    end
    local hint = suggest.hint(name, defined)
    if hint == "" then
        hint = ("; define function %s.%s(%s)"):format(registry, name, ARGUMENTS[registry])
    end
    context:fault("handler", node, name, ("there is no %s.%s%s"):format(registry, name, hint))
end

local function check_reference(context, registry, node)
    for _, kind in ipairs(context.infer:possible(node)) do
        check_name(context, registry, node, kind.base == "string" and kind.value)
    end
end

local SENDS = { relay = true, fork = true }

-- req:relay { on_failure = "NAME" }, and options that are put together before.
function M.Invoke(context, node)
    local name, object = node[2][1], context.infer:of(node[1])
    local is_message = object and object.class and context.api:is_a(object.class, "Message")
    if not object then
        is_message = not context.program.set_fields[name] -- the script has no other function of that name
    end
    if not SENDS[name] or not node[3] or not is_message then
        return
    end
    for _, given in ipairs(context.infer:possible(node[3])) do
        for key, value in context.infer:entries(given) do
            if REGISTRY[key] then
                check_reference(context, REGISTRY[key], value)
            end
        end
    end
end

-- route.NAME(req)
function M.Call(context, node)
    local callee = node[1]
    local registry = callee.tag == "Index" and callee[2].tag == "String" and program.registry_of(callee[1])
    if registry and registry ~= "event_route" and not context.tested[callee[2][1]] then
        check_name(context, registry, callee[2], callee[2][1])
    end
end

-- A route that the script looks at without calling it may be there or not.
function M.Index(context, node, parent)
    local registry = program.registry_of(node[1])
    local is_callee = parent and parent.tag == "Call" and parent[1] == node
    if registry == "event_route" and node[2].tag == "String" then
        local events = context:names_of "EventRoute"
        if next(events) and not events[node[2][1]] then
            local hint = suggest.hint(node[2][1], events)
            context:fault("event", node[2], node[2][1], ("there is no event '%s'%s"):format(node[2][1],
                hint ~= "" and hint or "; lua/API.md lists the events"))
        end
    end
    return is_callee
end

local HANDLER_NAMES = {
    request_route = true, onreply_route = true, route = true, branch_route = true, failure_route = true,
    event_route = true,
}

-- function reqest_route(req), route = {}
local function check_global(context, left, value)
    local name = left[1]
    if name ~= "request_route" and name ~= "onreply_route" and HANDLER_NAMES[name] then
        context:fault("handler", left, name,
            ("'%s' is a table that is there already; write function %s.NAME(...)"):format(name, name))
    elseif HANDLER_NAMES[name] then
        local kind = context.infer:of(value)
        if kind and kind.base ~= "function" and not kind.declared then
            context:fault("handler", left, name, ("'%s' must be a function; write function %s(...)"):format(name, name))
        end
    elseif value.tag == "Function" and #name > 4 then
        local meant = suggest.nearest(name, HANDLER_NAMES) -- a request_route is missed by finish()
        if meant == "onreply_route" and not context.program.globals[meant] then
            context:fault("handler", left, name, ("nothing calls '%s'; did you mean '%s'?"):format(name, meant))
        end
    end
end

function M.Set(context, node)
    for i, left in ipairs(node[1]) do
        if left.tag == "Id" and not left.var and node[2][i] then
            check_global(context, left, node[2][i])
        elseif left.tag == "Index" and program.registry_of(left[1]) and node[2][i] then
            local kind = context.infer:of(node[2][i])
            if kind and kind.base ~= "function" and kind.base ~= "nil" and not kind.declared then
                context:fault("handler", left, left[1][1], left[1][1] .. " takes functions; write function "
                    .. left[1][1] .. ".NAME(...)")
            end
        end
    end
end

--- Names that the script looks at without calling: `if route.OPTIONAL then`, `local before = request_route`.
function M.tested(files)
    local tested = {}
    for _, file in ipairs(files) do
        walk.each(file.state.ast, function(node, parent)
            local is_callee = parent and parent.tag == "Call" and parent[1] == node
            local is_definition = parent and parent.tag == "Set"
            if node.tag == "Index" and program.registry_of(node[1]) and walk.key(node, 2)
                and not is_callee and not is_definition then
                tested[walk.key(node, 2)] = true
            elseif node.tag == "Id" and not node.var and HANDLER_NAMES[node[1]] and not is_callee
                and parent and parent.tag ~= "Set" and parent.tag ~= "Index" then
                tested[node[1]] = true
            end
        end)
    end
    return tested
end

--- Is there a request_route at all?
function M.finish(context)
    local globals, file = context.program.globals, context.program.files[1]
    if globals.request_route or context.is_faulty then
        return
    end
    local named = {}
    for name in pairs(globals) do
        named[name] = true
    end
    local slip = suggest.nearest("request_route", named)
    file.faults[#file.faults + 1] = { code = "handler", line = 1, column = 1, end_column = 1, name = "request_route",
        message = "there is no request_route; "
            .. (slip and "is '" .. slip .. "' meant to be it?" or "define function request_route(req)") }
end

return M
