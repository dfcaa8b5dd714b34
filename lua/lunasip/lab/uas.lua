--- The server half of an agent (lunasip.lab.agent): what requests do to the dialog, and answers.
local add_headers = require "lunasip.lab.headers"
local message = require "lunasip.lab.message"
local options_of = require "lunasip.lab.options"

local T1_S, T2_S, TIMER_B_S = 0.5, 4, 32

local Agent = {}

local REASONS = {
    [100] = "Trying", [180] = "Ringing", [181] = "Call Is Being Forwarded", [183] = "Session Progress", [200] = "OK",
    [202] = "Accepted", [300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Moved Temporarily",
    [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
    [405] = "Method Not Allowed", [407] = "Proxy Authentication Required", [408] = "Request Timeout",
    [480] = "Temporarily Unavailable", [481] = "Call/Transaction Does Not Exist", [486] = "Busy Here",
    [487] = "Request Terminated", [488] = "Not Acceptable Here", [491] = "Request Pending",
    [500] = "Server Internal Error", [503] = "Service Unavailable", [600] = "Busy Everywhere", [603] = "Decline",
}

-- What an ACK stops: that of a failure has the INVITE's branch, that of a 2xx has a tag and CSeq.
local function answer_key(msg, is_success)
    if is_success then
        return ("answer %s %d"):format(msg:header "Call-ID", msg.cseq)
    end
    return "answer " .. (message.via_param(msg:values "Via"[1], "branch") or "?")
end

-- A provisional response that is sent again until its PRACK comes (RFC 3262 s3).
local function reliable_key(call_id, rseq)
    return ("reliable %s %s"):format(call_id, tostring(rseq))
end

local function make_reliable(headers, call)
    call.rseq = (call.rseq or 0) + 1
    table.insert(headers, { "Require", "100rel" })
    table.insert(headers, { "RSeq", tostring(call.rseq) })
    return reliable_key(call.id, call.rseq)
end

--- Answer a request. @tparam table options sdp, body and content_type, headers, reason, to_tag, reliable (RFC 3262),
-- quietly (not in the journal)
function Agent:reply(msg, status, options)
    options = options_of.check("agent:reply", options)
    if not options_of.message("agent:reply", msg).method then
        options_of.misuse("agent:reply: a request is answered, not %s", msg:title())
    end
    options_of.need("agent:reply", "the status", status, "number")
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
    table.insert(headers, { "Contact", self.contact })
    local reliable = options.reliable and call and make_reliable(headers, call)
    add_headers(headers, options.headers)
    local body = options.body or call and self:body(call, options.sdp)
    if body then
        table.insert(headers, { "Content-Type", options.content_type or "application/sdp" })
    end
    if options.sdp and call then
        self:take_sdp(call, msg)
    end
    local reason = options.reason or REASONS[status] or "Status"
    local raw = message.print(("SIP/2.0 %d %s"):format(status, reason), headers, body)
    local via = msg:values "Via"[1]
    local host = message.via_param(via, "received") or via:match "SIP/2%.0/%S+%s+([^;:%s]+)"
    local port = message.via_param(via, "rport") or via:match "SIP/2%.0/%S+%s+[^;%s]-:(%d+)" or 5060
    if via:match "SIP/2%.0/%S+%s+%[" then
        host = via:match "SIP/2%.0/%S+%s+(%[[^%]]+%])"
        port = message.via_param(via, "rport") or via:match "%]:(%d+)" or 5060
    end
    local to = ("%s:%s"):format(host, port)
    if status ~= 100 then
        self.answered[message.via_param(via, "branch") .. msg.method] = { raw, to }
    end
    if reliable then
        self:resend(reliable, raw, to, T1_S, TIMER_B_S)
    end
    if msg.method == "INVITE" and status >= 200 then
        self:resend(answer_key(msg, status < 300), raw, to, T1_S, T2_S)
        self.pending[message.via_param(via, "branch")] = nil
        for rseq = 1, call and call.rseq or 0 do
            self.resending[reliable_key(call.id, rseq)] = nil
        end
        if status < 300 and call then
            call.is_answered = true
        end
    end
    if options.quietly then
        return self.socket:send(to, raw)
    end
    self:send(raw, to)
end

function Agent:on_request(msg)
    local via = msg:values "Via"[1]
    local key = (message.via_param(via, "branch") or "?") .. msg.method
    local id = msg:header "Call-ID"
    if msg.method == "ACK" then
        self.resending[answer_key(msg, true)] = nil
        self.resending[answer_key(msg, false)] = nil
    elseif msg.method == "PRACK" then
        local rseq = (msg:header "RAck" or ""):match "^(%d+)"
        self.resending[reliable_key(id, rseq)] = nil
    end
    if msg.method ~= "ACK" and self.seen[key] then
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
            dialogs = {},
        }
        self.call, self.calls[id] = call, call
    end
    if msg.method == "INVITE" then
        self.pending[message.via_param(via, "branch") or "?"] = msg
    end
    if call then
        call.target = message.uri_of(msg:header "Contact") or call.target
        call.is_new = nil
        self:take_sdp(call, msg)
    end
    return not is_repeated_ack
end

--- Is this INVITE still without a final answer?
function Agent:is_pending(invite)
    return self.pending[message.via_param(invite:values "Via"[1], "branch") or "?"] == invite
end

function Agent:answer_cancel(cancel)
    local branch = message.via_param(cancel:values "Via"[1], "branch") or "?"
    local invite = self.pending[branch]
    if not self.seen[branch .. "CANCEL"] then
        self:reply(cancel, invite and 200 or 481)
        if invite then
            self:reply(invite, 487)
        end
    end
end

return Agent
