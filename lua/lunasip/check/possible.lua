--- What an expression of a script may be, where it is one of several things: each of them is checked.
--
-- lunasip.check.infer says what an expression is for certain. Here "a and 'X' or 'Y'" is both, an argument what
-- each caller gives, the item of a loop each entry of the table.
local walk = require "lunasip.check.walk"

local M = {}

local options = {} -- by tag: calls add(kind) for every kind that a node may be

local function add_possible(self, node, seen, add)
    if options[node.tag] and not seen[node] then
        seen[node] = true
        options[node.tag](self, node, seen, add)
    else
        add(self:of(node))
    end
end

-- for _, item in ipairs { "a", "b" }: each entry.
function options.Items(self, node, seen, add)
    for _, kind in ipairs(M.of(self, node[1])) do
        for _, item in ipairs(kind.node and kind.node.tag == "Table" and kind.node or {}) do
            add_possible(self, item.tag == "Pair" and item[2] or item, seen, add)
        end
    end
end

function options.Paren(self, node, seen, add)
    add_possible(self, node[1], seen, add)
end

-- "a and X or Y" gives X or Y; what a false value would give is left out.
function options.Op(self, node, seen, add)
    local operator = node[1]
    if operator == "or" then
        add_possible(self, node[2], seen, function(kind)
            if kind and kind.base ~= "nil" and kind.value ~= false then
                add(kind)
            end
        end)
        add_possible(self, node[3], seen, add)
    elseif operator == "and" then
        add_possible(self, node[3], seen, add)
    else
        add(self:of(node))
    end
end

-- A variable that is set once is what it is set to, an argument what each caller gives. What is set twice may
-- hold something meaningless in between.
function options.Id(self, node, seen, add)
    local var = node.var
    local definitions, argument = self.program.definitions[var], self.program.arguments[var]
    local role = argument and self.program.roles[argument.node]
    local callers = argument and not definitions and (not role or role.registry == "route")
        and self.callers and self.callers[argument.node]
    if definitions and #definitions == 1 and not argument and (definitions[1].position or 1) == 1
        and definitions[1].node.tag ~= "Table" then
        add_possible(self, definitions[1].node, seen, add)
    elseif callers then
        for _, call in ipairs(callers) do
            if call[argument.index + 1] then
                add_possible(self, call[argument.index + 1], seen, add)
            end
        end
    else
        add(self:of(node))
    end
end

--- All that an expression may be, as far as it is known: of "a and 'X' or 'Y'", both.
-- @tparam table self of lunasip.check.infer
-- @tparam table node
-- @treturn table list of kinds, each as infer's of()
function M.of(self, node)
    local list = {}
    add_possible(self, node, {}, function(kind)
        list[#list + 1] = kind or nil
    end)
    return list
end

--- The entries of a table that the script made, as far as their keys are literal: of its constructor, and what is
-- assigned to its fields.
-- @tparam table self of lunasip.check.infer
-- @tparam table kind as its of()
-- @treturn function iterator over key, value node, key node
function M.entries(self, kind)
    local list = {}
    for key, value, key_node in kind.node and kind.node.tag == "Table" and walk.pairs_of(kind.node) or function() end do
        list[#list + 1] = { key, value, key_node }
    end
    for name, values in pairs(kind.var and self.program.fields[kind.var] or {}) do
        for _, value in ipairs(values) do
            list[#list + 1] = { name, value, value }
        end
    end
    local i = 0
    return function()
        i = i + 1
        if list[i] then
            return unpack(list[i])
        end
    end
end

return M
