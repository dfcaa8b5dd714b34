---@meta
-- Annotations for the Lua language server: what routing scripts see. Nothing here is ever run.
-- luacheck: ignore

-- ---------------------------------------------------------------------------------------------
-- Handlers that a script defines
-- ---------------------------------------------------------------------------------------------

---Runs for every request but CANCEL of a known INVITE, ACK to a non-2xx response and retransmissions.
---A request that is neither relayed, answered nor dropped is answered 500.
---@param req Request
function request_route(req) end

---Subroutines of the script, called as route.NAME(req).
---@type table<string, fun(req: Request, ...): any>
route = {}

---Runs for every branch before it is sent: relay{ on_branch = "NAME" }.
---@type table<string, fun(req: Request)>
branch_route = {}

---Runs when a final failure response is about to go back, local ones (408, 503) included:
---relay{ on_failure = "NAME" }. A new relay is a new branch; without one the response goes on.
---@type table<string, fun(req: Request, reply: Reply)>
failure_route = {}

---onreply_route.NAME runs for relay{ on_reply = "NAME" }; a function assigned to onreply_route
---itself runs first, for every response that a relay brings.
---@class OnReplyRoute
---@field [string] fun(reply: Reply)
---@operator call(Reply): any
onreply_route = {}

---Runs when something happens to a dialog: event_route["dialog:end"] = function(event) ... end
---@class EventRoute
---@field ["dialog:start"] fun(event: DialogEvent) an INVITE was relayed
---@field ["dialog:answer"] fun(event: DialogEvent) the first 2xx
---@field ["dialog:failed"] fun(event: DialogEvent) it ended and nobody had answered; dialog:end comes next
---@field ["dialog:warning"] fun(event: DialogEvent) its longest duration is near: track{ warn_s }
---@field ["dialog:end"] fun(event: DialogEvent) however it ended
---@field ["media:timeout"] fun(event: DialogEvent) the relay ended its media because no packets came
---@field ["registration:inserted"] fun(event: RegistrationEvent) a contact was bound to an address of record
---@field ["registration:updated"] fun(event: RegistrationEvent) it was refreshed
---@field ["registration:removed"] fun(event: RegistrationEvent) by its UA, by sip.registrar.unregister or an operator
---@field ["registration:expired"] fun(event: RegistrationEvent) it was not refreshed in time
---@field ["trunk:up"] fun(event: TrunkEvent) a registrar knows us now
---@field ["trunk:down"] fun(event: TrunkEvent) a refresh failed, or the trunk is wanted no more
---@field ["reload:leave"] fun(event: ReloadEvent): any the newest generation is replaced: return what the next one is
---to have, plain data (texts, numbers, booleans and tables of them) of at most script.leave_bytes; may not wait
---@field ["reload:enter"] fun(event: ReloadEvent) this generation serves new calls from now on; not at the start
event_route = {}

---Runs on the worker that made the change.
---@class RegistrationEvent
---@field name string "registration:expired"
---@field aor string "2001@example.com"
---@field contact string URI
---@field call_id string of the REGISTER
---@field user_agent? string
---@field received? string URI of where it came from
---@field path? string

---Runs on the worker that looks after the trunk.
---@class TrunkEvent
---@field name string "trunk:up"
---@field trunk lunasip.TrunkState as it stands now

---On each worker by itself, as every global of a script is.
---@class ReloadEvent
---@field name string "reload:leave" or "reload:enter"
---@field state? any reload:enter: a deep copy of what the generation before returned

---@class DialogEvent
---@field name string "dialog:end"
---@field call_id string
---@field from_tag string
---@field from_uri string
---@field to_uri string
---@field state string
---@field age_s number since the INVITE
---@field answered boolean
---@field duration_s? number since the answer
---@field reason? string why it ended: "bye", "cancelled", "failed", "idle", "media", "local" (by an operator), "duration",
---"script", "session" (its timer), "keepalive"
---@field method? string of the message that caused it
---@field status? integer of the response that caused it
---@field ended_by? "caller"|"callee"|"engine" who hung up or gave up; nil: it goes on, it failed, or nobody can tell
---@field dialog? lunasip.TrackedDialog its handle, when it is tracked

-- ---------------------------------------------------------------------------------------------
-- Messages
-- ---------------------------------------------------------------------------------------------

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

-- ---------------------------------------------------------------------------------------------
-- require "lunasip"
-- ---------------------------------------------------------------------------------------------

