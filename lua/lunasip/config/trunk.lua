--- The trunk block: accounts at registrars of others, by name, beside the numbers that hold for all of them.
--
--     trunk { provider = { registrar = "sip:provider.example", user = "4930123", password = env "PROVIDER_PASSWORD" } }
local checks = require "lunasip.config.check"
local core = require "lunasip.core"

local EXPIRES_DEFAULT_S, EXPIRES_LEAST_S, EXPIRES_MOST_S = 3600, 10, 604800
local NAME_MOST = 31

local KEYS = {
    registrar = true, proxy = true, user = true, domain = true, auth_user = true, password = true, realm = true,
    contact_user = true, interface = true, expires_s = true,
}
local EXAMPLES = {
    registrar = "registrar = \"sip:provider.example\"", proxy = "proxy = \"sip:edge.provider.example\"",
    user = "user = \"4930123\"", domain = "domain = \"provider.example\"", auth_user = "auth_user = \"4930123\"",
    password = "password = env \"PROVIDER_PASSWORD\"", realm = "realm = \"provider.example\"",
    contact_user = "contact_user = \"4930123\"", interface = "interface = \"public\"",
}

-- What may stand before the @ of a URI as it is (RFC 3261 s25.1), escapes included.
local USER = "^[%w%-_.!~*'()&=+$,;?/%%]+$"
local HOST = "^%[?[%w][%w.:_%-]*%]?$"

local function text_of(check, trunk, key, needed)
    local value = trunk[key]
    if value == nil and not needed then
        return nil
    end
    -- What is not there may be a password: it is never shown.
    if type(value) ~= "string" or value == "" or value:find "[%c]" then
        check:fail(("trunk %s must be a text without line ends; write %s"):format(key, EXAMPLES[key]), key)
    end
    return value
end

local function uri_of(check, trunk, key, needed)
    local value = text_of(check, trunk, key, needed)
    local uri = value and core.uri_parse(value)
    if value and not (uri and uri.scheme == "sip" and uri.host) then
        check:fail(("trunk %s '%s' is not a sip URI; write %s"):format(key, value, EXAMPLES[key]), value)
    elseif uri and uri.user then
        check:fail(("trunk %s '%s' has a user; write it as user = \"%s\""):format(key, value, uri.user), value)
    elseif uri and value:lower():find ";transport=" and not value:lower():find ";transport=udp%f[^%w]" then
        check:fail(("trunk %s '%s': transports other than UDP are not built"):format(key, value), value)
    end
    return value, uri and uri.host
end

local function matching(check, trunk, key, pattern, needed)
    local value = text_of(check, trunk, key, needed)
    if value and not value:match(pattern) then
        check:fail(("trunk %s '%s' cannot stand in a URI; write %s"):format(key, value, EXAMPLES[key]), value)
    end
    return value
end

local function add_trunk(check, name, trunk, result)
    check.line = check:find(name)
    if not name:match "^%a[%w_-]*$" or #name > NAME_MOST then
        check:fail(("'%s' is not a name; write trunk { provider = { … } }, of at most %d letters"):format(name,
            NAME_MOST), name)
    end
    check:keys(trunk, KEYS, "trunk " .. name)
    for _, value in ipairs(trunk) do
        check:fail(("trunk %s takes no bare values; write %s"):format(name, EXAMPLES.registrar), value)
    end
    local registrar, host = uri_of(check, trunk, "registrar", true)
    local user = matching(check, trunk, "user", USER, true)
    local entry = {
        name = name, registrar = registrar, user = user,
        proxy = uri_of(check, trunk, "proxy"),
        domain = matching(check, trunk, "domain", HOST) or host,
        auth_user = text_of(check, trunk, "auth_user") or user,
        password = text_of(check, trunk, "password"),
        realm = text_of(check, trunk, "realm"),
        contact_user = matching(check, trunk, "contact_user", USER) or user,
        interface = text_of(check, trunk, "interface"),
        expires_s = trunk.expires_s == nil and EXPIRES_DEFAULT_S
            or check:number(trunk.expires_s, EXPIRES_LEAST_S, EXPIRES_MOST_S, "trunk expires_s"),
        line = check.line,
    }
    result.trunks[#result.trunks + 1] = entry
end

local M = {}

--- @param numbers the check of the block's numbers @treturn function the check of the block
function M.block(numbers)
    return function(check, value, result, folder)
        local settings, line = {}, check.line
        check:type(value, "table", "trunk", "trunk { provider = { " .. EXAMPLES.registrar .. " } }")
        for name, entry in pairs(value) do
            settings[name] = type(entry) ~= "table" and entry or nil
        end
        numbers(check, settings, result, folder)
        for _, name in ipairs(checks.sorted(value)) do
            if type(value[name]) == "table" then
                check.line = line
                check:try(add_trunk, check, tostring(name), value[name], result)
            end
        end
        check.line = line
    end
end

--- Interfaces of trunks must be those of listen.
function M.cross_check(check, result, interfaces)
    local suggest = require "lunasip.suggest"
    for _, trunk in ipairs(result.trunks) do
        if trunk.interface and not interfaces[trunk.interface] then
            check.line = trunk.line
            check:note(("trunk %s names an interface '%s' that listen does not%s"):format(trunk.name, trunk.interface,
                suggest.hint(trunk.interface, interfaces)), trunk.interface)
        end
    end
end

return M
