-- The ladder of a failing test: who sent what, why, and what the engine changed.
local difference = require "lunasip.lab.difference"
local lab = require "lunasip.lab"
local message = require "lunasip.lab.message"

local ROUTE = [[
function failure_route.busy(req, reply)
    req:reply(486, "Nobody")
end
function request_route(req)
    if req:in_dialog() then
        return req:loose_route() and req:relay() or req:reply(481)
    end
    req:record_route()
    req:set_header("X-Account", "17")
    req:remove_header("X-Hop")
    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "busy" }
end
]]

describe("a ladder", function()
    local net, alice, bob

    before_each(function()
        net = lab.new { route = ROUTE }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_cancel = true }
    end)
    after_each(function()
        net:close()
    end)

    -- The lines of a ladder that hold each of these texts, in this order.
    local function has(text, lines)
        local at = 1
        for _, line in ipairs(lines) do
            local first, last = text:find(line, at)
            assert.is_truthy(first, "not in the ladder from here on: " .. line .. "\n" .. text)
            at = last
        end
    end

    it("names the script line that caused a request and its responses", function()
        alice:invite("sip:bob@example.net", { sdp = true })
        bob:reply(bob:receive "INVITE", 200, { sdp = true })
        alice:receive(200)
        bob:receive "ACK"
        alice:hangup()
        bob:reply(bob:receive "BYE", 200)
        alice:receive(200)
        has(net:ladder(), {
            "alice +%-> public +INVITE %(SDP%)   1 INVITE %S+\n",
            "private +%-> bob +INVITE[^\n]+  route:11\n",
            "public +%-> alice +100 Trying[^\n]+  %(engine: 100 Trying%)\n",
            "bob +%-> private +200 OK[^\n]+z9hG4bK%S+\n",
            "public +%-> alice +200 OK[^\n]+  route:11\n", "private +%-> bob +ACK[^\n]+  route:6\n",
            "private +%-> bob +BYE[^\n]+  route:6\n", "public +%-> alice +200 OK[^\n]+  route:6$",
        })
    end)

    it("names the line of a failure route, and the engine's own ACK", function()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 503)
        alice:receive(486)
        has(net:ladder(), {
            "private +%-> bob +ACK[^\n]+  %(engine: ACK%)\n", "public +%-> alice +486 Nobody[^\n]+  route:2\n",
        })
    end)

    it("names the timer of a retransmission, a repeated answer and the engine's CANCEL", function()
        alice:invite "sip:bob@example.net"
        local received = bob:receive "INVITE"
        net:advance(0.6)
        bob:reply(received, 180)
        alice:receive(180)
        alice:send(net:packets()[1].bytes)
        net:advance(0.1)
        alice:cancel()
        alice:receive(487)
        has(net:ladder(), {
            "private +%-> bob +INVITE[^\n]+route:11\n", "private +%-> bob +INVITE[^\n]+%(timer A%)\n",
            "public +%-> alice +180 Ringing[^\n]+route:11\n", "public +%-> alice +180 [^\n]+%(repeated request%)\n",
            "private +%-> bob +CANCEL[^\n]+%(engine: CANCEL%)",
        })
    end)

    it("names the line of a script that failed, and of one that used up its budget, for the 500", function()
        assert(net:reload { source = [[
local function check(req)
    return req.method == "INVITE" and req:header "X-Not-There" .. "!"
end
function request_route(req)
    if req.method == "INVITE" then
        check(req)
    elseif req.method == "MESSAGE" then
        req:reply(tonumber "900")
    end
    while true do
    end
end
]] })
        alice:invite "sip:bob@example.net"
        alice:receive(500)
        for _, method in ipairs { "MESSAGE", "OPTIONS" } do
            alice:ask(method, { uri = "sip:bob@example.net" })
            alice:receive(500)
        end
        has(net:ladder(), {
            "public +%-> alice +500 [^\n]+  route 2:2\n", "public +%-> alice +500 [^\n]+  route 2:8\n",
            "public +%-> alice +500 [^\n]+  route 2:1[01]\n?",
        })
    end)

    it("says nothing of a script that failed for what comes later", function()
        assert(net:reload { source = "function request_route(req) error 'no' end" })
        net:impair { delay = 0.1 }
        alice:invite "sip:bob@example.net"
        net:advance(0.15)
        net:impair { loss = 1 } -- the caller's ACK
        net:advance(1)
        has(net:ladder(), { "500 [^\n]+  route 2:1\n", "500 [^\n]+  %(timer G%)" })
    end)

    it("calls what the spec gave as text by a word in faults, too", function()
        local ok, fault = net:reload { source = "function request_route(req)\n  oops(req)\nend" }
        assert.is_nil(ok)
        assert.matches("^route 2:2:3: there is no global 'oops'", fault)
        ok, fault = net:reload { source = "function request_route(req)" }
        assert.is_nil(ok)
        assert.matches("^route 3:1:", fault)
    end)

    it("names the timer of an answer that is sent again", function()
        net:impair { delay = 0.1 }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 503)
        net:advance(0.15)
        net:impair { loss = 1 } -- the caller's ACK
        net:advance(1)
        has(net:ladder(), { "486[^\n]+route:2\n", "486[^\n]+%(timer G%)" })
    end)

    it("is the same text in colour, and only the last messages when that is asked for", function()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        local coloured = net:ladder { colour = true }
        assert.equal(net:ladder(), (coloured:gsub("\27%[%d+m", "")))
        assert.not_equal(net:ladder(), coloured)
        local text = net:ladder { most = 2 }
        assert.equal(2, select(2, text:gsub("\n", "")))
        assert.matches("^ +%.%.%.  %d messages before\n", text)
    end)

    it("names a ping", function()
        net:close()
        net = lab.new { route = ROUTE, conf = { dispatcher = {
            ping_interval = 1, sets = { [1] = { "sip:10.0.0.20:5060" } },
        } } }
        net:agent { name = "bob", address = "10.0.0.20", side = "private", auto_options = true }
        net:advance(3)
        has(net:ladder(), { "private +%-> bob +OPTIONS[^\n]+%(ping%)\n", "bob +%-> private +200 OK" })
    end)

    it("names the line of a fork for its later branches, and the timer behind an answer", function()
        net:close()
        net = lab.new { route = [[
function request_route(req)
    req:fork { { uri = "sip:a@10.0.0.20:5060", q = 1 }, { uri = "sip:b@10.0.0.21:5060", q = 0.5 } }
end
]] }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        net:agent { name = "mute", address = "10.0.0.21", side = "private" }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 404)
        alice:receive(function(msg) return msg.status and msg.status >= 400 end, 40)
        has(net:ladder(), { "%-> bob +INVITE[^\n]+route:2\n", "%-> mute +INVITE[^\n]+route:2\n", "%(timer B%)\n" })
    end)

    it("compares a message with the one it came from", function()
        alice:invite("sip:bob@example.net", { sdp = true, headers = { ["X-Hop"] = "one" } })
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        local text = net:ladder { changes = true }
        has(text, {
            "route:11", "%+ Record%-Route: <sip:10%.0%.0%.1:5060;lr", "%+ Via: SIP/2%.0/UDP 10%.0%.0%.1:5060",
            "~ Max%-Forwards: 70 %-> 69", "%+ X%-Account: 17", "%- X%-Hop: one", "%(engine: 100 Trying%)\n +%d",
        })
    end)
