--- Via headers of a message, taken apart (RFC 3261 s20.42).
local lists = require "lunasip.lists"
local uri = require "lunasip.uri"

local M = {}

-- "SIP/2.0/UDP host:port;params"; white space around the slashes is allowed.
local function parse(text)
    local transport, host, rest = text:match "^%s*%w+%s*/%s*[%w.]+%s*/%s*(%w+)%s+([^;%s]+)%s*(.*)$"
    if not transport then
        return nil
    end
    local port = host:match "^%[.*%]:(%d+)$" or host:match "^[^%[:]*:(%d+)$"
    return {
        transport = transport,
        host = port and host:sub(1, -#port - 2) or host,
        port = tonumber(port) or 5060,
        params = rest:match "^;%s*(.*)$",
    }
end

local function elements(m)
    local out = {}
    for _, value in ipairs(m:headers "Via") do
        for _, element in ipairs(lists.split(value)) do
            out[#out + 1] = element
        end
    end
    return out
end

--- Via by index: 0 is the topmost, -1 the last.
-- @treturn table { transport, host, port, params } or nil
function M.at(m, index)
    local text = lists.at(elements(m), index)
    return text and parse(text)
end

--- How many there are.
function M.count(m)
    return #elements(m)
end

--- Where a reply goes: what its second Via says (RFC 3261 s18.2.2, RFC 3581 s4).
-- @treturn string,string,number transport, host as URIs want it, port; nil for requests
function M.reply_target(m)
    local via = not m.is_request and M.at(m, 1)
    if not via then
        return nil
    end
    local host = uri.param(via.params, "received") or via.host
    if host:find(":", 1, true) and host:sub(1, 1) ~= "[" then
        host = "[" .. host .. "]"
    end
    return via.transport:lower(), host, tonumber(uri.param(via.params, "rport")) or via.port
end

--- The same as a URI, or nil.
function M.reply_uri(m)
    local proto, host, port = M.reply_target(m)
    return proto and "sip:" .. host .. ":" .. port .. ";transport=" .. proto or nil
end

return M
