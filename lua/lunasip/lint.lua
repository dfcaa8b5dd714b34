--- What can be known wrong about a script before it runs: variable names, media flags, handler names.
--
-- Looks at tokens only, and at those whose meaning is certain: a literal variable of a handler's message
-- (req["$Ri"]), literal flags of media.manage(…), as a text or a table, a literal handler name in
-- req:relay{ on_failure = "NAME" }, a call of route.NAME(…). What a script calls by names of its own is
-- checked by lunasip.check, which follows variables, or when it is used.
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
        return nil, fault .. "; lua/API.md lists the flags", token_at[1]
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

-- Is the token at i the name of a table that the script makes itself: media = {…}, function media.manage(…)?
local function is_made_here(tokens, i)
    local before, after = tokens[i - 1], tokens[i + 2]
    return is(before, "name", "function") or is(tokens[i + 1], "symbol", "=")
        and (is(after, "symbol", "{") or is(after, "name", "setmetatable"))
end

-- Does "media" mean the module in this script?
local function is_media_ours(tokens)
    for i = 1, #tokens do
        if is(tokens[i], "name", "media") and is_made_here(tokens, i) then
            return false
        end
    end
    return true
end

-- Literal flags among the arguments of media.manage(…).
local function check_flags(tokens, i, facts)
    local is_manage = facts.is_media_ours and is(tokens[i], "name", "manage") and is(tokens[i - 1], "symbol", ".")
        and is(tokens[i - 2], "name", "media") and is(tokens[i + 1], "symbol", "(")
    if not is_manage then
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

-- How many of a handler's arguments are messages.
local MESSAGES_OF = { request_route = 1, onreply_route = 1, route = 1, branch_route = 1, failure_route = 2 }

-- Add the names that the handler whose definition begins at i calls its messages:
-- function route.NAME(req), failure_route["NAME"] = function(req, reply).
local function add_message_names(tokens, i, names)
    local count, j = MESSAGES_OF[tokens[i][3]], i + 1
    if is(tokens[j], "symbol", ".") then
        j = j + 2
    elseif is(tokens[j], "symbol", "[") then
        j = closing(tokens, j) + 1
    end
    local is_definition = is(tokens[i - 1], "name", "function")
    if is(tokens[j], "symbol", "=") and is(tokens[j + 1], "name", "function") then
        is_definition, j = true, j + 2
    end
    if is_definition and is(tokens[j], "symbol", "(") then
        for k = j + 1, j + 2 * count - 1, 2 do
            if is(tokens[k], "name") then
                names[tokens[k][3]] = true
            end
        end
    end
end

-- What the script's handlers call their messages; the usual names always. @treturn table keys are the names
local function message_names(tokens)
    local names = { req = true, reply = true }
    for i = 1, #tokens do
        if is(tokens[i], "name") and MESSAGES_OF[tokens[i][3]] then
            add_message_names(tokens, i, names)
        end
    end
    return names
end

local function check_variable(tokens, i, facts)
    local text = tokens[i][3]
    local is_index = is(tokens[i], "string") and text:sub(1, 1) == "$" and is(tokens[i - 1], "symbol", "[")
        and is(tokens[i + 1], "symbol", "]")
    local is_message = is_index and is(tokens[i - 2], "name") and facts.messages[tokens[i - 2][3]]
        and not is(tokens[i - 3], "symbol", ".")
    if is_message and not text:find("\\", 1, true) then
        local ok, err = pv.compile(text)
        if not ok then
            return nil, err, tokens[i][1]
        end
    end
    return true
end

-- A literal handler's name as an entry of a table, at i: on_failure = "NAME".
local function handler_reference(tokens, i)
    local registry = is(tokens[i], "name") and REGISTRY[tokens[i][3]]
    if registry and is(tokens[i + 1], "symbol", "=") and is(tokens[i + 2], "string") then
        local following = tokens[i + 3]
        if is(following, "symbol", "}") or is(following, "symbol", ",") or is(following, "symbol", ";") then
            return registry, tokens[i + 2][3]
        end
    end
end

-- Add the handlers that the options of :relay{…} or :fork{…} at i name.
local function add_options_references(tokens, i, add)
    local is_sent = is(tokens[i], "name", "relay") or is(tokens[i], "name", "fork")
    local open = is_sent and is(tokens[i - 1], "symbol", ":") and (is(tokens[i + 1], "symbol", "(") and i + 2 or i + 1)
    if not open or not is(tokens[open], "symbol", "{") then
        return
    end
    for j = open + 1, closing(tokens, open) do
        local registry, name = handler_reference(tokens, j)
        if registry then
            add(registry, name, j)
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
local function add_call_reference(tokens, i, optional, add)
    if optional and is_route(tokens, i) and is(tokens[i + 1], "symbol", ".") and is(tokens[i + 2], "name")
        and not optional[tokens[i + 2][3]] then
        add("route", tokens[i + 2][3], i)
    end
end

--- Check a script's text.
-- @treturn table references { registry, name, where } to be looked up once it has run,
--   or nil, "file:line: message"
function M.check(source, path)
    local references = {}
    local tokens = tokens_of:match(source) or {}
    local optional = optional_routes(tokens)
    local facts = { messages = message_names(tokens), is_media_ours = is_media_ours(tokens) }
    local function add(registry, name, i)
        local where = path .. ":" .. line_at(source, tokens[i][1])
        references[#references + 1] = { registry = registry, name = name, where = where }
    end
    for i = 1, #tokens do
        for _, check in ipairs { check_flags, check_variable } do
            local ok, err, position = check(tokens, i, facts)
            if not ok then
                return nil, path .. ":" .. line_at(source, position) .. ": " .. err
            end
        end
        add_options_references(tokens, i, add)
        add_call_reference(tokens, i, optional, add)
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
