--- Where a fault is, and the simple checks that name it. One fault is one line: file:line: what; what to do.
--
-- fail() ends the check at hand with a fault; try() keeps the fault and goes on behind it, so that all are found.
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
    return setmetatable({ path = path, lines = lines, line = 1, files = {}, faults = {}, told = {} }, check)
end

-- Metatable of the faults that fail() throws.
local Fault = {}

local function fault_of(self, message, needle)
    local line = self:find(needle)
    return setmetatable({ line = line, text = ("%s:%d: %s"):format(self.path, line, message) }, Fault)
end

--- End the check at hand with a fault, which try() keeps. needle: key or literal value that is wrong.
function check:fail(message, needle)
    error(fault_of(self, message, needle), 0)
end

--- Add a fault to the list: once, and none that only follows from a name that does not exist.
-- @tparam table fault line, text
function check:keep(fault)
    if not self.told[fault.text] and self.told[fault.line] == nil then
        self.told[fault.text] = true
        self.faults[#self.faults + 1] = fault
    end
end

--- Note a fault and go on. @bool is_unknown the line uses a name that is not there: nothing more is said of it
function check:note(message, needle, is_unknown)
    local fault = fault_of(self, message, needle)
    self:keep(fault)
    if is_unknown then
        self.told[fault.line] = true
    end
end

--- Run a check; a fault of it is kept. Other errors go on to the caller.
-- @treturn what f returns first; nil after a fault
function check:try(f, ...)
    local ok, value = pcall(f, ...)
    if ok then
        return value
    elseif getmetatable(value) ~= Fault then
        error(value, 0)
    end
    self:keep(value)
end

--- The faults in the order of their lines, a line each; nil when there is none.
function check:report()
    local rank = {}
    for i, fault in ipairs(self.faults) do
        rank[fault] = i
    end
    table.sort(self.faults, function(a, b)
        if a.line ~= b.line then
            return a.line < b.line
        end
        return rank[a] < rank[b]
    end)
    local out = {}
    for i, fault in ipairs(self.faults) do
        out[i] = fault.text
    end
    return #out > 0 and table.concat(out, "\n") or nil
end

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

--- Note keys that do not exist. known: keys are the names; positional entries are not looked at.
-- @treturn boolean do all exist?
function check:keys(value, known, block)
    local names, is_fine = M.sorted(known), true
    for _, key in ipairs(M.sorted(value)) do
        if type(key) ~= "number" and not known[key] then
            local hint = suggest.hint(tostring(key), known)
            if hint == "" then
                hint = #names > 0 and "; it takes " .. table.concat(names, ", ") or ""
            end
            self:note(("%s has no setting '%s'%s"):format(block, tostring(key), hint), key)
            is_fine = false
        end
    end
    return is_fine
end

--- Keys in a fixed order, so that the same file always gives the same faults.
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
