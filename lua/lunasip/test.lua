--- `lunasip test [SPEC...]`: busted inside the command, so that specs find the lab without any setting.
-- Words are those of busted: spec files or folders (default: what .busted says; without such a file, every
-- *_spec.lua below the working directory), options such as --filter=PATTERN.
-- @tparam table words
-- @return exit code, 1 when a spec failed
local function names_a_place(words)
    for _, word in ipairs(words) do
        if word:sub(1, 1) ~= "-" then
            return true
        end
    end
    local settings = io.open ".busted"
    return settings and settings:close()
end

return function(words)
    local found, runner = pcall(require, "busted.runner")
    if not found then
        io.stderr:write "lunasip test: busted is not installed; on Debian: apt-get install lua-busted\n"
        return 3
    end
    -- busted reads the global; the interpreter that .busted may name is this one already.
    local line = { [0] = "lunasip test", "--ignore-lua" }
    for _, word in ipairs(words) do
        line[#line + 1] = word
    end
    if not names_a_place(words) then
        line[#line + 1] = "."
    end
    rawset(_G, "arg", line)
    -- After failures busted raises an error without a text, for a launcher of its own to end with.
    local ok, fault = pcall(runner, { standalone = false })
    if fault then
        io.stderr:write("lunasip test: ", tostring(fault), "\n")
    end
    return ok and 0 or 1
end
