--- sip.http: requests to HTTP servers. A request looks sequential; the handler waits for it, and other calls go on.
--
--     local answer, problem = sip.http.get { url = "https://api.example.com/route", query = { number = req["$rU"] } }
local core = require "lunasip.core"
local encodings = require "lunasip.transform.encodings"
local suggest = require "lunasip.suggest"

local M = {}

local function with(options, name)
    local all = { [name] = "string" }
    for known, kind in pairs(options) do
        all[known] = kind
    end
    return all
end

local GET = { url = "string", query = "table", headers = "table", timeout_ms = "number", redirects = "number" }
local POST = with(GET, "body")
local REQUEST = with(POST, "method")
local LEAST_MS, MOST_MS, MOST_REDIRECTS = 1, 3600000, 50

local function whole(value, least, most)
    return value == nil or value % 1 == 0 and value >= least and value <= most
end

local function check(what, options, known)
    if type(options) ~= "table" then
        error(("%s: a URL or a table of options is needed, not a %s"):format(what, type(options)), 3)
    end
    for name, value in pairs(options) do
        local kind = known[name]
        if not kind then
            error(("%s: no option '%s'%s"):format(what, tostring(name), suggest.hint(tostring(name), known)), 3)
        elseif type(value) ~= kind then
            error(("%s: %s is a %s, not a %s"):format(what, name, kind, type(value)), 3)
        end
    end
    if not options.url then
        error(what .. ": a url is needed", 3)
    elseif not whole(options.timeout_ms, LEAST_MS, MOST_MS) then
        error(("%s: timeout_ms is a whole number from %d to %d"):format(what, LEAST_MS, MOST_MS), 3)
    elseif not whole(options.redirects, 0, MOST_REDIRECTS) then
        error(("%s: redirects is a whole number from 0 to %d"):format(what, MOST_REDIRECTS), 3)
    end
end

-- Name and value of each entry as texts, in one order.
local function entries(what, option, given)
    local names = {}
    for name, value in pairs(given) do
        local kind = type(value)
        if type(name) ~= "string" or kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
            error(("%s: %s has texts by name, not a %s"):format(what, option, kind), 4)
        end
        names[#names + 1] = name
    end
    table.sort(names)
    local i = 0
    return function()
        i = i + 1
        return names[i], names[i] and tostring(given[names[i]])
    end
end

--- A text as a part of a URL: all but letters, digits and -._~ as %XX (RFC 3986 s2.1).
-- @usage local url = "https://api.example.com/users/" .. sip.http.escape(req["$fU"])
function M.escape(text)
    if type(text) ~= "string" then
        error("http.escape: a text is needed, not a " .. type(text), 2)
    end
    return encodings.url_encode(text)
end

local function url_of(what, options)
    if not options.query then
        return options.url
    end
    local pairs_of_query = {}
    for name, value in entries(what, "query", options.query) do
        pairs_of_query[#pairs_of_query + 1] = M.escape(name) .. "=" .. M.escape(value)
    end
    if #pairs_of_query == 0 then
        return options.url
    end
    return options.url .. (options.url:find("?", 1, true) and "&" or "?") .. table.concat(pairs_of_query, "&")
end

local function fields_of(what, options)
    local fields = {}
    for name, value in entries(what, "headers", options.headers or {}) do
        fields[#fields + 1] = name
        fields[#fields + 1] = value
    end
    return fields
end

-- Names of header fields have no case (RFC 9110 s5.1).
local by_any_case = {
    __metatable = false,
    __index = function(headers, name)
        return type(name) == "string" and rawget(headers, name:lower()) or nil
    end,
}

-- Values of one name are joined (RFC 9110 s5.3).
local function headers_of(fields)
    local headers = {}
    for i = 1, #fields, 2 do
        local name = fields[i]:lower()
        headers[name] = headers[name] and headers[name] .. ", " .. fields[i + 1] or fields[i + 1]
    end
    return setmetatable(headers, by_any_case)
end

-- The handler waits within http_ask(); what it says itself is why nothing was asked.
local function run(what, method, options, known)
    options = type(options) == "string" and { url = options } or options
    check(what, options, known)
    local _, problem, reason = core.http_ask(method or options.method or "GET", url_of(what, options),
        fields_of(what, options), options.body, options.timeout_ms, options.redirects or 0)
    if problem then
        return nil, problem, reason
    end
    local status, body, fields = core.http_take()
    if not status then
        return nil, body, fields
    end
    return { status = status, body = body, headers = headers_of(fields) }
end

--- GET. Handlers, events and timers; yields.
-- @tparam string|table options the URL, or url =, query = { NAME = value } (behind the URL, escaped), headers =
--   { NAME = value }, timeout_ms = (default: the setting http.timeout_ms), redirects = how many are followed (0)
-- @treturn table answer: status, headers (by name, in any case), body; whatever the status. Or nil, problem in words,
--   reason ("timeout", "unavailable", "limit", "refused", "memory", "cancelled")
-- @usage local answer = sip.http.get "https://api.example.com/health"
function M.get(options)
    return run("http.get", "GET", options, GET)
end

--- POST, as get() with body = text; headers name its Content-Type. Yields.
-- @usage sip.http.post { url = "https://api.example.com/calls", body = "user=1", timeout_ms = 500 }
function M.post(options)
    return run("http.post", "POST", options, POST)
end

--- Any other method, as post() with method = "PUT". Yields.
-- @usage sip.http.request { method = "DELETE", url = "https://api.example.com/calls/1" }
function M.request(options)
    return run("http.request", nil, options, REQUEST)
end

return M
