--- Does a value fit a type of the API?
local suggest = require "lunasip.suggest"
local walk = require "lunasip.check.walk"

local M = {}

local NAMES = { string = "a text", number = "a number", integer = "a whole number", boolean = "true or false",
    table = "a table", ["function"] = "a function", ["nil"] = "nil" }

local MOST_LITERALS = 6 -- that a message lists

local WORDS = { Request = "a request", Reply = "a reply", Message = "a message", DialogEvent = "an event",
    ReloadEvent = "an event" }

local function class_word(name)
    return WORDS[name] or "a " .. name:gsub("^lunasip%.", ""):lower()
end

-- What a kind is called in a message.
local function word_of(kind)
    if kind.class then
        return class_word(kind.class)
    elseif kind.declared then
        return "a function"
    end
    return NAMES[kind.base] or kind.base
end

local function is_class_of(api, kind, class)
    if kind.class then
        return api:is_a(kind.class, class) or api:is_a(class, kind.class)
    end
    return kind.base == "table" and not api:is_a(class, "Message")
end

-- Numbers are taken where texts are, as in Lua itself.
local function fits_alternative(api, kind, alternative)
    if alternative.base == "any" or alternative.class and not api.classes[alternative.class] then
        return true
    elseif alternative.class then
        return is_class_of(api, kind, alternative.class)
    elseif alternative.literal then
        return kind.base == "string" and (kind.value == nil or kind.value == alternative.literal)
    elseif alternative.base == "integer" then
        return kind.base == "number" and (kind.value == nil
            or kind.value == (alternative.number or kind.value) and kind.value % 1 == 0)
    elseif alternative.base == "string" then
        return kind.base == "string" or kind.base == "number"
    elseif alternative.base == "table" then
        return kind.base == "table" or kind.class ~= nil
    elseif alternative.base == "function" then
        return kind.base == "function" or kind.declared ~= nil
    end
    return kind.base == alternative.base
end

local function type_words(alternatives)
    local words, literals = {}, {}
    for _, alternative in ipairs(alternatives) do
        if alternative.literal then
            literals[#literals + 1] = '"' .. alternative.literal .. '"'
        elseif alternative.number then
            literals[#literals + 1] = tostring(alternative.number)
        else
            local is_options = alternative.class and not WORDS[alternative.class]
            words[#words + 1] = is_options and "a table" or alternative.class and class_word(alternative.class)
                or NAMES[alternative.base]
        end
    end
    if #literals > MOST_LITERALS then
        literals = { ("one of the %d words in lua/types"):format(#literals) }
    end
    for _, literal in ipairs(literals) do
        table.insert(words, literal)
    end
    return table.concat(words, " or ")
end

local check_table

-- A number against the range that the annotation says. @treturn boolean
local function check_range(context, node, value, range, what)
    local number = type(value.value) == "number" and value.value
    if not range or not number or number >= range.least and number <= range.most then
        return true
    end
    context:fault("range", node, what, ("%s must be %s, not %s"):format(what, range.most == math.huge
        and ("at least %.14g"):format(range.least) or ("from %.14g to %.14g"):format(range.least, range.most),
        tostring(value.value)))
    return false
end

local check_one

--- Check all that a value may be against a type.
-- @tparam table context of lunasip.check.rules
-- @tparam table node the value
-- @tparam table kind type of the API
-- @bool is_optional may it be nil?
-- @string what what it is, for the message: "argument 1 (code) of req:reply"
-- @treturn boolean does it fit, as far as it is known?
function M.check(context, node, kind, is_optional, what)
    for _, value in ipairs(context.infer:possible(node)) do
        if not check_one(context, node, value, kind, is_optional, what) then
            return false
        end
    end
    return true
end

function check_one(context, node, value, kind, is_optional, what)
    local api = context.api
    if kind[1] and kind[1].class == "lunasip.Algorithm" and type(value.value) == "string" then
        return true -- its words have a rule of their own, which knows how else they are written
    elseif value.base == "nil" and (is_optional or kind.is_optional) then
        return true
    end
    local alternatives = api:alternatives(kind)
    for _, alternative in ipairs(alternatives) do
        if fits_alternative(api, value, alternative) then
            if value.base == "table" and value.node and value.node.tag == "Table" then
                return check_table(context, value, alternative, what)
            end
            return check_range(context, node, value, kind.range, what)
        end
    end
    local literals = {}
    for _, alternative in ipairs(alternatives) do
        literals[alternative.literal or 1] = true
    end
    local shown = type(value.value) == "string" and '"' .. value.value .. '"'
        or type(value.value) == "number" and tostring(value.value) or word_of(value)
    local hint = type(value.value) == "string" and suggest.hint(value.value, literals) or ""
    context:fault("type", node, what, ("%s must be %s, not %s%s"):format(what, type_words(alternatives), shown,
        hint ~= "" and hint or "; see lua/API.md"))
    return false
end

local function check_items(context, table_node, class, what)
    local items = class.items
    for _, item in ipairs(table_node) do
        if item.tag ~= "Pair" then
            if items then
                M.check(context, item, items, false, "an entry of " .. what)
            elseif item.tag ~= "Dots" and item.tag ~= "Call" and item.tag ~= "Invoke" then
                context:fault("option", item, what, what .. " takes named options; write { NAME = value }")
                return
            end
        end
    end
end

-- { body = "x" } without a content_type.
local function check_needs(context, value, class_name)
    local given = {}
    for key in context.infer:entries(value) do
        given[key] = true
    end
    for key, _, key_node in walk.pairs_of(value.node) do
        local field = context.api:field(class_name, key)
        if field and field.needs and not given[field.needs] then
            context:fault("option", key_node, key, ("'%s' needs a %s, too; add %s = ..."):format(key, field.needs,
                field.needs))
        end
    end
end

local function check_class_table(context, value, class_name, what)
    local api = context.api
    local class = api.classes[class_name]
    for key, item, key_node in walk.pairs_of(value.node) do
        local field = api:field(class_name, key)
        if field and field.type then
            M.check(context, item, field.type, true, "'" .. key .. "'")
        elseif not field and not class.index then
            local names = api:names(class_name)
            local hint, list = suggest.hint(key, names), {}
            for name in pairs(names) do
                list[#list + 1] = name
            end
            table.sort(list)
            context:fault("option", key_node, key, ("%s takes no option '%s'%s"):format(what, key,
                hint ~= "" and hint or "; there are " .. table.concat(list, ", ")))
        end
    end
    check_items(context, value.node, class, what)
    check_needs(context, value, class_name)
end

function check_table(context, value, alternative, what)
    if alternative.class then
        check_class_table(context, value, alternative.class, what:match "of (%S+)$" or what)
    elseif alternative.values then
        for key, item in walk.pairs_of(value.node) do
            M.check(context, item, alternative.values, false, "'" .. key .. "'")
        end
        check_items(context, value.node, {}, what)
    elseif alternative.items then
        check_items(context, value.node, alternative, what)
    end
    return true
end

return M
