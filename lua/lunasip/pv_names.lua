--- The table of variable names: name -> how to read and write it.
--
-- A definition is { get = function(message, argument, index) -> text, number or nil,
--                   word = the word of messages that is the same, for the engine to read without Lua,
--                   set = function(message, value, argument, index) -> nothing, or nil and an error,
--                   argument = "required" | "optional" | nil,
--                   prepare = function(argument) -> what get receives instead, or nil and an error,
--                   literal = true when variables inside the argument are not for us,
--                   index = true when [i] is allowed }.
-- Names, types and the rules for nothing (nil) are Kamailio's; the files in lunasip/pv hold them.
local suggest = require "lunasip.suggest"

local M = {}

local names = {}

for _, group in ipairs { "request_line", "addresses", "headers", "network", "store", "clock", "constants" } do
    for name, definition in pairs(require("lunasip.pv." .. group)) do
        names[name] = definition
    end
end

-- Known to Kamailio, but not here: each says what to use or what it waits for.
local REFUSED = {
    branch = "branches are given to req:fork{…}",
    sbranch = "branches are given to req:fork{…}",
    br = "branches are given to req:fork{…}",
    bR = "branches are given to req:fork{…}",
    ds = "branches are given to req:fork{…}",
    rc = "functions return their result: local ok, err = …",
    retcode = "functions return their result: local ok, err = …",
    snd = "there is no onsend_route; use a branch_route",
    sndfrom = "there is no onsend_route; use a branch_route",
    sndto = "there is no onsend_route; use a branch_route",
    sel = "selects are not part of lunasip; the variables and words of a message give the same",
    ccp = "use a Lua variable",
    cfg = "use a Lua variable",
    def = "use a Lua variable",
    defn = "use a Lua variable",
    defs = "use a Lua variable",
    defv = "use a Lua variable",
    atkv = "there are no events of that kind",
    ruid = "it comes with the location service",
    sruid = "it comes with the location service",
    ltt = "it comes with the dialog variables",
    fti = "it comes with the dialog variables",
    tti = "it comes with the dialog variables",
    rdir = "it comes with the dialog variables",
    dlg = "it comes with the dialog variables",
    dlg_var = "it comes with the dialog variables",
    dlg_ctx = "it comes with the dialog variables",
    stat = "counters are shown by lunasip ctl status",
    conid = "it comes with the TCP transport",
    rpl = "the engine sends replies along their Via",
    lsock = "use sip.interface.NAME.address",
    version = "lunasip version tells it",
}

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

--- Names that exist, for the editor's annotations and for specs.
function M.all()
    return names
end

return M
