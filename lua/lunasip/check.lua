--- What is wrong with a script, before it is loaded: `lunasip check`, and what a reload asks first.
--
--     local checker = check.new(lua_dir)
--     checker:add_line "conf/sbc.lua:3: what; what to do"      -- a fault that somebody else found
--     local is_loadable = checker:script { path = …, source = … }
--     local report = checker:report()                          -- { text, json, note, faults, warnings }
--
-- The engine calls this (engine/script/check.c) in a state of its own, where no script runs.
local annotations = require "lunasip.check.annotations"
local api = require "lunasip.check.api"
local kamailio = require "lunasip.check.kamailio"
local program = require "lunasip.check.program"
local report = require "lunasip.check.report"
local rules = require "lunasip.check.rules"
local runtime = require "lunasip.runtime"
local sandbox = require "lunasip.sandbox"
local source = require "lunasip.check.source"
local suggest = require "lunasip.suggest"

local M = {}

local Checker = {}
Checker.__index = Checker

--- @string lua_dir where lunasip/ and types/ are
function M.new(lua_dir)
    return setmetatable({ lua_dir = lua_dir, list = report.new(), note = nil }, Checker)
end

--- Add a fault that is one line: "file:line: what; what to do".
function Checker:add_line(line)
    self.list:add_line(line)
end

local function read_api(lua_dir)
    return api.parse(annotations.read(lua_dir))
end

local add_file

-- The files that a file requires, but for the public parts of lunasip.
local function add_required(self, whole, file, folder)
    for _, required in ipairs(program.required(file)) do
        local name = required.name
        local path, text, err = sandbox.find(name, folder)
        if err then
            whole:fault("require", required.node, name, err:gsub("^require: ", "") .. "; name a module that is there")
        elseif path and not whole.modules[name] then
            add_file(self, whole, path, text, folder, name)
        end
    end
end

function add_file(self, whole, path, text, folder, module)
    self.list:set_source(path, text)
    local file, fault = source.parse(path, text)
    if not file then
        self.list:add(fault)
        self.is_faulty = true
        return
    end
    file.module = module
    whole:add(file)
    add_required(self, whole, file, folder)
end

-- What luacheck calls a standard: the globals of a script and the fields of its libraries.
local function standard(env)
    local globals = {}
    for name in pairs(sandbox.names(env)) do
        local fields = sandbox.library_names(env, name)
        globals[name] = { read_only = false, other_fields = not fields }
        if fields then
            globals[name].fields = {}
            for field in pairs(fields) do
                globals[name].fields[field] = { read_only = true, other_fields = true }
            end
        end
    end
    return { fields = globals, globals = globals }
end

-- Our words for luacheck's warnings about globals.
local function describer(env, whole)
    local names = sandbox.names(env)
    for name in pairs(whole.globals) do
        names[name] = true
    end
    return function(warning)
        local name = warning.name
        if warning.code == "113" then
            local hint = kamailio.hint(name)
            hint = hint ~= "" and hint or suggest.hint(name, names)
            return ("there is no global '%s'%s"):format(name,
                hint ~= "" and hint or '; define it, or take it from require "lunasip"')
        elseif warning.code == "143" then
            local field = warning.field or "?"
            local hint = suggest.hint(field, sandbox.library_names(env, name) or {})
            return ("there is no %s.%s%s"):format(name, field,
                hint ~= "" and hint or "; scripts have a part of Lua's library")
        end
    end
end

--- Check a script and the files that it requires.
-- @tparam table facts path; source = its text when it is not in the file; sets = numbers of dispatcher sets;
--   media = names of media interfaces; trunks = names of trunks; has_group = function(name)
-- @treturn boolean can it be loaded, to see what only that shows?
function Checker:script(facts)
    local text, err = facts.source, nil
    if not text then
        text, err = sandbox.read(facts.path)
    end
    if not text then
        self:add_line(err)
        return false
    end
    local is_there
    is_there, self.note = source.load()
    if not is_there then
        return true
    end
    local whole = program.new(read_api(self.lua_dir))
    local env = runtime.new_environment(facts.path)
    add_file(self, whole, facts.path, text, facts.path:match "^(.*/)" or "")
    rules.run(whole, facts, self.is_faulty)
    for _, entry in ipairs(source.entries(whole.files, standard(env), describer(env, whole))) do
        self.list:add(entry)
    end
    return self.list:count() == 0
end

--- @treturn table text, json, note (text or nil), faults, warnings (numbers)
function Checker:report()
    local faults, warnings = self.list:count()
    return {
        text = self.list:text(), json = self.list:json(), note = self.note, faults = faults, warnings = warnings,
    }
end

return M
