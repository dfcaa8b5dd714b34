--- What is wrong with a script, before it is loaded: `lunasip check`, and what a reload asks first.
--
--     local checker = check.new(lua_dir)
--     checker:add_line "conf/sbc.lua:3: what; what to do"      -- a fault that somebody else found
--     local is_loadable = checker:script { path = …, source = … }
--     local report = checker:report()                          -- { text, json, note, faults, warnings }
--
-- The engine calls this (engine/script/check.c) in a state of its own, where no script runs.
local report = require "lunasip.check.report"

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

--- Check a script and the files that it requires.
-- @tparam table facts path; source = its text when it is not in the file; sets = numbers of dispatcher sets;
--   media = names of media interfaces
-- @treturn boolean can it be loaded, to see what only that shows?
function Checker:script(facts) -- luacheck: ignore 212
    return true
end

--- @treturn table text, json, note (text or nil), faults, warnings (numbers)
function Checker:report()
    local faults, warnings = self.list:count()
    return {
        text = self.list:text(), json = self.list:json(), note = self.note, faults = faults, warnings = warnings,
    }
end

return M
