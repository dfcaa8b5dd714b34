--- Coverage of route scripts: which of their lines the specs ran, over all tests, workers and generations.
--
-- The engine counts the lines that run; which lines there are to run is read from the compiled chunk.
local util = require "jit.util"

local M = {}

local files = {} -- path -> { [line] = count }

--- Add what one network ran.
-- @tparam table covered path -> { [line] = count }
-- @tparam function is_passed_over(path) the text of a spec, or our own library?
function M.add(covered, is_passed_over)
    for path, counts in pairs(covered) do
        if not is_passed_over(path) then
            local sum = files[path] or {}
            for line, count in pairs(counts) do
                sum[line] = (sum[line] or 0) + count
            end
            files[path] = sum
        end
    end
end

function M.reset()
    files = {}
end

-- Lines that hold an instruction, functions within functions included.
local function add_lines(proto, lines)
    local info = util.funcinfo(proto)
    for pc = 1, info.bytecodes - 1 do
        lines[util.funcinfo(proto, pc).currentline] = true
    end
    local i = -1
    local constant = info.children and util.funck(proto, i)
    while constant do
        if type(constant) == "proto" then
            add_lines(constant, lines)
        end
        i = i - 1
        constant = util.funck(proto, i)
    end
end

-- A block's end holds the return that nobody reaches behind another one.
local function is_end(text)
    local code = text:gsub("%-%-.*$", "")
    return code:find "%S" == nil or code:gsub("end", ""):find "[^%s%)%},;%]]" == nil
end

local function read_lines(path)
    local texts = {}
    local file = io.open(path)
    if file then
        for text in file:lines() do
            texts[#texts + 1] = text
        end
        file:close()
    end
    return texts
end

--- What was run of one script.
-- @return { path, lines = { { number, text, count } ... }, run, total }, or nil when the file cannot be read
local function measure(path)
    local chunk = loadfile(path)
    if not chunk then
        return nil
    end
    local active, texts, out = {}, read_lines(path), { path = path, lines = {}, run = 0, total = 0 }
    add_lines(chunk, active)
    for number, text in ipairs(texts) do
        local count = files[path][number] or 0
        if active[number] and not is_end(text) then
            table.insert(out.lines, { number = number, text = text, count = count })
            out.total = out.total + 1
            out.run = out.run + (count > 0 and 1 or 0)
        end
    end
    return out
end

--- Every script that ran, in the order of their names: { path, lines, run, total }.
function M.scripts()
    local paths, list = {}, {}
    for path in pairs(files) do
        paths[#paths + 1] = path
    end
    table.sort(paths)
    for _, path in ipairs(paths) do
        table.insert(list, measure(path))
    end
    return list
end

--- The report that `lunasip test --coverage` prints.
function M.text()
    local out = { "", "coverage of route scripts" }
    for _, script in ipairs(M.scripts()) do
        local percent = script.total > 0 and 100 * script.run / script.total or 100
        out[#out + 1] = ("%6.1f %%  %s (%d of %d lines)"):format(percent, script.path, script.run, script.total)
        for _, line in ipairs(script.lines) do
            if line.count == 0 then
                out[#out + 1] = ("  not run %5d: %s"):format(line.number, line.text)
            end
        end
    end
    if #out == 2 then
        out[3] = "  no script file ran (routes that a spec holds as text are not counted)"
    end
    return table.concat(out, "\n") .. "\n"
end

--- The same as an lcov tracefile.
-- @return true, or nil and one line
function M.write_lcov(path)
    local file, fault = io.open(path, "w")
    if not file then
        return nil, fault
    end
    file:write "TN:lunasip\n"
    for _, script in ipairs(M.scripts()) do
        file:write("SF:", script.path, "\n")
        for _, line in ipairs(script.lines) do
            file:write(("DA:%d,%d\n"):format(line.number, line.count))
        end
        file:write(("LF:%d\nLH:%d\nend_of_record\n"):format(script.total, script.run))
    end
    file:close()
    return true
end

return M
