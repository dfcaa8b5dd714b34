--- A bounded cache of compiled things (variables, formats, parsed URIs).
--
-- Two halves: when the young half is full it becomes the old one and the old one goes. What is used
-- stays, what is not is forgotten after a while, and no bookkeeping is done per read.
local M = {}

--- Make a cached form of a function.
-- @int limit most values kept
-- @func compile key -> value, or nil and an error text; failures are not kept
-- @treturn function with the same contract as compile
function M.new(limit, compile)
    local half = math.max(1, math.floor(limit / 2))
    local young, old, count = {}, {}, 0
    return function(key)
        local value = young[key]
        if value ~= nil then
            return value
        end
        value = old[key]
        if value == nil then
            local err
            value, err = compile(key)
            if value == nil then
                return nil, err
            end
        end
        if count >= half then
            old, young, count = young, {}, 0
        end
        young[key] = value
        count = count + 1
        return value
    end
end

return M
