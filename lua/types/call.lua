---@meta
-- Annotations for the Lua language server: sip.call. Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.CallCredentials
---@field username string
---@field password string
---@field realm? string the only one that they are for; default: any, of whom the script itself has called

---@class lunasip.BridgeOptions
---@field to? string URI of the callee: Request-URI and To of its leg; default: the request's own, by $du
---@field next_hop? string URI that its INVITE is sent to; default: $du where there is no `to`
---@field interface? string listen interface towards the callee
---@field from? string URI, or name and <URI>, that the callee sees; default: the caller's name and user at our address
---@field headers? table<string, string|number> of the callee's INVITE, in the place of what would pass by that name
---@field credentials? lunasip.CallCredentials for challenges (401, 407) of the callee, a trunk as a rule
---@field trunk? string of the configuration: its password for such challenges, its interface and proxy where none is said
---@field redirect? "follow"|"refuse" a 3xx of the callee: try its first Contact, or tell the caller 480 (default)
---@field prack? boolean false: no 100rel (RFC 3262) on either leg; default: on each that knows it
---@field refer? "handle"|"pass"|"refuse" REFER: its sender is replaced by the target here, the other party is told, or 405 (default)
---@field session_timer? lunasip.SessionTimer of each leg by itself: negotiated, refreshed from here where its party does not
---@field keepalive? lunasip.KeepaliveOptions to the party of either leg
---@field pass? string[] names of further headers that pass, in both directions
---@field media? boolean|string|lunasip.MediaOptions put the relay between: as sip.media.manage(req, OPTIONS) before

---@class lunasip.OriginateOptions
---@field from string URI of the party that is called first
---@field to string URI of the other, called when the first has answered
---@field caller_id? string URI, or name and <URI>, that `to` sees; default: the user of `from` at our address
---@field interface? string listen interface towards `to`
---@field next_hop? string URI that the INVITE to `to` is sent to
---@field headers? table<string, string|number> of the INVITE to `to`
---@field from_interface? string listen interface towards `from`
---@field from_next_hop? string URI that the INVITE to `from` is sent to
---@field from_headers? table<string, string|number> of the INVITE to `from`: one that has a phone answer by itself
---@field trunk? string of the configuration, towards `to`: its interface, proxy, and its password for challenges
---@field credentials? lunasip.CallCredentials for challenges (401, 407) of either
---@field timeout_ms? integer of each party: without any response; default: Timer B, 32 s
---@field ringing_timeout_ms? integer of each party: from its first 18x; default: Timer C, 180 s
---@field redirect? "follow"|"refuse" a 3xx of either: try its first Contact, or end with 480 (default)
---@field refer? "handle"|"pass"|"refuse" as in BridgeOptions
---@field pass? string[] as in BridgeOptions
---@field media? boolean|string|lunasip.MediaOptions put the relay between; `from` in it is the side of `from`
---@field on_end? fun(event: lunasip.CallEvent) as call:on("end", ...)

---Two-leg calls (B2BUA, RFC 7092).
---@class lunasip.CallMaker
local CallMaker = {}

---Join the caller with a callee. Each leg is a dialog of its own: Call-ID, tags, CSeq, Contact, route set. From here
---on the engine handles what either says; request_route does not see it. Headers pass by an allow list. request_route.
---@param request Request an INVITE outside of a dialog
---@param options? lunasip.BridgeOptions
---@return lunasip.Call? call
---@return string? err nothing was sent to the callee; the request wants an answer
function CallMaker.bridge(request, options) end

---Have the sender of an INVITE with Replaces (RFC 3891) take the place of the party that it names, of a call of two
---legs. Whether it may is the script's to decide. request_route.
---@param request Request an INVITE outside of a dialog, with an SDP
---@return lunasip.Call? call its "transfer" event tells the outcome
---@return string? err nothing was sent
---@return integer? status what to answer: 481, 486, 603, 488, 491, 420 or 400
function CallMaker.replace(request) end

---Call one party, and when it has answered another, and join them (click-to-call, RFC 3725). Any handler.
---@param options lunasip.OriginateOptions
---@return lunasip.Call? call
---@return string? err nothing was sent
function CallMaker.originate(options) end

---@class lunasip.Call
---@field call_id string Call-ID of the callee's leg
local Call = {}

---End it: BYE to both legs, or CANCEL to the callee and 503 to the caller.
---@param reason? string value of a Reason header (RFC 3326): 'Q.850;cause=16'
---@return boolean is_ended false: it was over
function Call:hangup(reason) end

---Replace one party of an answered call by another; call:on("transfer", ...) hears the outcome.
---@param uri string of the target
---@param replace? "callee"|"caller" who gets BYE then, default "callee"
---@return true? ok, string? err
function Call:transfer(uri, replace) end

---Run a function when something happens to the call; another one for the same event takes its place, nil none.
---@param event "ringing"|"answer"|"dtmf"|"transfer"|"end"
---@param handler? fun(event: lunasip.CallEvent) may wait
---@return true? ok, string? err the call has ended
function Call:on(event, handler) end

---@class lunasip.CallEvent
---@field name "ringing"|"answer"|"dtmf"|"transfer"|"end"
---@field call lunasip.Call
---@field status? integer ringing, answer: of that party; transfer: 200, or why nothing came of it; end: of the INVITE that failed
---@field digit? string dtmf: one of 0123456789*#ABCD
---@field duration_ms? integer dtmf: how long the key was pressed, where that was said
---@field from? "caller"|"callee" ringing, answer: who did, the callee but for originate; dtmf: who pressed it
---@field via? "rtp"|"info" dtmf: telephone-event in the media (RFC 4733), or an INFO with application/dtmf-relay or /dtmf
---@field reason? string end: as DialogEvent.reason
---@field ended_by? "caller"|"callee"|"engine" end: as DialogEvent.ended_by
