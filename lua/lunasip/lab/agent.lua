--- A scripted user agent: UAC and UAS with the dialog bookkeeping done for the author (tags, CSeq,
-- Route set, ACK, retransmissions). It runs on a stage, so that the lab and the demo share it.
--
--     local alice = agent.new(stage, { name = "alice", address = "192.0.2.10", proxy = "192.0.2.1:5060" })
--     alice:invite("sip:bob@example.net", { sdp = true })
--     alice:receive(200)                              -- the ACK is sent by itself
--     alice:hangup()
local message = require "lunasip.lab.message"
local options_of = require "lunasip.lab.options"
local rtp = require "lunasip.lab.rtp"
local sdp = require "lunasip.lab.sdp"

local TIMER_B_S = 32
local RECEIVE_TIMEOUT_S = 5

local M = {}
local Agent = {}
Agent.__index = Agent
for _, half in ipairs { require "lunasip.lab.uac", require "lunasip.lab.uas" } do
    for name, method in pairs(half) do
        Agent[name] = method
    end
end

--- "192.0.2.10" or "2001:db8::10" with the port of SIP; what has a port stays.
function M.address_of(text)
    if text:find(":", 1, true) and not text:find("[", 1, true) and not text:match "^[%d%.]+:%d+$" then
        return "[" .. text .. "]:5060"
    end
    return text:match ":%d+$" and text or text .. ":5060"
end

--- Make an agent.
-- @tparam table options name, user (of its URIs; default: the name), address ("HOST" or "HOST:PORT"), proxy
-- ("HOST:PORT", where out-of-dialog requests go), side, auto_ack (true), auto_options (false: OPTIONS are received like
-- any request; true: answered 200 by itself), auto_cancel (false; true: a CANCEL gets 200 and its
-- INVITE 487 by itself), auto_prack (false; true: a reliable provisional response is acknowledged by
-- itself), credentials ({ username =, password = }: a 401 or 407 is answered by itself, once per
-- request), advertise ("HOST" or "HOST:PORT": Via, Contact and SDP tell it instead of the real one,
-- as behind a NAT), on_failure(text, level), which raises what it makes of it
function M.new(stage, options)
    local address, name = M.address_of(options.address), options.name or options.address
    local self = setmetatable({
        stage = stage, name = name, user = options.user or name, side = options.side, proxy = options.proxy,
        auto_ack = options.auto_ack ~= false, auto_options = options.auto_options,
        auto_cancel = options.auto_cancel, auto_prack = options.auto_prack, credentials = options.credentials,
        journal = options.journal or {}, sent = {},
        on_failure = options.on_failure, pending = {}, queue = {}, calls = {}, count = 0, streams = {}, resending = {},
        answered = {}, seen = {},
    }, Agent)
    local fault
    self.socket, fault = stage:socket(address, function(bytes, source) self:on_datagram(bytes, source) end)
    if not self.socket then
        options_of.misuse("agent '%s': %s", self.name, fault)
    end
    self.address = self.socket.address
    self.host = self.address:gsub(":%d+$", ""):gsub("[%[%]]", "")
    self.told_host, self.told_address = self.host, self.address
    if options.advertise then
        self.told_host = options.advertise:gsub(":%d+$", "")
        self.told_address = self.told_host .. (options.advertise:match ":%d+$" or self.address:match ":%d+$")
    end
    self.contact = ("<sip:%s@%s>"):format(self.user, self.told_address)
    self.uri = self.contact:sub(2, -2)
    return self
end

-- ---- sending ----

function Agent:unique(prefix)
    self.count = self.count + 1
    return ("%s%s%d"):format(prefix, self.name, self.count)
end

function Agent:note(direction, msg, peer)
    table.insert(self.journal, {
        time = self.stage:now(), agent = self.name, direction = direction, message = msg, peer = peer,
    })
end

--- Send raw bytes, as they are, to the proxy or `to`.
function Agent:send(raw, to)
    options_of.need("agent:send", "the message", raw, "string")
    local msg = message.parse(raw)
    if msg then
        self:note("out", msg, to or self.proxy)
    end
    return self.socket:send(to or self.proxy, raw)
end

-- Send again with doubling intervals until `self.resending[key]` is gone.
function Agent:resend(key, raw, to, interval_s, limit_s)
    local waited = 0
    local function again()
        if self.resending[key] ~= again then
            return
        end
        waited = waited + interval_s
        interval_s = math.min(interval_s * 2, limit_s)
        if waited > TIMER_B_S then
            self.resending[key] = nil
            return
        end
        self:send(raw, to)
        self.stage:after(interval_s, again)
    end
    self.resending[key] = again
    self.stage:after(interval_s, again)
end

-- The other side's SDP says where our streams go.
local function aim_streams(call)
    for i, stream in ipairs(call.streams or {}) do
        local other = call.remote_sdp and call.remote_sdp.streams[i]
        if other and other.host then
            stream:set_peer(other.host, other.port, other.rtcp)
        end
    end
end

function Agent.take_sdp(_, call, msg)
    if call and #msg.body > 0 and (msg:header "Content-Type" or ""):lower():find("sdp", 1, true) then
        call.remote_sdp = sdp.parse(msg.body)
        aim_streams(call)
    end
end

