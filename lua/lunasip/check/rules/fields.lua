--- Words of the API that do not exist: sip.dispatcher.selct, req:rely, req.ruri2; and what cannot be assigned.
local bounded = require "lunasip.bounded"
local kamailio = require "lunasip.check.kamailio"
local suggest = require "lunasip.suggest"
local types = require "lunasip.check.types"
local walk = require "lunasip.check.walk"

local M = {}

-- Tables that scripts get and may add to: only a slip that is near a name is a fault.
local OPEN = { ["lunasip.Destination"] = true, ["lunasip.ListedDestination"] = true, DialogEvent = true }

local function shown(context, class, separator, name)
    return (context.words[class] or class) .. separator .. name
end

local function missing(context, kind, key_node, separator)
    local name, class = key_node[1], kind.class
    local names = context:names_of(class)
    local hint = kamailio.hint(name)
    hint = hint ~= "" and hint or suggest.hint(name, names)
    if OPEN[class] and (hint == "" or context.program.set_fields[name]) then
        return
    end
    if hint == "" then
        hint = "; see lua/API.md"
    end
    context:fault("field", key_node, name, ("there is no %s%s"):format(shown(context, class, separator, name), hint))
end

local function check_read(context, kind, key_node)
    local field = context.api:field(kind.class, key_node[1])
    local class = context.api.classes[kind.class]
    local is_message = context.api:is_a(kind.class, "Message")
    -- A reply's word is nil in a request: functions for both may ask.
    local other = not field and is_message and context.api:field("Message", key_node[1])
    if not field and not (other and not other.declared) and (is_message or not class.index) then
        missing(context, kind, key_node, ".")
    end
end

local function check_write(context, kind, key_node, value)
    local field = context.api:field(kind.class, key_node[1])
    if OPEN[kind.class] then
        return
    elseif not field then
        missing(context, kind, key_node, ".")
    elseif not field.is_written then
        context:fault("write", key_node, key_node[1], shown(context, kind.class, ".", key_node[1])
            .. " cannot be written" .. (context.api:is_a(kind.class, "Message")
                and "; keep the value in a local, or in req[\"$avp(NAME)\"]" or "; sip is not the script's"))
    elseif value then
        types.check(context, value, field.type, true, shown(context, kind.class, ".", key_node[1]))
    end
end

function M.Index(context, node, parent)
    local key_node = node[2]
    local kind = key_node.tag == "String" and key_node[1]:sub(1, 1) ~= "$" and context.infer:of(node[1])
    if kind and kind.declared then
        local name = shown(context, kind.owner, kind.declared.is_method and ":" or ".", kind.name)
        context:fault("field", key_node, key_node[1],
            ("%s is a function, not a table; write %s(...)"):format(name, name))
    end
    if not kind or not kind.class or not context.api.classes[kind.class] then
        return
    end
    -- The callee of a call is looked at there.
    local index = parent and parent.tag == "Set" and context:left_index(parent, node)
    if index then
        check_write(context, kind, key_node, context:assigned(parent, index))
    else
        check_read(context, kind, key_node)
    end
end

function M.Call(context, node)
    local callee = node[1]
    local base = callee.tag == "Index" and walk.key(callee, 2) and context.infer:of(callee[1])
    local field = base and base.class and context.api:field(base.class, walk.key(callee, 2))
    if not field then
        return
    end
    local name = field.name
    if not field.declared then
        local kind = context.infer:of_type(field.type)
        if kind and kind.base and kind.base ~= "function" then
            context:fault("call", callee[2], name, ("%s is a %s, not a function; leave the brackets out"):format(
                shown(context, base.class, ".", name), kind.base))
        end
    elseif field.declared.is_method then
        local first = node[2] and context.infer:of(node[2])
        if not node[2] or first and first.class ~= base.class then
            context:fault("call", callee[2], name, ("%s is a method; write %s(...)"):format(
                shown(context, base.class, ".", name), shown(context, base.class, ":", name)))
        end
    end
end

function M.Invoke(context, node)
    local key_node = node[2]
    local kind = context.infer:of(node[1])
    if kind and kind.base == "string" and not bounded[key_node[1]] then
        context:fault("field", key_node, key_node[1], ("texts have no method '%s'%s"):format(key_node[1],
            suggest.hint(key_node[1], bounded)))
    end
    local named = kind and kind.values and kind.values[1] and kind.values[1].class
    if named and context.api:field(named, key_node[1]) then
        context:fault("field", key_node, key_node[1], ("it is a table of several by their names; write %s(...)")
            :format(shown(context, named, ":", key_node[1])))
    end
    if not kind or not kind.class or not context.api.classes[kind.class] then
        return
    end
    local field = context.api:field(kind.class, key_node[1])
    if not field then
        if context.api:is_a(kind.class, "Message") or not context.api.classes[kind.class].index then
            missing(context, kind, key_node, ":")
        end
    elseif not field.declared then
        context:fault("call", key_node, key_node[1], ("%s is a value, not a method; write %s"):format(
            shown(context, kind.class, ":", key_node[1]), shown(context, kind.class, ".", key_node[1])))
    elseif not field.declared.is_method then
        context:fault("call", key_node, key_node[1], ("%s is no method; write %s(...)"):format(
            shown(context, kind.class, ":", key_node[1]), shown(context, kind.class, ".", key_node[1])))
    end
end

return M
