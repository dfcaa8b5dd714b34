--- The directives of string.format ("%d of %s") against the values that it gets.
local M = {}

local TAKES = { d = "number", i = "number", u = "number", c = "number", x = "number", X = "number", o = "number",
    e = "number", E = "number", f = "number", g = "number", G = "number", a = "number", A = "number",
    s = "any", q = "any" }

-- The directives of a text. @treturn table list of letters, or nil, what is wrong
local function read(text)
    local letters, position = {}, 1
    while true do
        position = text:find("%", position, true)
        if not position then
            return letters
        end
        local flags, letter, after = text:match("^([%-+ #0]*%d*%.?%d*)(.?)()", position + 1)
        if letter == "" then
            return nil, "ends with a '%'"
        elseif letter ~= "%" or flags ~= "" then
            if not TAKES[letter] then
                return nil, ("has no directive '%%%s%s'"):format(flags, letter)
            end
            letters[#letters + 1] = letter
        end
        position = after
    end
end

--- Check a literal format.
-- @tparam table context
-- @tparam table node where the format stands
-- @string text the format
-- @tparam table given nodes of the values
function M.check(context, node, text, given)
    local letters, err = read(text)
    if not letters then
        context:fault("format", node, text, "the format " .. err .. "; write %% for a percent sign")
        return
    end
    local last = given[#given]
    local is_open = last and (last.tag == "Call" or last.tag == "Invoke" or last.tag == "Dots")
    if #given > #letters and not (is_open and #given == #letters + 1) then
        context:fault("format", given[#letters + 1], text, ("the format takes %d value%s, not %d; leave out the rest, "
            .. "or add a directive"):format(#letters, #letters == 1 and "" or "s", #given))
    elseif #given < #letters and not is_open then
        context:fault("format", node, text, ("the format takes %d value%s, not %d; give the rest"):format(#letters,
            #letters == 1 and "" or "s", #given))
    end
    for i, letter in ipairs(letters) do
        local kind = given[i] and context.infer:of(given[i])
        local is_text = kind and kind.base == "string" and type(kind.value) == "string" and not tonumber(kind.value)
        local is_other = kind and (kind.class or kind.base == "table" or kind.base == "boolean"
            or kind.base == "function" or kind.declared)
        if TAKES[letter] == "number" and (is_text or is_other) then
            context:fault("format", given[i], text, ("'%%%s' takes a number; use %%s"):format(letter))
        end
    end
end

return M
