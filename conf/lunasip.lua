-- Every setting of lunasip, with its default. A line that starts with "--" is a default: take the
-- marks away to change it. Settings that have no default show an example.
--
-- The file is Lua in a sandbox: blocks, assignments, env "NAME", comments. `lunasip check FILE` says
-- what is wrong with it: file:line: what; what to do. Paths are relative to this file.

-- LISTEN (required): where SIP messages come in, by interface. An entry is "udp:HOST:PORT", IPv6 in
-- brackets, or { "udp:HOST:PORT", advertise = "HOST:PORT" } when others know us by another address.
-- Wildcards (0.0.0.0, ::) are refused: which address a call came in on would not be known.
listen {
    public = { "udp:127.0.0.10:5060" },
    private = { "udp:127.0.0.20:5060" },
    -- office = { { "udp:10.0.0.5:5060", advertise = "192.0.2.7:5060" }, "udp:[2001:db8::5]:5060" },
}

-- ROUTE (required): the script that routes.
route "../scripts/sbc.lua"

-- MEDIA: the relay's address on each interface, one per IP version, and the UDP ports it may use.
-- Without this block media.manage answers nil, "…" and calls go without the relay.
media {
    public = "127.0.0.10",
    private = "127.0.0.20",
    -- office = { { "10.0.0.5", advertise = "192.0.2.7" }, "2001:db8::5" },
    ports = { 30000, 39999 },
}

-- DISPATCHER: gateways in numbered sets, from list files (setid uri flags priority attrs), from here,
-- or both.
dispatcher {
    file = "dispatcher.list", -- or { "a.list", "b.list" }
    -- sets = { [3] = { "sip:192.0.2.1", { uri = "sip:192.0.2.2", flags = 0, priority = 5, attrs = "weight=50" } } },
    -- ping_interval = 0, -- seconds between two pings of a gateway; 0 never pings, and a failed one stays in
    -- ping_method = "OPTIONS",
    -- ping_from = "sip:dispatcher@localhost",
    -- ping_reply_codes = "class=2", -- answers that mean "alive": also { 403, 488 } or "class=2;code=403"
    -- probing_threshold = 1, -- so many failed pings take a gateway out
    -- inactive_threshold = 1, -- so many answered pings bring it back
    -- probing_mode = 1, -- 0: only those marked for it; 1: all; 2: inactive ones; 3: marked ones, for ever
}

-- CONTROL: the socket that `lunasip ctl` talks to. Without this block there is none.
control { socket = "../run/lunasip.sock" }

-- LOG: level is error, warning, info or debug; to is stderr or syslog.
-- log { level = "info", to = "stderr" }

-- ADDRESS: networks by name, for sip.source_in(req, "trunks"). A file has Kamailio's address shape:
-- group address mask port tag; its groups are numbers: sip.source_in(req, "1").
-- address { trunks = { "192.0.2.0/24", "2001:db8::/32" }, file = "address.list" }

