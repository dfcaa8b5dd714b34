--- {s.…}: text. Definitions are {least, most, apply}, see lunasip.transformations.
local core = require "lunasip.core"
local encodings = require "lunasip.transform.encodings"

local M = {}

local function define(name, least, most, apply)
    M[name] = { least, most, apply = apply }
end

local function whole_number(value)
    local number = tonumber(value)
    return number and (number >= 0 and math.floor(number) or math.ceil(number)) or nil
end

-- As C's strtol: an optional sign and leading digits; nothing when there are none.
local function leading_integer(value)
    return tonumber((value:match "^%s*([+-]?%d+)" or ""):gsub("^%+", ""), 10)
end

define("len", 0, 0, function(value)
    return #value
end)
-- A 32-bit number as Kamailio has them; what is none, or is larger, gives nothing.
define("int", 0, 0, function(value)
    local number = value == "" and 0 or tonumber(value:match "^[+-]?%d+$")
    return number and number >= -2147483648 and number <= 2147483647 and number or nil
end)
define("intv", 0, 0, function(value)
    return leading_integer(value)
end)

for _, algorithm in ipairs { "md5", "sha1", "sha256", "sha384", "sha512" } do
    define(algorithm, 0, 0, function(value)
        return core.hash(algorithm, value)
    end)
end

define("substr", 1, 2, function(value, offset, length)
    offset, length = whole_number(offset), whole_number(length or 0)
    if not offset or not length or length < 0 then
        return nil
    end
    if offset < 0 then
        offset = #value + offset
    end
    if offset < 0 or offset >= #value then
        return nil
    end
    return value:sub(offset + 1, length == 0 and -1 or offset + length)
end)

