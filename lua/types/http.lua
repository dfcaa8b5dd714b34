---@meta
-- Annotations for the Lua language server: sip.http. Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.HttpOptions
---@field url string http: or https:
---@field query? table<string, string|number|boolean> put behind the URL, escaped
---@field headers? table<string, string|number|boolean> header fields of the request
---@field timeout_ms? integer deadline, redirects included; default: the setting http.timeout_ms
---@field redirects? integer how many are followed, default 0

---@class lunasip.HttpPostOptions: lunasip.HttpOptions
---@field body? string; headers name its Content-Type

---@class lunasip.HttpRequestOptions: lunasip.HttpPostOptions
---@field method string

---What a server said, whatever its status.
---@class lunasip.HttpAnswer
---@field status integer
---@field headers table<string, string> by name, in any case; several of one name are joined by ", "
---@field body string

---Requests to HTTP servers. One looks sequential; the handler waits, and other calls go on. Certificates are checked.
---@class lunasip.Http
local Http = {}

---GET. Handlers, events and timers; yields.
---@param options string|lunasip.HttpOptions the URL alone, or options
---@return lunasip.HttpAnswer? answer
---@return string? problem in words
---@return string? reason "timeout", "unavailable", "limit", "refused", "memory", "cancelled"
function Http.get(options) end

---POST. Handlers, events and timers; yields.
---@param options string|lunasip.HttpPostOptions
---@return lunasip.HttpAnswer? answer
---@return string? problem
---@return string? reason as for get()
function Http.post(options) end

---Any other method. Handlers, events and timers; yields.
---@param options lunasip.HttpRequestOptions
---@return lunasip.HttpAnswer? answer
---@return string? problem
---@return string? reason as for get()
function Http.request(options) end

---A text as a part of a URL: %XX for all but letters, digits and -._~
---@param text string
---@return string
function Http.escape(text) end
