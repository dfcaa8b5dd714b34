--- {tobody.…}: a From or To value.
local uri = require "lunasip.uri"

local function part(read)
    return { 0, 0, apply = function(value)
        local address = uri.name_addr(value)
        return address and (read(address) or "")
    end }
end

local function uri_part(name)
    return part(function(address)
        local parsed = uri.parse(address.uri)
        return parsed and parsed[name]
    end)
end

return {
    uri = part(function(address)
        return address.uri
    end),
    display = part(function(address)
        return address.display
    end),
    tag = part(function(address)
        return address.tag
    end),
    params = part(function(address)
        return address.params
    end),
    user = uri_part "user",
    host = uri_part "host",
}