-- Threads: SIP workers (default: one per core) and media threads (default: the engine's choice).
-- workers = 4
-- media_threads = 2

-- The account to run as once the sockets are open; the group is the user's own unless it is named. It must
-- be able to read this folder and the scripts, or a reload finds nothing.
-- user = "lunasip"
-- group = "lunasip"

-- The environment can be asked anywhere: control { socket = env "LUNASIP_SOCKET" or "../run/lunasip.sock" }

-- TIMERS of transactions, RFC 3261 names.
timers {
    -- t1_ms = 500, -- round-trip estimate T1 (RFC 3261 s17.1.1.1); 10 to 10000
    -- t2_ms = 4000, -- longest retransmission interval T2; 10 to 60000
    -- t4_ms = 5000, -- how long a message stays in the network, T4; 10 to 60000
    -- c_ms = 180000, -- Timer C: how long an INVITE may ring (s16.6); 1000 to 3600000
    -- trying_ms = 200, -- 100 Trying is sent after this, or at relay if sooner; 0 to 10000
}

-- LIMITS: what a network can make grow ends here; each limit has a counter in `lunasip ctl status`.
limits {
    -- message_bytes = 65535, -- largest SIP message; 1024 to 65535
    -- headers = 256, -- header lines of one message; 16 to 4096
    -- transactions = 200000, -- live transactions of one worker; a tenth is for requests within dialogs; 1 to 10000000
    -- dialogs = 100000, -- live dialogs of one worker; 1 to 10000000
    -- profile_values = 100000, -- profiles and values that count calls; 1 to 10000000
    -- dialog_legs = 32, -- answering To tags that one dialog remembers; 1 to 1024
    -- branches = 16, -- branches of one request; 1 to 64
    -- max_forwards = 70, -- Max-Forwards added where there is none; 1 to 255
    -- max_breadth = 60, -- Max-Breadth added where there is none (RFC 5393); 1 to 1000
    -- call_queue = 16, -- messages of one call that wait while its handler waits; 1 to 1024
    -- mailbox = 16384, -- messages between two workers (a power of two); 256 to 1048576
    -- cps_per_source = 0, -- new requests per second of one source; 0: any; 0 to 1000000
    -- sources = 65536, -- sources whose rate is remembered; 16 to 1048576
    -- shed_lag_ms = 500, -- a worker this far behind refuses new calls; 10 to 60000
    -- dialog_idle_s = 43200, -- a dialog without any message ends after this; 60 to 604800
    -- control_ms = 5000, -- how long asking, or reading an answer, on the control socket may take; 100 to 60000
    -- control_bytes = 65536, -- longest request on the control socket; 1024 to 1048576
}

-- THREADS: how a thread that has work takes a processor which another program uses.
threads {
    -- patient = 1, -- 1: a SIP worker that wakes waits until a running program pauses (SCHED_BATCH); 0 to 1
}

-- SCRIPT: what one handler may use.
script {
    -- budget_instructions = 1000000, -- VM instructions of one handler run; 1000 to 1000000000
    -- budget_ms = 100, -- time of one handler run without waiting; 1 to 60000
    -- memory_mib = 256, -- memory of one worker's Lua state: beyond it a handler is ended; 8 to 65536
    -- generations = 8, -- script generations alive at once; 1 to 64
    -- leave_bytes = 65536, -- what a generation may leave to the next one; 0 to 16777216
    -- waiting = 10000, -- handlers of one worker that wait at once; 1 to 1000000
    -- regex_steps = 100000, -- steps of one regular expression; 100 to 100000000
}

-- AUTH: digest authentication, sip.auth. Servers with the same secret (16 characters and more) take each other's
-- nonces, and those of the time before a restart; without one it is drawn anew: auth { secret = env "AUTH_SECRET" }
auth {
    -- domain = "example.com", -- of users whom `lunasip user` is told without one
    -- nonce_s = 300, -- how long a nonce of a challenge is good; 1 to 86400
    -- nonces = 100000, -- nonces in use that are remembered, for their counts; 16 to 10000000
    -- one_time_nonce = 0, -- 1: a nonce is good for one request; 0 to 1
    -- bind_source = 0, -- 1: a nonce is good for the address that it was sent to; 0 to 1
    -- credentials = 100000, -- HA1s remembered for check { cache_s = ... }; 16 to 10000000
}

-- SHARED: dictionaries that all workers see. Name those you use: shared { "blocked", bytes = 16777216 }
shared {
    -- bytes = 16777216, -- memory of the shared dictionaries; 65536 to 4294967295
}

-- MEDIA LIMITS of the relay.
media_limits {
    -- streams = 16, -- m= lines of one SDP; 1 to 64
    -- tags = 16, -- answering To tags of one call that get a leg of their own; 1 to 64
    -- calls = 100000, -- calls with media at once; 1 to 1000000
    -- timeout_s = 60, -- a call without any packet for so long ends its media; 1 to 86400
    -- silent_timeout_s = 3600, -- the same while the call is on hold; 1 to 86400
    -- offer_timeout_s = 3600, -- the same while it is not answered; 1 to 86400
    -- learn_ms = 3000, -- how long after an SDP a peer's address is learned; 0 to 60000
}

-- DSCP: marks on what is sent.
dscp {
    -- sip = 24, -- DSCP of SIP datagrams (24 = CS3); 0 to 63
    -- rtp = 46, -- DSCP of RTP datagrams (46 = EF); 0 to 63
}

-- DIALOG: calls as a proxy sees them.
dialog {
    -- match_lost_route = 1, -- 1: a request within a call that lost its Route still finds the other side; 0 to 1
    -- refuse_unknown = 0, -- 1: a request within a call that is not known here gets 481; 0: its script decides; 0 to 1
    -- recorder_mib = 8, -- newest messages of calls, for ctl calls show; of all workers together; 0: none; 0 to 4096
    -- recorder_message_bytes = 1024, -- kept of one message; 256 to 16384
    -- vars_bytes = 4096, -- names and texts of one tracked call's variables; 0 to 1048576
}

-- LOCATION: what a registrar keeps about phones (RFC 3261 s10.3).
location {
    -- aors = 1000000, -- addresses of record with bindings at once; 1 to 100000000
    -- contacts_per_aor = 10, -- bindings of one address of record; 1 to 1000
    -- request_contacts = 64, -- contacts of one REGISTER; 1 to 1000
    -- expires_default_s = 3600, -- of a contact that asks for no time; 1 to 4294967295
    -- expires_least_s = 60, -- shortest registration; 0 to 86400
    -- expires_most_s = 3600, -- longest registration; 0: any; 0 to 4294967295
    -- expires_refuse = 1, -- shorter than the shortest: 1: answered 423; 0: made the shortest; 0 to 1
    -- match = 0, -- the same binding: 0: equal URI; 1: and Call-ID; 2: and Path; 3: Call-ID alone; 0 to 3
    -- use_domain = 1, -- 1: an address of record is user@host; 0: the user alone; 0 to 1
    -- case_sensitive = 0, -- 1: the case of the user part matters; 0 to 1
    -- q_default = 1000, -- thousandths: the q of a contact that has none; 0 to 1000
    -- uri_bytes = 512, -- longest contact; 64 to 8192
    -- path_bytes = 1024, -- longest Path of a binding; 64 to 8192
    -- text_bytes = 255, -- longest address of record, Call-ID, instance; a longer User-Agent is cut; 32 to 8192
    -- database = "sqlite:/var/lib/lunasip/location.db", -- where bindings outlive a restart; or postgres://, mysql://
    -- db_mode = 1, -- 0: no database; 1: a REGISTER waits for its rows; 2: written soon after; 3: 1, asked too; 0 to 3
    -- store_queue = 100000, -- rows of bindings that wait to be written; 1 to 10000000
    -- write_through_ms = 5, -- db_mode 1: how long rows are gathered, which are then written together; 0 to 1000
    -- write_back_ms = 1000, -- db_mode 2: how often rows are written; 10 to 3600000
    -- load_batch = 5000, -- rows that one query reads at the start; 1 to 100000
    -- expire_batch = 1000, -- addresses of record that expire without a pause; 1 to 100000
}

-- KEEPALIVE: what holds the hole in a device's NAT open, and finds out who is gone. It goes from the socket that
-- the device registered at to where its REGISTER came from, or through its Path, spread over the interval. Where
-- several lunasips share a database (location { db_mode = 3 }), each pings those that it was asked for lately: write
-- failures = 0 there, so that none ends what another one serves.
keepalive {
    -- interval_s = 0, -- seconds between two keepalives of a device; 0: none; 0 to 86400
    -- nat_only = 1, -- 1: only devices saved with received (behind a NAT); 0: all; 0 to 1
    -- options = 1, -- 1: OPTIONS, which devices answer; 0: empty lines (CRLF); 0 to 1
    -- failures = 3, -- OPTIONS in a row without any answer that end a binding; 0: none do; 0 to 100
}

-- DRAIN: a stop that lets calls end.
drain {
    -- deadline_s = 30, -- how long SIGTERM waits for calls to end; 0 to 86400
    -- rule = "leave", -- calls that outlive the deadline go on without us; "bye" ends them on both sides
}

-- RELOAD: `lunasip ctl reload`, SIGHUP, and by itself. The specs that `ctl reload --test` runs first are those
-- named here, or the script's own: for route.lua route_spec.lua beside it. They run in the folder that
-- lunasip was started in.
reload {
    -- watch = 0, -- 1: a file that changes is loaded by itself; 0 to 1
    -- settle_ms = 200, -- how long nothing may change before it is loaded; 10 to 60000
    -- test_s = 60, -- how long the specs of ctl reload --test may run; 1 to 3600
    -- specs = { "../spec/route_spec.lua" },
}

-- TRUNK: accounts at registrars of others, where we register as a phone would (RFC 3261 s10.2); `lunasip ctl trunks`
-- shows how they stand. Beside registrar and user all is optional: names are then the user, hosts the registrar's.
trunk {
    -- provider = {
    --     registrar = "sip:provider.example", -- who keeps the binding: a name (DNS), or an address
    --     user = "4930123", -- of the address of record: From and To
    --     password = env "PROVIDER_PASSWORD", -- the environment variable of that name; never printed or logged
    --     auth_user = "4930123", -- of credentials
    --     domain = "provider.example", -- of the address of record
    --     realm = "provider.example", -- the only one that credentials are for
    --     proxy = "sip:edge.provider.example", -- where REGISTER is sent to, if not to the registrar
    --     contact_user = "4930123", -- calls that come from there have it in their Request-URI
    --     interface = "public", -- of listen; without it the one that leads there
    --     expires_s = 3600, -- asked for; 10 to 604800
    -- },
    -- retry_base_s = 30, -- after a failed registration: half to all of base * 2^failures (RFC 5626 s4.5); 1 to 3600
    -- retry_most_s = 1800, -- but no longer than this; 1 to 86400
    -- leave_ms = 2000, -- how long a stop waits until trunks know of it; 0 to 60000
}

-- RESOLVE: names (RFC 3263).
resolve {
    -- timeout_ms = 2000, -- one DNS query; 10 to 60000
    -- negative_ttl_s = 10, -- how long a failed name is remembered; 0 to 3600
    -- cache = 4096, -- names remembered; 16 to 1048576
}

-- DATABASE: what holds for every database that this file or a script opens, and the one that is meant where none is
-- named: by sip.sql.open(), sip.auth.check() and `lunasip user`.
database {
    -- url = "sqlite:/var/lib/lunasip/sip.db", -- or postgres://USER:PASSWORD@HOST/NAME, mysql://...
    -- connections = 4, -- connections to one database; ordered queries have one more; 1 to 64
    -- queue = 10000, -- queries of one database that are not answered; 1 to 10000000
    -- timeout_ms = 2000, -- deadline of a query, and of an attempt to connect; 10 to 60000
    -- statements = 256, -- texts of statements that stay prepared; 1 to 65536
    -- answer_bytes = 16777216, -- largest answer of one query; 1024 to 4294967295
}

-- HTTP: requests of scripts, sip.http.
http {
    -- timeout_ms = 2000, -- deadline of a request, redirects included; 10 to 3600000
    -- requests = 1000, -- requests that are under way; 1 to 100000
    -- host_connections = 32, -- connections to one server; more requests wait; 1 to 1000
    -- body_bytes = 1048576, -- largest body of an answer; 0 to 4294967295
    -- head_bytes = 65536, -- all header fields of an answer; 1024 to 1048576
}

-- RECORDS: a line of JSON for each call that went by Record-Route, was tracked or bridged, when it is over
-- (engine/record/README.md says what is in it). Without this block there are none. For logrotate it is opened
-- again by `ctl records reopen`, and by a reload; a file put aside by lunasip itself is called FILE.20260131T235959Z.
records {
    -- file = "../run/calls.jsonl", -- where lines are appended
    -- database = "mysql://...", -- rows of Kamailio's acc, acc_cdrs, missed_calls; or postgres://, sqlite:
    -- spool = "../run/calls.spool", -- needed with a database: records wait here for it, also over a restart
    -- acc_extra = { "account" }, -- more columns of acc, missed_calls, each a field: { "account", ua = "user_agent" }
    -- cdr_extra = { "account", callid = "call_id" }, -- the same of acc_cdrs
    -- spool_mib = 1024, -- records that wait for the database: beyond it they are lost to it; 1 to 1048576
    -- failed = 1, -- 1: calls that nobody answered have a record, too; 0: they do not; 0 to 1
    -- fields_bytes = 1024, -- names and texts of one call's own fields; 0 to 65536
    -- gather_ms = 50, -- how long records are gathered, which are written together; 0 to 10000
    -- missed = 0, -- 1: calls that nobody answered have a row in missed_calls, too; 0 to 1
    -- queue = 20000, -- records that wait to be written; 1 to 10000000
    -- rotate_mib = 100, -- a larger file is put aside; 0: none is; 0 to 1048576
    -- rotate_s = 0, -- a file this old is put aside; 0: none is; 0 to 31536000
    -- keep = 0, -- files put aside that stay; 0: all of them; 0 to 1000000
    -- sync_ms = 1000, -- how often what was written is forced to the disk; 0: left to the kernel; 0 to 3600000
}
