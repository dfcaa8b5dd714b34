--- A scripted user agent: UAC and UAS with the dialog bookkeeping done for the author (tags, CSeq,
-- Route set, ACK, retransmissions). It runs on a stage, so that the lab and the demo share it.
--
--     local alice = agent.new(stage, { name = "alice", address = "192.0.2.10", proxy = "192.0.2.1:5060" })
--     alice:invite("sip:bob@example.net", { sdp = true })
--     alice:receive(200)                              -- the ACK is sent by itself
--     alice:hangup()
local message = require "lunasip.lab.message"
local rtp = require "lunasip.lab.rtp"
local sdp = require "lunasip.lab.sdp"

local T1_S, T2_S, TIMER_B_S = 0.5, 4, 32
local RECEIVE_TIMEOUT_S = 5

local M = {}
local Agent = {}
Agent.__index = Agent

--- Make an agent.
-- @tparam table options name, address ("HOST" or "HOST:PORT"), proxy ("HOST:PORT", where
-- out-of-dialog requests go), side, auto_ack (true), auto_options (false: OPTIONS are received like
-- any request; true: answered 200 by itself), on_failure(text) instead of error()
function M.new(stage, options)
    local address = options.address:match ":%d+$" and options.address or options.address .. ":5060"
    if options.address:find(":", 1, true) and not options.address:find("[", 1, true)
        and not options.address:match "^[%d%.]+:%d+$" then
        address = "[" .. options.address .. "]:5060"
    end
    local self = setmetatable({
        stage = stage, name = options.name or options.address, side = options.side, proxy = options.proxy,
        auto_ack = options.auto_ack ~= false, auto_options = options.auto_options, journal = options.journal or {},
        on_failure = options.on_failure, queue = {}, calls = {}, count = 0, streams = {}, resending = {},
        answered = {}, seen = {},
    }, Agent)
    self.socket = assert(stage:socket(address, function(bytes, source) self:on_datagram(bytes, source) end))
    self.address = self.socket.address
    self.host = self.address:gsub(":%d+$", ""):gsub("[%[%]]", "")
    self.uri = ("sip:%s@%s"):format(self.name, self.address)
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

local function next_hop(self, call)
    local first = call and call.route[1]
    if first then
        return message.host_of(message.uri_of(first))
    end
    if call and call.target and not call.is_new then
        return message.host_of(call.target)
    end
    return self.proxy
end

-- Print and send one request of a call; retransmitted by itself.
function Agent:request(call, method, options)
    options = options or {}
    local branch = "z9hG4bK" .. self:unique "b"
    if method ~= "ACK" and method ~= "CANCEL" then
        call.cseq = call.cseq + 1
    end
    local cseq = options.cseq or call.cseq
    if method == "CANCEL" then
        branch = call.invite_branch
    end
    local headers = {
        { "Via", ("SIP/2.0/UDP %s;rport;branch=%s"):format(self.address, branch) },
        { "Max-Forwards", "70" },
        { "From", ("<%s>;tag=%s"):format(call.local_uri, call.local_tag) },
        { "To", ("<%s>%s"):format(call.remote_uri, call.remote_tag and method ~= "CANCEL"
            and ";tag=" .. call.remote_tag or "") },
        { "Call-ID", call.id },
        { "CSeq", cseq .. " " .. method },
        { "Contact", ("<sip:%s@%s>"):format(self.name, self.address) },
    }
    for _, route in ipairs(call.route) do
        table.insert(headers, { "Route", route })
    end
    for name, value in pairs(options.headers or {}) do
        table.insert(headers, { name, value })
    end
    local body = self:body(call, options.sdp)
    if body then
        table.insert(headers, { "Content-Type", "application/sdp" })
    elseif options.body then
        body = options.body
        table.insert(headers, { "Content-Type", options.content_type or "text/plain" })
    end
    local uri = call.target or call.remote_uri
    local raw = message.print(("%s %s SIP/2.0"):format(method, uri), headers, body)
    local to = next_hop(self, call)
    if method == "INVITE" then
        call.invite_branch, call.invite_cseq = branch, cseq
    end
    if method ~= "ACK" then
        self:resend(branch .. method, raw, to, T1_S, method == "INVITE" and TIMER_B_S or T2_S)
    end
    self:send(raw, to)
    return call
end

