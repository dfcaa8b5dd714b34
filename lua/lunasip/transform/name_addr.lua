--- {nameaddr.…}: '"Alice" <sip:alice@example.com>;tag=1'.
local uri = require "lunasip.uri"

local function part(read)
    return { 0, 0, apply = function(value)
        local address = uri.name_addr(value)
        return address and read(address, value)
    end }
end

return {
    name = part(function(address)
        return address.display and (address.display:match '^"(.*)"$' or address.display) or ""
    end),
    uri = part(function(address)
        return address.uri
    end),
    -- The address itself, without the parameters that follow it.
    len = part(function(_, value)
        return #(value:match '^%s*"[^"]*"%s*<[^>]*>' or value:match "^[^<]*<[^>]*>" or value:match "^[^;]*")
    end),
}
