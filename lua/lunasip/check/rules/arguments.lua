--- Calls of the API with too few arguments, too many, or of a wrong type.
local types = require "lunasip.check.types"

local M = {}

local function is_many(node)
    return node and (node.tag == "Call" or node.tag == "Invoke" or node.tag == "Dots")
end

local function needed(params)
    local least = 0
    for i, param in ipairs(params) do
        least = param.is_optional and least or i
    end
    return least
end

local function count_words(count)
    return count == 0 and "no argument" or count == 1 and "1 argument" or count .. " arguments"
end

-- With the values of `given`: a list of nodes. Faults are added only when `report` is set.
local function check_count(context, call, params, has_rest, name)
    local given, least, most = call.given, needed(params), has_rest and math.huge or #params
    local count = #given
    local at_least = is_many(given[count]) and count - 1 or count
    if at_least > most then
        context:fault("arguments", given[most + 1], name, ("%s takes %s, not %d; leave out the rest"):format(name,
            count_words(most), count))
        return false
    elseif not is_many(given[count]) and count < least then
        local param = params[count + 1]
        context:fault("arguments", call.node, name, ("%s takes %s%s, not %d; give its %s"):format(name,
            least == most and "" or "at least ", count_words(least), count, param.name))
        return false
    end
    return true
end

local function check_all(context, call, params, has_rest, name)
    if not check_count(context, call, params, has_rest, name) then
        return
    end
    for i, value in ipairs(call.given) do
        local param = params[i]
        if param and not (is_many(value) and i == #call.given and i > #params) then
            types.check(context, value, param.type, param.is_optional,
                ("argument %d (%s) of %s"):format(i, param.name, name))
        end
    end
end

-- Which form is meant: the one whose first argument fits.
local function form_of(context, declared, given)
    local first = given[1] and context.infer:of(given[1])
    for _, params in ipairs(declared.overloads) do
        if first and first.base == "string" and params[1] and params[1].type[1].base == "string" then
            local rest = params[#params].name == "..."
            local list = { unpack(params, 1, rest and #params - 1 or #params) }
            return list, rest
        end
    end
    if #declared.overloads > 0 and not first then
        return nil -- may be either
    end
    return declared.params, declared.has_rest
end

local function check(context, node, kind, given, name)
    local params, has_rest = form_of(context, kind.declared, given)
    if params then
        check_all(context, { node = node, given = given }, params, has_rest, name)
    end
end

function M.Call(context, node)
    local kind = context.infer:of(node[1])
    if not kind or not kind.declared then
        return
    end
    local given = { unpack(node, 2) }
    local name = (context.words[kind.owner] or kind.owner) .. "." .. kind.name
    if kind.declared.is_method then
        local first = given[1] and context.infer:of(given[1])
        if not first or not first.class then
            return -- said by the rule on fields
        end
        table.remove(given, 1)
        name = (context.words[kind.owner] or kind.owner) .. ":" .. kind.name
    end
    check(context, node, kind, given, name)
end

function M.Invoke(context, node)
    local object = context.infer:of(node[1])
    local kind = object and object.class and context.infer:of_field(object, node[2][1])
    if kind and kind.declared and kind.declared.is_method then
        local name = (context.words[object.class] or object.class) .. ":" .. kind.name
        check(context, node, kind, { unpack(node, 3) }, name)
    end
end

return M
