--- What a script holds of a call of two legs: it names the callee's leg, so it may be kept anywhere.
local core = require "lunasip.core"

local Call = {}
Call.__index = Call

--- End the call: BYE to both legs, or CANCEL and 503 while it is not answered. Any handler; does not yield.
-- @string[opt] reason value of a Reason header (RFC 3326)
-- @treturn boolean false when it was over already
function Call:hangup(reason)
    return core.call_hang_up(self.call_id, self.tag, reason)
end

--- Replace one party of an answered call by another (RFC 5589): the target gets an INVITE, its offer goes to the
-- party that stays in a re-INVITE, the other one gets BYE; call:on("transfer") hears the outcome. Does not yield.
-- @string uri of the target
-- @string[opt] replace "callee" (default) or "caller"
-- @treturn boolean true: it has begun; or nil, err
function Call:transfer(uri, replace)
    if type(uri) ~= "string" or uri:find "[%c ]" then
        error("call:transfer: a URI is a text, not " .. tostring(uri), 2)
    elseif replace ~= nil and replace ~= "callee" and replace ~= "caller" then
        error("call:transfer: 'callee' or 'caller' is replaced, not " .. tostring(replace), 2)
    end
    return core.call_transfer(self.call_id, self.tag, uri, replace == "caller")
end

--- Run a function when something happens to the call; another one for the same event takes its place, nil none.
-- Any handler; does not yield.
-- @string event "ringing", "answer", "dtmf", "transfer" or "end"
-- @func[opt] handler gets { name, call, status, digit, duration_ms, from, via, reason, ended_by }; may yield
-- @treturn boolean true, or nil, err
-- @usage sip.call.bridge(req):on("dtmf", function(event) if event.digit == "*" then event.call:hangup() end end)
function Call:on(event, handler)
    if type(event) ~= "string" then
        error("call:on: an event is a text, not a " .. type(event), 2)
    elseif handler ~= nil and type(handler) ~= "function" then
        error("call:on: a function is expected, not a " .. type(handler), 2)
    end
    return core.call_on(self.call_id, self.tag, event, handler)
end

--- @string call_id of the callee's leg @string tag ours on it
return function(call_id, tag)
    return setmetatable({ call_id = call_id, tag = tag }, Call)
end
