--- Branches to come: $br $bR $ds $branch(x). req:relay() sends the request to its own target and to each of these
-- at once, as Kamailio's t_relay() does; req:fork{…} takes a list of its own and orders it by q.
local core = require "lunasip.core"
local lists = require "lunasip.lists"
local uri = require "lunasip.uri"

local M = {}

local MOST = 63 -- beside the request's own target

-- { { uri =, dst_uri =, q = 0-1000 }, … } of this run; engine/script/api_request.c reads and clears it.
local function branches_of(m)
    return core.vars(m).branches or {}
end

local function add(m, target)
    if not uri.parse(target) then
        return nil, "'" .. target .. "' is not a URI"
    end
    local vars = core.vars(m)
    local list = vars.branches or {}
    if #list >= MOST then
        return nil, "there are " .. MOST .. " branches already"
    end
    vars.branches = list
    list[#list + 1] = { uri = target }
    return true
end

-- <uri>;q=0.5
local function with_q(branch)
    return ("<%s>;q=%s"):format(branch.uri, ("%.3f"):format(branch.q / 1000):gsub("0+$", ""):gsub("%.$", "") .. "")
end

local function all(m, print_plain)
    local out = {}
    for i, branch in ipairs(branches_of(m)) do
        out[i] = branch.q and with_q(branch) or print_plain(branch.uri)
    end
    return #out > 0 and table.concat(out, ", ") or nil
end

M.br = {
    get = function(m)
        local first = branches_of(m)[1]
        return first and (first.q and with_q(first) or first.uri)
    end,
    set = function(m, value)
        if value == nil then
            return nil, "needs a value"
        end
        return add(m, tostring(value))
    end,
}
M.bR = {
    get = function(m)
        return all(m, function(text)
            return text
        end)
    end,
}
M.ds = {
    get = function(m)
        local text = all(m, function(target)
            return "<" .. target .. ">"
        end)
        return text and "Contact: " .. text
    end,
}

local function set_uri(m, value, position)
    if value == nil then
        table.remove(branches_of(m), position)
        return true
    elseif not uri.parse(tostring(value)) then
        return nil, "'" .. tostring(value) .. "' is not a URI"
    end
    branches_of(m)[position].uri = tostring(value)
    return true
end

local function set_dst_uri(m, value, position)
    if value ~= nil and value ~= "" and not uri.parse(tostring(value)) then
        return nil, "'" .. tostring(value) .. "' is not a URI"
    end
    branches_of(m)[position].dst_uri = value ~= nil and value ~= "" and tostring(value) or nil
    return true
end

local function set_q(m, value, position)
    if value ~= nil and not (type(value) == "number" and value >= 0 and value <= 1000 and value % 1 == 0) then
        return nil, "q is a number from 0 to 1000"
    end
    branches_of(m)[position].q = value
    return true
end

local ATTRIBUTES = {
    uri = { set = set_uri }, dst_uri = { set = set_dst_uri }, q = { set = set_q },
    count = {
        get = function(m)
            return #branches_of(m)
        end,
    },
}
for name, attribute in pairs(ATTRIBUTES) do
    attribute.name = name
end

M.branch = {
    argument = "required",
    index = true,
    prepare = function(argument)
        return ATTRIBUTES[argument], "$branch(" .. argument .. "): uri, dst_uri, q or count; "
            .. "the interface of all branches is chosen by req:relay{ interface = }, edits belong into a branch_route"
    end,
    get = function(m, attribute, index)
        if attribute.get then
            return attribute.get(m)
        end
        local branch = index ~= "*" and lists.at(branches_of(m), index or 0)
        return branch and branch[attribute.name]
    end,
    set = function(m, value, attribute, index)
        if not attribute.set then
            return nil, "can only be read"
        end
        local list = branches_of(m)
        local position = (index or 0) == "*" and 0 or (index or 0) < 0 and #list + index + 1 or (index or 0) + 1
        if not list[position] then
            return nil, "there is no such branch"
        end
        return attribute.set(m, value, position)
    end,
}

return M
