--- The client half of an agent (lunasip.lab.agent): requests, and what their responses do to the dialog.
local add_headers = require "lunasip.lab.headers"
local digest = require "lunasip.lab.digest"
local message = require "lunasip.lab.message"
local options_of = require "lunasip.lab.options"

local T1_S, T2_S, TIMER_B_S = 0.5, 4, 32

local Agent = {}

local function next_hop(self, call, dialog)
    local first = dialog.route[1]
    if first then
        return message.host_of(message.uri_of(first))
    end
    if dialog.target and not call.is_new then
        return message.host_of(dialog.target)
    end
    return self.proxy
end

-- CANCEL and ACK to a failure repeat what the INVITE was sent with (RFC 3261 s9.1, s17.1.1.3).
local function belongs_to_invite(self, call, method, to_value)
    local invite = call.invite
    local headers = {
        { "Via", ("SIP/2.0/UDP %s;rport;branch=%s"):format(self.told_address, invite.branch) },
        { "Max-Forwards", "70" }, { "From", ("<%s>;tag=%s"):format(call.local_uri, call.local_tag) },
        { "To", to_value or invite.to_value }, { "Call-ID", call.id }, { "CSeq", invite.cseq .. " " .. method },
    }
    for _, route in ipairs(invite.route) do
        table.insert(headers, { "Route", route })
    end
    local raw = message.print(("%s %s SIP/2.0"):format(method, invite.uri), headers)
    if method == "CANCEL" then
        self:resend(invite.branch .. method, raw, invite.hop, T1_S, T2_S)
    end
    self:send(raw, invite.hop)
end

local function send_request(self, call, method, options)
    local branch = "z9hG4bK" .. self:unique "b"
    local dialog = options.dialog or call
    if method ~= "ACK" then
        call.cseq = call.cseq + 1
    end
    local cseq = options.cseq or call.cseq
    local to_value = ("<%s>%s"):format(call.remote_uri, dialog.remote_tag and ";tag=" .. dialog.remote_tag or "")
    local headers = {
        { "Via", ("SIP/2.0/UDP %s;rport;branch=%s"):format(self.told_address, branch) },
        { "Max-Forwards", tostring(options.max_forwards or 70) },
        { "From", ("<%s>;tag=%s"):format(call.local_uri, call.local_tag) }, { "To", to_value },
        { "Call-ID", call.id }, { "CSeq", cseq .. " " .. method },
        { "Contact", self.contact },
    }
    for _, route in ipairs(dialog.route) do
        table.insert(headers, { "Route", route })
    end
    add_headers(headers, options.headers)
    local body = self:body(call, options.sdp) or options.body
    if body then
        local kind = options.content_type or options.sdp and "application/sdp" or "text/plain"
        table.insert(headers, { "Content-Type", kind })
    end
    local uri = options.request_uri or dialog.target or call.remote_uri
    local raw = message.print(("%s %s SIP/2.0"):format(method, uri), headers, body)
    local hop = options.to or next_hop(self, call, dialog)
    if method == "INVITE" then
        call.invite = {
            branch = branch, cseq = cseq, uri = uri, hop = hop, to_value = to_value, route = { unpack(dialog.route) },
        }
    end
    if method ~= "ACK" and not options.once then
        self:resend(branch .. method, raw, hop, T1_S, method == "INVITE" and TIMER_B_S or T2_S)
    end
    self:send(raw, hop)
    call.last_sent = raw
    self.sent[branch .. method] = { call = call, method = method, uri = uri, options = options }
    return call
end

--- Print and send one request of a call; retransmitted by itself.
-- @tparam table options sdp, body, content_type, headers, cseq, dialog (one of call.dialogs, for a call that forked),
-- request_uri, to (where it is sent), max_forwards, once (not retransmitted)
function Agent:request(call, method, options)
    if type(call) ~= "table" or not call.dialogs then
        options_of.misuse("agent:request: a call is wanted, not %s", tostring(call))
    end
    options_of.need("agent:request", "the method", method, "string")
    return send_request(self, call, method, options_of.check("agent:request", options))
end

