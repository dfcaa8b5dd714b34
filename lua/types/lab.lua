---@meta
-- Annotations for the Lua language server: what specs see of a network's ladders, captures and replays
-- (lua/lunasip/lab/tools.md). Nothing here is ever run.
-- luacheck: ignore

---A network of the lab, from require "lunasip.lab".new{...}.
---@class LabNetwork
local LabNetwork = {}

---@class LadderOptions
---@field changes? boolean also what the engine changed in each message
---@field most? integer only the last so many messages
---@field colour? boolean

---Every SIP message that crossed the network, one line each, with what caused it.
---@param options? LadderOptions
---@return string
function LabNetwork:ladder(options) end

---Write everything that crossed the network so far as a capture file. Raises one line when it cannot be written.
---@param path string
function LabNetwork:pcap(path) end

---@class ReplayOptions
---@field engine? table<string, string> captured "HOST:PORT" or "HOST" of the engine -> interface
---@field near? string[] "HOST:PORT" or "HOST" of those that are played and compared; default: all but the engine
---@field ignore? string[] names of headers that may differ
---@field is_reported? boolean return the differences instead of failing

---Play a captured call again and compare what the engine sends; fails with the differences.
---@param path string pcap or pcapng
---@param options? ReplayOptions
---@return string[]? differences when options.is_reported
function LabNetwork:replay(path, options) end

---Is it the address of an engine?
---@param address string "HOST:PORT"
---@return boolean
function LabNetwork:is_engine(address) end

---Is it a file that holds a route given as text?
---@param path string
---@return boolean
function LabNetwork:is_temporary(path) end

---Where the engines listen: name on ladders ("public") -> list of "HOST:PORT".
---@return table<string, string[]>
function LabNetwork:listeners() end
