-- A slip in a spec is told at its line: an option that nobody reads would make the spec pass for nothing.
local lab = require "lunasip.lab"

local ROUTE = "function request_route(req) req:reply(404) end"

describe("a slip in a spec", function()
    local net, alice

    before_each(function()
        net = lab.new { route = ROUTE }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
    end)
    after_each(function() net:close() end)

    -- A request that alice got, for answers.
    local function request()
        alice:ask("OPTIONS", { uri = "sip:alice@192.0.2.10", to = alice.address })
        return alice:receive "OPTIONS"
    end

    -- Fails at the line of `slip`, with this text.
    local function fails(text, slip)
        local ok, fault = pcall(slip)
        assert.is_false(ok)
        local line = debug.getinfo(slip, "S").linedefined
        local place, told = tostring(fault):match "^(.-:%d+): ([^\n]*)"
        assert.equal(("spec/lab/misuse_spec.lua:%d"):format(line), place, fault)
        assert.is_truthy(told:find(text, 1, true), told)
    end

    it("in an option gets the nearest name", function()
        fails("lab.new: unknown option 'rout'; did you mean 'route'?", function() lab.new { rout = ROUTE } end)
        fails("net:engine: unknown option 'comf'; did you mean 'conf'?", function() net:engine { comf = {} } end)
        fails("net:agent: unknown option 'adress'; did you mean 'address'?", function() net:agent { adress = "x" } end)
        fails("net:impair: unknown option 'los'; did you mean 'loss'?", function() net:impair { los = 1 } end)
        fails("net:dns: unknown option 'dely'; did you mean 'delay'?", function() net:dns({}, { dely = 1 }) end)
        fails("unknown option 'SVR'; did you mean 'SRV'?", function() net:dns { a = { SVR = "1 0 5060 b" } } end)
        fails("net:reload: unknown option 'sorce'; did you mean 'source'?", function() net:reload { sorce = ROUTE } end)
        fails("unknown option 'engin'; did you mean 'engine'?", function() net:replay("x.pcap", { engin = {} }) end)
        fails("net:ladder: unknown option 'change'; did you mean 'changes'?",
            function() net:ladder { change = true } end)
        fails("unknown option 'spd'; did you mean 'sdp'?",
            function() alice:invite("sip:b@example.net", { spd = true }) end)
        fails("unknown option 'hedaers'; did you mean 'headers'?", function() alice:register { hedaers = {} } end)
        fails("agent:receive: unknown option 'staus'; did you mean 'status'?",
            function() alice:receive { staus = 2 } end)
        fails("sdp: unknown option 'codec'; did you mean 'codecs'?",
            function() alice:invite("sip:b@example.net", { sdp = { { kind = "audio", codec = {} } } }) end)
        local options = request()
        fails("agent:reply: unknown option 'header'; did you mean 'headers'?",
            function() alice:reply(options, 200, { header = {} }) end)
        fails("unknown option 'prot'; did you mean 'port'?", function() assert.is_not.sdp(options, { prot = 1 }) end)
        fails("unknown option 'were'; did you mean 'where'?",
            function() assert.no_address("10.", "public", { were = "SDP" }) end)
        alice:reply(options, 200)
    end)

    it("in a value says what is wanted", function()
        fails("net:impair: loss is 30, not a chance from 0 to 1", function() net:impair { loss = 30 } end)
        fails("net:impair: delay is -1, not a number of seconds, 0 or more", function() net:impair { delay = -1 } end)
        fails("lab.new: workers is 1.5, not a whole number, 0 or more", function() lab.new { workers = 1.5 } end)
        fails('lab.new: log_level is "loud", not "error", "warning"', function() lab.new { log_level = "loud" } end)
        fails("net:agent: auto_ack is 1, not a boolean",
            function() net:agent { address = "192.0.2.9", auto_ack = 1 } end)
        fails("net:advance: the time is -1, not a number of seconds", function() net:advance(-1) end)
        fails("agent:receive: the time is -1", function() alice:receive(200, -1) end)
    end)

    it("in an agent's name, address or side is one", function()
        fails("net:agent: address is nil, not a string", function() net:agent { name = "bob" } end)
        fails("there is an agent 'alice' already", function() net:agent { name = "alice", address = "192.0.2.11" } end)
        fails("192.0.2.10:5060 is the address of the agent 'alice' already",
            function() net:agent { name = "bob", address = "192.0.2.10" } end)
        fails("no interface 'privat'; did you mean 'private'?",
            function() net:agent { address = "10.0.0.9", side = "privat" } end)
        fails("no engine 'registar'", function() net:agent { address = "10.0.0.9", engine = "registar" } end)
        fails("credentials: unknown option 'user'",
            function() net:agent { address = "10.0.0.9", credentials = { user = "a" } } end)
    end)

    it("that leaves the call out says so", function()
        for _, name in ipairs { "hangup", "cancel", "reinvite", "update", "ack", "send_rtp", "send_rtcp" } do
            fails(("agent:%s: alice has no call"):format(name), function() alice[name](alice) end)
        end
        fails("agent:ask: alice has no call", function() alice:ask "INFO" end)
        fails("agent:request: a call is wanted, not nil", function() alice:request(nil, "INFO") end)
        fails("agent:invite: the URI is nil, not a string", function() alice:invite() end)
    end)

    it("that leaves the message out says so", function()
        fails("agent:reply: a message is wanted, not nil", function() alice:reply(nil, 200) end)
        fails("agent:prack: a message is wanted, not nil", function() alice:prack() end)
        fails("agent:receive: a method, a status", function() alice:receive() end)
        fails("assert.header: a message is wanted, not nil", function() assert.header(nil, "Via") end)
        fails("assert.sdp: a message is wanted, not nil", function() assert.sdp(nil, {}) end)
        fails('assert.replied: the status is "404", not a number', function() assert.replied "404" end)
        local options = request()
        fails("agent:reply: the status is nil, not a number", function() alice:reply(options) end)
        fails("assert.header: the name is nil, not a string", function() assert.header(options) end)
        alice:reply(options, 200)
        local answer = alice:receive(200)
        fails("agent:reply: a request is answered, not 200 OK", function() alice:reply(answer, 200) end)
        fails("agent:prack: not a reliable response", function() alice:prack(answer) end)
    end)

    it("in the name of a place gets the nearest one", function()
        net:agent { name = "gateway", address = "10.0.0.20", side = "private" }
        alice:ask("OPTIONS", { uri = "sip:b@example.net" })
        fails("no agent, engine or interface 'gatway'; did you mean 'gateway'?",
            function() assert.relayed_to "gatway" end)
        fails("'gatway'; did you mean 'gateway'?", function() assert.is_not.relayed_to "gatway" end)
        fails("no interface or agent 'publik'; did you mean 'public'?",
            function() assert.no_address("10.", "publik") end)
        fails("'gatway'; did you mean 'gateway'?", function() net:partition("gatway", "private") end)
        fails("'private.lan'", function() net:impair { loss = 1, between = "private.lan" } end)
    end)

    it("looks at what went to an agent that is named", function()
        alice:ask("OPTIONS", { uri = "sip:b@example.net" })
        alice:receive(404)
        assert.is_not.no_address("192.0.2.10", "alice")
    end)
end)
