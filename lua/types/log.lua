---@meta
-- Annotations for the Lua language server: sip.log. Nothing here is ever run.
-- luacheck: ignore

---One line each, tagged with the call. Formats hold pseudo-variables of the message given, or of the
---one that the running handler works on, and string.format directives for the values.
---@class lunasip.Log
local Log = {}

---An operator must act.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.error(message, format, ...) end

---We coped.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.warning(message, format, ...) end

---A line or two per call.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.info(message, format, ...) end

---Per message.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.debug(message, format, ...) end
