---@meta lunasip.lab
-- Annotations for the Lua language server: what specs see (lua/lunasip/lab/README.md). Nothing here is ever run.
-- luacheck: ignore

---@class lunasip.lab
---@field message lunasip.lab.MessageModule
---@field sdp lunasip.lab.SdpModule
local lab = {}

---@class lunasip.lab.EngineOptions
---@field name? string how ladders and log lines call it; needed for a second engine
---@field conf? string|table path of a configuration, or its blocks
---@field route? string path, or the script itself
---@field workers? integer default 1
---@field log_level? "error"|"warning"|"info"|"debug" default "debug"
---@field users? table<string, string> "2001@example.net" -> password, in the database of the configuration
---@field check? boolean what `lunasip check` finds in configuration and script fails the test; default false

---@class lunasip.lab.Options: lunasip.lab.EngineOptions
---@field seed? integer default 1: the same seed, the same bytes
---@field databases? table<string, string> URL -> statements that are run in it before the engine starts

---A network with one engine in it.
---@param options? lunasip.lab.Options
---@return Net
function lab.new(options) end

---@class lunasip.lab.Impairment
---@field loss? number 0 to 1
---@field duplicate? number 0 to 1
---@field reorder? number 0 to 1
---@field delay? number seconds
---@field jitter? number seconds
---@field between? string|Agent|Engine|table one name (and everybody) or two

---@class lunasip.lab.Packet
---@field time number
---@field source string "HOST:PORT"
---@field destination string
---@field lost boolean
---@field arrivals number[] when it arrives: none, once, or twice
---@field bytes? string of SIP
---@field size_bytes? integer of anything else

---@class lunasip.lab.LogLine
---@field time number
---@field level "error"|"warning"|"info"|"debug"
---@field group string
---@field call_id string
---@field text string
---@field engine? string

---@class lunasip.lab.LadderOptions
---@field changes? boolean also what the engine changed in each message
---@field most? integer only the last so many messages
---@field colour? boolean

---@class lunasip.lab.ReplayOptions
---@field engine? table<string, string> captured "HOST:PORT" or "HOST" of the engine -> interface
---@field near? string[] "HOST:PORT" or "HOST" of those that are played and compared; default: all but the engine
---@field ignore? string[] names of headers that may differ
---@field is_reported? boolean return the differences instead of failing

---@class Engine
---@field name? string
local Engine = {}
---A new generation; what `lunasip check` finds in it is a fault.
---@param route? string|{source: string} a path, a text, or nothing: the same file again
---@return boolean? ok, string? fault
function Engine:reload(route) end
---A verb of `lunasip ctl`.
---@return {code: integer, text: string, data: any}
function Engine:command(...) end
---@return table what `lunasip ctl status --json` prints
function Engine:status() end
---@return table[] calls with media: their streams, and what was learned
function Engine:media() end
---@return table[]
function Engine:calls() end
---@param set? integer
---@return {set: integer, uri: string, state: string}[]
function Engine:gateways(set) end
---@return string? state Kamailio's letters, "AP"
function Engine:gateway_state(set, uri) end
---@param state "active"|"inactive"|"disabled"|"trying"|"probing"
---@return boolean? ok, string? fault
function Engine:set_gateway(set, uri, state) end
---@return lunasip.lab.LogLine[]
function Engine:log() end

---@class Database
local Database = {}
---Run statements, separated by ';', at once.
---@param sql string
function Database:load(sql) end
---The rows of one statement, at once, whatever is impaired.
---@param sql string
---@return table[]
function Database:rows(sql) end
---@param given {delay?: number, fail?: boolean|"unavailable"|"timeout"|"refused"|"exists"|"limit"} delay in seconds
function Database:impair(given) end

---@class lunasip.lab.HttpAnswer
---@field status? integer default 200
---@field headers? table<string, string|string[]>
---@field body? string
---@field delay? number seconds until it comes
---@field fail? boolean|"unavailable"|"timeout"|"refused"|"limit" instead of an answer

---@class lunasip.lab.HttpServer: lunasip.lab.HttpAnswer
---@field url string what its URLs begin with

