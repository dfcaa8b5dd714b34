--- What the specs of engine/route share: a network with a caller on the public side, three callees on the
-- private one, and a route around the body that a spec gives.
local assert = require "luassert"
local lab = require "lunasip.lab"

local M = {}

M.US_PUBLIC, M.US_PRIVATE = "192.0.2.1:5060", "10.0.0.1:5060"
M.ALICE, M.BOB, M.CAROL, M.DAVE = "192.0.2.10:5060", "10.0.0.20:5060", "10.0.0.21:5060", "10.0.0.22:5060"

local CALLEES = { bob = M.BOB, carol = M.CAROL, dave = M.DAVE }

-- In-dialog requests follow their Route; `body` is the rest of request_route; `more` what stands beside it.
local FRAME = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() or req.method == "ACK" then
            assert(req:relay())
        else
            req:reply(481, "Call/Transaction Does Not Exist")
        end
        return
    end
    %s
end
%s
]]

function M.route(body, more)
    return FRAME:format(body, more or "")
end

--- Open a network. @tparam table options body, more (see route) or route; conf, seed, workers;
-- auto_cancel (callees answer CANCEL by themselves, default true)
-- @return net, alice, { bob =, carol =, dave = }
function M.open(options)
    local net = lab.new {
        route = options.route or M.route(options.body, options.more), conf = options.conf, seed = options.seed,
        workers = options.workers, databases = options.databases,
    }
    local alice = net:agent { name = "alice", address = M.ALICE, auto_ack = options.auto_ack }
    local callees = {}
    for _, name in ipairs { "bob", "carol", "dave" } do
        callees[name] = net:agent {
            name = name, address = CALLEES[name], side = "private", auto_cancel = options.auto_cancel ~= false,
        }
    end
    return net, alice, callees
end

-- `answer(req, …)` says those values in a reason phrase.
local ASKING = [[
local sip = require "lunasip"
%s
local function answer(req, ...)
    local words = {}
    for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
    req:reply(299, table.concat(words, " "))
end
function request_route(req)
    %s
end
%s
]]

--- Open a network of one interface, for specs of what a script asks others: alice asks it (see said()).
-- @tparam table options before, body, more: what stands before request_route, in it and behind it, or route; conf,
-- databases, workers
-- @return net, alice, bob
function M.open_asking(options)
    local conf = options.conf or {}
    conf.listen = { lan = { "udp:10.0.0.1:5060" } }
    local net = lab.new {
        seed = 5, workers = options.workers, conf = conf, databases = options.databases,
        route = options.route or ASKING:format(options.before, options.body, options.more or ""),
    }
    return net, net:agent { name = "alice", address = "10.0.0.10", side = "lan" },
        net:agent { name = "bob", address = "10.0.0.20", side = "lan" }
end

--- Ask by OPTIONS. @return the reason phrase of the answer, its status
function M.said(agent)
    agent:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
    local reply = agent:receive(function(msg) return msg.status end)
    return reply.reason, reply.status
end

M.TO_BOB = [[req:record_route() req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]
M.PARALLEL = [[
    req:record_route()
    req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", "sip:dave@10.0.0.22:5060", %s
        interface = "private" }
]]

--- body for a parallel fork to bob, carol and dave. @string options more options of req:fork
function M.parallel(options)
    return M.PARALLEL:format(options and options .. "," or "")
end

--- body for a call of two legs to bob, with media. @string[opt] options more options of sip.call.bridge
function M.two_legs(options)
    return ([[
        assert(sip.call.bridge(req, {
            to = "sip:bob@10.0.0.20:5060", interface = "private", media = { from = "public", to = "private" }, %s
        }))
    ]]):format(options or "")
end

