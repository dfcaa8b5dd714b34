--- sip.log: one line per thing worth telling, tagged with the call.
--
--     sip.log.info("$rm from $si:$sp")              -- variables of the message being handled
--     sip.log.warning(reply, "gateway says $rs")    -- of another message
--     sip.log.info("quota left: %d", left)          -- string.format; values are never expanded
--     sip.log.info(event, "the call ended")         -- of an event: its Call-ID
local core = require "lunasip.core"
local current = require "lunasip.current"
local format = require "lunasip.format"

local M = {}

local function write(level, message, text, ...)
    if not core.log_is_on(level) then -- asking costs less than printing
        return
    end
    if type(text) ~= "string" then
        error("sip.log." .. level .. ": a format is needed, not a " .. type(text), 3)
    end
    -- An event is no message: it has a Call-ID, but no variables.
    local is_message = message ~= nil and message.is_request ~= nil
    core.log(level, message and message.call_id, format.expand(is_message and message or nil, text, ...))
end

for _, level in ipairs { "error", "warning", "info", "debug" } do
    M[level] = function(first, ...)
        if type(first) == "string" then
            write(level, current.message(), first, ...)
        else
            write(level, first, ...)
        end
    end
end

return M
