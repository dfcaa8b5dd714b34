--- "did you mean …": the nearest of the names that exist.
local M = {}

-- Edit distance (Levenshtein with adjacent swaps), the two rows before kept.
local function distance(a, b)
    local before, previous = {}, {}
    for j = 0, #b do
        previous[j] = j
    end
    for i = 1, #a do
        local row = { [0] = i }
        for j = 1, #b do
            local cost = a:byte(i) == b:byte(j) and 0 or 1
            row[j] = math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + cost)
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                row[j] = math.min(row[j], before[j - 2] + 1)
            end
        end
        before, previous = previous, row
    end
    return previous[#b]
end

local function common_start(a, b)
    local n = 0
    while n < #a and a:byte(n + 1) == b:byte(n + 1) do
        n = n + 1
    end
    return n
end

--- The nearest name, if one is near enough to be a slip; of equally near ones the one that starts alike.
-- @string name what was written
-- @tparam table names keys are the names that exist
-- @treturn string or nil
function M.nearest(name, names)
    name = name:sub(1, 64)
    local best, best_distance, best_start
    for known in pairs(names) do
        if type(known) == "string" then
            local d, start = distance(name, known), common_start(name, known)
            if #name >= 2 and start == #name then
                d = 1 -- its start is as good as a slip
            end
            local is_better = not best or d < best_distance
                or d == best_distance and (start > best_start or start == best_start and known < best)
            if is_better then
                best, best_distance, best_start = known, d, start
            end
        end
    end
    if best and best_distance <= math.max(1, math.floor(#name / 3)) then
        return best
    end
    return nil
end

--- The same as a half sentence: "; did you mean 'x'?" or "".
function M.hint(name, names)
    local nearest = M.nearest(name, names)
    return nearest and "; did you mean '" .. nearest .. "'?" or ""
end

return M
