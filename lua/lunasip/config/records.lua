--- The block `records`: what is kept of calls that are over, and where.
local blocks = require "lunasip.config.blocks"
local checks = require "lunasip.config.check"
local database = require "lunasip.config.database"

local M = {}

local EXAMPLE = "records { file = \"../run/calls.jsonl\" }"
local NOT_NUMBERS = { file = true, database = true, spool = true, acc_extra = true, cdr_extra = true }

local function path(check, value, folder, name)
    local given = check:type(value, "string", "records " .. name, name .. " = \"../run/calls." .. name .. "\"")
    return blocks.resolve_path(folder, given)
end

local function is_name(text)
    return type(text) == "string" and #text <= 63 and text:find "^[%a_][%w_]*$" ~= nil
end

-- { "account", ua = "user_agent" }: column = field of the record, or one name for both. @return { "column=field", … }
local function extra(check, value, name)
    check:type(value, "table", "records " .. name, name .. " = { \"account\" }")
    local columns = {}
    for _, key in ipairs(checks.sorted(value)) do
        local column, field = key, value[key]
        if type(key) == "number" then
            column = field
        end
        if is_name(column) and is_name(field) then
            columns[#columns + 1] = column .. "=" .. field
        else
            check:note(("records %s: columns and fields are names; write %s = { \"account\", ua = \"user_agent\" }")
                :format(name, name), field)
        end
    end
    return columns
end

--- @param numbers the check of the block's numbers
function M.block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "records", EXAMPLE)) do
            settings[name] = not NOT_NUMBERS[name] and entry or nil
        end
        numbers(check, settings, result, folder)
        local records = {}
        for _, name in ipairs { "file", "spool" } do
            records[name] = value[name] ~= nil and path(check, value[name], folder, name) or nil
        end
        for _, name in ipairs { "acc_extra", "cdr_extra" } do
            records[name] = value[name] ~= nil and extra(check, value[name], name) or nil
        end
        if value.database ~= nil then
            records.database = database.url(check, value.database, folder)
            if not records.spool then
                check:fail("records for a database need a spool; write spool = \"../run/calls.spool\"", "database")
            end
        end
        result.records = records
    end
end

return M
