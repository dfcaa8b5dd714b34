--- Pseudo-variables that do not exist or cannot be written, as an index and inside formats; and what
-- string.format makes of the values of a log line.
local directives = require "lunasip.check.directives"
local format = require "lunasip.format"
local pv = require "lunasip.pv"

local M = {}

local MESSAGES = { Request = true, Reply = true, Message = true }

-- req["$si"]: the base is a message or not known.
function M.Index(context, node, parent)
    local text = node[2].tag == "String" and node[2][1] or ""
    local kind = text:sub(1, 1) == "$" and context.infer:of(node[1])
    if text:sub(1, 1) ~= "$" or kind and not MESSAGES[kind.class] then
        return
    end
    local compiled, err = pv.compile(text)
    if not compiled then
        context:fault("variable", node[2], text, err)
    elseif not compiled.set and parent and parent.tag == "Set" and context:is_left(parent, node) then
        context:fault("variable", node[2], text, text
            .. " cannot be written; keep the value in req[\"$avp(NAME)\"] or $var(NAME)")
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
