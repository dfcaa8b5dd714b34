--- {re.subst,/MATCH/REPLACEMENT/FLAGS}: replace what a regular expression matches.
--
-- Any character may stand for '/'. In the replacement \0 is the match, \1 to \9 are its groups, and variables
-- are filled in. Flags: g all matches, i ignore case, s one line (then ^ and $ are the ends of the text and '.'
-- matches line ends). Expressions are PCRE2's, of which POSIX's extended ones are a part; where two
-- alternatives match the first one wins. One that takes more than script.regex_steps gives nothing.
local core = require "lunasip.core"

local M = {}

local MOST_BYTES = 1048576 -- a result may not outgrow a message many times over

-- "/a/b/g" -> match, replacement, flags; "\/" is no end.
local function divide(text)
    local mark = text:sub(1, 1)
    local parts, start, position = {}, 2, 2
    while position <= #text and #parts < 2 do
        local c = text:sub(position, position)
        if c == "\\" then
            position = position + 1
        elseif c == mark then
            parts[#parts + 1] = text:sub(start, position - 1)
            start = position + 1
        end
        position = position + 1
    end
    if #parts < 2 then
        return nil
    end
    local escaped = "\\" .. mark
    for i, part in ipairs(parts) do
        parts[i] = part:gsub("\\.", function(pair)
            return pair == escaped and mark or pair
        end)
    end
    return parts[1], parts[2], text:sub(start)
end

local LETTERS = { n = "\n", r = "\r", t = "\t" }

-- Replacement -> function (captures, message) -> text; captures[0] is the match.
local function compile_replacement(text)
    local pieces, literal = {}, {}
    local function flush()
        if #literal > 0 then
            pieces[#pieces + 1] = table.concat(literal)
            literal = {}
        end
    end
    local texts, variables, bad = require("lunasip.format").split(text)
    if bad then
        return nil, bad
    end
    for i, part in ipairs(texts) do
        if variables[i] then
            flush()
            pieces[#pieces + 1] = variables[i]
        else
            for plain, escaped in part:gmatch "([^\\]*)\\?(.?)" do
                literal[#literal + 1] = plain
                if escaped:find "%d" then
                    flush()
                    pieces[#pieces + 1] = tonumber(escaped)
                else
                    literal[#literal + 1] = LETTERS[escaped] or escaped
                end
            end
        end
    end
    flush()
    return function(out, captures, message)
        for _, piece in ipairs(pieces) do
            if type(piece) == "number" then
                piece = captures[piece]
            elseif type(piece) == "table" then
                local value = piece.get(message)
                piece = value == nil and "" or tostring(value)
            end
            out[#out + 1] = piece
        end
    end
end

-- Replace in one text; nil when the expression took too long or the result is too large.
local function substitute(regex, replace, is_global, value, message)
    local out, from, position, size = {}, 1, 1, 0
    repeat
        local found = { core.regex_match(regex, value, position, position == 1) }
        local first, last = found[1], found[2]
        if not first then
            if last then
                return nil
            end
            break
        end
        local captures = { [0] = value:sub(first, last), unpack(found, 3) }
        out[#out + 1] = value:sub(from, first - 1)
        local before = #out
        replace(out, captures, message)
        for i = before + 1, #out do
            size = size + #out[i]
        end
        if size > MOST_BYTES then
            return nil
        end
        -- After an empty match one character goes by as it is.
        from = last + 1
        position = math.max(from, first + (last < first and 1 or 0))
    until not is_global or position > #value + 1
    out[#out + 1] = value:sub(from)
    return table.concat(out)
end

M.subst = {
    raw = function(text)
        local match, replacement, flags = divide(text or "")
        if not match or flags:find "[^gis]" then
            return nil, "{re.subst}: an expression like /MATCH/REPLACEMENT/FLAGS with the flags g, i and s is needed"
        end
        local regex, err = core.regex(match, flags)
        if not regex then
            return nil, "{re.subst}: " .. err
        end
        local replace
        replace, err = compile_replacement(replacement)
        if not replace then
            return nil, err
        end
        local is_global = flags:find("g", 1, true) ~= nil
        return { function(message)
            return function(value)
                return substitute(regex, replace, is_global, value, message)
            end
        end }
    end,
    apply = function(value, run)
        return run(value)
    end,
}

return M