---@class lunasip
---@field auth lunasip.Auth
---@field dialog lunasip.Dialog
---@field call lunasip.CallMaker
---@field log lunasip.Log
---@field dispatcher lunasip.Dispatcher
---@field media lunasip.Media
---@field nat lunasip.Nat
---@field registrar lunasip.Registrar
---@field shared table<string, lunasip.Dictionary> by the names in the configuration
---@field sql lunasip.Sql
---@field http lunasip.Http
---@field timer lunasip.Timer
---@field trunk lunasip.Trunk
---@field interface table<string, lunasip.Interface> by the names in the configuration's listen block
local lunasip = {}

---Wait; other calls go on meanwhile, later messages of this call queue up. Yields.
---@param seconds number 0 to 3600
---@return boolean? ok, string? err "cancelled" when the caller gave up meanwhile
function lunasip.sleep(seconds) end

---Fill in a format: sip.format(req, "$fU@$fd"). An unknown variable raises.
---@param message Message
---@param format string
---@return string
function lunasip.format(message, format) end

---Does the message come from one of the networks of an address group of the configuration?
---@param message Message
---@param group string
---@return boolean
function lunasip.source_in(message, group) end

---@class lunasip.Interface
---@field name string
---@field proto string
---@field address string of its first listener
---@field port integer
---@field advertised_address string
---@field advertised_port integer
---@field listens table<string, table<integer, true>> every address and port of that name: listens[req["$Ri"]][req["$Rp"]]

---One line each, tagged with the call. Formats hold pseudo-variables of the message given, or of the
---one that the running handler works on, and string.format directives for the values.
---@class lunasip.Log
local Log = {}

---An operator must act.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.error(message, format, ...) end

---We coped.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.warning(message, format, ...) end

---A line or two per call.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.info(message, format, ...) end

---Per message.
---@overload fun(format: string, ...: any)
---@param message Message|DialogEvent|RegistrationEvent
---@param format string
---@param ... any
function Log.debug(message, format, ...) end

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

---RFC 4028: requests leave with a Session-Expires of at most expires_s; one below min_s is answered 422, or raised where the
---caller knows no timers. A session that nobody refreshes ends with BYE to both sides.
---@class lunasip.SessionTimer
---@field expires_s? integer longest session interval: 1800
---@field min_s? integer shortest: 90

---OPTIONS within the dialog to both parties; 481, or as many unanswered in a row, ends the call with BYE to both.
---@class lunasip.KeepaliveOptions
---@field interval_s number at least 1
---@field failures? integer unanswered in a row: 2

---@class lunasip.TrackOptions
---@field max_duration_s? number 0.001 to a year: both sides get BYE so long after the answer
---@field warn_s? number event_route["dialog:warning"] runs so long before max_duration_s is over; 0: not
---@field on_end? fun(event: DialogEvent) runs once, however the call ends, before event_route["dialog:end"]
---@field session_timer? lunasip.SessionTimer for proxied calls
---@field keepalive? lunasip.KeepaliveOptions for proxied calls
---@field hide? boolean|string|string[] interfaces: what leaves there names no address but ours (Via, Record-Route, Contact, Warning); true: all
---@field hide_call_id? boolean callees on those interfaces see another Call-ID, too

---@class lunasip.Dialog
local Dialog = {}

---Keep the call in the script's hands; implies Record-Route. Where an INVITE begins a call, and in every later route
---of a call that was record-routed. Done again it finds the same call and sets what is given.
---@param message Message
---@param options? lunasip.TrackOptions
---@return lunasip.TrackedDialog? dialog, string? err
function Dialog.track(message, options) end

---The tracked call that a message is of.
---@param message Message
---@return lunasip.TrackedDialog? dialog nil: none
function Dialog.of(message) end

---How many calls of all workers are in a profile, or in one value of it.
---@param profile string
---@param value? string
---@return integer
function Dialog.count(profile, value) end

---A call in the script's hands. It may be kept for as long as one likes.
---@class lunasip.TrackedDialog
---@field state "starting"|"early"|"confirmed"|"terminated"
---@field call_id? string this and what follows: nil once it has ended
---@field from_tag? string
---@field from_uri? string
---@field to_uri? string
---@field age_s? number since the INVITE
---@field duration_s? number since the answer
---@field vars table<string, string|number|boolean|nil> kept with the call ($dlg_var), up to dialog.vars_bytes
---@field record table<string, string|number|boolean|nil> the script's own fields of its record, up to records.fields_bytes; in
---event_route["dialog:end"] until that handler waits, too
local TrackedDialog = {}

