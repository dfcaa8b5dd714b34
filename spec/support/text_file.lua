--- Whole text files, for specs and what they share.
local M = {}

--- @return what is in it
function M.read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

--- Make it, or write it anew. @return path
function M.write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

return M
