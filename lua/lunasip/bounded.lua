--- The string library with bounds, for user scripts.
--
-- One Lua pattern can run for seconds inside one C call, where no budget hook fires. The worst case
-- of a pattern is known beforehand: (places where it can start) x (subject length) ^ (unbounded
-- quantifiers). What is cheap even then runs natively. The rest, which is mostly cheap in practice,
-- runs in lunasip.bounded_match, which counts its steps and gives up with an error.
local core = require "lunasip.core"
local matcher = require "lunasip.bounded_match"
local patterns = require "lunasip.bounded_pattern"

local M = {}

local NATIVE_STEPS = 1000000 -- some milliseconds of native matching
local PLAIN_STEPS = 16777216 -- bytes compared by a plain find, worst case
local LONG_STEPS = 16384 -- from here on the budget is looked at after the search
local MOST_REPEATED = 1048576 -- bytes that rep may make

for _, name in ipairs { "byte", "char", "format", "len", "sub" } do
    M[name] = string[name]
end

-- A result that is there already costs time and no memory.
for _, name in ipairs { "lower", "reverse", "upper" } do
    local native = string[name]
    M[name] = function(subject)
        if type(subject) == "string" and #subject > LONG_STEPS then
            core.look(#subject)
        end
        return native(subject)
    end
end

local find, match, gsub, gmatch, rep = string.find, string.match, string.gsub, string.gmatch, string.rep

local function text_argument(value, name, position)
    if type(value) == "string" then
        return value
    end
    if type(value) == "number" then
        return tostring(value)
    end
    error("string." .. name .. ": argument " .. position .. " must be a text, not a " .. type(value), 3)
end

-- How often the literal start of a pattern occurs; counting stops where it no longer matters.
local function starts(subject, compiled)
    if compiled.anchored then
        return 1
    end
    if #compiled.prefix == 0 then
        return #subject + 1
    end
    local count, position = 0, 1
    while true do
        position = find(subject, compiled.prefix, position, true)
        if not position then
            return count
        end
        count, position = count + 1, position + 1
    end
end

local function is_cheap(subject, compiled)
    local n = #subject + 1
    local per_start = compiled.optional * n ^ compiled.quantifiers
    if per_start * n > LONG_STEPS then
        core.look(n)
    end
    if per_start * n <= NATIVE_STEPS then
        return true
    end
    return per_start <= NATIVE_STEPS and n <= NATIVE_STEPS and starts(subject, compiled) * per_start + n <= NATIVE_STEPS
end

local function search(name, native, subject, pattern, init)
    subject, pattern = text_argument(subject, name, 1), text_argument(pattern, name, 2)
    local compiled, err = patterns.compile(pattern)
    if not compiled then
        error(err, 2) -- the functions below call this one by a tail call
    end
    if is_cheap(subject, compiled) then
        return native(subject, pattern, init)
    end
    return matcher[name](subject, compiled, init)
end

function M.find(subject, pattern, init, plain)
    if plain or (type(pattern) == "string" and not find(pattern, "[%^%$%*%+%?%.%(%[%%%-]")) then
        subject, pattern = text_argument(subject, "find", 1), text_argument(pattern, "find", 2)
        if #subject * #pattern > PLAIN_STEPS then
            error("string.find: too expensive for a text of " .. #subject .. " bytes", 2)
        end
        if #subject > LONG_STEPS then
            core.look(#subject)
        end
        return find(subject, pattern, init, true)
    end
    return search("find", find, subject, pattern, init)
end

function M.match(subject, pattern, init)
    return search("match", match, subject, pattern, init)
end

function M.gmatch(subject, pattern)
    if type(pattern) == "string" and pattern:byte(1) == 94 then
        pattern = "%" .. pattern -- gmatch has no anchor: '^' stands for itself
    end
    return search("gmatch", gmatch, subject, pattern)
end

function M.gsub(subject, pattern, replacement, most)
    subject, pattern = text_argument(subject, "gsub", 1), text_argument(pattern, "gsub", 2)
    local compiled, err = patterns.compile(pattern)
    if not compiled then
        error(err, 2)
    end
    if is_cheap(subject, compiled) then
        return gsub(subject, pattern, replacement, most)
    end
    return matcher.gsub(subject, compiled, replacement, most)
end

function M.rep(subject, count, separator)
    subject = text_argument(subject, "rep", 1)
    separator = separator and text_argument(separator, "rep", 3) or ""
    if type(count) ~= "number" then
        error("string.rep: argument 2 must be a number, not a " .. type(count), 2)
    end
    if (#subject + #separator) * count > MOST_REPEATED then
        error("string.rep: the result would be longer than " .. MOST_REPEATED .. " bytes", 2)
    end
    return rep(subject, count, separator)
end

return M
