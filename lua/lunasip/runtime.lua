--- What the engine calls: make an environment, load a script into it, take its handlers.
--
--     local runtime = require "lunasip.runtime"
--     local env = runtime.new_environment(path)
--     local chunk, err = runtime.load(path, env)      -- err: "file:line: message"
--     chunk()                                         -- in a coroutine with a budget
--     local handlers = runtime.handlers(env)          -- raises "file:line: message"
local core = require "lunasip.core"
local globals = require "lunasip.globals"
local leave = require "lunasip.leave"
local lint = require "lunasip.lint"
local pv = require "lunasip.pv"
local pv_names = require "lunasip.pv_names"
local sandbox = require "lunasip.sandbox"
local suggest = require "lunasip.suggest"

local M = {}

if core.set_pv then
    core.set_pv(pv.get, pv.set, pv_names.words())
end

-- env -> { path, routes = registries, references = handlers that the script names, chunks = its files compiled }
local states = setmetatable({}, { __mode = "k" })

-- A table of named handlers: only functions go in, and what went in can be replaced.
local function registry(word)
    local handlers = {}
    return setmetatable({}, {
        __metatable = false,
        __index = handlers,
        __newindex = function(_, name, handler)
            if type(name) ~= "string" then
                error(word .. ": a handler's name is a text", 2)
            end
            if type(handler) ~= "function" and handler ~= nil then
                error(word .. "." .. name .. ": a function is needed, not a " .. type(handler), 2)
            end
            handlers[name] = handler
        end,
        __pairs = function()
            return pairs(handlers)
        end,
        -- onreply_route(reply) runs the default that was assigned to the name itself.
        __call = word == "onreply_route" and function(_, ...)
            local default = handlers[1]
            if not default then
                error("onreply_route: no default function was assigned", 2)
            end
            return default(...)
        end or nil,
    }), handlers
end

local WORDS = { "route", "branch_route", "failure_route", "onreply_route", "event_route" }

-- Check the names in a file that can be checked without running it, and keep those that cannot.
local function inspect(env, chunk, source, path)
    local state = states[env]
    local references, err = lint.check(source, path)
    if not references then
        return nil, err
    end
    for _, reference in ipairs(state and references or {}) do
        table.insert(state.references, reference)
    end
    if state then
        core.note_file(path, source)
        table.insert(state.chunks, chunk)
    end
    return chunk
end

--- Globals for one script: the sandbox and the handler tables.
-- @string script_path its folder is where require looks
-- @treturn table
function M.new_environment(script_path)
    local routes, given = {}, {}
    for _, word in ipairs(WORDS) do
        given[word], routes[word] = registry(word)
    end
    local function assign(name, value)
        if name == "onreply_route" and type(value) == "function" then
            routes.onreply_route[1] = value
            return true
        end
        if given[name] then
            return nil, "'" .. name .. "' is a table that is there already: write function " .. name .. ".NAME(req)"
        end
        if name == "request_route" and type(value) ~= "function" and value ~= nil then
            return nil, "'request_route' must be a function, not a " .. type(value)
        end
        return false
    end
    local env
    env = sandbox.new_environment(script_path, given, assign, function(...)
        return inspect(env, ...)
    end)
    states[env] = { path = script_path, routes = routes, references = {}, chunks = {} }
    return env
end

--- Read and compile a script, and check the names in it that can be checked without running it.
-- @string path
-- @tparam[opt] table env globals of the chunk
-- @string[opt] source the text itself, when it does not come from the file
-- @treturn function or nil, "file:line: message"
function M.load(path, env, source)
    local err
    if not source then
        source, err = sandbox.read(path)
        if not source then
            return nil, err
        end
    end
    local chunk
    chunk, err = sandbox.compile(source, path, env)
    if not chunk then
        return nil, err
    end
    return inspect(env, chunk, source, path)
end

-- What a run would stumble over is said now.
local function check_names(env, state)
    for _, reference in ipairs(state.references) do
        local handlers = state.routes[reference.registry]
        if not handlers[reference.name] then
            error(lint.missing(reference, handlers), 0)
        end
    end
    local unknown = globals.unknown(state.chunks, sandbox.names(env))
    if unknown then
        error(unknown, 0)
    end
    if rawget(env, "request_route") == nil then
        local slip = suggest.nearest("request_route", env) -- of the globals that the script defined
        error(("%s:1: there is no request_route; %s"):format(state.path,
            slip and "is '" .. slip .. "' meant to be it?" or "define function request_route(req)"), 0)
    end
end

-- Those that have a name; the default of onreply_route has none.
local function named(handlers)
    local found = {}
    for name, handler in pairs(handlers) do
        if type(name) == "string" then
            found[name] = handler
        end
    end
    return found
end

--- The handlers that a script defined, once its chunk has run.
-- @treturn table { request_route, onreply_default, route, branch, failure, onreply, event }
function M.handlers(env)
    local state = states[env]
    local routes = state.routes
    check_names(env, state)
    return {
        request_route = rawget(env, "request_route"),
        onreply_default = routes.onreply_route[1],
        branch = named(routes.branch_route),
        failure = named(routes.failure_route),
        onreply = named(routes.onreply_route),
        event = leave.wrap_all(named(routes.event_route)),
    }
end

return M
