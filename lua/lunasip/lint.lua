--- What can be known wrong about a script before it runs: variable names, media flags, handler names.
--
-- Looks at tokens only: a literal variable in an index (req["$Ri"]), literal flags given to manage(…), as
-- a text or a table, a literal handler name in relay{ on_failure = "NAME" }, a call of route.NAME(…).
-- Computed ones are checked when they are used.
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

-- The token that closes the bracket at i, or the last one.
local function closing(tokens, i)
    local depth = 0
    for j = i, #tokens do
        local text = is(tokens[j], "symbol") and tokens[j][3] or ""
        if text:find "[%({%[]" then
            depth = depth + 1
        elseif text:find "[%)}%]]" then
            depth = depth - 1
        end
        if depth == 0 then
            return j
        end
    end
    return #tokens
end

-- A literal entry of a table of flags that begins at i: name = "value", ["name"] = true.
-- @return "name=value", or nil when it is something else
local function table_flag(tokens, i)
    local name = is(tokens[i], "name") and tokens[i][3]
    if is(tokens[i], "symbol", "[") and is(tokens[i + 1], "string") and is(tokens[i + 2], "symbol", "]") then
        name, i = tokens[i + 1][3], i + 2
    end
    local value, after = tokens[i + 2], tokens[i + 3]
    local is_literal = is(value, "string") or is(value, "name", "true") or is(value, "name", "false")
    local is_alone = is(after, "symbol", ",") or is(after, "symbol", ";") or is(after, "symbol", "}")
    if name and is(tokens[i + 1], "symbol", "=") and is_literal and is_alone then
        return name .. "=" .. value[3]
    end
end

local function flags_fault(flags, token_at)
    local ok, fault = core.media_flags_check(flags)
    if not ok then
        return nil, fault .. "; README.md lists the flags", token_at[1]
    end
    return true
end

-- The entries of the table of flags at i.
local function check_flag_table(tokens, i)
    local last, j = closing(tokens, i), i + 1
    while j < last do
        local is_start = is(tokens[j - 1], "symbol", ",") or is(tokens[j - 1], "symbol", ";") or j == i + 1
        local flag = is_start and table_flag(tokens, j)
        if flag then
            local ok, err, position = flags_fault(flag, tokens[j])
            if not ok then
                return nil, err, position
            end
        end
        -- What stands in brackets of its own is no entry of this table.
        j = is(tokens[j], "symbol") and tokens[j][3]:find "[%({]" and closing(tokens, j) + 1 or j + 1
    end
    return true
end

-- Literal flags among the arguments of manage(…).
local function check_flags(tokens, i)
    if not (is(tokens[i], "name", "manage") and is(tokens[i + 1], "symbol", "(")) then
        return true
    end
    local last = closing(tokens, i + 1)
    for j = i + 2, last do
        local is_next = is(tokens[j - 1], "symbol", ",")
        if is_next and is(tokens[j], "string") and j + 1 == last then
            return flags_fault(tokens[j][3], tokens[j])
        elseif is_next and is(tokens[j], "symbol", "{") then
            return check_flag_table(tokens, j)
        end
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

-- relay{ on_failure = "NAME" }
local function handler_reference(tokens, i)
    local registry = is(tokens[i], "name") and REGISTRY[tokens[i][3]]
    if registry and is(tokens[i + 1], "symbol", "=") and is(tokens[i + 2], "string") then
        local following = tokens[i + 3]
        if is(following, "symbol", "}") or is(following, "symbol", ",") or is(following, "symbol", ";") then
            return registry, tokens[i + 2][3]
        end
    end
end

-- The table `route` at i, but not x.route.
local function is_route(tokens, i)
    return is(tokens[i], "name", "route") and not is(tokens[i - 1], "symbol", ".")
        and not is(tokens[i - 1], "symbol", ":")
end

-- Routes that the script defines, or looks at without calling: these may be there or not.
-- @return names, or nil when the name `route` is used for something else, too
local function optional_routes(tokens)
    local names = {}
    for i = 1, #tokens do
        if is_route(tokens, i) then
            local is_named = is(tokens[i + 1], "symbol", ".") and is(tokens[i + 2], "name")
            if not is_named and not is(tokens[i + 1], "symbol", "[") then
                return nil
            end
            if is_named and (is(tokens[i - 1], "name", "function") or not is(tokens[i + 3], "symbol", "(")) then
                names[tokens[i + 2][3]] = true
            end
        end
    end
    return names
end

-- route.NAME(req)
local function call_reference(tokens, i, optional)
    if optional and is_route(tokens, i) and is(tokens[i + 2], "name") and not optional[tokens[i + 2][3]] then
        return "route", tokens[i + 2][3]
    end
end

--- Check a script's text.
-- @treturn table references { registry, name, where } to be looked up once it has run,
--   or nil, "file:line: message"
function M.check(source, path)
    local references = {}
    local tokens = tokens_of:match(source) or {}
    local optional = optional_routes(tokens)
    for i = 1, #tokens do
        for _, check in ipairs { check_flags, check_variable } do
            local ok, err, position = check(tokens, i)
            if not ok then
                return nil, path .. ":" .. line_at(source, position) .. ": " .. err
            end
        end
        local registry, name = handler_reference(tokens, i)
        if not registry then
            registry, name = call_reference(tokens, i, optional)
        end
        if registry then
            references[#references + 1] = {
                registry = registry, name = name, where = path .. ":" .. line_at(source, tokens[i][1]),
            }
        end
    end
    return references
end

--- The sentence for a reference that leads nowhere.
function M.missing(reference, handlers)
    local hint = suggest.hint(reference.name, handlers)
    local name = reference.registry .. "." .. reference.name
    return ("%s: there is no %s%s"):format(reference.where, name,
        hint ~= "" and hint or "; define function " .. name .. "(req)")
end

return M
