---@meta
-- Annotations for the Lua language server: sip.shared.NAME. Nothing here is ever run.
-- luacheck: ignore

---A dictionary that all workers see. A full one answers nil, "full".
---@class lunasip.Dictionary
---@field name string
local Dictionary = {}

---@param key string|number
---@return string|number|boolean|nil
function Dictionary:get(key) end

---@param key string|number
---@param value string|number|boolean
---@param ttl_s? number 0.001 to TTL
---@return boolean? ok, string? err
function Dictionary:set(key, value, ttl_s) end

---Set only when the key is not there.
---@param key string|number
---@param value string|number|boolean
---@param ttl_s? number 0.001 to TTL
---@return boolean? ok, string? err "exists"
function Dictionary:add(key, value, ttl_s) end

---Add to a number atomically; a missing key counts from 0.
---@param key string|number
---@param amount? number default 1
---@param ttl_s? number 0.001 to TTL
---@return number? value, string? err
function Dictionary:incr(key, amount, ttl_s) end

---@param key string|number
---@return boolean was_there
function Dictionary:delete(key) end