function Agent:body(call, wanted)
    if type(wanted) == "string" then
        return wanted
    elseif not wanted then
        return nil
    end
    local kinds = type(wanted) == "table" and wanted or { "audio" }
    call.streams = call.streams or {}
    local streams = {}
    for i, kind in ipairs(kinds) do
        if not call.streams[i] then
            call.streams[i] = rtp.open(self.stage, self.host, kind, 1000 + self.count)
            self.count = self.count + 1
            table.insert(self.streams, call.streams[i])
        end
        streams[i] = { kind = kind, port = call.streams[i].port, direction = kinds.direction }
    end
    call.sdp_version = (call.sdp_version or 0) + 1
    return sdp.print(self.host, streams, call.sdp_version)
end

-- The other side's SDP says where our streams go.
function Agent:take_sdp(call, msg)
    if not call or #msg.body == 0 or not (msg:header "Content-Type" or ""):lower():find("sdp", 1, true) then
        return
    end
    call.remote_sdp = sdp.parse(msg.body)
    for i, stream in ipairs(call.streams or {}) do
        local other = call.remote_sdp.streams[i]
        if other and other.host then
            stream:set_peer(other.host, other.port, other.rtcp)
        end
    end
end

--- Begin a call. @return the call; it is also `agent.call`
function Agent:invite(uri, options)
    local call = {
        id = self:unique "call" .. "@" .. self.host, local_uri = self.uri, remote_uri = uri,
        local_tag = self:unique "t", cseq = 0, route = {}, is_new = true, is_uac = true,
    }
    self.call, self.calls[call.id] = call, call
    return self:request(call, "INVITE", options)
end

--- Any other request, in the current dialog or out of it ("OPTIONS", {uri = ...}).
function Agent:ask(method, options)
    options = options or {}
    local call = self.call
    if options.uri then
        call = {
            id = self:unique "call" .. "@" .. self.host, local_uri = self.uri, remote_uri = options.uri,
            local_tag = self:unique "t", cseq = 0, route = {}, is_new = true,
        }
        self.calls[call.id] = call
    end
    return self:request(call, method, options)
end

--- End the current call: BYE when it is answered, CANCEL before.
function Agent:hangup(options)
    local call = self.call
    if call.is_answered or not call.is_uac then
        return self:request(call, "BYE", options)
    end
    return self:request(call, "CANCEL", { cseq = call.invite_cseq })
end

function Agent:ack(call, options)
    options = options or {}
    return self:request(call, "ACK", { cseq = options.cseq or call.invite_cseq, sdp = options.sdp })
end

--- Answer a request. @tparam table options sdp, headers, reason, to_tag, quietly (not in the journal)
function Agent:reply(msg, status, options)
    options = options or {}
    local call = self.calls[msg:header "Call-ID"]
    local headers = {}
    for _, name in ipairs { "Via", "Record-Route", "From", "To", "Call-ID", "CSeq" } do
        for _, value in ipairs(msg:values(name)) do
            if name == "To" and not value:find ";%s*tag=" and status > 100 then
                value = value .. ";tag=" .. (options.to_tag or call and call.local_tag or self:unique "t")
            end
            table.insert(headers, { name, value })
        end
    end
    table.insert(headers, { "Contact", ("<sip:%s@%s>"):format(self.name, self.address) })
    for name, value in pairs(options.headers or {}) do
        table.insert(headers, { name, value })
    end
    local body = call and self:body(call, options.sdp)
    if body then
        table.insert(headers, { "Content-Type", "application/sdp" })
        self:take_sdp(call, msg)
    end
    local reasons = { [100] = "Trying", [180] = "Ringing", [183] = "Session Progress", [200] = "OK",
        [486] = "Busy Here", [487] = "Request Terminated", [503] = "Service Unavailable" }
    local reason = options.reason or reasons[status] or "Status"
    local raw = message.print(("SIP/2.0 %d %s"):format(status, reason), headers, body)
    local via = msg:values "Via"[1]
    local host = message.via_param(via, "received") or via:match "SIP/2%.0/%S+%s+([^;:%s]+)"
    local port = message.via_param(via, "rport") or via:match "SIP/2%.0/%S+%s+[^;%s]-:(%d+)" or 5060
    if via:match "SIP/2%.0/%S+%s+%[" then
        host = via:match "SIP/2%.0/%S+%s+(%[[^%]]+%])"
        port = message.via_param(via, "rport") or via:match "%]:(%d+)" or 5060
    end
    local to = ("%s:%s"):format(host, port)
    self.answered[message.via_param(via, "branch") .. msg.method] = { raw, to }
    if msg.method == "INVITE" and status >= 200 then
        self:resend("answer" .. msg:header "Call-ID" .. msg.cseq, raw, to, T1_S, T2_S)
        if status < 300 and call then
            call.is_answered = true
        end
    end
    if options.quietly then
        return self.socket:send(to, raw)
    end
    self:send(raw, to)
