--- What is done in a route that cannot do it: req:relay() in a branch route; handlers defined twice; a failure
-- route that takes its request for the reply.

local M = {}

local WORDS = {
    request_route = "a request route", failure_route = "a failure route", branch_route = "a branch route",
    onreply_route = "a reply route", event_route = "an event route",
}

-- Visit the calls of a function, but not those of functions within it.
local function each_call(node, visit)
    for _, child in ipairs(node) do
        if type(child) == "table" and child.tag ~= "Function" then
            if child.tag == "Call" or child.tag == "Invoke" then
                visit(child)
            end
            each_call(child, visit)
        end
    end
end

local function declared_of(context, call)
    if call.tag == "Call" then
        return context.infer:of(call[1])
    end
    local object = context.infer:of(call[1])
    return object and object.class and context.infer:of_field(object, call[2][1])
end

local function check_calls(context, handler, registry)
    each_call(handler, function(call)
        local kind = declared_of(context, call)
        local routes = kind and kind.declared and kind.declared.routes
        if routes and not routes[registry] then
            local separator = kind.declared.is_method and ":" or "."
            local name = (context.words[kind.owner] or kind.owner) .. separator .. kind.name
            local node = call.tag == "Invoke" and call[2] or call[1]
            context:fault("route", node, kind.name, ("%s is not possible in %s; lua/types says where it is")
                :format(name, WORDS[registry]))
        end
    end)
end

M["Function"] = function(context, node)
    local role = context.program.roles[node]
    if not role then
        return
    elseif WORDS[role.registry] then
        check_calls(context, node, role.registry)
    end
    local first = node[1][1]
    if role.registry == "failure_route" and first and first[1] == "reply" then
        context:fault("route", first, "reply", "the first argument of a failure route is the request; write "
            .. "function failure_route.NAME(req, reply)")
    end
end

-- route("NAME"), as Kamailio's own language has it
function M.Call(context, node)
    local callee, argument = node[1], node[2]
    local is_table = callee.tag == "Id" and not callee.var and WORDS[callee[1]] ~= WORDS.request_route
        and (callee[1] == "route" or WORDS[callee[1]]) and callee[1] ~= "onreply_route"
    if is_table then
        local name = argument and argument.tag == "String" and argument[1]:match "^[%a_][%w_]*$" or "NAME"
        context:fault("call", callee, callee[1], ("'%s' is a table of functions; write %s.%s(req)"):format(callee[1],
            callee[1], name))
    end
end

-- "failure_route.NAME" for the definition of a handler, or nil. What the script looks at it may keep and wrap.
local function defined_name(context, statement)
    local value = statement.tag == "Set" and statement[2][1]
    local role = value and value.tag == "Function" and context.program.roles[value]
    if not role or context.tested[role.name or role.registry] then
        return nil
    end
    return role.registry .. (role.name and "." .. role.name or "")
end

--- Two definitions of one handler at the top of a file: only the last one is ever called.
function M.finish(context)
    for _, file in ipairs(context.program.files) do
        local seen = {}
        for _, statement in ipairs(file.state.ast) do
            local name = defined_name(context, statement)
            if name and seen[name] then
                context:fault("handler", statement[1][1], name, ("%s is defined in line %d already; only this one is "
                    .. "ever called"):format(name, seen[name]))
            elseif name then
                seen[name] = statement.line
            end
        end
    end
end

return M
