--- The configuration: a Lua file in a sandbox, checked against a schema.
--
--     local config = require "lunasip.config"
--     local result, err, partial = config.load("conf/sbc.lua")   -- err: "file:line: what is wrong; what to do"
--
-- The result holds plain values only: listeners, media, dispatcher, route, control, log, workers,
-- media_threads, user, group, addresses, shared, auth_secret, auth_domain, location_database, database_url, trunks,
-- settings (["block.name"] = number, what was set), records, lines (where each block and name stands), files
-- (that the blocks name), specs.
-- A faulty file gives a line for each fault, and what could be read all the same, for a check of the script.
-- Every number that can be set comes from the engine's own list (core.settings), block by block.
local blocks = require "lunasip.config.blocks"
local checks = require "lunasip.config.check"
local core = require "lunasip.core"
local database = require "lunasip.config.database"
local records = require "lunasip.config.records"
local suggest = require "lunasip.suggest"
local trunk = require "lunasip.config.trunk"

local M = {}

local BLOCKS = {
    listen = blocks.listen,
    media = blocks.media,
    dispatcher = require "lunasip.config.dispatcher",
    route = blocks.route,
    control = blocks.control,
    log = blocks.log,
    address = blocks.address,
}

-- Values that are assigned: workers = 4.
local MOST_THREADS = 256

local function account(check, value, name)
    if type(value) ~= "string" or not value:match "^[%w_][%w_-]*$" then
        check:fail(("%s must be the name of an account; write %s = \"lunasip\""):format(name, name), name)
    end
    return value
end

local function threads(check, value, name)
    return check:number(value, 1, MOST_THREADS, name)
end

local ASSIGNED = { workers = threads, media_threads = threads, user = account, group = account }

-- Blocks of numbers: block -> name -> { least, most }.
local function numeric_blocks()
    local out = {}
    for _, setting in ipairs(core.settings()) do
        out[setting.block] = out[setting.block] or {}
        out[setting.block][setting.name] = setting
    end
    return out
end

local function numeric_block(block, known)
    return function(check, value, result)
        check:type(value, "table", block, block .. " { " .. (next(known)) .. " = 1 }")
        check:keys(value, known, block)
        for _, name in ipairs(checks.sorted(value)) do
            local setting = known[name]
            if setting then
                result.settings[block .. "." .. name] = check:try(check.number, check, value[name], setting.least,
                    setting.most, block .. " " .. name)
            elseif type(name) == "number" and block ~= "shared" then
                check:note(("%s takes no bare values; write %s { NAME = number }"):format(block, block), value[name])
            end
        end
    end
end

-- shared { bytes = …, "calls", "blocked" }: the dictionaries' names beside the size.
local function shared_block(numbers)
    return function(check, value, result, folder)
        numbers(check, value, result, folder)
        local seen = { shv = true }
        for _, name in ipairs(value) do
            if type(name) ~= "string" or not name:match "^%a[%w_]*$" then
                check:note(("shared: '%s' is no name; write shared { \"calls\" }"):format(tostring(name)), name)
            elseif seen[name] then
                check:note(("shared: '%s' is there already; choose another name"):format(name), name)
            else
                seen[name] = true
                result.shared[#result.shared + 1] = name
            end
        end
    end
end

-- drain { deadline_s = …, rule = "leave" }: what happens to calls that outlive the deadline.
local function drain_block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "drain", "drain { deadline_s = 30 }")) do
            settings[name] = name ~= "rule" and entry or nil
        end
        numbers(check, settings, result, folder)
        if value.rule ~= nil and value.rule ~= "bye" and value.rule ~= "leave" then
            check:fail("drain rule must be bye or leave; write rule = \"leave\"", "rule")
        end
        result.drain = { rule = value.rule or "leave" }
    end
end

