--- Which message a running handler works on, for log lines only: sip.log.info("$rm from $si").
--
-- A handler runs in a coroutine of its own; handlers of other calls may run while it waits, so the
-- message is remembered per coroutine. No primitive but the log looks here.
local M = {}

local messages = setmetatable({}, { __mode = "k" })
local MAIN = {}

--- Message of the handler that runs now, or nil.
function M.message()
    return messages[coroutine.running() or MAIN]
end

-- Compiled under the engine's own name, so that a trace shows the script's lines only.
local wrapper = assert(loadstring([[
local messages, running, main = ...
return function(handler)
    return function(message, ...)
        local key = running() or main
        messages[key] = message
        handler(message, ...)
        messages[key] = nil
    end
end]], "=lunasip"))

--- Wrap a handler so that its message is known while it runs.
-- @func handler
-- @treturn function
M.wrap = wrapper(messages, coroutine.running, MAIN)

return M
