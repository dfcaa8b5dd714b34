--- SIPp as caller and gateway. Scenario files live in spec/scenario/*.xml; `{{name}}` in them is replaced by a value.
local network = require "support.network"
local process = require "support.process"

local M = {}
local Sipp = {}
Sipp.__index = Sipp

-- Pieces that the scenario files share.
M.parts = {
    t1_ms = 2000, -- patient: what comes twice because a machine is busy upsets SIPp's scenarios
    sdp = [[v=0
      o=user1 53655765 2353687637 IN IP[media_ip_type] [media_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 8 0 101
      a=rtpmap:8 PCMA/8000
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
      m=video [media_port+2] RTP/AVP 96
      a=rtpmap:96 H264/90000
      y=0100000001]],
    -- Header fields of a new request of the caller.
    caller = [[Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      From: "caller" <sip:caller@[local_ip]:[local_port]>;tag=[pid]c[call_number]
      To: <sip:1001@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      Contact: <sip:caller@[local_ip]:[local_port]>]],
    -- A REGISTER and the requests of a user of a registrar: the list gives user, credentials and callee.
    register = [[REGISTER sip:example.net SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      From: <sip:[field0]@example.net>;tag=[pid]r[call_number]
      To: <sip:[field0]@example.net>
      Call-ID: [call_id]
      Contact: <sip:[field0]@[local_ip]:[local_port]>
      Expires: 600]],
    user = [[Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      From: <sip:[field0]@example.net>;tag=[pid]c[call_number]
      To: <sip:[field2]@example.net>
      Call-ID: [call_id]
      Contact: <sip:[field0]@[local_ip]:[local_port]>]],
    user_in_dialog = [[Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      From: <sip:[field0]@example.net>;tag=[pid]c[call_number]
      To: <sip:[field2]@example.net>[peer_tag_param]
      Call-ID: [call_id]
      Contact: <sip:[field0]@[local_ip]:[local_port]>]],
    -- Header fields that a gateway's response copies.
    copied = [[[last_Via:]
      [last_Record-Route:]
      [last_From:]
      [last_To:];tag=[pid]g[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:gateway@[local_ip]:[local_port]>]],
    -- For a final response after another request came in: what `remember_invite` kept of the INVITE.
    remember_invite = [[
      <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="1" check_it="true" assign_to="via1"/>
      <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="2" check_it="true" assign_to="via2"/>
      <ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="caller"/>
      <ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="called"/>]],
    copied_invite = [[Via:[$via1]
      Via:[$via2]
      From:[$caller]
      To:[$called];tag=[pid]g[call_number]
      Call-ID: [call_id]
      CSeq: 1 INVITE
      Contact: <sip:gateway@[local_ip]:[local_port]>]],
    -- Inside the dialog To has its tag already.
    copied_in_dialog = [[[last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:gateway@[local_ip]:[local_port]>]],
}

-- The SDP of a later offer or answer. @string direction @string[opt] connection in the place of its own
local function sdp_with(version, direction, connection)
    local text = M.parts.sdp:gsub("2353687637", version):gsub("t=0 0", "t=0 0\n      a=" .. direction)
    return connection and text:gsub("c=[^\n]*", connection) or text
end
M.parts.sdp_sendonly = sdp_with("2353687638", "sendonly")
M.parts.sdp_recvonly = sdp_with("2353687638", "recvonly")
M.parts.sdp_zero = sdp_with("2353687639", "inactive", "c=IN IP[media_ip_type] 0.0.0.0")
M.parts.sdp_inactive = sdp_with("2353687639", "inactive")

local function read_file(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

local function write_file(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

--- A port for the SDP, which SIPp binds too: hosts of a test's own block are free, ::1 is everybody's.
function M.media_port(host)
    if not host:find ":" then return 10000 end
    local port = network.free_port(host)
    return port - port % 2
end

--- Fill `{{name}}` in a scenario file.
function M.fill(text, values)
    return (text:gsub("{{([%w_]+)}}", function(name)
        local value = values[name] or M.parts[name]
        if not value then error("the scenario needs a value for " .. name, 3) end
        return tostring(value)
    end))
end

--- Start SIPp.
-- options: scenario, host, port (5060), remote ("host:port", callers only), calls, rate, values (for the scenario),
-- simultaneous (most calls at once), users (lines of a list, taken in turn), media_port, arguments (more of the
-- command line), traced (true: every message is written down, see `received`), seconds (deadline of the run)
function M.start(options)
    local folder = process.folder()
    local self = setmetatable({ folder = folder, options = options }, Sipp)
    local path = folder .. "/scenario.xml"
    local source = options.scenario:find "/" and options.scenario or "spec/scenario/" .. options.scenario
    write_file(path, M.fill(read_file(source .. ".xml"), options.values or {}))
    self.statistics_path = folder .. "/statistics.csv"
    self.errors_path = folder .. "/errors.log"
    local command = {
        "sipp", "-sf", path, "-i", options.host, "-p", tostring(options.port or 5060), "-mi", options.host,
        "-mp", tostring(options.media_port or M.media_port(options.host)), "-m", tostring(options.calls or 1),
        "-nostdin", "-trace_stat", "-stf", self.statistics_path, "-fd", "1", "-trace_err",
        "-error_file", self.errors_path,
        "-timeout", tostring(options.seconds or 60), "-timeout_error", "-default_behaviors", "all,-bye",
        "-t", options.transport or "u1", "-buff_size", "4194304", "-max_retrans", "7",
    }
    local function add(...) for _, word in ipairs { ... } do command[#command + 1] = tostring(word) end end
    if options.rate then add("-r", options.rate) end
    self.messages_path = folder .. "/messages.log"
    if options.traced then add("-trace_msg", "-message_file", self.messages_path) end
    if options.users then
        write_file(folder .. "/users.csv", "SEQUENTIAL\n" .. table.concat(options.users, "\n") .. "\n")
        add("-inf", folder .. "/users.csv")
    end
    if options.simultaneous then add("-l", options.simultaneous) end
    for _, word in ipairs(options.arguments or {}) do add(word) end
    if options.remote then add(options.remote) end
    self.process = process.start { command = command, name = "sipp " .. options.scenario, directory = folder }
    return self
end

--- Start a gateway and wait until its socket is bound.
function M.gateway(options)
    local self = M.start(options)
    local posix = require "support.posix"
    local bound = posix.wait_until(function()
        return network.is_bound(options.host, options.port or 5060) or self.process:poll()
    end, 30)
    if not bound or self.process.exit then error("gateway did not start: " .. self.process:output(), 2) end
    return self
end

--- Last row of SIPp's statistics as a table: column name -> text.
function Sipp:statistics()
    local file = io.open(self.statistics_path)
    if not file then return {} end
    local header, last = file:read "*l", nil
    for line in file:lines() do last = line end
    file:close()
    local names, row, i = {}, {}, 0
    for name in (header or ""):gmatch "([^;]*);" do names[#names + 1] = name end
    for value in (last or ""):gmatch "([^;]*);" do
        i = i + 1
        row[names[i]] = value
    end
    return row
end

--- What SIPp wrote to its error log.
function Sipp:errors()
    local file = io.open(self.errors_path)
    if not file then return "" end
    local text = file:read(4000) or ""
    file:close()
    return text
end

--- The messages that it received, as texts, when it has ended; of a run that is `traced`.
function Sipp:received()
    local list, text = {}, read_file(self.messages_path):gsub("\r", "")
    for message in (text .. "\n-----"):gmatch "message received %[%d+%] bytes :\n\n(.-)\n%-%-%-%-%-" do
        list[#list + 1] = message
    end
    return list
end

--- Wait for the end of the run.
-- @return { exit, ok, failed, retransmissions, unexpected } (calls; exit 0 = every call as the scenario says)
function Sipp:wait(seconds)
    local code = self.process:wait(seconds or (self.options.seconds or 60) + 5)
    local output = self.process:output()
    self.process:stop(1)
    local row = self:statistics()
    local function number(name) return tonumber(row[name]) or 0 end
    return {
        exit = code, ok = number "SuccessfulCall(C)", failed = number "FailedCall(C)",
        retransmissions = number "Retransmissions(C)", unexpected = number "FailedUnexpectedMessage(C)",
        dead_call_messages = number "DeadCallMsgs(C)", elapsed = row["ElapsedTime(C)"], errors = self:errors(),
        output = output,
    }
end

return M
