---@meta
-- Annotations for the Lua language server: sip.trunk. Nothing here is ever run.
-- luacheck: ignore

---A trunk of the configuration as it stands.
---@class lunasip.TrunkState
---@field name string
---@field state "registering"|"up"|"down"|"disabled"
---@field status? integer of the last final response
---@field reason? string its phrase, or why there was none
---@field expires_in_s? number the binding ends; nil: there is none
---@field next_in_s? number the next REGISTER; nil: none is planned
---@field failures integer attempts in a row that failed
---@field registrar string URI
---@field user string
---@field domain string
---@field interface? string

---Accounts at registrars of others: the trunk block of the configuration.
---@class lunasip.Trunk
local Trunk = {}

---@param name string
---@return lunasip.TrunkState? trunk, string? err
function Trunk.get(name) end

---@return lunasip.TrunkState[] trunks in the order of their names
function Trunk.list() end
