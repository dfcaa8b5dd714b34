--- Checks of what sip.call.bridge and sip.call.originate are given. Each returns what is wrong, nil when nothing is.
local suggest = require "lunasip.suggest"

local M = {}

--- REFER as engine/route/bridge.h numbers it.
M.REFER = { refuse = 0, handle = 1, pass = 2 }

-- Those that the engine makes itself.
local OURS = {
    via = true, v = true, from = true, f = true, to = true, t = true, ["call-id"] = true, i = true, cseq = true,
    contact = true, m = true, route = true, ["record-route"] = true, ["max-forwards"] = true,
    ["content-length"] = true, l = true, ["content-type"] = true, c = true, allow = true,
}

local function name_fault(name)
    if type(name) ~= "string" or not name:find "^[%w%-%.!%%%*_%+`'~]+$" then
        return ("'%s' is no name of a header"):format(tostring(name))
    elseif OURS[name:lower()] then
        return name .. " is made by the engine"
    end
end

local function value_fault(name, value)
    if type(value) ~= "string" and type(value) ~= "number" or tostring(value):find "[\r\n]" then
        return ("the value of %s is a text without line ends"):format(tostring(name))
    end
end

local function headers_fault(headers)
    for name, value in pairs(headers or {}) do
        local fault = name_fault(name) or value_fault(name, value)
        if fault then
            return fault
        end
    end
end

local function pass_fault(pass)
    for _, name in ipairs(pass or {}) do
        local fault = name_fault(name)
        if fault then
            return fault
        end
    end
end

local function credentials_fault(credentials)
    if not credentials then
        return nil
    end
    for name, value in pairs(credentials) do
        if name ~= "username" and name ~= "password" and name ~= "realm" then
            return ("credentials are { username =, password =, realm = }, not '%s'"):format(tostring(name))
        elseif type(value) ~= "string" or value:find "[\r\n]" then
            return ("%s is a text without line ends"):format(name)
        end
    end
    if type(credentials.username) ~= "string" or type(credentials.password) ~= "string" then
        return "credentials need a username and a password"
    end
end

local function option_fault(name, value, kind, known)
    if not kind then
        return ("no option '%s'%s"):format(tostring(name), suggest.hint(tostring(name), known))
    elseif kind ~= "media" and type(value) ~= kind then
        return ("%s is a %s, not a %s"):format(name, kind, type(value))
    elseif kind == "string" and value:find "[\r\n]" then
        return name .. " cannot have line ends in it"
    end
end

local function word_fault(options)
    if options.redirect and options.redirect ~= "follow" and options.redirect ~= "refuse" then
        return ("redirect is 'follow' or 'refuse', not '%s'"):format(options.redirect)
    elseif options.refer and not M.REFER[options.refer] then
        return ("refer is 'handle', 'pass' or 'refuse', not '%s'"):format(options.refer)
    end
end

--- @tparam table options @tparam table known name -> type, or "media" @treturn string what is wrong; nil: nothing
function M.fault(options, known)
    for name, value in pairs(options) do
        local fault = option_fault(name, value, known[name], known)
        if fault then
            return fault
        end
    end
    return word_fault(options) or credentials_fault(options.credentials) or headers_fault(options.headers)
        or headers_fault(options.from_headers) or pass_fault(options.pass)
end

--- headers = { NAME = VALUE } as lines, in the order of their names; nil: none.
function M.lines_of(headers)
    if not headers then
        return nil
    end
    local names, lines = {}, {}
    for name in pairs(headers) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        lines[i] = name .. ": " .. headers[name] .. "\r\n"
    end
    return table.concat(lines)
end

--- Names as one text; nil: none.
function M.names_of(pass)
    return pass and table.concat(pass, ",")
end

return M