-- Field by index (negative from the end), fields cut where is_separator says so; one that is not there is empty.
local function select_field(value, index, is_separator)
    index = whole_number(index)
    if not index then
        return nil
    end
    local fields, start = {}, 1
    for position = 1, #value + 1 do
        if position == #value + 1 or is_separator(value:sub(position, position)) then
            fields[#fields + 1] = value:sub(start, position - 1)
            start = position + 1
        end
    end
    return fields[index >= 0 and index + 1 or #fields + index + 1] or ""
end

local SEPARATORS = { t = "\t", n = "\n", r = "\r", w = " " }

-- {s.select,INDEX,C}: the separator is the one character after the second comma, even ',' itself.
M.select = {
    raw = function(text)
        local index, separator = (text or ""):match "^%s*(.-)%s*,(.+)$"
        -- A variable as index may hold commas: it ends with its closing bracket.
        local variable, rest = (text or ""):match "^%s*(%$%b())%s*,(.+)$"
        if not variable then
            variable, rest = (text or ""):match "^%s*(%$%w+%b())%s*,(.+)$"
        end
        index, separator = variable or index, rest or separator
        if not index then
            return nil, "{s.select} takes an index and a separator: {s.select,0,;}"
        end
        local read_index
        if index:sub(1, 1) == "$" then
            local compiled, err = require("lunasip.pv").compile(index)
            if not compiled then
                return nil, err
            end
            read_index = compiled.get
        elseif whole_number(index) then
            read_index = function()
                return index
            end
        else
            return nil, "{s.select}: '" .. index .. "' is not an index"
        end
        local is_space = separator == "\\s"
        if separator:sub(1, 1) == "\\" and #separator > 1 then
            separator = SEPARATORS[separator:sub(2, 2)] or separator:sub(2, 2)
        end
        separator = separator:sub(1, 1)
        return { read_index, function()
            return is_space and "space" or separator
        end }
    end,
    apply = function(value, index, separator)
        return select_field(value, index, separator == "space" and function(c)
            return c:find "%s" ~= nil
        end or function(c)
            return c == separator
        end)
    end,
}

define("selectws", 1, 1, function(value, index)
    return select_field(value, index, function(c)
        return c:find "[ \t\r\n]" ~= nil
    end)
end)

for direction, table_of in pairs { encode = encodings.encode, decode = encodings.decode } do
    for name, run in pairs(table_of) do
        define(direction .. "." .. name, 0, 0, run)
    end
end
for name, run in pairs(encodings.escape) do
    define("escape." .. name, 0, 0, run)
end
for name, run in pairs(encodings.unescape) do
    define("unescape." .. name, 0, 0, run)
end
define("urlencode.param", 0, 0, encodings.url_encode)
define("urldecode.param", 0, 0, encodings.url_decode)

define("numeric", 0, 0, function(value)
    return (value:gsub("%D", ""))
end)
define("tolower", 0, 0, function(value)
    return value:lower()
end)
define("toupper", 0, 0, function(value)
    return value:upper()
end)
define("strip", 1, 1, function(value, count)
    count = whole_number(count)
    return count and value:sub(math.max(0, count) + 1)
end)
define("striptail", 1, 1, function(value, count)
    count = whole_number(count)
    return count and value:sub(1, math.max(0, #value - math.max(0, count)))
end)

-- The prefixes of a long value are its length squared: {s.prefixes} is for numbers.
local MOST_PREFIXES = 128

local function prefixes(mark)
    return function(value, most)
        local out = {}
        for length = 1, math.min(#value, whole_number(most) or #value, MOST_PREFIXES) do
            out[length] = mark .. value:sub(1, length) .. mark
        end
        return table.concat(out, ",")
    end
end

define("prefixes", 0, 1, prefixes "")
define("prefixes.quoted", 0, 1, prefixes "'")

-- Plain text, not a pattern; the result may not outgrow a message many times over.
local MOST_BYTES = 1048576

local function replace_all(value, match, replacement)
    match, replacement = tostring(match), tostring(replacement)
    if match == "" then
        return value
    end
    local out, position, size = {}, 1, 0
    while true do
        local start = value:find(match, position, true)
        if not start then
            break
        end
        out[#out + 1] = value:sub(position, start - 1)
        out[#out + 1] = replacement
        size = size + #replacement
        if size > MOST_BYTES then
            return nil
        end
        position = start + #match
    end
    out[#out + 1] = value:sub(position)
    return table.concat(out)
end

define("replace", 2, 2, replace_all)
define("rm", 1, 1, function(value, match)
    return replace_all(value, match, "")
end)
define("ftime", 1, 1, function(value, format)
    local seconds = tonumber(value)
    return seconds and not tostring(format):find "^!?%*t" and os.date(tostring(format), seconds) or nil
end)
define("trim", 0, 0, function(value)
    return (value:gsub("^[ \t\r\n]+", ""):gsub("[ \t\r\n]+$", ""))
end)
define("ltrim", 0, 0, function(value)
    return (value:gsub("^[ \t\r\n]+", ""))
end)
define("rtrim", 0, 0, function(value)
    return (value:gsub("[ \t\r\n]+$", ""))
end)
define("rmhdws", 0, 0, function(value)
    return (value:gsub("\r?\n[ \t]+", " "))
end)
define("rmhlws", 0, 0, function(value)
    return (value:gsub("\r?\n[ \t]*", ""))
end)
define("rmws", 0, 0, function(value)
    return (value:gsub("[ \t\r\n]", ""))
end)
define("corehash", 0, 1, function(value, slots)
    local hash = encodings.core_hash(value)
    slots = whole_number(slots)
    if slots and slots > 0 then
        hash = bit.band(hash, slots - 1)
    end
    return ("%.0f"):format(hash % 4294967296)
end)
define("unquote", 0, 0, function(value)
    return value:match '^"(.*)"$' or value:match "^'(.*)'$" or value
end)
define("unbracket", 0, 0, function(value)
    return value:match "^%((.*)%)$" or value:match "^%[(.*)%]$" or value:match "^{(.*)}$" or value:match "^<(.*)>$"
        or value
end)
define("count", 1, 1, function(value, character)
    local wanted, count = tostring(character):byte(1), 0
    for position = 1, #value do
        count = count + (value:byte(position) == wanted and 1 or 0)
    end
    return count
end)

local function first_of(value, character)
    return value:find(tostring(character):sub(1, 1), 1, true)
end

local function last_of(value, character)
    local from_end = value:reverse():find(tostring(character):sub(1, 1), 1, true)
    return from_end and #value - from_end + 1
end

define("after", 1, 1, function(value, character)
    local at = first_of(value, character)
    return at and value:sub(at + 1) or ""
end)
define("rafter", 1, 1, function(value, character)
    local at = last_of(value, character)
    return at and value:sub(at + 1) or ""
end)
define("before", 1, 1, function(value, character)
    local at = first_of(value, character)
    return at and value:sub(1, at - 1) or value
end)
define("rbefore", 1, 1, function(value, character)
    local at = last_of(value, character)
    return at and value:sub(1, at - 1) or value
end)

local function lines_of(filler)
    return function(value, width, indent)
        width, indent = whole_number(width), whole_number(indent)
        if not width or width < 1 or not indent or indent < 0 or indent > 128 then
            return nil
        end
        local out = {}
        for position = 1, #value, width do
            out[#out + 1] = value:sub(position, position + width - 1)
        end
        return table.concat(out, "\r\n" .. filler:rep(indent))
    end
end

define("fmtlines", 2, 2, lines_of " ")
define("fmtlinet", 2, 2, lines_of "\t")
define("charat", 1, 1, function(value, index)
    index = whole_number(index)
    if index and index < 0 then
        index = #value + index
    end
    return index and index >= 0 and index < #value and value:sub(index + 1, index + 1) or nil
end)
define("byte", 0, 0, function(value)
    return value:byte(1)
end)

return M