-- reload { watch = true, specs = { "route_spec.lua" } }: when, and what is run before.
local function reload_block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "reload", "reload { watch = true }")) do
            settings[name] = name ~= "specs" and entry or nil
        end
        if type(settings.watch) == "boolean" then
            settings.watch = settings.watch and 1 or 0
        end
        numbers(check, settings, result, folder)
        local specs = type(value.specs) == "string" and { value.specs } or value.specs or {}
        check:type(specs, "table", "reload specs", "specs = { \"route_spec.lua\" }")
        result.specs = {}
        for _, path in ipairs(specs) do
            check:type(path, "string", "reload specs", "specs = { \"route_spec.lua\" }")
            result.specs[#result.specs + 1] = check:try(blocks.readable, check, folder, path, "reload spec")
        end
    end
end

local SECRET_LEAST, DOMAIN_MOST = 16, 64
local NOT_NUMBERS = { secret = true, domain = true }

-- auth { nonce_s = …, secret = env "AUTH_SECRET", domain = "example.com" }: what nonces are signed with, on all servers
-- that share it; whose users these are.
local function auth_block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "auth", "auth { nonce_s = 300 }")) do
            settings[name] = not NOT_NUMBERS[name] and entry or nil
        end
        numbers(check, settings, result, folder)
        if value.secret ~= nil and (type(value.secret) ~= "string" or #value.secret < SECRET_LEAST) then
            check:fail(("auth secret must be a text of at least %d characters; write secret = env \"AUTH_SECRET\"")
                :format(SECRET_LEAST), "secret")
        end
        result.auth_secret = value.secret
        local domain = value.domain
        if domain ~= nil and (type(domain) ~= "string" or #domain > DOMAIN_MOST
            or not domain:match "^%[?[%w][%w.:_-]*%]?$") then
            check:fail("auth domain must be the name that stands behind the @ of users; write domain = \"example.com\"",
                "domain")
        end
        result.auth_domain = domain
    end
end

-- location { database = "sqlite:/var/lib/lunasip/location.db", … }: where bindings outlive the process.
local function location_block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "location", "location { expires_most_s = 3600 }")) do
            settings[name] = name ~= "database" and entry or nil
        end
        numbers(check, settings, result, folder)
        if value.database ~= nil then
            result.location_database = database.url(check, value.database, folder)
        end
    end
end

-- database { url = "postgres://…", timeout_ms = … }: the one that is meant where none is named.
local function database_block(numbers)
    return function(check, value, result, folder)
        local settings = {}
        for name, entry in pairs(check:type(value, "table", "database", "database { timeout_ms = 2000 }")) do
            settings[name] = name ~= "url" and entry or nil
        end
        numbers(check, settings, result, folder)
        if value.url ~= nil then
            result.database_url = database.url(check, value.url, folder, "url")
        end
    end
end

local function all_blocks()
    local out = {}
    for block, known in pairs(numeric_blocks()) do
        out[block] = numeric_block(block, known)
    end
    if out.shared then
        out.shared = shared_block(out.shared)
    end
    if out.auth then
        out.auth = auth_block(out.auth)
    end
    if out.location then
        out.location = location_block(out.location)
    end
    if out.database then
        out.database = database_block(out.database)
    end
    if out.trunk then
        out.trunk = trunk.block(out.trunk)
    end
    if out.records then
        out.records = records.block(out.records)
    end
    if out.drain then
        out.drain = drain_block(out.drain)
    end
    if out.reload then
        out.reload = reload_block(out.reload)
    end
    for name, run in pairs(BLOCKS) do
        out[name] = run
    end
    return out
end

local function line_of_caller(path)
    for level = 2, 20 do
        local info = debug.getinfo(level, "Sl")
        if not info then
            break
        end
        if info.source == "@" .. path then
            return info.currentline
        end
    end
    return 1
end

-- What a name that does not exist stands for: whatever is done with it, one fault was enough.
local function unknown()
    local function itself(value)
        return value
    end
    return setmetatable({}, { __metatable = false, __call = itself, __index = itself })
end

-- name -> true: what may stand on the left, and what may be called.
local function names_of(known)
    local names = { env = true }
    for _, list in ipairs { known, ASSIGNED } do
        for name in pairs(list) do
            names[name] = true
        end
    end
    return names
end

-- Run the check of a block or an assigned value; a name is given once.
local function run_once(check, seen, faulty, name, run)
    check.line = line_of_caller(check.path)
    local before = #check.faults
    if seen[name] then
        check:note(("%s is there already, in line %d; keep one"):format(name, seen[name]))
        return
    end
    seen[name] = check.line
    local value = check:try(run)
    faulty[name] = #check.faults > before or nil
    return value
end