function Agent:new_call(uri)
    local call = {
        id = self:unique "call" .. "@" .. self.host, local_uri = self.uri, remote_uri = uri,
        local_tag = self:unique "t", cseq = 0, route = {}, is_new = true, dialogs = {},
    }
    self.calls[call.id] = call
    return call
end

--- Begin a call. @return the call; it is also `agent.call`
function Agent:invite(uri, options)
    options_of.need("agent:invite", "the URI", uri, "string")
    options = options_of.check("agent:request", options)
    local call = self:new_call(uri)
    call.is_uac = true
    self.call = call
    return send_request(self, call, "INVITE", options)
end

--- Any other request, in the current dialog or out of it ("OPTIONS", {uri = ...}).
function Agent:ask(method, options)
    options_of.need("agent:ask", "the method", method, "string")
    options = options_of.check("agent:ask", options)
    if not options.uri and not self.call then
        options_of.misuse("agent:ask: %s has no call; out of one, give { uri = \"sip:...\" }", self.name)
    end
    local call = options.uri and self:new_call(options.uri) or self.call
    return send_request(self, call, method, options)
end

-- The agent's own Contact, or the given one, or all of a list in one header.
local function contact_of(self, options)
    local contact = options.contact
    if type(contact) == "table" then
        contact = table.concat(contact, ", ")
    end
    contact = contact or self.contact
    return options.q and ("%s;q=%.3g"):format(contact, options.q) or contact
end

--- REGISTER with the agent's Contact. Later ones are of the same Call-ID and count on (RFC 3261 s10.2).
-- @tparam table options uri (of the registrar: "sip:example.net"), aor (default: its user at that host), expires (3600;
-- 0 ends the binding), contact (instead of its own; a list: all of them in one request), q (of the contact), refresh
-- (true: repeated by itself when nine tenths of the granted time are over), headers
function Agent:register(options)
    options = options_of.check("agent:register", options)
    local headers = { { "Expires", tostring(options.expires or 3600) }, { "Contact", contact_of(self, options) } }
    add_headers(headers, options.headers)
    local uri = options.uri or "sip:" .. self.proxy
    if not self.registration or options.aor then
        self.registration = self:new_call(options.aor or options.uri and uri:gsub("^(sips?:)", "%1" .. self.user .. "@")
            or self.uri)
        self.registration.local_uri = self.registration.remote_uri
    end
    self.stage:cancel(self.registration.refresh)
    self.registration.refreshed_with = options.refresh and options or nil
    return send_request(self, self.registration, "REGISTER", { request_uri = uri, to = self.proxy, headers = headers })
end

-- A 200 to a REGISTER that is to be repeated: again before the time is over that it grants.
local function plan_refresh(self, registration, msg)
    local options = registration.refreshed_with
    local granted_s = tonumber((msg:header "Contact" or ""):match ";expires=(%d+)")
    if not options or not granted_s or msg.status ~= 200 then
        return
    end
    self.stage:cancel(registration.refresh)
    registration.refresh = self.stage:after(granted_s * 0.9, function()
        local again = {}
        for name, value in pairs(options) do
            again[name] = value
        end
        again.aor = nil
        self:register(again)
    end)
end

--- Change the session of the current call: an INVITE within the dialog. The ACK is sent by itself.
function Agent:reinvite(options)
    return send_request(self, options_of.call(self, "reinvite"), "INVITE", options_of.check("agent:request", options))
end

--- UPDATE within the current, also early, dialog (RFC 3311).
function Agent:update(options)
    return send_request(self, options_of.call(self, "update"), "UPDATE", options_of.check("agent:request", options))
end

--- Acknowledge a reliable provisional response (RFC 3262) in the dialog of its To tag.
function Agent:prack(response, options)
    options_of.check("agent:request", options)
    local call = self.calls[options_of.message("agent:prack", response):header "Call-ID"]
    if not call or not response:header "RSeq" then
        options_of.misuse("agent:prack: not a reliable response (RSeq) to a call of %s", self.name)
    end
    local given = { dialog = call.dialogs[response:tag "To"] }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    given.headers = { { "RAck", ("%s %d INVITE"):format(response:header "RSeq", response.cseq) } }
    add_headers(given.headers, options and options.headers)
    return send_request(self, call, "PRACK", given)
