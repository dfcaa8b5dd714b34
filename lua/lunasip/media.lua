--- sip.media: anchor the audio and video of a call on the relay.
local core = require "lunasip.core"

local M = {}

--- Put the relay between both sides of the call.
--
-- On the offer say which side it comes from; later SDPs of the call are handled by the engine
-- alone. Request, reply and branch routes; does not yield.
-- @param message request or reply that carries an SDP
-- @param options { from = "public", to = "private", … } or rtpengine's flag string; may be left out
--   where the direction is known already
-- @treturn boolean true, or nil, err (no port left, SDP that cannot be read)
-- @usage sip.media.manage(req, { from = "public", to = "private" })
function M.manage(message, options)
    return core.media_manage(message, options)
end

return M