-- The globals of a configuration: its blocks, env, and a few harmless functions.
-- @treturn table globals @treturn table lines by name @treturn table names that have faults
local function environment(check, result, folder)
    local known, seen, faulty = all_blocks(), {}, {}
    local names = names_of(known)
    local values = {
        ipairs = ipairs, pairs = pairs, tostring = tostring, tonumber = tonumber, type = type, error = error,
        env = function(name)
            check.line = line_of_caller(check.path)
            name = check:try(check.type, check, name, "string", "env", "env \"NAME\"")
            return name and os.getenv(name)
        end,
    }
    for name, run in pairs(known) do
        values[name] = function(value)
            run_once(check, seen, faulty, name, function()
                run(check, value, result, folder)
            end)
        end
    end
    return setmetatable({}, {
        __metatable = false,
        __index = function(_, name)
            if values[name] ~= nil then
                return values[name]
            end
            check.line = line_of_caller(check.path)
            check:note(("there is no block '%s'%s"):format(tostring(name), suggest.hint(tostring(name), names)), nil,
                true)
            return unknown()
        end,
        __newindex = function(_, name, value)
            local assigned = run_once(check, seen, faulty, name, function()
                if known[name] then
                    check:fail(("'%s' is a block, not a value; write %s { … }"):format(name, name))
                elseif not ASSIGNED[name] then
                    check:fail(("there is no setting '%s'%s"):format(tostring(name),
                        suggest.hint(tostring(name), names)))
                end
                return ASSIGNED[name](check, value, name)
            end)
            if ASSIGNED[name] then
                result[name] = assigned
            end
        end,
    }), seen, faulty
end

-- Blocks that must be there, and what one block says about another: a media block's interfaces must be listen
-- interfaces, or nothing could ever say which it means.
local function cross_check(check, result, seen, faulty)
    for _, block in ipairs { "listen", "route" } do
        if not seen[block] then
            check.line = 1
            check:note(("there is no %s; write %s"):format(block,
                block == "listen" and "listen { public = { \"udp:HOST:PORT\" } }" or "route \"sbc.lua\""))
        end
    end
    if seen.group and not seen.user then
        check.line = seen.group
        check:note "there is a group but no user; write user = \"lunasip\""
    end
    local interfaces = {}
    for _, listener in ipairs(result.listeners) do
        interfaces[listener.interface] = true
    end
    if not seen.listen or faulty.listen then
        return
    end
    trunk.cross_check(check, result, interfaces)
    for _, interface in ipairs(result.media and result.media.interfaces or {}) do
        if not interfaces[interface.name] then
            check.line = seen.media
            check:note(("media names an interface '%s' that listen does not%s"):format(interface.name,
                suggest.hint(interface.name, interfaces)), interface.name)
        end
    end
end

-- The loop of a careless configuration ends with a message too.
local MOST_INSTRUCTIONS = 10000000

local function run_bounded(chunk, path)
    jit.off(chunk, true)
    debug.sethook(function()
        debug.sethook()
        error(path .. ":1: the configuration does not end; it may not loop", 0)
    end, "", MOST_INSTRUCTIONS)
    local ok, err = pcall(chunk)
    debug.sethook()
    return ok, err
end

-- What the configuration itself raised, as a fault.
local function raised(err, path)
    local text = type(err) == "string" and err:match "^[^\r\n]*" or "an error was raised that is not a text"
    local line = text:match "^.-:(%d+): "
    return { line = tonumber(line) or 1, text = line and text or path .. ":1: " .. text }
end

-- Of a faulty configuration: what could be read, and the blocks that the script may not be measured by.
local function partial(result, seen, faulty)
    result.unknown = {}
    for _, name in ipairs { "address", "dispatcher", "listen", "media", "trunk" } do
        if not seen[name] or faulty[name] then
            result.unknown[#result.unknown + 1] = name
        end
    end
    return result
end

--- Check a configuration's text.
-- @string source
-- @string path as shown in messages; paths in the text are relative to its folder
-- @treturn table or nil, "file:line: what is wrong; what to do" in a line for each fault, and what could be read:
--   like the result, with unknown = names of blocks that are not there or faulty
function M.check(source, path)
    if source:byte(1) == 27 then
        return nil, path .. ":1: is bytecode; write the configuration as text", partial({}, {}, {})
    end
    local chunk, err = loadstring(source, "@" .. path)
    if not chunk then
        return nil, raised(err, path).text, partial({}, {}, {})
    end
    local check = checks.new(path, source)
    local result = { listeners = {}, addresses = {}, shared = {}, settings = {}, trunks = {} }
    local env, seen, faulty = environment(check, result, path:match "^(.*/)" or "")
    setfenv(chunk, env)
    local ok
    ok, err = run_bounded(chunk, path)
    if ok then
        cross_check(check, result, seen, faulty)
    else
        check:keep(raised(err, path))
    end
    result.lines, result.files = seen, check.files
    local faults = check:report()
    if faults then
        return nil, faults, partial(result, seen, faulty)
    end
    return result
end

--- Read and check a configuration file.
function M.load(path)
    local file, err = io.open(path, "rb")
    local source = file and file:read "*a"
    if file then
        file:close()
    end
    if not source then
        return nil, path .. ":1: cannot be read (" .. (err and err:match ": ([^:]*)$" or "it is not a file")
            .. "); give the path of a configuration file", partial({}, {}, {})
    end
    return M.check(source, path)
end

return M
