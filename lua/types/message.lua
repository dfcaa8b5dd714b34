---@meta
-- Annotations for the Lua language server: requests and replies. Nothing here is ever run.
-- luacheck: ignore

---A request or a reply. A handle is dead after its handler and says so when it is used. It is a plain value: as a key of
---a table, of a weak one too, it stays until it is taken out.
---Index it with a Kamailio pseudo-variable: req["$Ri"], req["$(hdr(X-Foo)[-1])"], req["$var(x)"] = 5.
---@class Message
---@field [string] string|number|nil pseudo-variables: "$ru", "$si", … (lua/VARIABLES.md)
---@field is_request boolean
---@field method string of a reply the CSeq's
---@field received_ip string address it came in on ($Ri)
---@field received_port integer ($Rp)
---@field source_ip string where it came from ($si)
---@field source_port integer ($sp)
---@field source_uri string ($su)
---@field interface string name of the listen interface ($Rn)
---@field advertised_ip string ($RAi)
---@field advertised_port integer ($RAp)
---@field proto string "udp" ($pr)
---@field call_id string ($ci)
---@field call_state? "starting"|"early"|"confirmed"|"terminated" of the call that the engine knows; nil: of none
---@field cseq integer ($cs)
---@field from string whole header value
---@field to string whole header value
---@field from_uri string ($fu), can be written: each side of the call keeps the From and To of its own dialog
---@field from_user? string ($fU)
---@field from_domain? string ($fd)
---@field from_tag? string ($ft)
---@field from_display? string quotes included ($fn), can be written
---@field to_uri string ($tu), can be written
---@field to_user? string ($tU)
---@field to_domain? string ($td)
---@field to_tag? string ($tt)
---@field to_display? string ($tn), can be written
---@field contact? string ($ct)
---@field contact_uri? string ($ctu)
---@field user_agent? string ($ua)
---@field content_type? string ($cT)
---@field content_length? integer ($cl)
---@field body? string ($rb), can be written
---@field max_forwards? integer
---@field id integer ($mi)
---@field bytes string the message as received ($mb)
---@field length integer of these bytes ($ml)
---@field flags integer 32 bits that go with the transaction ($mf), can be written
---@field script_flags integer 32 bits of this handler run ($sf), can be written
---@field branch_flags integer 32 bits of this branch ($bf), can be written
---@field branch_index? integer in a branch route and for a reply ($T_branch_idx)
local Message = {}

---Value of a header as it will be sent, changes included.
---@param name string
---@param place? integer 1 is the first, -1 the last
---@return string?
function Message:header(name, place) end

---All values of a header, in order.
---@param name string
---@return string[]
function Message:headers(name) end

---Value of a header as it was received.
---@param name string
---@param place? integer
---@return string?
function Message:received_header(name, place) end

---Make it the one header of that name.
---@param name string
---@param value string
---@return boolean? ok, string? err
function Message:set_header(name, value) end

---Add one more header.
---@param name string
---@param value string
---@return boolean? ok, string? err
function Message:add_header(name, value) end

---Remove every header of that name.
---@param name string
---@return integer? removed, string? err
function Message:remove_header(name) end

---Has the To header a tag (RFC 3261 s12.2)?
---@return boolean
function Message:in_dialog() end

---@class Request: Message
---@field ruri string Request-URI ($ru), can be written
---@field original_ruri string ($ou)
---@field next_hop? string where it will be sent instead ($du), can be written
---@field send_interface? string interface to send from ($fsn), can be written
---@field send_socket? string "udp:10.0.0.1:5060" ($fs), can be written
local Request = {}

---@class ReplyOptions
---@field headers? table<string, string>
---@field body? string needs a content_type
---@field content_type? string
---@field stateless? boolean keep nothing: a retransmission runs the route again, the ACK is absorbed (RFC 3261 s8.2.7); a final response, before any relay or provisional response, else it has no effect

---Answer the request. Request and failure routes.
---@param code integer 100 to 699
---@param reason? string
---@param options? ReplyOptions
---@return boolean? ok, string? err
function Request:reply(code, reason, options) end

---@class RelayOptions
---@field to? string next hop; the Request-URI stays. Default: $du, top Route, Request-URI
---@field interface? string interface to send from
---@field on_failure? string failure_route.NAME
---@field on_reply? string onreply_route.NAME
---@field on_branch? string branch_route.NAME
---@field timeout_ms? integer 1 to 3600000: no answer at all for so long fails the branch
---@field ringing_timeout_ms? integer 1 to 3600000: no final answer for so long fails the branch

---Send the request on, statefully (RFC 3261 s16). Request and failure routes; may wait for a name to resolve.
---@param options? RelayOptions|string
---@return boolean? ok true once branches are sent
---@return string? err "cancelled" when the caller gave up meanwhile
function Request:relay(options) end

---@class ForkTarget
---@field uri string
---@field next_hop? string
---@field q? number 0 to 1: the same q at once, higher ones first

---@class ForkOptions: RelayOptions
---@field [integer] string|ForkTarget

---Send the request to several targets. Request and failure routes; may wait like relay.
---@param targets ForkOptions
---@return boolean? ok, string? err
function Request:fork(targets) end

---Send the request on without keeping state (RFC 3261 s16.11). Request route.
---@return boolean? ok, string? err
function Request:forward() end

---Neither answer nor send it on. Request route, where ACK and a CANCEL of no known INVITE come, too.
---@return boolean
function Request:drop() end

---Stay on the path of the dialog: Record-Route, twice when the interfaces differ. Request and failure routes.
---@return boolean? ok, string? err
function Request:record_route() end

---Fields of the script's own in the record of this call, which is written when the call is over; a name has letters, digits
---and _. Where an INVITE begins a call it implies Record-Route, so that also a call that the script refuses has a record.
---@param fields table<string, string|number|boolean>
---@return boolean? ok
---@return string? err no `records` block, "full (records.fields_bytes)", "the call has ended"
function Request:record(fields) end

---Take our own Route entries off (RFC 3261 s16.4). Request route.
---@return boolean? routed true when one was ours: relay the request; false when not
---@return string? err
function Request:loose_route() end

---Is Max-Forwards above 0? The engine counts it down at relay.
---@return boolean
function Request:max_forwards_ok() end

---Is the message sound? The engine asks the same before a script sees it, and refuses what is not.
---@return boolean? ok, string? reason, integer? status
function Request:sanity_ok() end

---@class Reply: Message
---@field status integer ($rs)
---@field reason string ($rr)
---@field is_local boolean made by the engine: nobody answered (408), or nothing could be sent (503)
---@field is_stateless boolean to a request that went by req:forward(): no transaction stands behind it
local Reply = {}

---Send it no further: a provisional response, or any that is_stateless. Reply routes.
---@return boolean dropped false for a final response of a relay, whose caller waits for it
function Reply:drop() end