-- An SDP: a text; true for audio; or { "audio", { kind = "video", codecs =, direction =, port =, host =, lines = },
-- direction = }, for which sockets are opened.
function Agent:body(call, wanted)
    options_of.check_sdp(wanted)
    if type(wanted) == "string" then
        return wanted
    elseif not wanted then
        return nil
    end
    local kinds = type(wanted) == "table" and wanted or { "audio" }
    call.streams = call.streams or {}
    local streams = {}
    for i, given in ipairs(kinds) do
        given = type(given) == "table" and given or { kind = given }
        if not call.streams[i] then
            call.streams[i] = rtp.open(self.stage, self.host, given.kind, 1000 + self.count)
            self.count = self.count + 1
            table.insert(self.streams, call.streams[i])
        end
        streams[i] = { port = call.streams[i].port, direction = kinds.direction }
        for name, value in pairs(given) do
            streams[i][name] = value
        end
    end
    aim_streams(call)
    call.sdp_version = (call.sdp_version or 0) + 1
    return sdp.print(self.told_host, streams, call.sdp_version)
end

-- ---- receiving ----

function Agent:on_datagram(bytes, source)
    local msg = message.parse(bytes)
    if not msg then
        return
    end
    msg.source = source
    if self.auto_options and msg.method == "OPTIONS" then
        return self:reply(msg, 200, { quietly = true })
    end
    self:note("in", msg, source)
    local is_new
    if self.auto_cancel and msg.method == "CANCEL" then
        self:answer_cancel(msg)
    end
    if msg.method then
        is_new = self:on_request(msg)
    else
        is_new = self:on_response(msg)
    end
    if is_new then
        table.insert(self.queue, msg)
    end
end

local function matches(msg, wanted)
    if type(wanted) == "function" then
        return wanted(msg)
    elseif type(wanted) == "number" then
        return msg.status == wanted
    elseif type(wanted) == "table" then
        return msg.status == wanted.status and (not wanted.method or msg.cseq_method == wanted.method)
    end
    return msg.method == wanted
end

function Agent:fail(text)
    if self.on_failure then
        self.on_failure(text, 3)
    end
    error(text, 3)
end

local function check_wanted(name, wanted, seconds)
    local kind = type(wanted)
    if kind == "table" then
        options_of.check("agent:receive", wanted)
    elseif kind ~= "string" and kind ~= "number" and kind ~= "function" then
        options_of.misuse("%s: a method, a status, { status =, method = } or a function is wanted, not %s", name,
            tostring(wanted))
    end
    options_of.seconds(name, seconds)
end

local function describe(wanted)
    if type(wanted) == "table" then
        return ("%s %s"):format(wanted.status or "", wanted.method or ""):match "^%s*(.-)%s*$"
    end
    return type(wanted) == "function" and "a message of its choice" or tostring(wanted)
end

--- Run the network until a message that matches is there: "INVITE", 200, { status = 200, method = "UPDATE" } or a
-- function. Others stay queued. Fails after `timeout_s` (5 s).
function Agent:receive(wanted, timeout_s)
    check_wanted("agent:receive", wanted, timeout_s)
    local found
    local function look()
        for i, msg in ipairs(self.queue) do
            if matches(msg, wanted) then
                found = table.remove(self.queue, i)
                return true
            end
        end
    end
    if self.stage:run(timeout_s or RECEIVE_TIMEOUT_S, look) then
        return found
    end
    local queued = {}
    for i, msg in ipairs(self.queue) do
        queued[i] = msg:title()
    end
    self:fail(("%s waited for %s in vain; queued: %s"):format(self.name, describe(wanted),
        #queued > 0 and table.concat(queued, ", ") or "nothing"))
end

--- Let `seconds` pass and be sure that nothing that matches arrives.
function Agent:receive_nothing(wanted, seconds)
    check_wanted("agent:receive_nothing", wanted, seconds)
    self.stage:run(seconds or 1)
    for _, msg in ipairs(self.queue) do
        if matches(msg, wanted) then
            self:fail(("%s got an unexpected %s"):format(self.name, msg:title()))
        end
    end
end

-- ---- media ----

--- Send `count` RTP packets on every stream of the current call, one each 20 ms, and an RTCP report.
function Agent:send_rtp(count)
    for _, stream in ipairs(options_of.call(self, "send_rtp").streams or {}) do
        stream:play(count or 1)
    end
end

--- Press keys (telephone-event, RFC 4733) on the audio streams of the current call, one every 200 ms.
function Agent:dial(digits)
    if type(digits) ~= "string" or not digits:find "^[%d*#A-D]+$" then
        options_of.misuse("agent:dial: keys are of 0123456789*#ABCD, not %s", tostring(digits))
    end
    for _, stream in ipairs(options_of.call(self, "dial").streams or {}) do
        if stream.kind == "audio" then
            stream:dial(digits)
        end
    end
end

--- Send one RTCP sender report on every stream of the current call.
function Agent:send_rtcp()
    for _, stream in ipairs(options_of.call(self, "send_rtcp").streams or {}) do
        stream:send_rtcp()
    end
end

--- Statistics of what arrived, one entry per stream of the current call.
function Agent:received_rtp()
    local list = {}
    for i, stream in ipairs(self.call and self.call.streams or {}) do
        list[i] = stream:statistics()
    end
    return list
end

function Agent:close()
    for _, stream in ipairs(self.streams) do
        stream:close()
    end
    self.resending = {}
    self.socket:close()
end

return M