end

-- ---- receiving ----

function Agent:on_request(msg)
    local via = msg:values "Via"[1]
    local key = (message.via_param(via, "branch") or "?") .. msg.method
    local id = msg:header "Call-ID"
    if msg.method == "ACK" then
        self.resending["answer" .. id .. msg.cseq] = nil
    elseif self.seen[key] then
        local answer = self.answered[key]
        if answer then
            self:send(answer[1], answer[2]) -- a retransmission gets the same again
        end
        return false
    end
    local is_repeated_ack = self.seen[key]
    self.seen[key] = true
    local call = self.calls[id]
    if msg.method == "INVITE" and not call then
        call = {
            id = id, local_uri = message.uri_of(msg:header "To"), remote_uri = message.uri_of(msg:header "From"),
            local_tag = self:unique "t", remote_tag = msg:tag "From", cseq = 0, route = msg:values "Record-Route",
        }
        self.call, self.calls[id] = call, call
    end
    if call then
        call.target = message.uri_of(msg:header "Contact") or call.target
        call.is_new = nil
        self:take_sdp(call, msg)
    end
    return not is_repeated_ack
end

function Agent:on_response(msg)
    local branch = message.via_param(msg:values "Via"[1] or "", "branch") or "?"
    local call = self.calls[msg:header "Call-ID"]
    local is_invite = msg.cseq_method == "INVITE"
    if not is_invite or msg.status >= 100 then
        self.resending[branch .. msg.cseq_method] = nil
    end
    if msg.status == 100 then
        return false
    end
    local tag = msg:tag "To" or ""
    local key = ("response%s %d %s %s"):format(branch .. msg.cseq_method, msg.status, tag, msg:header "RSeq" or "")
    local is_repeated = self.seen[key]
    self.seen[key] = true
    if call and is_invite then
        if msg.status < 300 and (not call.is_answered or msg.status >= 200) then
            call.remote_tag = tag ~= "" and tag or call.remote_tag
            if not is_repeated and call.is_uac then
                local routes = msg:values "Record-Route"
                call.route = {}
                for i = #routes, 1, -1 do
                    table.insert(call.route, routes[i])
                end
            end
            call.target = message.uri_of(msg:header "Contact") or call.target
            call.is_new = nil
        end
        if msg.status >= 200 and msg.status < 300 then
            call.is_answered = true
            self:take_sdp(call, msg)
            if self.auto_ack then
                self:ack(call, { cseq = msg.cseq })
            end
        elseif msg.status >= 300 then
            self:ack_failure(msg)
        else
            self:take_sdp(call, msg)
        end
    end
    return not is_repeated
end

-- ACK to a non-2xx belongs to the INVITE's transaction (RFC 3261 s17.1.1.3).
function Agent:ack_failure(msg)
    local call = self.calls[msg:header "Call-ID"]
    local headers = {
        { "Via", msg:values "Via"[1] }, { "Max-Forwards", "70" }, { "From", msg:header "From" },
        { "To", msg:header "To" }, { "Call-ID", call.id }, { "CSeq", msg.cseq .. " ACK" },
    }
    local uri = call.target or call.remote_uri
    self:send(message.print(("ACK %s SIP/2.0"):format(uri), headers), next_hop(self, call))
end

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
    end
    return msg.method == wanted
end

function Agent:fail(text)
    if self.on_failure then
        self.on_failure(text)
    end
    error(text, 3)
end

--- Run the network until a message that matches is there: "INVITE", 200 or a function. Others stay
-- queued. Fails after `timeout_s` (5 s).
function Agent:receive(wanted, timeout_s)
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
    self:fail(("%s waited for %s in vain; queued: %s"):format(self.name, tostring(wanted),
        #queued > 0 and table.concat(queued, ", ") or "nothing"))
end

--- Let `seconds` pass and be sure that nothing that matches arrives.
function Agent:receive_nothing(wanted, seconds)
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
    for _, stream in ipairs(self.call.streams or {}) do
        stream:play(count or 1)
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
