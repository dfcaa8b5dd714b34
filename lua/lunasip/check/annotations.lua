--- The annotations of what scripts see: lua/types, one file for each table. Editors read the folder, the check all of
-- it as one text.
local M = {}

--- Names of the files, lab.lua aside: specs see that, not scripts.
M.FILES = {
    "auth", "call", "dialog", "dispatcher", "handlers", "http", "log", "lunasip", "media", "message", "nat",
    "registrar", "shared", "sql", "timer", "trunk",
}

--- @string lua_dir where types/ is @treturn string
function M.read(lua_dir)
    local texts = {}
    for i, name in ipairs(M.FILES) do
        local file = assert(io.open(("%s/types/%s.lua"):format(lua_dir, name)))
        texts[i] = file:read "*a"
        file:close()
    end
    return table.concat(texts, "\n")
end

return M
