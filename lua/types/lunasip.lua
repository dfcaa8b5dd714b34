---@meta
-- Annotations for the Lua language server: local sip = require "lunasip". Nothing here is ever run.
-- luacheck: ignore

---@class lunasip
---@field auth lunasip.Auth
---@field dialog lunasip.Dialog
---@field call lunasip.CallMaker
---@field log lunasip.Log
---@field dispatcher lunasip.Dispatcher
---@field media lunasip.Media
---@field nat lunasip.Nat
---@field registrar lunasip.Registrar
---@field shared table<string, lunasip.Dictionary> by the names in the configuration
---@field sql lunasip.Sql
---@field http lunasip.Http
---@field timer lunasip.Timer
---@field trunk lunasip.Trunk
---@field interface table<string, lunasip.Interface> by the names in the configuration's listen block
local lunasip = {}

---Wait; other calls go on meanwhile, later messages of this call queue up. Yields.
---@param seconds number 0 to 3600
---@return boolean? ok, string? err "cancelled" when the caller gave up meanwhile
function lunasip.sleep(seconds) end

---Fill in a format: sip.format(req, "$fU@$fd"). An unknown variable raises.
---@param message Message
---@param format string
---@return string
function lunasip.format(message, format) end

---Does the message come from one of the networks of an address group of the configuration?
---@param message Message
---@param group string
---@return boolean
function lunasip.source_in(message, group) end

---@class lunasip.Interface
---@field name string
---@field proto string
---@field address string of its first listener
---@field port integer
---@field advertised_address string
---@field advertised_port integer
---@field listens table<string, table<integer, true>> every address and port of that name: listens[req["$Ri"]][req["$Rp"]]

return lunasip
