--- The floor rules of the engine, read from its `#include` lines.
-- A floor includes only lower floors; some libraries may be included from one place only. `check(files)` is pure:
-- it takes a table path -> source text and returns a list of complaints, so that the rules are themselves tested.
local M = {}

-- What each folder of engine/ may include, beside itself. The towers media, database, http and
-- record stand beside the others on base and io.
local core = { "base", "io", "sip", "transport", "transaction" }
local elements = {
    "base", "io", "sip", "transport", "transaction", "dialog", "location", "dispatcher", "media", "database",
    "http", "location_store", "record",
}

local function set(...)
    local result = {}
    for _, list in ipairs { ... } do
        for _, name in ipairs(list) do result[name] = true end
    end
    return result
end

M.may_include = {
    base = set {},
    io = set { "base" },
    sip = set { "base" },
    transport = set { "base", "io", "sip" },
    transaction = set { "base", "io", "sip", "transport" },
    dialog = set(core),
    location = set(core),
    location_store = set { "base", "io", "sip", "location", "database" },
    dispatcher = set(core),
    auth = set { "base", "io", "sip" },
    media = set { "base", "io" },
    database = set { "base", "io" },
    http = set { "base", "io" },
    record = set { "base", "io", "database" },
    route = set(elements),
    trunk = set { "base", "io", "sip", "transport", "transaction", "route" },
    script = set(elements, { "auth", "route", "trunk" }),
    worker = set(elements, { "auth", "route", "trunk", "script" }),
    control = set(elements, { "auth", "trunk", "script", "worker" }),
    stage = set(elements, { "auth", "route", "script", "worker", "control" }),
}

-- Header (as a Lua pattern) -> the paths (as Lua patterns) that may include it.
M.keepers = {
    { header = "^uv%.h$", only = "^engine/io/" },
    { header = "^lua%.h$", only = "^engine/script/" },
    { header = "^lauxlib%.h$", only = "^engine/script/" },
    { header = "^lualib%.h$", only = "^engine/script/" },
    { header = "^luajit%.h$", only = "^engine/script/" },
    { header = "^osipparser2/", only = "^engine/sip/parse_osip%.c$" },
    { header = "^osip2/", only = "^$" },
    { header = "^sqlite3%.h$", only = "^engine/database/sqlite%.c$" },
    { header = "^libpq", only = "^engine/database/postgres%.c$" },
    { header = "^mysql%.h$", only = "^engine/database/mysql%.c$" },
    { header = "^curl/", only = "^engine/http/client%.c$" },
}

local lines_max, function_lines_max, script_lines_max = 600, 80, 150

