--- The globals of a user's script: what cannot harm the worker, and nothing that reaches around it.
--
-- Left out: io, ffi, debug, package, load, loadstring, dofile, coroutine, getfenv, setfenv,
-- newproxy, string.dump. Replaced: require (the public parts of lunasip, and files below the
-- script's folder), pairs and next (an order that is the same in every process), the string
-- functions that search or grow (lunasip.bounded), os (time, date, clock of the engine), math.random
-- (the engine's). The library tables cannot be changed. Reading a global that was never set raises.
--
-- The string methods ("…"):find are one table for the whole Lua state, so installing the sandbox
-- changes them for the state: they keep their meaning and gain their bounds.
local bounded = require "lunasip.bounded"
local core = require "lunasip.core"
local ordered = require "lunasip.ordered"

local M = {}

local protected = setmetatable({}, { __mode = "k" })
local contents = setmetatable({}, { __mode = "k" }) -- view -> the table behind it

--- A view of a table that cannot be changed.
function M.read_only(library, name)
    local view = setmetatable({}, {
        __index = library,
        __metatable = false,
        __newindex = function()
            error("'" .. name .. "' cannot be changed", 2)
        end,
        __pairs = function()
            return ordered.pairs(library)
        end,
    })
    protected[view], contents[view] = name, library
    return view
end

local function copy(library, names)
    local out = {}
    for name in names:gmatch "%S+" do
        out[name] = library[name]
    end
    return out
end

local function check_changeable(t, what)
    if protected[t] then
        error(what .. ": '" .. protected[t] .. "' cannot be changed", 3)
    end
end

local function safe_setmetatable(t, metatable)
    if type(t) ~= "table" then
        error("setmetatable: a table is needed, not a " .. type(t), 2)
    end
    check_changeable(t, "setmetatable")
    return setmetatable(t, metatable)
end

local function safe_getmetatable(value)
    if type(value) ~= "table" then
        return nil
    end
    return getmetatable(value)
end

local function safe_rawset(t, key, value)
    if type(t) ~= "table" then
        error("rawset: a table is needed, not a " .. type(t), 2)
    end
    check_changeable(t, "rawset")
    return rawset(t, key, value)
end

local function safe_collectgarbage(option)
    if option ~= "count" then
        error("collectgarbage: only \"count\"; the engine decides when to collect", 2)
    end
    return collectgarbage "count"
end

local MOST_SORTED = 65536

local function safe_sort(t, before)
    if type(t) == "table" and #t > MOST_SORTED then
        error("table.sort: more than " .. MOST_SORTED .. " elements", 2)
    end
    return table.sort(t, before)
end

local function random(low, high)
    if not low then
        return core.random(2147483647) / 2147483647
    end
    if not high then
        low, high = 1, low
    end
    low, high = math.floor(low), math.floor(high)
    if high < low then
        error("math.random: the interval is empty", 2)
    end
    return low + core.random(high - low + 1)
end

local function seconds_now()
    return math.floor(core.wall_us() / 1000000)
end

local engine_os = {
    time = function(t)
        if t == nil then
            return seconds_now()
        end
        return os.time(t)
    end,
    date = function(format, time)
        if type(format) == "string" and #format > 256 then
            error("os.date: the format is longer than 256 bytes", 2)
        end
        return os.date(format, time or seconds_now())
    end,
    clock = function()
        return core.clock_ms() / 1000
    end,
    difftime = os.difftime,
}

local function libraries()
    local tables = copy(table, "concat insert remove maxn")
    tables.sort = safe_sort
    local numbers = copy(math, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10"
        .. " max min modf pi pow rad sin sinh sqrt tan tanh")
    numbers.random = random
    numbers.randomseed = function() end -- the engine seeds; scripts that ask for it need not be changed
    return {
        string = M.read_only(bounded, "string"),
        table = M.read_only(tables, "table"),
        math = M.read_only(numbers, "math"),
        os = M.read_only(engine_os, "os"),
        bit = M.read_only(copy(bit, "tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap"), "bit"),
    }
end

--- Give the whole state the bounded string methods, and hide their metatable.
function M.install()
    local metatable = debug.getmetatable ""
    metatable.__index = bounded
    metatable.__metatable = false
end

--- Text of a file. @treturn string or nil, "file: what is wrong"
function M.read(path)
    local file, err = io.open(path, "rb")
    if not file then
        return nil, path .. ":1: cannot be read (" .. (err:match ": ([^:]*)$" or err) .. "); give the path of a script"
    end
    local source = file:read "*a"
    file:close()
    if not source then
        return nil, path .. ":1: cannot be read (it is not a file); give the path of a script"
    end
    return source
end

--- Compile a script's text with the JIT off, so that the engine's budget hook always fires in it.
-- @treturn function or nil, "file:line: message"
function M.compile(source, path, env)
    local chunk, err = loadstring((source:gsub("^#[^\n]*", "")), "@" .. path)
    if source:byte(1) == 27 then
        return nil, path .. ":1: is bytecode; give the script's text"
    end
    if not chunk then
        return nil, err
    end
    jit.off(chunk, true)
    if env then
        setfenv(chunk, env)
    end
    return chunk
end

local PUBLIC = {
    ["lunasip"] = "lunasip",
    ["lunasip.dispatcher"] = "lunasip.dispatcher",
    ["lunasip.log"] = "lunasip.log",
    ["lunasip.media"] = "lunasip.media",
    ["lunasip.shared"] = "lunasip.shared",
    ["lunasip.timer"] = "lunasip.timers",
}

-- Views of sip and its parts, so that one script cannot change them for another generation.
local function public_view(name)
    local module = require(PUBLIC[name])
    if name == "lunasip" then
        local view = {}
        for key, value in pairs(module) do
            view[key] = value
        end
        for _, part in ipairs { "dispatcher", "log", "media", "timer" } do
            view[part] = M.read_only(module[part], "sip." .. part)
        end
        return M.read_only(view, "sip")
    end
    return getmetatable(module) == false and module or M.read_only(module, name)
end

--- Find what require would load.
-- @string name
-- @string folder the script's, "" or ending in "/"
-- @treturn string path and text of a file; or nil for a part of lunasip; or nil, nil, err
function M.find(name, folder)
    if PUBLIC[name] then
        return nil
    end
    if not name:match "^[%w_][%w_.-]*$" or name:find("..", 1, true) or name:sub(-1) == "." then
        return nil, nil, "require: '" .. name .. "' is not a module name"
    end
    local base = folder .. name:gsub("%.", "/")
    for _, path in ipairs { base .. ".lua", base .. "/init.lua" } do
        local source = M.read(path)
        if source then
            return path, source
        end
    end
    return nil, nil, "require: no module '" .. name .. "': neither part of lunasip nor a file " .. base .. ".lua"
end

local function requirer(folder, env_of, inspect)
    local loaded = {}
    return function(name)
        if type(name) ~= "string" then
            error("require: a name is needed, not a " .. type(name), 2)
        end
        if loaded[name] ~= nil then
            return loaded[name]
        end
        if PUBLIC[name] then
            loaded[name] = public_view(name)
            return loaded[name]
        end
        local path, source, problem = M.find(name, folder)
        if not path then
            error(problem, 2)
        end
        local chunk, err = M.compile(source, path, env_of())
        if chunk and inspect then
            chunk, err = inspect(chunk, source, path)
        end
        if not chunk then
            error(err, 0)
        end
        loaded[name] = true -- a module that requires itself gets true instead of a loop
        local result = chunk(name)
        if result ~= nil then
            loaded[name] = result
        end
        return loaded[name]
    end
end

local function script_print(...)
    local parts = {}
    for i = 1, select("#", ...) do
        parts[i] = tostring((select(i, ...)))
    end
    core.log(table.concat(parts, "\t"))
end

-- Names that a script may test before it defines them.
local MAY_BE_NIL = { request_route = true }

-- env -> the names that it gives to a script
local given_names = setmetatable({}, { __mode = "k" })

--- The globals that there are now: what every script has, and what this one defined.
-- @treturn table keys are the names
function M.names(env)
    local names = {}
    for _, globals in ipairs { given_names[env], env, MAY_BE_NIL } do
        for name in pairs(globals) do
            names[name] = true
        end
    end
    return names
end

--- Names in a library table of a script's globals, such as string.
-- @treturn table keys are the names, or nil when it is no library
function M.library_names(env, name)
    local library = given_names[env] and rawget(given_names[env], name)
    local inside = type(library) == "table" and contents[library]
    if not inside then
        return nil
    end
    local names = {}
    for key in pairs(inside) do
        names[key] = true
    end
    return names
end

--- Globals for one script.
-- @string script_path
-- @tparam table given more globals, read-only in the sense of assign
-- @func assign (name, value) -> true when it was taken, false to store it, nil and an error
-- @func inspect (chunk, source, path) -> chunk, or nil and an error, for each file that is required
-- @treturn table
function M.new_environment(script_path, given, assign, inspect)
    M.install()
    local env = {}
    local base = copy(_G, "assert error ipairs pcall xpcall rawequal rawget select tonumber tostring type unpack")
    for name, library in pairs(libraries()) do
        base[name] = library
    end
    for name, value in pairs(given or {}) do
        base[name] = value
        protected[value] = name
    end
    base._G, base._VERSION = env, _VERSION
    base.pairs, base.next = ordered.pairs, ordered.next
    base.setmetatable, base.getmetatable, base.rawset = safe_setmetatable, safe_getmetatable, safe_rawset
    base.collectgarbage, base.print = safe_collectgarbage, script_print
    base.require = requirer(script_path:match "^(.*/)" or "", function()
        return env
    end, inspect)
    setmetatable(base, {
        __index = function(_, name)
            if MAY_BE_NIL[name] then
                return nil
            end
            error("undefined variable '" .. tostring(name) .. "'", 2)
        end,
    })
    protected[env] = "_G"
    given_names[env] = base
    return setmetatable(env, {
        __index = base,
        __metatable = false,
        __newindex = function(_, name, value)
            local taken, err = false, nil
            if assign then
                taken, err = assign(name, value)
            end
            if taken == nil then
                error(err, 2)
            end
            if not taken then
                rawset(env, name, value)
            end
        end,
    })
end

return M
