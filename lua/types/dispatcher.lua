---@meta
-- Annotations for the Lua language server: sip.dispatcher. Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.Destination
---@field uri string
---@field set integer
---@field attrs table<string, string|true>
---@field socket? string

---@class lunasip.ListedDestination: lunasip.Destination
---@field state string Kamailio's letters: "AP", "IX", …
---@field priority integer
---@field calls integer calls that it has now

---@alias lunasip.Algorithm
---| "hash-call-id"    # 0
---| "hash-from"       # 1
---| "hash-to"         # 2
---| "hash-ruri"       # 3
---| "round-robin"     # 4
---| "hash-auth"       # 5
---| "random"          # 6
---| "hash-value"      # 7: options.value
---| "priority"        # 8
---| "weight"          # 9
---| "call-load"       # 10
---| "relative-weight" # 11
---| "parallel"        # 12
---| "latency"         # 13
---| integer

---@class lunasip.SelectOptions
---@field limit? integer 1 to 1000000: most candidates kept for next()
---@field value? string what "hash-value" hashes

---@class lunasip.Dispatcher
---@field algorithms table<string, integer>
local Dispatcher = {}

---Choose a destination; sets the request's next hop ($du) and sending interface. Request and failure routes.
---@param request Request
---@param set integer from 0
---@param algorithm? lunasip.Algorithm default "round-robin"
---@param options? lunasip.SelectOptions
---@return lunasip.Destination? destination, string? err
function Dispatcher.select(request, set, algorithm, options) end

---The next destination of the last select(). Request and failure routes.
---@param request Request
---@return lunasip.Destination? destination, string? err
function Dispatcher.next(request) end

---Say what became of a destination. "probing" (until a ping succeeds) is refused where nothing pings it.
---@param set integer from 0
---@param uri string its URI or duid, or "all"
---@param state "active"|"inactive"|"probing"|"trying"|"disabled"|string Kamailio's letters too
---@return boolean? ok, string? err
function Dispatcher.mark(set, uri, state) end

---@param set? integer
---@return lunasip.ListedDestination[]
function Dispatcher.list(set) end

---Does the message come from a destination of the set (of any set)?
---@param message Message
---@param set? integer
---@return boolean
function Dispatcher.is_from(message, set) end
