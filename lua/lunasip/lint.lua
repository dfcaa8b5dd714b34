--- What can be known wrong about a script before it runs: variable names, media flags, handler names.
--
-- Looks at tokens only: a literal variable in an index (req["$Ri"]), a literal flag string given to
-- manage(…), a literal handler name in relay{ on_failure = "NAME" }. Computed ones are checked when
-- they are used.
local lpeg = require "lpeg"

local core = require "lunasip.core"
local pv = require "lunasip.pv"
local suggest = require "lunasip.suggest"

local M = {}

local C, Cg, Cb, Cc, Cmt, Ct, Cp, P, R, S =
    lpeg.C, lpeg.Cg, lpeg.Cb, lpeg.Cc, lpeg.Cmt, lpeg.Ct, lpeg.Cp, lpeg.P, lpeg.R, lpeg.S

local long_open = P "[" * Cg(P "=" ^ 0, "level") * P "["
local long_close = Cmt(P "]" * C(P "=" ^ 0) * P "]" * Cb "level", function(_, _, a, b)
    return a == b
end)
local long = long_open * C((1 - long_close) ^ 0) * long_close / 1
local function quoted(mark)
    return P(mark) * C((P "\\" * 1 + (1 - S(mark .. "\\\n"))) ^ 0) * P(mark)
end
local comment = P "--" * (long + (1 - P "\n") ^ 0) / 0
local space = S " \t\r\n\f\v" ^ 1
local word = C((R("az", "AZ") + "_") * (R("az", "AZ", "09") + "_") ^ 0)
local number = R "09" * (R("09", "az", "AZ") + ".") ^ 0
local token = Ct(Cp() * (Cc "name" * word + Cc "string" * (quoted '"' + quoted "'" + long)
    + Cc "other" * C(number) + Cc "symbol" * C(P(1))))
local tokens_of = Ct(((space + comment) + token) ^ 0)

local REGISTRY = { on_failure = "failure_route", on_reply = "onreply_route", on_branch = "branch_route" }

local function line_at(source, position)
    local line = 1
    for _ in source:sub(1, position - 1):gmatch "\n" do
        line = line + 1
    end
    return line
end

local function is(token_at, kind, text)
    return token_at and token_at[2] == kind and (text == nil or token_at[3] == text)
end

-- A literal flag string among the arguments of manage(…).
local function check_flags(tokens, i)
    if not (is(tokens[i], "name", "manage") and is(tokens[i + 1], "symbol", "(")) then
        return true
    end
    local j = i + 2
    while tokens[j] and not is(tokens[j], "symbol", ")") and not is(tokens[j], "symbol", "{") do
        local alone = is(tokens[j], "string") and is(tokens[j - 1], "symbol", ",") and is(tokens[j + 1], "symbol", ")")
        if alone and core.media_flags_check then
            local ok, bad = core.media_flags_check(tokens[j][3])
            if not ok then
                return nil, "media flags: " .. tostring(bad), tokens[j][1]
            end
        end
        j = j + 1
    end
    return true
end

local function check_variable(tokens, i)
    local text = tokens[i][3]
    if is(tokens[i], "string") and text:sub(1, 1) == "$" and is(tokens[i - 1], "symbol", "[")
        and is(tokens[i + 1], "symbol", "]") and not text:find("\\", 1, true) then
        local ok, err = pv.compile(text)
        if not ok then
            return nil, err, tokens[i][1]
        end
    end
    return true
end

--- Check a script's text.
-- @treturn table references { registry, name, where } to be looked up once it has run,
--   or nil, "file:line: message"
function M.check(source, path)
    local references = {}
    local tokens = tokens_of:match(source) or {}
    for i = 1, #tokens do
        for _, check in ipairs { check_flags, check_variable } do
            local ok, err, position = check(tokens, i)
            if not ok then
                return nil, path .. ":" .. line_at(source, position) .. ": " .. err
            end
        end
        local kind = is(tokens[i], "name") and REGISTRY[tokens[i][3]]
        if kind and is(tokens[i + 1], "symbol", "=") and is(tokens[i + 2], "string") then
            local following = tokens[i + 3]
            if is(following, "symbol", "}") or is(following, "symbol", ",") or is(following, "symbol", ";") then
                references[#references + 1] = {
                    registry = kind,
                    name = tokens[i + 2][3],
                    where = path .. ":" .. line_at(source, tokens[i][1]),
                }
            end
        end
    end
    return references
end

--- The sentence for a reference that leads nowhere.
function M.missing(reference, handlers)
    return reference.where .. ": there is no " .. reference.registry .. "." .. reference.name
        .. suggest.hint(reference.name, handlers)
end

return M