---@class Server
local Server = {}
---What it answers from now on.
---@param given lunasip.lab.HttpAnswer
function Server:answer(given) end
---The requests that arrived, oldest first; headers by lower-case name.
---@return {method: string, url: string, headers: table<string, string>, body?: string}[]
function Server:requests() end

---What engine/record/README.md says of a line of the records' file, and:
---@class lunasip.lab.Record
---@field engine? string its name
---@field [string] any

---@class Net: Engine
---@field journal table[] what agents sent and received
---@field engines Engine[]
local Net = {}
---@param options lunasip.lab.AgentOptions
---@return Agent
function Net:agent(options) end
---@param options lunasip.lab.EngineOptions
---@return Engine
function Net:engine(options) end
---@param seconds number
function Net:advance(seconds) end
---@return number seconds
function Net:now() end
---Let time pass until nothing of a call is left.
---@param seconds? number at most
---@return string? left what is left
function Net:settle(seconds) end
---@param given lunasip.lab.Impairment
function Net:impair(given) end
---Cut the link between two names, or between one and everybody.
function Net:partition(a, b) end
---Forget every partition and everything said with `between`.
function Net:heal() end
---@param names table<string, string|false|{A: any, AAAA: any, SRV: any, NAPTR: any, ttl: number}>
---@param options? {delay: number} answers take so many seconds
function Net:dns(names, options) end
---One record of the name server.
function Net:name(name, kind, value, ttl_s) end
---The database that engines reach by a URL: SQLite in memory, and its tables outlive the engines.
---@param options? string|{url?: string, sql?: string} url: default that of the first engine's configuration, which has
--- one when it is a table without; sql: statements that are run in it now
---@return Database
function Net:database(options) end
---Users as `lunasip user add` adds them.
---@param users table<string, string> "2001@example.net" -> password
---@param url? string as for net:database
---@return Database
function Net:users(users, url) end
---What answers requests of engines to URLs that begin with a text; of several the longest counts.
---@param options string|lunasip.lab.HttpServer
---@return Server
function Net:http(options) end
---Hosts behind a name: an agent, an engine, an interface, an address.
---@return string[]
function Net:hosts(what) end
---@return lunasip.lab.Packet[]
function Net:packets() end
---@return string text equal texts mean equal runs
function Net:trace() end
---Records of the calls that have ended so far, oldest first; the configuration needs a block `records`.
---@return lunasip.lab.Record[]
function Net:records() end
---Text of the first log line that matches.
---@param pattern string
---@return string?
function Net:logged(pattern) end

---Every SIP message that crossed the network, one line each, with what caused it.
---@param options? lunasip.lab.LadderOptions
---@return string
function Net:ladder(options) end

---Write everything that crossed the network so far as a capture file. Raises one line when it cannot be written.
---@param path string
function Net:pcap(path) end

---Play a captured call again and compare what the engine sends; fails with the differences.
---@param path string pcap or pcapng
---@param options? lunasip.lab.ReplayOptions
---@return string[]? differences when options.is_reported
function Net:replay(path, options) end

---Is it the address of an engine?
---@param address string "HOST:PORT"
---@return boolean
function Net:is_engine(address) end

---Is it a file that holds a route given as text?
---@param path string
---@return boolean
function Net:is_temporary(path) end

---A text of the engine with "route" and "conf" where it names a file that holds what the spec gave as text.
---@param text string
---@return string
function Net:told(text) end

---Where the engines listen: name on ladders ("public") -> list of "HOST:PORT".
---@return table<string, string[]>
function Net:listeners() end

---@class lunasip.lab.AgentOptions
---@field name string
---@field user? string of its URIs; default: the name
---@field address string "HOST" or "HOST:PORT"
---@field side? string interface, default "public"
---@field engine? string whose interface, when several have it
---@field proxy? string "HOST:PORT" where requests go
---@field auto_ack? boolean default true
---@field auto_options? boolean OPTIONS are answered 200
---@field auto_cancel? boolean a CANCEL gets 200 and its INVITE 487
---@field auto_prack? boolean reliable provisional responses are acknowledged
---@field credentials? {username: string, password: string} a 401 or 407 is answered, once per request
---@field advertise? string "HOST" or "HOST:PORT" that Via, Contact and SDP tell instead of the real one

