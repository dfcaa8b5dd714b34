-- An incident becomes a regression test: a captured call is played again, and what the engine sends is compared.
local lab = require "lunasip.lab"
local process = require "support.process"

local CAPTURE = "spec/vectors/captures/call.pcap"

-- The route that the capture was made with.
local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then
        return req:loose_route() and req:relay() or req:reply(481)
    end
    sip.media.manage(req, { from = "public", to = "private" })
    req:record_route()
    req:set_header("X-Account", "17")
    req:relay { to = "sip:10.1.1.20:5060", interface = "private" }
end
]]

local CONF = {
    listen = { public = { "udp:198.51.100.7:5060" }, private = { "udp:10.1.1.1:5060" } },
    media = { public = "198.51.100.7", private = "10.1.1.1", ports = { 30000, 30999 } },
}

-- One call; what is captured.
local function record(path)
    local net = lab.new { conf = CONF, route = ROUTE, seed = 3 }
    local alice = net:agent { name = "alice", address = "198.51.100.10" }
    local bob = net:agent { name = "bob", address = "10.1.1.20", side = "private" }
    alice:invite("sip:bob@example.net", { sdp = true })
    local invite = bob:receive "INVITE"
    net:advance(0.7) -- long enough for a retransmission
    bob:reply(invite, 180)
    alice:receive(180)
    net:advance(2)
    bob:reply(invite, 200, { sdp = true })
    alice:receive(200)
    bob:receive "ACK"
    alice:send_rtp(3)
    net:advance(10)
    alice:hangup()
    bob:reply(bob:receive "BYE", 200)
    alice:receive(200)
    net:pcap(path)
    net:close()
end

describe("a replay", function()
    local net

    after_each(function()
        if net then
            net:close()
        end
        net = nil
        process.clean()
    end)

    local function open(options)
        net = lab.new { conf = not options.is_elsewhere and CONF or nil, route = options.route or ROUTE, seed = 9 }
        return net
    end

    local function differences(options)
        return net:replay(CAPTURE, { is_reported = true, engine = options and options.engine,
            ignore = options and options.ignore, near = options and options.near })
    end

    it("of a call is fine with the same route, whatever branches, tags and ports are drawn", function()
        open {}
        net:replay(CAPTURE)
        assert.equal(0, net:status().dialogs)
    end)

    it("is fine with what the product captures today", function()
        local path = process.folder() .. "/call.pcap"
        record(path)
        open {}
        net:replay(path)
    end)

    it("maps the addresses that the engine had to those that it has", function()
        open { is_elsewhere = true }
        net:replay(CAPTURE, { engine = { ["198.51.100.7:5060"] = "public", ["10.1.1.1"] = "private" } })
    end)

    it("fails with a diff and the ladder when the route changes a header", function()
        open { route = ROUTE:gsub('"17"', '"18"') }
        local ok, fault = pcall(net.replay, net, CAPTURE)
        assert.is_false(ok)
        assert.matches("%-%-%- captured: packet 2, 0%.000 s, to 10%.1%.1%.20:5060: INVITE %(SDP%)\n"
            .. "%+%+%+ replayed: 0%.000 s: INVITE %(SDP%)\n%-X%-Account: 17\n%+X%-Account: 18\n", fault)
        assert.matches("private +%-> 10%.1%.1%.20:5060 +INVITE", fault)
    end)

    it("says what was never sent, and what nobody expected", function()
        open { route = 'function request_route(req) req:reply(404, "Not Found") end' }
        local text = table.concat(differences(), "\n")
        assert.matches("to 10%.1%.1%.20:5060: INVITE %(SDP%)\n%+%+%+ replayed: never sent", text)
        assert.matches("%-Status: 200 OK\n%+Status: 404 Not Found", text)
    end)

    it("sees a media address that is not ours any more", function()
        open { route = ROUTE:gsub("sip%.media%.manage[^\n]+", "") }
        assert.matches("%-SDP: c=IN IP4 10%.1%.1%.1\n%+SDP: c=IN IP4 198%.51%.100%.10",
            table.concat(differences(), "\n"))
    end)

    it("says what went to somebody of whom the capture knows nothing, once", function()
        open { route = ROUTE:gsub("10%.1%.1%.20", "10.1.1.99") }
        local text = table.concat(differences(), "\n")
        assert.matches("to 10%.1%.1%.20:5060: INVITE %(SDP%)\n%+%+%+ replayed: never sent", text)
        assert.matches("%-%-%- captured: nothing goes to 10%.1%.1%.99:5060\n"
            .. "%+%+%+ replayed: 0%.000 s, to 10%.1%.1%.99:5060: INVITE %(SDP%)", text)
        assert.equal(1, select(2, text:gsub("to 10%.1%.1%.99:5060: INVITE", "")))
    end)

    it("does not ask who else there is when only some are named", function()
        open { route = ROUTE:gsub("10%.1%.1%.20", "10.1.1.99") }
        local text = table.concat(differences { near = { "198.51.100.10" } }, "\n")
        assert.not_matches("10%.1%.1%.99", text)
    end)

    it("refuses an agent where the capture has somebody, and takes one whom near leaves out", function()
        open {}
        local bob = net:agent { name = "bob", address = "10.1.1.20", side = "private" }
        local ok, fault = pcall(differences)
        assert.is_false(ok)
        assert.matches("replay_spec%.lua:%d+: net:replay: 10%.1%.1%.20:5060 is the address of the agent 'bob', and the "
            .. "capture has a party of that address", fault)
        differences { near = { "198.51.100.10" } }
        bob:reply(bob:receive "INVITE", 486)
    end)

    it("passes over headers that may differ", function()
        open { route = ROUTE:gsub('"17"', '"18"') }
        assert.same({}, differences { ignore = { "x-account" } })
    end)

    it("plays and compares those alone that are named", function()
        open {}
        local text = table.concat(differences { near = { "198.51.100.10" } }, "\n")
        assert.matches("to 198%.51%.100%.10:5060: 180 Ringing\n%+%+%+ replayed: never sent", text)
        assert.not_matches("to 10%.1%.1%.20:5060", text)
    end)

    it("says how to name the engine's addresses when none of the capture is known", function()
        open { is_elsewhere = true }
        local ok, fault = pcall(differences)
        assert.is_false(ok)
        assert.matches("call%.pcap: no SIP message of it is to or from the engine; say engine = ", fault)
        ok, fault = pcall(differences, { engine = { ["198.51.100.7:5060"] = "pulbic" } })
        assert.is_false(ok)
        assert.matches("replay_spec%.lua:%d+: net:replay: .*no interface \"pulbic\"; did you mean 'public'", fault)
    end)
end)
