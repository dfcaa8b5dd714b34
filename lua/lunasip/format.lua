--- Format strings: "$rm from $si:$sp" with the variables of a message filled in.
--
-- A format is split once and kept: here in a bounded cache, for log lines in lunasip.log. What comes out of a
-- variable is data: it is never looked at for variables again. Nothing (nil) prints as "<null>". A '$' that starts
-- no known variable stays as it is written, so that a log line never ends a call; sip.format and arguments refuse it.
local lpeg = require "lpeg"

local cache = require "lunasip.cache"
local pv = require "lunasip.pv"

local M = {}

local P = lpeg.P
local piece = lpeg.C(pv.grammar / 0) * lpeg.Cc(true)
    + lpeg.C((1 - P "$") ^ 1) * lpeg.Cc(false)
    + lpeg.C(P "$") * lpeg.Cc(false)

--- Split a format.
-- @string text
-- @treturn table texts, one after the other as they are written
-- @treturn table for each the compiled variable, or false when it stands for itself
-- @treturn string why the first variable that does not compile does not, or nil
function M.split(text)
    local texts, variables, position, bad = {}, {}, 1, nil
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
        texts[#texts + 1] = piece_text
        variables[#texts] = compiled or false
        position = position + #piece_text
    end
    return texts, variables, bad
end

local function fill(texts, variables, message)
    local out = {}
    for i = 1, #texts do
        local variable = variables[i]
        local value = texts[i]
        if variable then
            value = variable.get(message)
        end
        out[i] = value == nil and "<null>" or tostring(value)
    end
    return table.concat(out)
end

--- Compile strictly: for arguments and for sip.format.
-- @treturn function (message) -> string, or nil, err
M.compile = cache.new(512, function(text)
    local texts, variables, bad = M.split(text)
    if bad then
        return nil, bad
    end
    return function(message)
        return fill(texts, variables, message)
    end
end)

--- Why variables of a format do not compile. @treturn table list of texts
function M.faults(text)
    local faults, texts, variables = {}, M.split(text)
    for i, piece_text in ipairs(texts) do
        if not variables[i] and #piece_text > 1 and piece_text:sub(1, 1) == "$" then
            faults[#faults + 1] = select(2, pv.compile(piece_text))
        end
    end
    return faults
end

--- A format as string.format sees it, were all its variables empty.
function M.without_variables(text)
    local texts, variables = M.split(text)
    for i = 1, #texts do
        texts[i] = variables[i] and "" or texts[i]
    end
    return table.concat(texts)
end

return M
