--- Pseudo-variables that do not exist or cannot be written, as an index and inside formats; and what
-- string.format makes of the values of a log line.
local directives = require "lunasip.check.directives"
local format = require "lunasip.format"
local pv = require "lunasip.pv"

local M = {}

-- What scripts call messages: a base that is not known otherwise is one when it has such a name.
local USUAL = { msg = true, message = true, reply = true, req = true, request = true, response = true }

local function is_message(context, node)
    local kind = context.infer:of(node)
    if kind then
        return kind.class ~= nil and context.api:is_a(kind.class, "Message")
    end
    return node.tag == "Id" and USUAL[node[1]] == true
end

local VALUES = { string = true, number = true, ["nil"] = true }

-- What is assigned to a variable.
local function check_value(context, set, index, text)
    local value = context:assigned(set, index)
    for _, kind in ipairs(value and context.infer:possible(value) or {}) do
        if not VALUES[kind.base] then
            context:fault("type", value, text, text .. " takes a text, a number or nil; assign one of them")
        end
    end
end

-- req["$si"], and req[NAME] where NAME = "$si".
function M.Index(context, node, parent)
    local index = parent and parent.tag == "Set" and context:left_index(parent, node)
    for _, key in ipairs(is_message(context, node[1]) and context.infer:possible(node[2]) or {}) do
        local text = type(key.value) == "string" and key.value:sub(1, 1) == "$" and key.value
        local compiled, err
        if text then
            compiled, err = pv.compile(text)
        end
        if err then
            context:fault("variable", node[2], text, err)
        elseif index and text and not compiled.set then
            context:fault("variable", node[2], text, text
                .. " cannot be written; keep the value in req[\"$avp(NAME)\"] or $var(NAME)")
        elseif index and text then
            check_value(context, parent, index, text)
        end
    end
end

local function check_variables(context, node, text)
    for _, err in ipairs(format.faults(text)) do
        context:fault("format", node, text, err .. "; write $$ for a dollar")
    end
end

-- Place of the format among the arguments of a log function: a message may stand before it.
local function format_place(context, given)
    local first = given[1] and context.infer:of(given[1])
    if not first then
        return nil
    end
    return first.base == "string" and 1 or 2
end

local function is_log(kind)
    return kind.owner == "lunasip.Log" and kind.declared.has_rest
end

local function check_log(context, given)
    local place = format_place(context, given)
    local node = place and given[place]
    local kind = node and context.infer:of(node)
    if not kind or type(kind.value) ~= "string" then
        return
    end
    check_variables(context, node, kind.value)
    if #given > place then
        directives.check(context, node, format.without_variables(kind.value), { unpack(given, place + 1) })
    end
end

function M.Call(context, node)
    local kind = context.infer:of(node[1])
    if not kind or not kind.declared then
        return
    elseif is_log(kind) then
        check_log(context, { unpack(node, 2) })
    elseif kind.owner == "lunasip" and kind.name == "format" and node[3] then
        local text = context.infer:of(node[3])
        if text and type(text.value) == "string" then
            check_variables(context, node[3], text.value)
        end
    end
end

return M
