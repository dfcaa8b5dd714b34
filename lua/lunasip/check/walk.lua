--- Walking luacheck's syntax tree.
local M = {}

--- Call visit(node, parent) for every node with a tag, outer ones first, in the order of the text.
function M.each(node, visit, parent)
    if node.tag then
        visit(node, parent)
    end
    for _, child in ipairs(node) do
        if type(child) == "table" then
            M.each(child, visit, node.tag and node or parent)
        end
    end
end

--- The text of an Index or Pair whose key is a literal text, or nil.
function M.key(node, place)
    local key = node[place]
    return key and key.tag == "String" and key[1] or nil
end

--- The entries of a table constructor that have literal texts as keys.
-- @treturn function iterator over key, value node, key node
function M.pairs_of(node)
    local i = 0
    return function()
        repeat
            i = i + 1
            local pair = node[i]
            if pair and pair.tag == "Pair" and pair[1].tag == "String" then
                return pair[1][1], pair[2], pair[1]
            end
        until not pair
    end
end

return M
