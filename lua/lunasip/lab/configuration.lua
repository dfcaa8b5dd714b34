--- Configuration text for the lab: written from a table, its listen block read back from a file.
local M = {}

local function sorted_names(value)
    local names = {}
    for name in pairs(value) do
        if type(name) == "string" then
            names[#names + 1] = name
        end
    end
    table.sort(names)
    return names
end

-- Number keys behind a gap: { [2] = ... } is no array.
local function sparse_numbers(value)
    local numbers = {}
    for key in pairs(value) do
        if type(key) == "number" and (key > #value or key < 1) then
            numbers[#numbers + 1] = key
        end
    end
    table.sort(numbers)
    return numbers
end

local function literal(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local parts = {}
    for i, item in ipairs(value) do
        parts[i] = literal(item)
    end
    for _, name in ipairs(sorted_names(value)) do
        parts[#parts + 1] = ("[%q] = %s"):format(name, literal(value[name]))
    end
    for _, number in ipairs(sparse_numbers(value)) do
        parts[#parts + 1] = ("[%d] = %s"):format(number, literal(value[number]))
    end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Text of a configuration file.
-- @tparam table blocks block name -> table; a value that is no table is assigned, route is a call
function M.print(blocks)
    local lines = {}
    for _, name in ipairs(sorted_names(blocks)) do
        local value = blocks[name]
        local is_call = type(value) == "table" or name == "route"
        lines[#lines + 1] = ("%s %s%s"):format(name, is_call and "" or "= ", literal(value))
    end
    return table.concat(lines, "\n") .. "\n"
end

-- "udp:192.0.2.1:5060" or { "udp:192.0.2.1:5060", advertise = ... } -> "192.0.2.1:5060"
local function host_port(entry)
    local text = type(entry) == "table" and entry[1] or entry
    return (text:gsub("^%a+:", ""))
end

--- The addresses of a listen block: interface -> { "HOST:PORT", ... }.
function M.interfaces(listen)
    local out = {}
    for name, entries in pairs(listen) do
        out[name] = {}
        for i, entry in ipairs(type(entries) == "table" and entries or { entries }) do
            out[name][i] = host_port(entry)
        end
    end
    return out
end

--- Blocks of a configuration file by name, as they are written.
function M.read(path)
    local blocks = {}
    local chunk, fault = loadfile(path)
    if not chunk then
        error(fault, 0)
    end
    setfenv(chunk, setmetatable({ env = os.getenv }, {
        __index = function(_, name)
            return function(value)
                blocks[name] = value
            end
        end,
        __newindex = function() end,
    }))
    chunk()
    return blocks
end

--- The URL of a database block as the engine knows it: a path is relative to the configuration's folder.
-- @tparam[opt] table block
-- @string folder "" or with a slash at its end
function M.database_url(block, folder)
    local url = type(block) == "table" and block.url or nil
    local path = url and url:match "^sqlite:(.*)$"
    return path and not path:find "^/" and path ~= ":memory:" and "sqlite:" .. folder .. path or url
end

return M
