--- The dispatcher's words: algorithms and states, for the calls and for `lunasip check`.
local suggest = require "lunasip.suggest"

local M = {}

--- Algorithms by name; the numbers are Kamailio's.
M.algorithms = {
    ["hash-call-id"] = 0, ["hash-from"] = 1, ["hash-to"] = 2, ["hash-ruri"] = 3, ["round-robin"] = 4,
    ["hash-auth"] = 5, ["random"] = 6, ["hash-value"] = 7, ["priority"] = 8, ["weight"] = 9,
    ["call-load"] = 10, ["relative-weight"] = 11, ["parallel"] = 12, ["latency"] = 13,
}

local STATES = { active = true, inactive = true, disabled = true, probing = true, trying = true }

--- Number of an algorithm. @treturn int, or nil, err
function M.algorithm(algorithm)
    if type(algorithm) == "string" then
        local number = M.algorithms[(algorithm:gsub("_", "-"))]
        if not number then
            return nil, "dispatcher: no algorithm '" .. algorithm .. "'" .. suggest.hint(algorithm, M.algorithms)
        end
        return number
    end
    if type(algorithm) ~= "number" or algorithm < 0 or algorithm > 13 or algorithm % 1 ~= 0 then
        return nil, "dispatcher: an algorithm is a name or a number from 0 to 13, not " .. tostring(algorithm)
    end
    return algorithm
end

--- A state as the engine takes it: a word, or Kamailio's letters. @treturn string, or nil, err
function M.state(state)
    local text = type(state) == "string" and state:lower() or ""
    if not STATES[text] and not text:match "^[aitd][px]?$" then
        return nil, "dispatcher.mark: no state '" .. tostring(state) .. "'" .. suggest.hint(text, STATES)
    end
    return text
end

return M
