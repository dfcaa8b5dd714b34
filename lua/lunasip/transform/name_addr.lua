--- {nameaddr.…}: '"Alice" <sip:alice@example.com>;tag=1', of a list the first one.
--
-- What is no name-addr is taken for a URI as a whole, parameters included.
local lists = require "lunasip.lists"
local uri = require "lunasip.uri"

-- -> address with display and uri, the name-addr part of the text
local function first(value)
    local element = lists.split(value)[1]
    if not element then
        return nil
    end
    local stop = element:match '^%s*"[^"]*"%s*<[^>]*>()' or element:match "^[^<]*<[^>]*>()"
    if not stop then
        return { uri = element }, element
    end
    local text = element:sub(1, stop - 1)
    return uri.name_addr(text), text
end

local function part(read)
    return { 0, 0, apply = function(value)
        local address, text = first(value)
        return address and read(address, text)
    end }
end

return {
    -- As written, with its quotes: {s.unquote} takes them off.
    name = part(function(address)
        return address.display or ""
    end),
    uri = part(function(address)
        return address.uri
    end),
    len = part(function(_, text)
        return #text
    end),
}
