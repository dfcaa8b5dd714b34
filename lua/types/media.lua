---@meta
-- Annotations for the Lua language server: sip.media. Nothing here is ever run.
-- luacheck: ignore

---Options of the relay; rtpengine's flags by name are taken too.
---@class lunasip.MediaOptions
---@field from? string media interface of the side that this message comes from
---@field to? string media interface of the other side
---@field [string] string|boolean|string[]

---@class lunasip.Media
local Media = {}

---Put the relay between both sides of the call. On the offer say which side it comes from; the engine
---handles every later SDP of the call by itself and frees the ports when the dialog ends.
---@param message Message
---@param options? lunasip.MediaOptions|string rtpengine's flag string: "direction=public direction=private"
---@return boolean? ok, string? err
function Media.manage(message, options) end
