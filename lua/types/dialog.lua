---@meta
-- Annotations for the Lua language server: sip.dialog. Nothing here is ever run.
-- luacheck: ignore

---RFC 4028: requests leave with a Session-Expires of at most expires_s; one below min_s is answered 422, or raised where the
---caller knows no timers. A session that nobody refreshes ends with BYE to both sides. In a call of two legs each leg has a
---session of its own, and the engine refreshes it (UPDATE, else re-INVITE) where its party cannot or does not want to.
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
---@field session_timer? lunasip.SessionTimer before sip.call.bridge, if the call gets two legs
---@field keepalive? lunasip.KeepaliveOptions
---@field hide? boolean|string|string[] interfaces: what leaves there names no address but ours (Via, Record-Route, Contact, Warning, identities, Diversion, History-Info, Refer-To; From, To and Request-URI are the script's); true: all
---@field hide_call_id? boolean callees on those interfaces see another Call-ID, too

---@class lunasip.Dialog
local Dialog = {}

---Keep the call in the script's hands; implies Record-Route. Where an INVITE begins a call, and in every later route
---of a call that was record-routed; a call of sip.call anywhere. Done again it finds the same call and sets what is given.
---@param message Message|lunasip.Call
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
