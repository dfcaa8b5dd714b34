--- Globals that a script reads and nothing defines: in a handler, a slip would show only when it runs.
--
-- Read from the compiled chunk, functions within functions included, so that locals, fields, comments
-- and texts are never taken for globals.
local suggest = require "lunasip.suggest"
local util = require "jit.util"

local M = {}

local function instruction(proto, pc)
    local code = util.funcbc(proto, pc)
    return bit.band(code, 0xff), bit.rshift(code, 16)
end

-- The numbers of the two instructions, asked from this very LuaJIT: they differ between versions.
local GET = instruction(loadstring "return x", 1)
local SET = instruction(loadstring "x = 1", 2)

-- Add what a function and the functions within it read and set.
local function collect(proto, reads, sets)
    local info = util.funcinfo(proto)
    for pc = 1, info.bytecodes - 1 do
        local operation, operand = instruction(proto, pc)
        if operation == GET then
            local line = util.funcinfo(proto, pc).currentline
            reads[#reads + 1] = { name = util.funck(proto, -operand - 1), file = info.source:sub(2), line = line }
        elseif operation == SET then
            sets[util.funck(proto, -operand - 1)] = true
        end
    end
    -- Constants that are objects count down from -1; the functions within are among them.
    local n = -1
    while util.funck(proto, n) ~= nil do
        if type(util.funck(proto, n)) == "proto" then
            collect(util.funck(proto, n), reads, sets)
        end
        n = n - 1
    end
end

--- The first unknown global of the chunks.
-- @tparam table chunks functions as compiled
-- @tparam table known keys are the names that exist once the chunks have run
-- @treturn string "file:line: message", or nil when there is none
function M.unknown(chunks, known)
    local reads, names, first = {}, {}, nil
    for name in pairs(known) do
        names[name] = true
    end
    for _, chunk in ipairs(chunks) do
        collect(chunk, reads, names)
    end
    for _, read in ipairs(reads) do
        local is_before = first == nil or read.file == first.file and read.line < first.line
        if not names[read.name] and is_before then
            first = read
        end
    end
    if not first then
        return nil
    end
    local hint = suggest.hint(first.name, names)
    if hint == "" then
        hint = "; define it, or take it from require \"lunasip\""
    end
    return ("%s:%d: there is no global '%s'%s"):format(first.file, first.line, first.name, hint)
end

return M
