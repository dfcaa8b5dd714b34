--- sip.log: one line per thing worth telling, tagged with the call.
--
--     sip.log.info("$rm from $si:$sp")              -- variables of the message being handled
--     sip.log.warning(reply, "gateway says $rs")    -- of another message
--     sip.log.info("quota left: %d", left)          -- string.format; values are never expanded
--     sip.log.info(event, "the call ended")         -- of an event: its Call-ID
--
-- The engine prints the lines (engine/script/api_log.c); what a format means is found out here, once.
local core = require "lunasip.core"
local format = require "lunasip.format"

local M = {}

local MOST = 512 -- formats that are kept; a script with more makes them anew

local programs, count = {}, 0

local function add(text)
    if count == MOST then
        for known in pairs(programs) do
            programs[known] = nil
        end
        count = 0
    end
    count = count + 1
    programs[text] = core.log_program(format.split(text))
    return programs[text]
end

for _, level in ipairs { "error", "warning", "info", "debug" } do
    M[level] = core.log_writer(level, programs, add, string.format)
end

return M