end)

describe("differences of two messages", function()
    local function lines_of(before, after)
        local lines = {}
        for i, entry in ipairs(difference.of(message.parse(before), message.parse(after))) do
            lines[i] = difference.line(entry)
        end
        return table.concat(lines, "\n")
    end

    local function invite(headers, body)
        return "INVITE sip:bob@example.net SIP/2.0\r\n" .. headers .. "Content-Type: application/sdp\r\n\r\n" .. body
    end

    it("is nothing where only the order of other headers changed", function()
        assert.equal("", lines_of(invite("A: 1\r\nB: 2\r\n", ""), invite("B: 2\r\nA: 1\r\n", "")))
    end)

    it("tells lines of one media section from those of another", function()
        local before = "v=0\r\nm=audio 10 RTP/AVP 8\r\na=sendrecv\r\nm=video 12 RTP/AVP 96\r\na=sendrecv\r\n"
        local after = before:gsub("video 12", "video 14")
        assert.equal("~ SDP: m=video 12 RTP/AVP 96 -> m=video 14 RTP/AVP 96",
            lines_of(invite("", before), invite("", after)))
        assert.equal("- SDP: a=sendrecv",
            lines_of(invite("", before), invite("", (before:gsub("a=sendrecv\r\n$", "")))))
    end)

    it("shows another Request-URI and status, and leaves out what long values share", function()
        assert.equal("~ Request-URI: sip:bob@example.net -> sip:carol@example.net", lines_of(invite("", ""),
            (invite("", ""):gsub("bob", "carol"))))
        assert.equal("~ Status: 503 Busy -> 500 Busy",
            lines_of("SIP/2.0 503 Busy\r\nA: 1\r\n\r\n", "SIP/2.0 500 Busy\r\nA: 1\r\n\r\n"))
        assert.equal("~ Via: ...;rport -> ...;rport=5060", lines_of(
            invite("Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1;rport\r\n", ""),
            invite("Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1;rport=5060\r\n", "")))
    end)
end)
