--- The table of variable names: name -> how to read and write it.
--
-- A definition is { get = function(message, argument, index) -> text, number or nil,
--                   word = the word of messages that is the same, for the engine to read without Lua,
--                   set = function(message, value, argument, index) -> nothing, or nil and an error,
--                   argument = "required" | "optional" | nil,
--                   prepare = function(argument) -> what get receives instead, or nil and an error,
--                   check = function(argument) -> true, or nil and an error: for arguments without variables,
--                   literal = true when variables inside the argument are not for us,
--                   index = true when [i] is allowed }.
-- Names, types and the rules for nothing (nil) are Kamailio's; the files in lunasip/pv hold them.
local REFUSED = require "lunasip.pv_refused"
local suggest = require "lunasip.suggest"

local M = {}

local names = {}

local GROUPS = {
    "request_line", "addresses", "headers", "network", "transaction", "dialog", "branches", "store", "xavp", "clock",
    "constants",
}
for _, group in ipairs(GROUPS) do
    for name, definition in pairs(require("lunasip.pv." .. group)) do
        names[name] = definition
    end
end

--- Look a name up.
-- @treturn table definition, or nil, err
function M.find(name)
    local definition = names[name]
    if definition then
        return definition
    end
    if REFUSED[name] then
        return nil, "$" .. name .. " is not available: " .. REFUSED[name]
    end
    return nil, "unknown variable $" .. name .. suggest.hint(name, names)
end

--- Variables that are a word by another name: { ["$ru"] = "ruri" }.
function M.words()
    local words = {}
    for name, definition in pairs(names) do
        words["$" .. name] = definition.word
    end
    return words
end

--- Names that are known and refused: name -> what to use instead.
function M.refused()
    return REFUSED
end

--- Names that exist, for the editor's annotations and for specs.
function M.all()
    return names
end

return M
