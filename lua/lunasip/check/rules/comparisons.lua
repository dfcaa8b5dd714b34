--- Comparisons that never come out differently, and operators on what has none: reply.status == "200",
-- req.method == "invite", "from " .. req.
local suggest = require "lunasip.suggest"

local M = {}

local PLAIN = { string = "a text", number = "a number", boolean = "true or false" }

-- The words that a field of the API can be, when it is one of a list. @treturn table keys are the words, or nil
local function words_of(context, node)
    local key = node.tag == "Index" and node[2].tag == "String" and node[2][1]
    local base = key and context.infer:of(node[1])
    local field = base and base.class and context.api:field(base.class, key)
    local words = {}
    for _, alternative in ipairs(field and field.type and context.api:alternatives(field.type) or {}) do
        if alternative.base ~= "nil" and not alternative.literal then
            return nil
        end
        words[alternative.literal or 1] = true
    end
    return next(words) and words
end

local function is_method(context, node)
    local base = node.tag == "Index" and node[2].tag == "String" and context.infer:of(node[1])
    local is_named = base and (node[2][1] == "method" or node[2][1] == "$rm")
    return is_named and base.class and context.api:is_a(base.class, "Message")
end

-- One side against what the other may be.
local function check_words(context, node, other)
    local words, is_of_method = words_of(context, node), is_method(context, node)
    for _, kind in ipairs((words or is_of_method) and context.infer:possible(other) or {}) do
        local text = type(kind.value) == "string" and kind.value
        if text and words and not words[text] then
            local hint = suggest.hint(text, words)
            context:fault("compare", other, text, ("%s is never \"%s\"%s"):format(node[2][1], text,
                hint ~= "" and hint or "; lua/types lists its values"))
        elseif text and is_of_method and text:find "%l" then
            context:fault("compare", other, text,
                ("a method is written in capitals; write \"%s\""):format(text:upper()))
        end
    end
end

local function check_equality(context, node)
    local left, right = node[2], node[3]
    check_words(context, left, right)
    check_words(context, right, left)
    local a, b = context.infer:of(left), context.infer:of(right)
    local first, second = a and not a.class and PLAIN[a.base], b and not b.class and PLAIN[b.base]
    if first and second and a.base ~= b.base then
        context:fault("compare", right, node[1], ("%s is compared with %s: they are never equal; write both alike")
            :format(first, second))
    end
end

local function check_order(context, node)
    local a, b = context.infer:of(node[2]), context.infer:of(node[3])
    local first, second = a and not a.class and PLAIN[a.base], b and not b.class and PLAIN[b.base]
    if first and second and (a.base ~= b.base or a.base == "boolean") then
        context:fault("compare", node[3], node[1],
            ("%s cannot be compared with %s; use tonumber()"):format(first, second))
    end
end

local JOINED = { string = true, number = true }

local function check_concat(context, node)
    for i = 2, 3 do
        local kind = context.infer:of(node[i])
        if kind and not (kind.base and JOINED[kind.base]) then
            context:fault("concat", node[i], "..", "'..' joins texts and numbers; write tostring(...), or a part of it")
        end
    end
end

local CHECKS = {
    eq = check_equality, ne = check_equality, lt = check_order, le = check_order, gt = check_order, ge = check_order,
    concat = check_concat,
}

function M.Op(context, node)
    local check = CHECKS[node[1]]
    if check then
        check(context, node)
    end
end

return M
