--- Where a fault is, and the simple checks that name it. One fault is one line: file:line: what; what to do.
--
-- A block knows the line that it starts on. The line of one of its entries is looked up in the
-- text: the first line from there on where the key stands before a '=', or the literal value stands.
local suggest = require "lunasip.suggest"

local M = {}

local check = {}
check.__index = check

--- @string path as shown in messages @string source text of the configuration
function M.new(path, source)
    local lines = {}
    for line in (source .. "\n"):gmatch "(.-)\r?\n" do
        lines[#lines + 1] = line
    end
    return setmetatable({ path = path, lines = lines, line = 1, files = {} }, check)
end

--- Stop with a fault; caught by lunasip.config. needle: key or literal value that is wrong.
function check:fail(message, needle)
    error(setmetatable({ text = ("%s:%d: %s"):format(self.path, self:find(needle), message) }, M.fault), 0)
end

--- Metatable of the faults that fail() throws.
M.fault = {
    __tostring = function(fault)
        return fault.text
    end,
}

local function plain(text)
    return (text:gsub("%W", "%%%0"))
end

-- Line of an entry of the block at hand; the block's own when it is not found.
function check:find(needle)
    if needle == nil then
        return self.line
    end
    local text = tostring(needle)
    local patterns = { "%f[%w_]" .. plain(text) .. "%f[^%w_][\"'%]%s]*=", plain(text) }
    for _, pattern in ipairs(patterns) do
        for number = self.line, #self.lines do
            local line = self.lines[number]:gsub("%-%-.*$", "")
            if line:find(pattern) then
                return number
            end
        end
    end
    return self.line
end

local function article(kind)
    return (kind:match "^[aeiou]" and "an " or "a ") .. kind
end

local function shown(value)
    if type(value) == "string" then
        return "'" .. value .. "'"
    elseif type(value) == "table" then
        return "a table"
    end
    return tostring(value)
end

--- @treturn value of that type
function check:type(value, kind, name, example)
    if type(value) ~= kind then
        self:fail(("%s must be %s, not %s; write %s"):format(name, article(kind == "string" and "text" or kind),
            shown(value), example), name:match "[%w_]+$")
    end
    return value
end

--- A whole number within a range.
function check:number(value, least, most, name, needle)
    needle = needle or name:match "[%w_]+$"
    if type(value) ~= "number" or value % 1 ~= 0 then
        self:fail(("%s must be a whole number, not %s; write a number from %.0f to %.0f"):format(name, shown(value),
            least, most), needle)
    end
    if value < least or value > most then
        self:fail(("%s is %.0f; it must be from %.0f to %.0f"):format(name, value, least, most), needle)
    end
    return value
end

--- Refuse keys that do not exist. known: keys are the names; positional entries are not looked at.
function check:keys(value, known, block)
    local wrong
    for key in pairs(value) do
        if type(key) ~= "number" and not known[key] and (not wrong or tostring(key) < wrong) then
            wrong = tostring(key)
        end
    end
    if wrong then
        local names = {}
        for name in pairs(known) do
            names[#names + 1] = name
        end
        table.sort(names)
        local hint = suggest.hint(wrong, known)
        if hint == "" then
            hint = #names > 0 and "; it takes " .. table.concat(names, ", ") or ""
        end
        self:fail(("%s has no setting '%s'%s"):format(block, wrong, hint), wrong)
    end
end

--- Keys in a fixed order, so that the same file always gives the same first fault.
function M.sorted(value)
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        if type(a) == type(b) and type(a) ~= "boolean" and type(a) ~= "table" then
            return a < b
        end
        return type(a) < type(b)
    end)
    return keys
end

return M
