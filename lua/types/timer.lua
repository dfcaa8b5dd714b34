---@meta
-- Annotations for the Lua language server: sip.timer. Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.TimerOptions
---@field each_worker? boolean on every worker, not on one

---@class lunasip.Timer
local Timer = {}

---Run every so many seconds, on one worker, until a newer script replaces this one.
---@param seconds number 0.001 to 31536000
---@param run fun()
---@param options? lunasip.TimerOptions
---@return boolean? ok, string? err
function Timer.every(seconds, run, options) end

---Run once, later.
---@param seconds number 0.001 to 31536000
---@param run fun()
---@param options? lunasip.TimerOptions
---@return boolean? ok, string? err
function Timer.after(seconds, run, options) end