--- A request as text. @tparam table given uri, method, headers (list of lines before Content-Length), body,
-- via, from, to, call_id, cseq, max_forwards
function M.raw(given)
    local method = given.method or "INVITE"
    local lines = {
        ("%s %s SIP/2.0"):format(method, given.uri or "sip:bob@example.net"),
        given.via or ("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s"):format(M.ALICE, given.branch or "raw1"),
        given.from or "From: <sip:alice@example.net>;tag=a1",
        given.to or "To: <sip:bob@example.net>",
        given.call_id or "Call-ID: raw-call-1",
        ("CSeq: %d %s"):format(given.cseq or 1, method),
        "Contact: <sip:alice@192.0.2.10:5060>",
    }
    if given.max_forwards ~= false then
        lines[#lines + 1] = "Max-Forwards: " .. (given.max_forwards or 70)
    end
    for _, line in ipairs(given.headers or {}) do
        lines[#lines + 1] = line
    end
    local body = given.body or ""
    lines[#lines + 1] = "Content-Length: " .. #body
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- An answered call from alice to bob. @return the INVITE as bob saw it
function M.answer(alice, bob, options)
    options = options or {}
    alice:invite("sip:bob@example.net", { sdp = options.sdp })
    local invite = bob:receive "INVITE"
    bob:reply(invite, 200, { sdp = options.sdp })
    alice:receive(200)
    bob:receive "ACK"
    return invite
end

--- A request within the call that the other side agrees to; an offer is answered, INVITE acknowledged.
-- @return it, as it was received, and the answer
function M.ask(from, to, method, options)
    from:request(from.call, method, options)
    local request = to:receive(method)
    to:reply(request, 200, { sdp = options and options.sdp })
    local answer = from:receive { status = 200, method = method }
    if method == "INVITE" then
        to:receive "ACK"
    end
    return request, answer
end

--- `from` hangs up, `to` agrees.
function M.hang_up(from, to)
    from:hangup()
    to:reply(to:receive "BYE", 200)
    from:receive(function(msg) return msg.status == 200 and msg.cseq_method == "BYE" end)
end

--- For `more` of world.open(): the script logs what it hears of its calls; see M.seen().
M.NOTES = [[
    local function note(event)
        sip.log.info("seen %s %s %s", event.name:match ":(.+)", event.reason or "-", event.ended_by or "-")
    end
    for _, name in ipairs { "start", "answer", "failed", "end" } do event_route["dialog:" .. name] = note end
]]

--- How many lines of the log match.
function M.count_logged(net, pattern)
    local count = 0
    for _, line in ipairs(net:log()) do
        count = count + (line.text:find(pattern) and 1 or 0)
    end
    return count
end

--- What a script logged behind "seen ", in order.
function M.seen(net)
    local seen = {}
    for _, line in ipairs(net:log()) do
        seen[#seen + 1] = line.text:match "^seen (.+)$"
    end
    return seen
end

--- In a call of two legs `by` has itself replaced by `target`, whom `stay` then talks to (RFC 3515).
function M.replace(by, stay, target)
    by:ask("REFER", { headers = { ["Refer-To"] = ("<sip:%s@%s>"):format(target.name, target.address) } })
    by:receive(202)
    by:reply(by:receive "NOTIFY", 200)
    target:reply(target:receive "INVITE", 200, { sdp = true })
    stay:reply(stay:receive "INVITE", 200, { sdp = true })
    stay:receive "ACK"
    target:receive "ACK"
    by:reply(by:receive "NOTIFY", 200)
    by:reply(by:receive "BYE", 200)
end

--- Each option that cannot be meant raises at the script's line: the caller gets 500, the log says why.
-- @tparam function open of an option: net, alice @tparam table messages what the log says, by option
function M.expect_misuse(open, messages)
    for option, message in pairs(messages) do
        local net, alice = open(option)
        alice:invite "sip:bob@example.net"
        alice:receive(500)
        net:settle()
        assert.truthy(net:logged((message:gsub("%p", "%%%0"))))
        net:close()
    end
end

local function heard(agent)
    local stream = agent:received_rtp()[1]
    return stream and stream.packets or 0
end

--- Ten packets each way, and all of them arrive.
function M.talk(net, first, second)
    local wanted = { heard(first) + 10, heard(second) + 10 }
    first:send_rtp(10)
    second:send_rtp(10)
    net:advance(1)
    assert.same(wanted, { heard(first), heard(second) })
end

--- Time passes until nothing of a call is left.
function M.finish(net)
    net:settle(40)
    local status = net:status()
    assert.same({ 0, 0, 0 }, { status.dialogs, status.transactions, status.media.ports })
end

--- The same, and neither side was shown anything of the other.
function M.finish_hidden(net)
    M.finish(net)
    assert.no_address("10.0.0.", "public")
    assert.no_address("192.0.2.", "private")
end

--- How many messages of that kind this agent saw so far, retransmissions included.
function M.count_received(net, name, wanted)
    local count = 0
    for _, entry in ipairs(net.journal) do
        local msg = entry.message
        if entry.agent == name and entry.direction == "in" and (msg.method == wanted or msg.status == wanted) then
            count = count + 1
        end
    end
    return count
end

return M
