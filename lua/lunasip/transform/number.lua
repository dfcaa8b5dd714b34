--- {num.…}: digits of a number; texts and nothing give 0.
local function digit(pattern)
    return { 0, 0, takes_nothing = true, keeps_type = true, apply = function(value)
        if type(value) ~= "number" then
            return 0
        end
        return tonumber(("%.0f"):format(math.abs(value)):match(pattern))
    end }
end

return { fdigit = digit "^%d", ldigit = digit "%d$" }
