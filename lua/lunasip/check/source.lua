--- One file of a script, taken apart by luacheck: its syntax tree, its warnings, its inline options.
--
-- luacheck (Debian: lua-check) is a library here. Where it is not installed, load() says so.
local M = {}

-- The engine's own states know lua/ alone.
local FOLDERS = ";/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua"
    .. ";/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"

--- Find luacheck.
-- @treturn boolean, or nil and one line when it is not there
function M.load()
    if not package.path:find(FOLDERS, 1, true) then
        package.path = package.path .. FOLDERS
    end
    for _, part in ipairs { "check_state", "core_utils", "filter", "format", "parser", "stages", "utils" } do
        local ok, module = pcall(require, "luacheck." .. part)
        if not ok and not tostring(module):find("module 'luacheck[^']*' not found") then
            error(module, 0)
        elseif not ok then
            return nil, "luacheck is not installed (Debian package lua-check): the script is only loaded, not checked"
        end
        M[part] = module
    end
    return true
end

-- LuaJIT's own word on the syntax: "file:line: message", or nil. luacheck takes more than LuaJIT does.
local function native_fault(source, path)
    local text = source:gsub("^#[^\n]*", "")
    local chunk, err = loadstring(text, "@" .. path)
    return not chunk and err or nil
end

local function syntax_fault(state, err, path)
    local column = state.line_offsets and state.line_offsets[err.line] and state:offset_to_column(err.line, err.offset)
    return {
        file = path, line = err.line, column = column, severity = "error", code = "syntax",
        message = err.msg .. "; correct the syntax",
    }
end

--- Take a file apart.
-- @string path its name in messages
-- @string source
-- @treturn table { path, source, state = luacheck's }, or nil and a fault
function M.parse(path, source)
    if source:byte(1) == 27 then
        return nil, { file = path, line = 1, column = 1, severity = "error", code = "syntax",
            message = "is bytecode; give the script's text" }
    end
    local state = M.check_state.new(source)
    local ok, wrapped = M.utils.try(M.stages.run, state)
    if not ok then
        if not M.utils.is_instance(wrapped.err, M.parser.SyntaxError) then
            error(wrapped, 0)
        end
        return nil, syntax_fault(state, wrapped.err, path)
    end
    local native = native_fault(source, path)
    if native then
        return nil, { file = path, line = tonumber(native:match ":(%d+): ") or 1, severity = "error", code = "syntax",
            message = native:gsub("^.-:%d+: ", "") .. "; correct the syntax" }
    end
    return { path = path, source = source, state = state, faults = {} }
end

-- What luacheck says that is worth a line: likely slips, not style.
local WORTH = {
    ["111"] = "error", ["113"] = "error", ["143"] = "error", ["021"] = "error", ["022"] = "error", ["023"] = "error",
    ["211"] = "warning", ["221"] = "warning", ["231"] = "warning", ["241"] = "warning", ["311"] = "warning",
    ["314"] = "warning", ["321"] = "warning", ["411"] = "warning", ["511"] = "warning", ["512"] = "warning",
    ["521"] = "warning", ["531"] = "warning", ["532"] = "warning", ["542"] = "warning", ["571"] = "warning",
    ["581"] = "warning", ["582"] = "warning",
}

--- Warnings of all files and the faults that were added to them, less what inline comments
-- ("luacheck: ignore") let pass.
-- @tparam table files as of parse(), each with faults = { { code, line, column, name, message } }
-- @tparam table std what luacheck calls a standard: the globals that there are
-- @tparam function describe (warning) -> message for one of luacheck's own, or nil
-- @treturn table entries for lunasip.check.report
function M.entries(files, std, describe)
    local results = {}
    for i, file in ipairs(files) do
        local warnings = { unpack(file.state.warnings) }
        for _, fault in ipairs(file.faults) do
            warnings[#warnings + 1] = fault
        end
        M.core_utils.sort_by_location(warnings)
        results[i] = {
            warnings = warnings, inline_options = file.state.inline_options,
            line_lengths = file.state.line_lengths, line_endings = file.state.line_endings,
        }
    end
    local options = { std = "lunasip", allow_defined = true, unused_secondaries = false, max_line_length = false }
    local entries = {}
    for i, warnings in ipairs(M.filter.filter(results, options, { lunasip = std })) do
        for _, warning in ipairs(warnings) do
            local severity = warning.message and "error" or WORTH[warning.code]
            if severity then
                entries[#entries + 1] = {
                    file = files[i].path, line = warning.line, column = warning.column, severity = severity,
                    code = warning.code,
                    message = warning.message or describe(warning) or M.format.get_message(warning),
                }
            end
        end
    end
    return entries
end

return M