---@class lunasip.lab.SendOptions
---@field sdp? boolean|string|table
---@field body? string
---@field content_type? string
---@field headers? table<string, string>|string[][]
---@field max_forwards? integer requests
---@field to? string requests: "HOST:PORT"
---@field dialog? table requests: one of call.dialogs
---@field cseq? integer requests
---@field once? boolean requests: not retransmitted
---@field uri? string Agent:ask: out of a call, to this URI
---@field request_uri? string requests
---@field reason? string responses
---@field to_tag? string responses
---@field reliable? boolean responses: sent until its PRACK comes (RFC 3262)
---@field quietly? boolean responses: not in the journal

---@alias lunasip.lab.Wanted string|integer|{status: integer?, method: string?}|fun(msg: Message): boolean

---@class Agent
---@field name string
---@field address string "HOST:PORT"
---@field call table the current call: dialogs by To tag, remote_sdp, streams
---@field queue table[] messages that nobody received yet
local Agent = {}
---@param options? lunasip.lab.SendOptions
---@return table call
function Agent:invite(uri, options) end
---@param options? lunasip.lab.SendOptions
---@return table call
function Agent:ask(method, options) end
---@param options? lunasip.lab.SendOptions
---@return table call
function Agent:request(call, method, options) end
---@return table call for request(), with nothing sent yet
function Agent:new_call(uri) end
---@param options? {uri: string?, aor: string?, expires: integer?, contact: string|string[]?, q: number?, refresh: boolean?, headers: table?}
function Agent:register(options) end
---@param options? lunasip.lab.SendOptions
function Agent:reinvite(options) end
---@param options? lunasip.lab.SendOptions
function Agent:update(options) end
---@param options? lunasip.lab.SendOptions
function Agent:prack(response, options) end
---@param options? lunasip.lab.SendOptions
function Agent:ack(call, options) end
---BYE, or CANCEL before the answer.
---@param options? lunasip.lab.SendOptions
function Agent:hangup(options) end
function Agent:cancel() end
---@param options? lunasip.lab.SendOptions
function Agent:reply(request, status, options) end
---Is this INVITE still without a final answer?
---@return boolean
function Agent:is_pending(invite) end
---Bytes as they are.
function Agent:send(bytes, to) end
---@param wanted lunasip.lab.Wanted
---@param timeout_s? number default 5
function Agent:receive(wanted, timeout_s) end
---@param wanted lunasip.lab.Wanted
---@param seconds? number default 1
function Agent:receive_nothing(wanted, seconds) end
---@param count? integer packets on every stream, one each 20 ms
function Agent:send_rtp(count) end
function Agent:send_rtcp() end
---Press keys on the audio streams: telephone-events (RFC 4733), one every 200 ms.
---@param digits string of 0123456789*#ABCD
function Agent:dial(digits) end
---@return {kind: string, packets: integer, lost: integer, jitter_ms: number, rtcp: integer, sources: table, sent: integer}[]
function Agent:received_rtp() end

---A message as an agent received it.
---@class Message
---@field method? string
---@field uri? string
---@field status? integer
---@field reason? string
---@field cseq integer
---@field cseq_method string
---@field body string
---@field bytes string
local Message = {}
---@return string?
function Message:header(name, index) end
---@return string[] lists of Via, Route, Record-Route and Contact taken apart
function Message:values(name) end
---@return string?
function Message:tag(name) end
---@return table?
function Message:sdp() end
---@return string "INVITE" or "200 OK"
function Message:title() end

---@class luassert
local luassert = {}
---@param whom Agent|Engine|string
---@param message? Message
function luassert.relayed_to(whom, message) end
---@param status integer
---@param whom? Agent|Message
function luassert.replied(status, whom) end
---@param value? string|number|fun(value: string): boolean a text that begins with ^ is a pattern
function luassert.header(message, name, value) end
---@param pattern? table
function luassert.sdp(message, pattern) end
---@param side string|Agent
---@param options? {net: Net, where: string|string[], except: string|string[]}
function luassert.no_address(prefix, side, options) end

return lab