--- Each `#include` of a source text: line number, name, whether in quotes.
function M.includes(source)
    local found, number = {}, 0
    for line in (source .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local quoted = line:match '^%s*#%s*include%s*"([^"]+)"'
        local name = quoted or line:match "^%s*#%s*include%s*<([^>]+)>"
        if name then found[#found + 1] = { line = number, name = name, quoted = quoted ~= nil } end
    end
    return found
end

--- Lines of each function body in clang-formatted C: from the brace in column 0 to the closing one.
function M.functions(source)
    local found, number, begin, previous, name = {}, 0, nil, "", nil
    for line in (source .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        if line == "{" then
            begin = number
        elseif begin and line == "}" then
            found[#found + 1] = { name = name or previous, line = begin, lines = number - begin - 1 }
            begin, name = nil, nil
        elseif not begin then
            name = line:match "^[%a_].-([%w_]+)%(" or (line:match "^[;}]" and nil) or name
        end
        previous = line
    end
    return found
end

local function count_lines(source)
    local _, lines = source:gsub("\n", "")
    return lines
end

local function check_include(path, folder, include, complain)
    for _, keeper in ipairs(M.keepers) do
        if include.name:match(keeper.header) and not path:match(keeper.only) then
            complain(include.line, "only " .. keeper.only:gsub("[%^%$%%]", "") .. " may include " .. include.name)
        end
    end
    if not include.quoted then return end
    local target = include.name:match "^([^/]+)/"
    if include.name:match "^modules/" or include.name:match "%.%./" then
        complain(include.line, "the engine names no module and includes by path from engine/: " .. include.name)
    elseif target and folder and target ~= folder and not M.may_include[folder][target] then
        complain(include.line, ("floor %s must not include %s"):format(folder, include.name))
    elseif not target and folder then
        complain(include.line, ("include by folder: \"%s/%s\""):format(folder, include.name))
    end
end

--- Complaints about a set of C files: path -> source text.
function M.check(files)
    local complaints, soft = {}, {}
    for path, source in pairs(files) do
        local function complain(line, text) complaints[#complaints + 1] = ("%s:%d: %s"):format(path, line, text) end
        local folder = path:match "^engine/([^/]+)/"
        if folder and not M.may_include[folder] then complain(1, "unknown floor " .. folder) folder = nil end
        for _, include in ipairs(M.includes(source)) do check_include(path, folder, include, complain) end
        if count_lines(source) > lines_max then complain(lines_max, "longer than 600 lines") end
        if path:match "%.h$" and not source:match "#pragma once\n" then complain(1, "a header needs #pragma once") end
        for _, f in ipairs(path:match "%.c$" and M.functions(source) or {}) do
            if f.lines > function_lines_max then
                complain(f.line, ("%s has %d lines; split it"):format(f.name, f.lines))
            elseif f.lines > 50 then
                soft[#soft + 1] = ("%s:%d: %s has %d lines"):format(path, f.line, f.name, f.lines)
            end
        end
    end
    table.sort(complaints)
    table.sort(soft)
    return complaints, soft
end

--- Complaints about the samples: path -> source text.
function M.check_scripts(files)
    local complaints = {}
    for path, source in pairs(files) do
        local lines = count_lines(source)
        if lines > script_lines_max then
            complaints[#complaints + 1] = ("%s has %d lines, at most %d"):format(path, lines, script_lines_max)
        end
    end
    table.sort(complaints)
    return complaints
end

--- Read every file below folders whose name matches a pattern.
function M.read(folders, pattern)
    local files = {}
    local list = assert(io.popen("find " .. folders .. " -type f 2>/dev/null"))
    for path in list:lines() do
        if path:match(pattern) then
            local file = assert(io.open(path))
            files[path] = file:read "*a"
            file:close()
        end
    end
    list:close()
    return files
end

--- Folders of engine/ that hold code but no README.md.
function M.without_readme(files)
    local has_code, missing = {}, {}
    for path in pairs(files) do
        local folder = path:match "^(engine/[^/]+)/.*%.[ch]$"
        if folder then has_code[folder] = true end
    end
    for folder in pairs(has_code) do
        if not files[folder .. "/README.md"] then missing[#missing + 1] = folder end
    end
    table.sort(missing)
    return missing
end

local LIBRARY_HEADERS = { ["lua.h"] = true, ["uv.h"] = true }

local function is_named(readme, file)
    return (" " .. readme .. " "):find("[^%w_]" .. file:gsub("%.[ch]$", ""):gsub("%p", "%%%0") .. "[^%w_]")
end

--- Files of the Lua library that lua/README.md does not name.
function M.unnamed_lua_files(files)
    local complaints = {}
    for path in pairs(files) do
        local file = path:match "([^/]+)%.lua$"
        if file and not is_named(files["lua/README.md"], file) then complaints[#complaints + 1] = path end
    end
    table.sort(complaints)
    return complaints
end

--- Files of engine/'s folders that the folder's README.md does not name (with or without `.c` and `.h`), and names of
-- files there that are no files.
function M.unnamed_files(files)
    local complaints, is_file = {}, {}
    for path in pairs(files) do is_file[path:match "[^/]+$"] = true end
    for path in pairs(files) do
        local folder, file = path:match "^(engine/[^/]+)/([^/]+%.[ch])$"
        local readme = folder and files[folder .. "/README.md"]
        if readme and not is_named(readme, file) then
            complaints[#complaints + 1] = ("%s/README.md does not name %s"):format(folder, file)
        end
        if path:match "README%.md$" then
            for name in files[path]:gmatch "`[%w_/]-([%w_]+%.[ch])`" do
                if not is_file[name] and not LIBRARY_HEADERS[name] then
                    complaints[#complaints + 1] = ("%s names %s, which is not there"):format(path, name)
                end
            end
        end
    end
    table.sort(complaints)
    return complaints
end

return M
