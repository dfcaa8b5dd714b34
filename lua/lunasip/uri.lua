--- SIP URIs and name-addrs as tables, on top of the engine's parsers.
--
-- A parsed URI is { scheme, user, password, host, port, params, headers, whole }; texts are as written
-- (still escaped, IPv6 with brackets), params without its leading ';', headers without '?'.
local cache = require "lunasip.cache"
local core = require "lunasip.core"

local M = {}

--- Parse a URI; the result is shared between callers and must not be changed.
-- @string text
-- @treturn table or nil, err
M.parse = cache.new(256, function(text)
    local parsed, err = core.uri_parse(text)
    if parsed then
        parsed.whole = text
    end
    return parsed, err
end)

--- Parse one name-addr or addr-spec with parameters: { display, uri, params, tag }.
M.name_addr = cache.new(256, function(text)
    return core.name_addr_parse(text)
end)

--- Print the parts of a URI.
function M.compose(parts)
    local out = { parts.scheme, ":" }
    if parts.user then
        out[#out + 1] = parts.user
        if parts.password then
            out[#out + 1] = ":" .. parts.password
        end
        if parts.host then
            out[#out + 1] = "@"
        end
    end
    out[#out + 1] = parts.host
    if parts.port then
        out[#out + 1] = ":" .. parts.port
    end
    if parts.params and parts.params ~= "" then
        out[#out + 1] = ";" .. parts.params
    end
    if parts.headers and parts.headers ~= "" then
        out[#out + 1] = "?" .. parts.headers
    end
    return table.concat(out)
end

--- The same URI with one part changed (nil removes it).
-- @treturn string or nil, err
function M.with(text, part, value)
    local parsed, err = M.parse(text)
    if not parsed then
        return nil, err
    end
    local copy = {}
    for key, old in pairs(parsed) do
        copy[key] = old
    end
    copy[part] = value
    return M.compose(copy)
end

--- Walk over "a=1;b;c=\"x;y\"" as name, value (nil without '='), start, stop.
-- @string params
-- @string[opt=";"] delimiter one character
function M.each_param(params, delimiter)
    delimiter = delimiter or ";"
    local position = 1
    return function()
        while position <= #params do
            local stop, quoted = position, false
            while stop <= #params do
                local c = params:sub(stop, stop)
                if quoted and c == "\\" then
                    stop = stop + 1
                elseif c == '"' then
                    quoted = not quoted
                elseif c == delimiter and not quoted then
                    break
                end
                stop = stop + 1
            end
            local start = position
            local item = params:sub(start, stop - 1)
            position = stop + 1
            if item:find "%S" then
                local equals = item:find("=", 1, true)
                local name = (equals and item:sub(1, equals - 1) or item):gsub("^%s+", ""):gsub("%s+$", "")
                local value = equals and item:sub(equals + 1):gsub("^%s+", ""):gsub("%s+$", "") or nil
                return name, value, start, stop - 1
            end
        end
    end
end

--- Value of a parameter: nil when it is not there, "" when it has no value; names ignore case.
function M.param(params, name, delimiter)
    if not params then
        return nil
    end
    name = name:lower()
    for key, value in M.each_param(params, delimiter) do
        if key:lower() == name then
            return value or ""
        end
    end
    return nil
end

local DEFAULT_PORT = { udp = 5060, tcp = 5060, sctp = 5060, ws = 80, wss = 443, tls = 5061 }

--- Transport of a parsed URI in lower case: its parameter, else what the scheme implies.
function M.transport(parsed)
    local transport = M.param(parsed.params, "transport")
    if transport and transport ~= "" then
        return transport:lower()
    end
    return parsed.scheme == "sips" and "tls" or "udp"
end

--- Port of a parsed URI, the transport's default when none is written.
function M.port(parsed)
    if parsed.port then
        return parsed.port
    end
    local transport = M.transport(parsed)
    if transport == "ws" or transport == "wss" then
        return parsed.scheme == "sips" and 5061 or 5060
    end
    return DEFAULT_PORT[transport] or 5060
end

return M
