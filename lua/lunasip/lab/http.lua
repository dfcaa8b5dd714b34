--- HTTP servers of the lab (a part of lunasip.lab's net): no socket is opened, and delays are virtual.
--
--     local api = net:http { url = "https://api.example.com/", status = 200, body = "sip:10.0.0.21" }
--     api:answer { status = 503, delay = 1.5 }      -- from now on, 1.5 s later
--     api:answer { fail = true }                    -- nobody answers: "unavailable"; or another reason of sip.http
--     api:requests()[1].method                      -- what arrived, oldest first
local options_of = require "lunasip.lab.options"
local suggest = require "lunasip.suggest"

local Net, Server = {}, {}
Server.__index = Server

-- Lines "Name: value", sorted by name; a list of values is several lines.
local function head_of(headers)
    local lines = {}
    for name, values in pairs(headers or {}) do
        for _, value in ipairs(type(values) == "table" and values or { values }) do
            lines[#lines + 1] = ("%s: %s"):format(name, value)
        end
    end
    table.sort(lines)
    return table.concat(lines, "\n")
end

local function set(server, what, given)
    local fail = given.fail or nil
    if fail == true then
        fail = "unavailable"
    end
    if fail and not server.stage.http_errors[fail] then
        options_of.misuse("%s: no reason '%s'%s", what, tostring(fail),
            suggest.hint(tostring(fail), server.stage.http_errors))
    end
    local status = given.status or 200
    if status < 200 or status > 999 then
        options_of.misuse("%s: no status %d", what, status)
    end
    local ok, fault = server.stage:set_http(server.url, {
        status = status, head = head_of(given.headers), body = given.body, delay = given.delay, fail = fail,
    })
    if not ok then
        options_of.misuse("%s: %s", what, fault)
    end
end

--- What answers requests of engines to URLs that begin with a text; of several texts the longest counts. Without one
-- a request ends with "unavailable".
-- @tparam string|table options the text, or url = with what Server:answer() takes (200 and an empty body)
function Net:http(options)
    options = type(options) == "string" and { url = options } or options
    options_of.check("net:http", options)
    options_of.need("net:http", "url", options and options.url, "string")
    local server = setmetatable({ stage = self.stage, url = options.url }, Server)
    set(server, "net:http", options)
    return server
end

--- What it answers from now on: { status =, headers = { NAME = value or list }, body =, delay = seconds }, or
-- fail = true or a reason of sip.http.
function Server:answer(given)
    options_of.check("server:answer", given)
    set(self, "server:answer", given or {})
end

--- The requests that arrived for URLs that begin with its own, oldest first: tables with method, url, headers (by
-- lower-case name), body (nil: none).
function Server:requests()
    local found, i = {}, 1
    local method, url, head, body = self.stage:http_request(i)
    while method do
        if url:sub(1, #self.url) == self.url then
            local headers = {}
            for name, value in head:gmatch "([^\n:]+): ([^\n]*)" do
                headers[name:lower()] = value
            end
            found[#found + 1] = { method = method, url = url, headers = headers, body = body }
        end
        i = i + 1
        method, url, head, body = self.stage:http_request(i)
    end
    return found
end

return Net