---@class lunasip.ByeOptions
---@field reason? string a text, or a whole Reason value (RFC 3326): 'Q.850;cause=16;text="Normal call clearing"'

---End it: BYE to both sides, or CANCEL and 503 while it is not answered. It happens when the message at hand has gone on.
---@param options? lunasip.ByeOptions
---@return boolean? ok, string? err
function TrackedDialog:bye(options) end

---@class lunasip.ProfileOptions
---@field limit? integer most calls of that value at once, of all workers

---Count it in a profile until it ends, whichever way; with another value it moves there.
---@param profile string "trunk-a"
---@param value? string "outbound"
---@param options? lunasip.ProfileOptions
---@return boolean? ok
---@return string? err "full" when as many calls as options.limit are there
function TrackedDialog:set_profile(profile, value, options) end

---Take it out of a profile before it ends.
---@param profile string
---@return boolean was it counted there?
function TrackedDialog:unset_profile(profile) end

---How long it may last, from its answer on.
---@param seconds number 0: as long as it likes
---@return boolean? ok, string? err
function TrackedDialog:set_max_duration(seconds) end

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

---@class lunasip.BridgeOptions
---@field to? string URI of the callee: Request-URI and To of its leg; default: the request's own, by $du
---@field next_hop? string URI that its INVITE is sent to; default: $du where there is no `to`
---@field interface? string listen interface towards the callee
---@field from? string URI, or name and <URI>, that the callee sees; default: the caller's name and user at our address
---@field headers? table<string, string|number> of the callee's INVITE, in the place of what would pass by that name
---@field credentials? lunasip.AnswerOptions for challenges (401, 407) of the callee, a trunk as a rule
---@field trunk? string of the configuration: its password for such challenges, its interface and proxy where none is said
---@field redirect? "follow"|"refuse" a 3xx of the callee: try its first Contact, or tell the caller 480 (default)
---@field prack? boolean false: no 100rel (RFC 3262) on either leg; default: on each that knows it
---@field refer? "handle"|"pass"|"refuse" REFER: its sender is replaced by the target here, the other party is told, or 405 (default)
---@field pass? string[] names of further headers that pass, in both directions
---@field media? boolean|string|lunasip.MediaOptions put the relay between: as sip.media.manage(req, OPTIONS) before

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
---@field status? integer ringing, answer: of the callee; transfer: 200, or why nothing came of it; end: of the INVITE that failed
---@field digit? string dtmf: one of 0123456789*#ABCD
---@field duration_ms? integer dtmf: how long the key was pressed, where that was said
---@field from? "caller"|"callee" dtmf: who pressed it
---@field via? "rtp"|"info" dtmf: telephone-event in the media (RFC 4733), or an INFO with application/dtmf-relay or /dtmf
---@field reason? string end: as DialogEvent.reason
---@field ended_by? "caller"|"callee"|"engine" end: as DialogEvent.ended_by

---@alias lunasip.Secrets
---| string                                                                        # everybody's
---| table<string, string>                                                         # HA1s by algorithm
---| fun(user: string, realm: string, algorithm: string): string|table|nil         # nil: no such user

---@class lunasip.CheckOptions
---@field password? lunasip.Secrets the user's password
---@field ha1? lunasip.Secrets or H(user:realm:password) in hexadecimal digits, of the algorithm that is asked for
---@field database? lunasip.Database or Kamailio's table of users in it: username, domain, ha1, ha1b, password
---@field table? string its name, default "subscriber"
---@field use_domain? boolean false: the user name alone counts, not the domain
---@field cache_s? number 0.001 to CACHE: how long what was right is remembered
---@field code? 401|407 look only at the credentials for that; default: at both

---@class lunasip.ChallengeOptions
---@field algorithms? string[] "SHA-512-256", "SHA-256", "MD5", with -sess too; preferred first. Default SHA-256, MD5
---@field qop? "auth"|"auth-int"|"auth,auth-int"|"none" default "auth"
---@field code? 401|407 default 401 for REGISTER, 407 for all else

---@class lunasip.AnswerOptions
---@field username string
---@field password string

---Digest authentication (RFC 3261 s22, RFC 7616, RFC 8760).
---@class lunasip.Auth
local Auth = {}

---Whose request is it? Answers nothing. Yields when the function given does.
---@param request Request
---@param realm string
---@param options? lunasip.CheckOptions without password, ha1 and database: the configuration's database { url = ... }
---@return string? user
---@return string? reason "no credentials", "wrong", "stale", "replayed", "foreign nonce", "malformed", "not supported",
---"unavailable": the database could not tell
function Auth.check(request, realm, options) end

