---@meta
-- Annotations for the Lua language server: the handlers that a script defines. Nothing here is ever run.
-- luacheck: ignore

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
---@field ["media:timeout"] fun(event: DialogEvent) the relay ended its media because no packets came; the next offer gives them ports again
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
