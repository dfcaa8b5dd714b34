--- Patterns that are malformed or backtrack without bound, and formats of string.format.
--
-- The cost is not guessed: the matcher that scripts run on (lunasip.bounded_match) tries the pattern on
-- short texts of one repeated character. Where twice the text takes six times the steps or more, it tries
-- a text of 256, and what makes it give up there would do so when a stranger sends it.
local cache = require "lunasip.cache"
local directives = require "lunasip.check.directives"
local matcher = require "lunasip.bounded_match"
local patterns = require "lunasip.bounded_pattern"

local M = {}

local SEARCHES = { find = true, match = true, gmatch = true, gsub = true }
local TEXT_BYTES = 256 -- a header value of this length is nothing unusual
local SHORT_BYTES, STEEP = 24, 5.5 -- between the square, 4, and the cube, 8
local MOST_TRIES = 6

-- Characters that several repeated sets of the pattern take: those that can be shared out in many ways.
local function hard_characters(compiled)
    local found = {}
    for code = 1, 255 do
        local count = 0
        for _, item in ipairs(compiled.items) do
            if item.kind == "set" and item.quantifier:find "[%*%+%-]" and item.set[code] then
                count = count + 1
            end
        end
        local is_literal = false
        for _, item in ipairs(compiled.items) do
            is_literal = is_literal or item.kind == "set" and item.quantifier == "" and item.set[code]
        end
        if count >= 2 then
            found[#found + 1] = { code = code, rank = count * 2 + (is_literal and 1 or 0) }
        end
    end
    table.sort(found, function(a, b)
        return a.rank ~= b.rank and a.rank > b.rank or a.rank == b.rank and a.code < b.code
    end)
    return found
end

-- A character that the end of the pattern does not take: else the first try would be the last.
local function tail_for(compiled)
    local last = compiled.items[#compiled.items]
    for _, c in ipairs { "\n", "!", "a" } do
        if not (last and last.kind == "set" and last.set[c:byte()]) then
            return c
        end
    end
    return "\n"
end

local function is_hard(compiled, c, tail)
    local few = matcher.steps(c:rep(SHORT_BYTES) .. tail, compiled)
    local more = few and matcher.steps(c:rep(2 * SHORT_BYTES) .. tail, compiled)
    local is_steep = not more or more > STEEP * few
    return is_steep and not matcher.steps(c:rep(TEXT_BYTES) .. tail, compiled)
end

-- A character that the pattern is too expensive for a text of, or false.
local hard_character = cache.new(256, function(text)
    local compiled = patterns.compile(text)
    if compiled.quantifiers + (compiled.anchored and 0 or 1) < 3 then
        return false -- the square of the length at most
    end
    local tail, tried, rank = tail_for(compiled), 0, nil
    for _, item in ipairs(hard_characters(compiled)) do
        if item.rank ~= rank then
            tried, rank = tried + 1, item.rank
            local c = string.char(item.code)
            if is_hard(compiled, c, tail) or is_hard(compiled, c, "") then
                return c
            end
        end
        if tried == MOST_TRIES then
            break
        end
    end
    return false
end)

local function printable(c)
    return c:find "^[%w%p ]$" and "'" .. c .. "'" or ("the byte %d"):format(c:byte())
end

local MOST_CAPTURES = 32 -- Lua's own limit

-- What Lua would say about the captures when it comes to them: on some texts only.
-- @treturn int captures, or nil, what is wrong
local function count_captures(compiled)
    local count, open, is_complete = 0, {}, {}
    for _, item in ipairs(compiled.items) do
        if item.kind == "position" then
            count = count + 1
        elseif item.kind == "open" then
            count = count + 1
            open[#open + 1] = count
        elseif item.kind == "close" and not open[1] then
            return nil, "a ')' without its '('"
        elseif item.kind == "close" then
            is_complete[table.remove(open)] = true
        elseif item.kind == "back" and not is_complete[item.index] then
            return nil, ("%%%d names no capture that is complete there"):format(item.index)
        end
    end
    if open[1] then
        return nil, "a '(' without its ')'"
    elseif count > MOST_CAPTURES then
        return nil, "more than " .. MOST_CAPTURES .. " captures"
    end
    return count
end

-- @treturn int captures of a sound pattern, or nil
local function check_pattern(context, node, pattern, name)
    local text = name == "gmatch" and pattern:sub(1, 1) == "^" and "%" .. pattern or pattern
    local compiled, err = patterns.compile(text)
    local captures
    if compiled then
        captures, err = count_captures(compiled)
    end
    if err then
        context:fault("pattern", node, pattern, "the pattern is not valid: " .. err .. "; '%' quotes a character")
        return nil
    end
    local c = hard_character(text)
    if c then
        context:fault("pattern", node, pattern, ("the pattern backtracks without bound: it gives up on a text of %d"
            .. " times %s; use sets that exclude what follows, such as [^;]*"):format(TEXT_BYTES, printable(c)))
    end
    return captures
end

-- The third argument of gsub: "%" stands before a digit or another "%".
local function check_replacement(context, node, captures)
    for _, kind in ipairs(context.infer:possible(node)) do
        local text = type(kind.value) == "string" and kind.value or ""
        for mark in text:gmatch "%%(.?)" do
            local digit = tonumber(mark)
            if not digit and mark ~= "%" then
                context:fault("pattern", node, text, ("in the replacement '%%' stands before %s; write %%%% for a "
                    .. "percent sign"):format(mark == "" and "nothing" or "'" .. mark .. "'"))
            elseif digit and digit > math.max(captures, 1) then
                context:fault("pattern", node, text, ("the replacement names capture %%%d, the pattern has %d; write "
                    .. "%%%% for a percent sign"):format(digit, captures))
            end
        end
    end
end

local function check_search(context, name, given)
    for _, kind in ipairs(context.infer:possible(given[2])) do
        local captures = type(kind.value) == "string" and check_pattern(context, given[2], kind.value, name)
        if captures and name == "gsub" and given[3] then
            check_replacement(context, given[3], captures)
        end
    end
end

-- @treturn the function's name and the nodes of its arguments, the text first; or nil
local function string_call(context, node)
    if node.tag == "Invoke" then
        local name, object = node[2][1], context.infer:of(node[1])
        local is_text = object and object.base == "string"
        if is_text or not object and not context.program.set_fields[name] then
            return name, { node[1], unpack(node, 3) }, is_text
        end
        return nil
    end
    local callee = node[1]
    local is_library = callee.tag == "Index" and callee[1].tag == "Id" and callee[1][1] == "string"
        and not callee[1].var and callee[2].tag == "String"
    return is_library and callee[2][1] or nil, { unpack(node, 2) }, true
end

function M.Call(context, node)
    local name, given, is_certain = string_call(context, node)
    local subject = given and given[1] and context.infer:of(given[1])
    if name == "format" and is_certain and subject and type(subject.value) == "string" then
        directives.check(context, given[1], subject.value, { unpack(given, 2) })
    elseif SEARCHES[name] and given[2] then
        if not (name == "find" and given[4]) then
            check_search(context, name, given)
        end
    end
end

M.Invoke = M.Call

return M
