--- Faults and warnings of a check: kept, sorted, and printed for people and for editors.
local M = {}

local List = {}
List.__index = List

local MOST_COLUMNS = 120 -- of a source line that is shown

function M.new()
    return setmetatable({ entries = {}, seen = {}, sources = {} }, List)
end

-- Lines of a file, read once; none for what cannot be read.
local function lines_of(list, file)
    local lines = list.sources[file]
    if not lines then
        lines = {}
        local handle = io.open(file, "rb")
        for line in (handle and handle:read "*a" or ""):gmatch "([^\n]*)\n?" do
            lines[#lines + 1] = line:gsub("\r$", "")
        end
        if handle then
            handle:close()
        end
        list.sources[file] = lines
    end
    return lines
end

--- The text of a file that is not read from disk, for the lines shown.
function List:set_source(file, source)
    local lines = {}
    for line in source:gmatch "([^\n]*)\n?" do
        lines[#lines + 1] = line:gsub("\r$", "")
    end
    self.sources[file] = lines
end

--- Add one. The same message at the same place is said once.
-- @tparam table entry file, line, column (nil: the first word of the line), severity ("error" or "warning"),
--   code, message
function List:add(entry)
    local line = lines_of(self, entry.file)[entry.line] or ""
    entry.column = entry.column or (line:find "%S" or 1)
    local key = table.concat({ entry.file, entry.line, entry.column, entry.message }, "\0")
    if not self.seen[key] then
        self.seen[key] = true
        self.entries[#self.entries + 1] = entry
    end
end

--- Add a fault given as "file:line: what; what to do".
function List:add_line(text)
    local file, line, message = text:match "^(.-):(%d+): (.*)$"
    self:add { file = file or "lunasip", line = tonumber(line) or 1, severity = "error", code = "load",
        message = message or text }
end

--- @treturn int faults @treturn int warnings
function List:count()
    local faults = 0
    for _, entry in ipairs(self.entries) do
        faults = faults + (entry.severity == "error" and 1 or 0)
    end
    return faults, #self.entries - faults
end

local function sorted(list)
    local rank = {}
    for i, entry in ipairs(list.entries) do
        rank[entry] = i
    end
    local out = { unpack(list.entries) }
    table.sort(out, function(a, b)
        if a.file ~= b.file then
            return a.file < b.file
        elseif a.line ~= b.line then
            return a.line < b.line
        elseif a.column ~= b.column then
            return a.column < b.column
        end
        return rank[a] < rank[b]
    end)
    return out
end

-- The source line and a caret below the column; tabs stay, so that both are as wide.
local function excerpt(line, column)
    if line == "" or #line > MOST_COLUMNS and column > MOST_COLUMNS then
        return ""
    end
    local before = line:sub(1, column - 1):gsub("[^\t]", " ")
    return ("    %s\n    %s^\n"):format(line:sub(1, MOST_COLUMNS), before)
end

--- Text for people; "" when there is nothing.
function List:text()
    local out = {}
    for _, entry in ipairs(sorted(self)) do
        local mark = entry.severity == "warning" and "warning: " or ""
        local line = lines_of(self, entry.file)[entry.line] or ""
        out[#out + 1] = ("%s:%d:%d: %s%s\n"):format(entry.file, entry.line, entry.column, mark, entry.message)
        out[#out + 1] = excerpt(line, entry.column)
    end
    return table.concat(out)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

local function quoted(text)
    return '"' .. tostring(text):gsub('[%c"\\\127]', function(c)
        return ESCAPES[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

--- The same as a JSON array, for editors.
function List:json()
    local out = {}
    for i, entry in ipairs(sorted(self)) do
        out[i] = ('{"file":%s,"line":%d,"column":%d,"severity":%s,"code":%s,"message":%s}'):format(
            quoted(entry.file), entry.line, entry.column, quoted(entry.severity), quoted(entry.code),
            quoted(entry.message))
    end
    return "[" .. table.concat(out, ",\n ") .. "]\n"
end

return M
