--- From, To, Contact and the identity headers: $fu $fU $fn $ft …, $ct …, $ai, $pu …, $di ….
local lists = require "lunasip.lists"
local uri = require "lunasip.uri"

local M = {}

local function word(name)
    return function(m)
        return m[name]
    end
end

local function part_of(read, part)
    return function(m, _, index)
        local text = read(m, nil, index)
        local parsed = text and uri.parse(text)
        return parsed and parsed[part]
    end
end

-- The four writable parts of From ("from") and To ("to").
local function family(side, letter)
    local uri_word, display_word = side .. "_uri", side .. "_display"
    local read = word(uri_word)
    local function write_part(part)
        return function(m, value)
            if value == nil and part == "host" then
                return nil, "needs a value"
            end
            local changed, err = uri.with(m[uri_word], part, value ~= nil and tostring(value) or nil)
            if not changed then
                return nil, err
            end
            m[uri_word] = changed
            return true
        end
    end
    M[letter .. "u"] = {
        word = uri_word,
        get = read,
        set = function(m, value)
            if value == nil then
                return nil, "needs a value"
            end
            m[uri_word] = tostring(value)
            return true
        end,
    }
    M[side] = M[letter .. "u"]
    M[letter .. "U"] = { word = side .. "_user", get = word(side .. "_user"), set = write_part "user" }
    M[letter .. "d"] = { word = side .. "_domain", get = word(side .. "_domain"), set = write_part "host" }
    M[letter .. "n"] = {
        word = display_word,
        get = word(display_word),
        set = function(m, value)
            m[display_word] = value ~= nil and tostring(value) or nil
            return true
        end,
    }
    M[side .. ".user"], M[side .. ".domain"] = M[letter .. "U"], M[letter .. "d"]
    M[letter .. "t"] = { word = side .. "_tag", get = word(side .. "_tag") }
    M[letter .. "Ul"] = {
        get = function(m)
            return #(M[letter .. "U"].get(m) or "")
        end,
    }
end

family("from", "f")
family("to", "t")

M.tts = {
    get = function(m)
        return m.to_tag and 1 or 0
    end,
}
M.ct = { word = "contact", get = word "contact" }
M.ctu = { word = "contact_uri", get = word "contact_uri" }
M.cts = {
    get = function(m)
        return m.contact == "*" and 1 or 0
    end,
}

-- Address of a header that may hold a list; by index over all of them, the first without.
local function address_at(header)
    return function(m, _, index)
        if not index or index == 0 then
            local value = m:header(header)
            local first = value and lists.split(value)[1]
            return first and uri.name_addr(first)
        end
        local all = {}
        for _, value in ipairs(m:headers(header)) do
            for _, element in ipairs(lists.split(value)) do
                all[#all + 1] = element
            end
        end
        local element = index ~= "*" and lists.at(all, index)
        return element and uri.name_addr(element)
    end
end

local function uri_in(header)
    local read = address_at(header)
    return function(m, _, index)
        local address = read(m, nil, index)
        return address and address.uri
    end
end

local function param_in(header, name)
    local read = address_at(header)
    return {
        get = function(m)
            local address = read(m)
            return address and uri.param(address.params, name)
        end,
    }
end

M.ai = { index = true, get = uri_in "P-Asserted-Identity" }
M.re = { get = uri_in "Remote-Party-ID" }
M.rt = { get = uri_in "Refer-To" }
M.di = { get = uri_in "Diversion" }
M.dip = param_in("Diversion", "privacy")
M.dir = param_in("Diversion", "reason")
M.dic = param_in("Diversion", "counter")

local preferred = uri_in "P-Preferred-Identity"
local preferred_address = address_at "P-Preferred-Identity"

M.pu = { index = true, get = preferred }
M.pU = { index = true, get = part_of(preferred, "user") }
M.pd = { index = true, get = part_of(preferred, "host") }
M.pn = {
    index = true,
    get = function(m, _, index)
        local address = preferred_address(m, nil, index)
        return address and address.display
    end,
}

M.route_uri = { get = uri_in "Route" }

-- Digest credentials: Authorization first, then Proxy-Authorization.
local function credential(name)
    return function(m)
        local header = m:header "Authorization" or m:header "Proxy-Authorization"
        local params = header and header:match "^%s*[Dd][Ii][Gg][Ee][Ss][Tt]%s+(.*)$"
        local value = params and uri.param(params, name, ",")
        return value and (value:match '^"(.*)"$' or value)
    end
end

local username, realm = credential "username", credential "realm"

local function auth_user(m)
    local whole = username(m)
    return whole and (whole:match "^([^@]*)@" or whole)
end

M.aU = { get = username }
M.au = { get = auth_user }
M.ad = {
    get = function(m)
        local whole = username(m)
        return whole and (whole:match "@(.*)$" or realm(m))
    end,
}
M.ar = { get = realm }
M.adu = { get = credential "uri" }
M.aa = { get = credential "algorithm" }
M.adn = { get = credential "nonce" }
M.adc = { get = credential "cnonce" }
M.adr = { get = credential "response" }
M.ado = { get = credential "opaque" }
M.Au = {
    get = function(m)
        local user = auth_user(m)
        return user and user .. "@" .. (realm(m) or "") or m.from_uri
    end,
}
M.AU = {
    get = function(m)
        return auth_user(m) or M.fU.get(m)
    end,
}

return M