---Answer 401 or 407 with a challenge for each algorithm; nothing is kept for it. Request and failure routes; ACK and
---CANCEL cannot be challenged.
---@param request Request
---@param realm string
---@param options? lunasip.ChallengeOptions
---@return boolean? ok, string? err
function Auth.challenge(request, realm, options) end

---Take the credentials for a realm out of a request that goes on.
---@param request Request
---@param realm string
---@return integer? removed, string? err
function Auth.consume(request, realm) end

---A user's password has changed: what cache_s keeps of it is forgotten.
---@param user string
---@param realm string
function Auth.forget(user, realm) end

---Answer a gateway's 401 or 407, so that another relay carries our credentials. Failure routes.
---@param request Request
---@param reply Reply
---@param options lunasip.AnswerOptions
---@return boolean? ok, string? reason
function Auth.answer(request, reply, options) end

---@alias lunasip.NatTest
---| "contact_private"      # bit 1: Contact has an address of RFC 1918 or RFC 6598
---| "via_differs"          # bit 2: the top Via names another host than the source
---| "via_private"          # bit 4: the top Via has such an address
---| "sdp_private"          # bit 8: a c= line has
---| "via_port_differs"     # bit 16: the source port is not that of the top Via
---| "source_private"       # bit 32: the source address is such a one
---| "websocket"            # bit 64: it came over a WebSocket
---| "contact_port_differs" # bit 128: the source port is not Contact's
---| "sdp_differs"          # bit 256: a c= line names another address than the source

---Peers behind a NAT.
---@class lunasip.Nat
local Nat = {}

---Is any of the tests true for the message as it came?
---@param message Message
---@param tests? integer|lunasip.NatTest[] 0 to 511: the sum of bits that nat_uac_test takes, or words; default 1 + 2 + 16
---@return boolean is_natted
---@return integer found bits of those that are true
function Nat.is_natted(message, tests) end

---Put the source address and port into every Contact; a second time changes nothing.
---@param message Message
---@return boolean? changed, string? err
function Nat.fix_contact(message) end

---Put ";alias=HOST~PORT~PROTO" of the source into every Contact that does not lead there.
---@param message Message
---@return boolean? changed, string? err
function Nat.set_alias(message) end

---Take the last alias off the Request-URI and send the request where it leads ($du). Request and failure routes.
---@param request Request
---@return boolean? handled false when there is no alias
---@return string? err
function Nat.handle_alias(request) end

---Each instead of the setting of the configuration's location block.
---@class lunasip.SaveOptions
---@field aor? string URI instead of To's
---@field expires_default_s? integer from 0, for a contact that asks for no time
---@field expires_least_s? integer from 0
---@field expires_most_s? integer from 0; 0: as asked
---@field refuse_brief? boolean below the least: 423, else the least
---@field max_contacts? integer from 0, of one address of record: 503 beyond
---@field match? "uri"|"uri+call-id"|"uri+path"|"call-id" which contact is the same binding
---@field path? "lazy"|"strict"|"off" RFC 3327: kept and told to who supports it (default); 420 to who does not; ignored
---@field received? boolean|string true: calls go to where this came from; or a URI
---@field flags? integer 0 to 4294967295, kept with the contacts
---@field reply? boolean false: the script answers

---@class lunasip.LookupOptions
---@field aor? string URI instead of the Request-URI
---@field filter_methods? boolean only devices whose Allow names the request's method

---@class lunasip.RegisteredContact
---@field contact string URI
---@field expires_s integer
---@field q? number
---@field received? string
---@field path? string
---@field user_agent? string
---@field socket? string
---@field ruid string
---@field flags integer

---Where users are (RFC 3261 s10).
---@class lunasip.Registrar
local Registrar = {}

---Process a REGISTER and answer it: 200 with all contacts, or the error that is due. Request route; yields where the
---configuration's location block has a database.
---@param req Request
---@param options? lunasip.SaveOptions
---@return integer? contacts bound now, string? reason, integer? status
function Registrar.save(req, options) end

---Give the next relay all contacts of whom the Request-URI names: those of one q at once, then lower ones.
---Request and failure routes; yields with location { db_mode = 3 }, as those below do.
---@param req Request
---@param options? lunasip.LookupOptions
---@return boolean? ok
---@return string? reason "not registered", "method not supported", "no address of record"; db_mode 3: "unavailable", when
---the database cannot tell and none is known
function Registrar.lookup(req, options) end

