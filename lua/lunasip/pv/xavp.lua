--- Values with names inside: $xavp(a[0]=>b[0]), $xavu(a=>b=>c), $xavi(A=>B). They live as long as the transaction.
--
-- An xavp is a stack of records, newest first; a record is a value or a set of fields, and a field is a stack again.
-- Assigning to a name without an index puts a new record on top, with an index it changes the one that is there.
-- An xavu has one value per name. An xavi is an xavp whose names ignore case.
local cache = require "lunasip.cache"
local core = require "lunasip.core"

local M = {}

-- "name[index]" -> { name, index = number, "*" or nil }
local function parse_step(text, ignores_case)
    local name, index = text:match "^%s*([^%[%]]-)%s*%[%s*([-*%d]+)%s*%]%s*$"
    name = name or text:match "^%s*([^%[%]]-)%s*$"
    if not name or name == "" or index and index ~= "*" and not tonumber(index) then
        return nil
    end
    return { name = ignores_case and name:lower() or name, index = index == "*" and "*" or tonumber(index) }
end

local function parser(most_steps, takes_index, ignores_case)
    return cache.new(512, function(text)
        local path = {}
        for step in (text .. "=>"):gmatch "(.-)=>" do
            local parsed = parse_step(step, ignores_case)
            if not parsed or parsed.index and not takes_index or #path == most_steps then
                return nil, "'" .. text .. "' is not a name"
            end
            path[#path + 1] = parsed
        end
        return path
    end)
end

-- Stacks hold { value = } or { fields = { name -> stack } } with the newest last.
local function store(m, kind)
    local avps = core.avps(m)
    local key = "\0" .. kind -- no $avp can have it
    avps[key] = avps[key] or {}
    return avps[key]
end

-- Place in the array for an index from the top; negative ones count from the bottom; "*" is the top.
local function place(stack, index)
    index = index ~= "*" and index or 0
    return index >= 0 and #stack - index or -index
end

local function value_of(record)
    if record and record.fields then
        return nil
    end
    return record and record.value
end

local function read(root, path)
    local stack = root[path[1].name]
    local record = stack and stack[place(stack, path[1].index or 0)]
    if not path[2] then
        return value_of(record)
    end
    local field = record and record.fields and record.fields[path[2].name]
    return field and value_of(field[place(field, path[2].index or 0)])
end

local function push(fields, name, record)
    fields[name] = fields[name] or {}
    table.insert(fields[name], record)
end

-- Remove a record, all with "*"; an empty stack goes.
local function remove(fields, step)
    local stack = fields[step.name]
    if not stack then
        return
    end
    if step.index == "*" then
        fields[step.name] = nil
        return
    end
    local at = place(stack, step.index or 0)
    if stack[at] then
        table.remove(stack, at)
    end
    if #stack == 0 then
        fields[step.name] = nil
    end
end

local function write_record(root, step, value)
    if value == nil then
        remove(root, step)
    elseif not step.index then
        push(root, step.name, { value = value })
    else
        local stack = root[step.name]
        local at = stack and place(stack, step.index)
        if not at or not stack[at] then
            return nil, "there is no value at that index"
        end
        stack[at] = { value = value }
    end
    return true
end

local function write_field(root, path, value)
    local step, inner = path[1], path[2]
    if not step.index and value ~= nil then
        push(root, step.name, { fields = { [inner.name] = { { value = value } } } })
        return true
    end
    local stack = root[step.name]
    local record = stack and stack[place(stack, step.index or 0)]
    if not record then
        if value == nil then
            return true
        end
        return nil, "there is no value at that index"
    end
    record.fields = record.fields or {}
    record.value = nil
    return write_record(record.fields, inner, value)
end

local function stacked(kind, ignores_case)
    local parse = parser(2, true, ignores_case)
    return {
        argument = "required",
        check = parse,
        root = function(m)
            return store(m, kind)
        end,
        get = function(m, text)
            local path = parse(text)
            return path and read(store(m, kind), path)
        end,
        set = function(m, value, text)
            local path, err = parse(text)
            if not path then
                return nil, err
            end
            local root = store(m, kind)
            if path[2] then
                return write_field(root, path, value)
            end
            return write_record(root, path[1], value)
        end,
    }
end

M.xavp = stacked("xavp", false)
M.xavi = stacked("xavi", true)

-- One value per name, up to three names deep: { value =, fields = { name -> node } }.
local unique_path = parser(3, false, false)

local function descend(node, path, makes)
    for _, step in ipairs(path) do
        if not node then
            return nil
        end
        if not node.fields and makes then
            node.fields, node.value = {}, nil
        end
        local fields = node.fields
        if fields and not fields[step.name] and makes then
            fields[step.name] = {}
        end
        node = fields and fields[step.name]
    end
    return node
end

M.xavu = {
    argument = "required",
    check = unique_path,
    get = function(m, text)
        local path = unique_path(text)
        return path and value_of(descend(store(m, "xavu"), path))
    end,
    set = function(m, value, text)
        local path, err = unique_path(text)
        if not path then
            return nil, err
        end
        local root = store(m, "xavu")
        if value == nil then
            local last = path[#path].name
            local parent = descend(root, { unpack(path, 1, #path - 1) })
            if parent and parent.fields then
                parent.fields[last] = nil
            end
            return true
        end
        local node = descend(root, path, true)
        node.value, node.fields = value, nil
        return true
    end,
}

-- Records that a step of a path counts: all without an index or with "*".
local function counted(stack, step)
    if not stack then
        return {}
    end
    if not step.index or step.index == "*" then
        return stack
    end
    return { stack[place(stack, step.index)] }
end

-- How many values a name has: for $cnt($xavp(…)).
local function count_values(m, definition, text)
    local path = definition.check(text)
    if not path then
        return 0
    end
    local records = counted(definition.root(m)[path[1].name], path[1])
    if not path[2] then
        return #records
    end
    local count = 0
    for _, record in ipairs(records) do
        count = count + #counted(record.fields and record.fields[path[2].name], path[2])
    end
    return count
end

for _, definition in pairs { M.xavp, M.xavi } do
    definition.count = function(m, text)
        return count_values(m, definition, text)
    end
end

return M
