--- sip.timer: run a function later, or again and again, on one worker or on each.
--
-- Times are in seconds, fractions allowed. Timers belong to a script generation and stop when a
-- reload replaces it. The function runs like a handler, without a message; it may yield.
local core = require "lunasip.core"

local M = {}

local function start(name, seconds, repeats, run, options)
    if type(seconds) ~= "number" or not (seconds >= 0.001 and seconds <= 86400 * 365) then
        error("timer." .. name .. ": seconds from 0.001 up are needed, not " .. tostring(seconds), 2)
    end
    if type(run) ~= "function" then
        error("timer." .. name .. ": a function is needed, not a " .. type(run), 2)
    end
    local each_worker = type(options) == "table" and options.each_worker == true
    return core.timer(math.floor(seconds * 1000 + 0.5), repeats, each_worker, run)
end

--- Run every so many seconds. @treturn boolean true, or nil, err
-- @usage sip.timer.every(60, function() sip.shared.counters:set("calls", 0) end)
function M.every(seconds, run, options)
    return start("every", seconds, true, run, options)
end

--- Run once, later. @treturn boolean true, or nil, err
function M.after(seconds, run, options)
    return start("after", seconds, false, run, options)
end

return M
