--- Names that the configuration gives: dispatcher sets, interfaces, address groups, trunks; and the dispatcher's words.
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"
local walk = require "lunasip.check.walk"
local words = require "lunasip.dispatcher_words"

local M = {}

local function list_of(names)
    local out = {}
    for name in pairs(names) do
        out[#out + 1] = name
    end
    table.sort(out)
    return table.concat(out, ", ")
end

local function check_set(context, node)
    local sets = context.facts.sets
    for _, kind in ipairs(sets and context.infer:possible(node) or {}) do
        local set = kind.value
        if type(set) == "number" and not sets[set] then
            context:fault("set", node, tostring(set), ("no dispatcher list defines set %s; %s"):format(tostring(set),
                next(sets) and "the lists define " .. list_of(sets) or "add a dispatcher block to the configuration"))
        end
    end
end

local function check_word(context, node, find, code)
    for _, kind in ipairs(context.infer:possible(node)) do
        local found, err = true, nil
        if kind.value ~= nil then
            found, err = find(kind.value)
        end
        if found == nil then
            context:fault(code, node, tostring(kind.value), err)
        end
    end
end

local function check_interface(context, node, code)
    local interfaces = core.interfaces()
    for _, kind in ipairs(next(interfaces) and context.infer:possible(node) or {}) do
        local name = kind.value
        if type(name) == "string" and not interfaces[name] then
            local hint = suggest.hint(name, interfaces)
            context:fault(code, node, name, ("the configuration's listen block has no interface '%s'%s"):format(name,
                hint ~= "" and hint or "; there are " .. list_of(interfaces)))
        end
    end
end

local function check_trunk(context, node)
    local trunks = context.facts.trunks
    for _, kind in ipairs(trunks and context.infer:possible(node) or {}) do
        local name = kind.value
        if type(name) == "string" and not trunks[name] then
            local hint = suggest.hint(name, trunks)
            if hint == "" then
                hint = next(trunks) and "; there are " .. list_of(trunks) or "; add a trunk block"
            end
            context:fault("trunk", node, name, ("the configuration has no trunk '%s'%s"):format(name, hint))
        end
    end
end

-- By the names of the API's parameters.
local PARAMETERS = {
    ["lunasip.Dispatcher"] = {
        set = check_set,
        algorithm = function(context, node)
            check_word(context, node, words.algorithm, "algorithm")
        end,
        state = function(context, node)
            check_word(context, node, words.state, "state")
        end,
    },
    ["lunasip.Trunk"] = { name = check_trunk },
    ["lunasip"] = {
        group = function(context, node)
            local kind = context.infer:of(node)
            local has_group, name = context.facts.has_group, kind and kind.value
            if type(name) == "string" and has_group and not has_group(name) then
                context:fault("group", node, name, ("no address block of the configuration names a group '%s'; add "
                    .. "address { %s = { ... } }"):format(name, name))
            end
        end,
    },
}

function M.Call(context, node)
    local kind = context.infer:of(node[1])
    local checks = kind and kind.declared and PARAMETERS[kind.owner]
    for i, param in ipairs(checks and kind.declared.params or {}) do
        if checks[param.name] and node[i + 1] then
            checks[param.name](context, node[i + 1])
        end
    end
end

-- req:relay { interface = "private" }
function M.Invoke(context, node)
    local object = context.infer:of(node[1])
    local is_request = object and object.class and context.api:is_a(object.class, "Message")
    local is_sent = is_request and (node[2][1] == "relay" or node[2][1] == "fork")
    for _, options in ipairs(is_sent and node[3] and context.infer:possible(node[3]) or {}) do
        for key, value in context.infer:entries(options) do
            if key == "interface" then
                check_interface(context, value, "interface")
            end
        end
    end
end

-- sip.interface.NAME
function M.Index(context, node)
    local base = node[1]
    if base.tag == "Index" and walk.key(base, 2) == "interface" and node[2].tag == "String" then
        local owner = context.infer:of(base[1])
        if owner and owner.class == "lunasip" then
            check_interface(context, node[2], "interface")
        end
    end
end

return M