end

--- End the current call: BYE when it is answered, CANCEL before.
function Agent:hangup(options)
    local call = options_of.call(self, "hangup")
    options = options_of.check("agent:request", options)
    if call.is_answered or not call.is_uac then
        return send_request(self, call, "BYE", options)
    end
    belongs_to_invite(self, call, "CANCEL")
    return call
end

--- Give an INVITE up that is not answered yet.
function Agent:cancel()
    local call = options_of.call(self, "cancel")
    if not call.invite then
        options_of.misuse("agent:cancel: %s has sent no INVITE in this call", self.name)
    end
    belongs_to_invite(self, call, "CANCEL")
end

function Agent:ack(call, options)
    options = options_of.check("agent:ack", options)
    call = call or options_of.call(self, "ack")
    if not options.cseq and not call.invite then
        options_of.misuse("agent:ack: %s has sent no INVITE in this call", self.name)
    end
    return send_request(self, call, "ACK", {
        cseq = options.cseq or call.invite.cseq, sdp = options.sdp, dialog = options.dialog,
    })
end

-- Answer a challenge to one of our requests, once (RFC 3261 s22.2, s22.3). @return whether it was
function Agent:answer_challenge(msg, key)
    local request = self.sent[key]
    local is_challenge = msg.status == 401 or msg.status == 407
    if not is_challenge or not self.credentials or not request or request.options.is_authorized then
        return false
    end
    local challenges = msg:values(msg.status == 401 and "WWW-Authenticate" or "Proxy-Authenticate")
    local answer = digest.answer(challenges, request.method, request.uri, self.credentials, self:unique "cn")
    if not answer then
        return false
    end
    local options = { is_authorized = true, headers = {} }
    for name, value in pairs(request.options) do
        options[name] = name == "headers" and options.headers or value
    end
    add_headers(options.headers, request.options.headers)
    table.insert(options.headers, { msg.status == 401 and "Authorization" or "Proxy-Authorization", answer })
    send_request(self, request.call, request.method, options)
    return true
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
        self:on_invite_response(call, msg, tag, is_repeated)
    end
    if not is_repeated and self:answer_challenge(msg, branch .. msg.cseq_method) then
        return false
    end
    if call and not is_repeated and msg.cseq_method == "REGISTER" then
        plan_refresh(self, call, msg)
    end
    return not is_repeated
end

local function reversed(list)
    local out = {}
    for i = #list, 1, -1 do
        out[#out + 1] = list[i]
    end
    return out
end

-- Each To tag is a dialog of its own (RFC 3261 s12.1.2); the call follows the first one that answers.
local function learn_dialog(call, msg, tag, is_answer)
    if tag == "" then
        return nil
    end
    local dialog = call.dialogs[tag]
    if not dialog then
        dialog = { remote_tag = tag }
        call.dialogs[tag] = dialog
    end
    if not dialog.is_answered then
        dialog.route = reversed(msg:values "Record-Route")
    end
    dialog.target = message.uri_of(msg:header "Contact") or dialog.target
    dialog.is_answered = dialog.is_answered or is_answer
    if not call.is_answered or call.remote_tag == tag then
        call.remote_tag, call.target, call.is_new = tag, dialog.target, nil
        if not call.is_answered then
            call.route = dialog.route
        end
        call.is_answered = call.is_answered or is_answer
    end
    return dialog
end

function Agent:on_invite_response(call, msg, tag, is_repeated)
    if msg.status >= 300 then
        return belongs_to_invite(self, call, "ACK", msg:header "To")
    end
    local is_answer = msg.status >= 200
    local dialog = call.is_uac and learn_dialog(call, msg, tag, is_answer) or call
    if is_answer and not is_repeated or not is_answer then
        self:take_sdp(call, msg)
    end
    if self.auto_prack and not is_repeated and not is_answer and msg:header "RSeq" then
        self:prack(msg)
    end
    if is_answer and self.auto_ack then
        self:ack(call, { cseq = msg.cseq, dialog = dialog })
    end
end

return Agent
