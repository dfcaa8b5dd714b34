--- Format strings: "$rm from $si:$sp" with the variables of a message filled in.
--
-- A format is compiled once to a function and kept in a bounded cache of 512. What comes out of a
-- variable is data: it is never looked at for variables again. Nothing (nil) prints as "<null>".
-- A '$' that starts no known variable stays as it is written, so that a log line never ends a call.
local lpeg = require "lpeg"

local cache = require "lunasip.cache"
local pv = require "lunasip.pv"

local M = {}

local P = lpeg.P
local piece = lpeg.C(pv.grammar / 0) * lpeg.Cc(true)
    + lpeg.C((1 - P "$") ^ 1) * lpeg.Cc(false)
    + lpeg.C(P "$") * lpeg.Cc(false)

-- -> array of texts and compiled variables; the first variable that does not compile is reported too.
local function split(text)
    local parts, position, bad = {}, 1, nil
    while position <= #text do
        -- Nesting deeper than lpeg's stack is no variable; neither is it an error of the log line.
        local ok, piece_text, is_variable = pcall(lpeg.match, piece, text, position)
        if not ok then
            piece_text, is_variable = text:sub(position), false
        end
        local compiled, err
        if is_variable then
            compiled, err = pv.compile(piece_text)
            bad = bad or err
        end
        parts[#parts + 1] = compiled or piece_text
        position = position + #piece_text
    end
    return parts, bad
end

local function fill(parts, message, escape_percent)
    local out = {}
    for i = 1, #parts do
        local part = parts[i]
        if type(part) ~= "string" then
            local value = part.get(message)
            part = value == nil and "<null>" or tostring(value)
            if escape_percent then
                part = string.gsub(part, "%%", "%%%%")
            end
        end
        out[i] = part
    end
    return table.concat(out)
end

local compile = cache.new(512, function(text)
    local parts, bad = split(text)
    return { parts = parts, bad = bad }
end)

--- Compile strictly: for arguments and for sip.format.
-- @treturn function (message) -> string, or nil, err
function M.compile(text)
    local compiled = compile(text)
    if compiled.bad then
        return nil, compiled.bad
    end
    return function(message)
        return fill(compiled.parts, message)
    end
end

--- Fill in a format; what is not a variable stays literal.
-- @param message request, reply or nil (then nothing is filled in)
-- @string text
-- @param ... values for string.format directives in the text; never expanded themselves
function M.expand(message, text, ...)
    local has_values = select("#", ...) > 0
    local out = text
    if message then
        out = fill(compile(text).parts, message, has_values)
    end
    if has_values then
        local ok, printed = pcall(string.format, out, ...)
        return ok and printed or out
    end
    return out
end

return M