---End bindings of an address of record.
---@param uri string
---@param contact? string URI or ruid of one; all when left out
---@return integer? ended, string? err
function Registrar.unregister(uri, contact) end

---What is bound to an address of record; empty when nothing is.
---@param uri string
---@return lunasip.RegisteredContact[]? contacts, string? err
function Registrar.contacts(uri) end

---Has an address of record a binding?
---@param uri string
---@return boolean
function Registrar.registered(uri) end

---@class lunasip.SqlOptions
---@field timeout_ms? integer deadline of a query; default: the setting database.timeout_ms

---SQL of SQLite, PostgreSQL and MariaDB. A query looks sequential; the handler waits, and other calls go on.
---@class lunasip.Sql
local Sql = {}

---Open a database, best while the script is loaded. The same URL is the same connections, for all workers and across
---reloads; it connects by itself, and again after a loss.
---@param url? string sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/NAME, mysql://... (MariaDB); default: the
---configuration's database { url = ... }
---@param options? lunasip.SqlOptions
---@return lunasip.Database? db, string? err
function Sql.open(url, options) end

---An open database.
---@class lunasip.Database
local Database = {}

---Ask for rows. Handlers, events and timers; yields.
---@param statement string with a ? for each value, which is bound and never pasted into the text
---@param ... string|number|boolean|nil
---@return table[]? rows by the names of their columns; no field where there is NULL
---@return string? problem in the words of the database
---@return string? reason "timeout", "unavailable", "refused", "exists", "limit", "memory", "cancelled"
function Database:query(statement, ...) end

---Carry out a statement that changes something, a transaction of its own. Handlers, events and timers; yields.
---@param statement string
---@param ... string|number|boolean|nil
---@return integer? affected rows
---@return string? problem
---@return string? reason as for query(); "exists": a key is there already
function Database:exec(statement, ...) end

---The same database with other options.
---@param options lunasip.SqlOptions
---@return lunasip.Database
function Database:with(options) end

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

---A dictionary that all workers see. A full one answers nil, "full".
---@class lunasip.Dictionary
---@field name string
local Dictionary = {}

---@param key string|number
---@return string|number|boolean|nil
function Dictionary:get(key) end

---@param key string|number
---@param value string|number|boolean
---@param ttl_s? number 0.001 to TTL
---@return boolean? ok, string? err
function Dictionary:set(key, value, ttl_s) end

---Set only when the key is not there.
---@param key string|number
---@param value string|number|boolean
---@param ttl_s? number 0.001 to TTL
---@return boolean? ok, string? err "exists"
function Dictionary:add(key, value, ttl_s) end

---Add to a number atomically; a missing key counts from 0.
---@param key string|number
---@param amount? number default 1
---@param ttl_s? number 0.001 to TTL
---@return number? value, string? err
function Dictionary:incr(key, amount, ttl_s) end

---@param key string|number
---@return boolean was_there
function Dictionary:delete(key) end

---A trunk of the configuration as it stands.
---@class lunasip.TrunkState
---@field name string
---@field state "registering"|"up"|"down"|"disabled"
---@field status? integer of the last final response
---@field reason? string its phrase, or why there was none
---@field expires_in_s? number the binding ends; nil: there is none
---@field next_in_s? number the next REGISTER; nil: none is planned
---@field failures integer attempts in a row that failed
---@field registrar string URI
---@field user string
---@field domain string
---@field interface? string

---Accounts at registrars of others: the trunk block of the configuration.
---@class lunasip.Trunk
local Trunk = {}

---@param name string
---@return lunasip.TrunkState? trunk, string? err
function Trunk.get(name) end

---@return lunasip.TrunkState[] trunks in the order of their names
function Trunk.list() end

---@class lunasip.TimerOptions
---@field each_worker? boolean on every worker, not on one

---@class lunasip.Timer
local Timer = {}

---Run every so many seconds, on one worker, until a newer script replaces this one.
---@param seconds number 0.001 to 31536000
---@param run fun()
---@param options? lunasip.TimerOptions
---@return boolean? ok, string? err
function Timer.every(seconds, run, options) end

---Run once, later.
---@param seconds number 0.001 to 31536000
---@param run fun()
---@param options? lunasip.TimerOptions
---@return boolean? ok, string? err
function Timer.after(seconds, run, options) end

return lunasip
