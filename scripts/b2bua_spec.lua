-- The specs of scripts/b2bua.lua. Run them: build/lunasip test scripts/b2bua_spec.lua
local lab = require "lunasip.lab"

local DATABASE = "sqlite:/accounts.db" -- in the lab: memory

local CONF = {
    listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
    media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30399 } },
    database = { url = DATABASE },
    records = {},
    trunk = { trunk_a = { registrar = "sip:192.0.2.21", user = "office", password = "secret" } },
}

describe("scripts/b2bua.lua", function()
    local net, phone, trunk_a, trunk_b, db

    local function phone_of(account, address)
        return net:agent {
            name = account, address = address, side = "private",
            credentials = { username = account, password = "secret" },
        }
    end

    before_each(function()
        net = lab.new {
            conf = CONF, route = "scripts/b2bua.lua", seed = 7,
            users = { ["phone@example.net"] = "secret", ["guest@example.net"] = "secret" },
        }
        db = net:database(DATABASE)
        phone = phone_of("phone", "10.0.0.10")
        trunk_a = net:agent { name = "trunk-a", address = "192.0.2.21", side = "public", auto_cancel = true }
        trunk_b = net:agent { name = "trunk-b", address = "192.0.2.22", side = "public", auto_cancel = true }
        trunk_a:reply(trunk_a:receive "REGISTER", 200)
        net:advance(0.1) -- the table is made
        db:load "INSERT INTO accounts VALUES ('phone', 3600)"
    end)

    after_each(function()
        assert.no_address("10.0.0.", "public")
        net:close() -- fails when a transaction, a dialog or a port is left
    end)

    local function call(trunk, caller)
        caller = caller or phone
        caller:invite("sip:4930123@10.0.0.1", { sdp = true })
        local invite = trunk:receive "INVITE"
        trunk:reply(invite, 200, { sdp = true })
        caller:receive(200)
        trunk:receive "ACK"
        return invite
    end

    local function hang_up()
        phone:hangup()
        trunk_a:reply(trunk_a:receive "BYE", 200)
        phone:receive(200)
        net:advance(0.1)
    end

    local function left() return db:rows("SELECT seconds FROM accounts WHERE number = 'phone'")[1].seconds end
    local function set(seconds) db:load("UPDATE accounts SET seconds = " .. seconds) end

    it("calls the trunk for the phone, which shows nothing of itself, and charges the account", function()
        local invite = call(trunk_a)
        assert.equal("sip:4930123@192.0.2.21", invite.uri)
        assert.is_nil(invite:header "Proxy-Authorization")
        assert.matches("^<sip:phone@192%.0%.2%.21>;tag=", invite:header "From")
        phone:send_rtp(50)
        net:advance(1.8)
        assert.equal(50, trunk_a:received_rtp()[1].packets)
        hang_up()
        assert.equal(3598, left())
        assert.truthy(net:logged "phone pays 2 s to sip:4930123@10.0.0.1: bye")
        local record = net:records()[1]
        assert.same({ account = "phone", trunk = "trunk-a" }, record.fields)
        assert.same({ "answered", "caller" }, { record.outcome, record.ended_by })
    end)

    it("ends the call with the account's seconds, on both sides and with Reason, and warns before", function()
        set(100)
        call(trunk_a)
        net:advance(69)
        assert.is_nil(net:logged "has 30 s left")
        net:advance(2)
        assert.truthy(net:logged "has 30 s left")
        net:advance(27)
        assert.equal(100, left())
        for _, agent in ipairs { phone, trunk_a } do
            local bye = agent:receive("BYE", 5)
            assert.equal('SIP;cause=200;text="Maximum duration reached"', bye:header "Reason")
            agent:reply(bye, 200)
        end
        net:advance(0.1)
        assert.equal(0, left())
        local record = net:records()[1]
        assert.same({ "answered", "duration", "engine", 'SIP;cause=200;text="Maximum duration reached"' },
            { record.outcome, record["end"], record.ended_by, record.reason_header })
        assert.same({ "trunk_a", "trunk-a" }, { record.trunk, record.fields.trunk }) -- of the configuration, of TRUNKS
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        phone:receive(402)
    end)

    it("lets nobody speak twice for the same seconds", function()
        call(trunk_a)
        local first = phone.call
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        phone:receive(486)
        phone.call = first
        hang_up()
    end)

    it("takes the password's account, whoever From says it is, and asks for one", function()
        local liar = net:agent {
            name = "liar", user = "phone", address = "10.0.0.9", side = "private",
            credentials = { username = "phone", password = "guessed" },
        }
        liar:invite("sip:4930123@10.0.0.1", { sdp = true })
        liar:receive(407)
        local guest = phone_of("guest", "10.0.0.8") -- a user without an account
        guest:invite("sip:4930123@10.0.0.1", { sdp = true })
        guest:receive(403)
        assert.equal(3600, left())
    end)

    it("says when accounts cannot be read", function()
        db:impair { fail = true }
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        assert.equal("30", phone:receive(503):header "Retry-After")
        assert.truthy(net:logged "the database is away")
        db:impair {}
        db:load "ALTER TABLE accounts RENAME TO elsewhere"
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        assert.equal("30", phone:receive(503):header "Retry-After")
        assert.truthy(net:logged "the account of phone cannot be read")
        db:load "ALTER TABLE elsewhere RENAME TO accounts"
        call(trunk_a)
        db:impair { fail = true }
        hang_up()
        assert.truthy(net:logged "phone owes %d s")
    end)

    it("says when there is no table", function()
        net:close()
        net = lab.new { conf = CONF, route = "scripts/b2bua.lua" }
        net:database(DATABASE):impair { fail = true }
        net:advance(1)
        assert.truthy(net:logged "no table of accounts")
    end)

    it("answers the challenge of the trunk with the password of the configuration", function()
        phone:invite("sip:4930123@10.0.0.1", { sdp = true })
        trunk_a:reply(trunk_a:receive "INVITE", 407, {
            headers = { ["Proxy-Authenticate"] = 'Digest realm="trunk", nonce="abc"' },
        })
        local invite = trunk_a:receive "INVITE"
        assert.matches('username="office"', invite:header "Proxy-Authorization")
        trunk_a:reply(invite, 486)
        phone:receive(486)
    end)

    it("takes the second trunk when the first is full, and refuses when both are", function()
        local callers = {}
        for i = 1, 41 do
            local name = "line" .. i
            callers[i] = phone_of(name, "10.0.0." .. 100 + i)
            net:users { [name .. "@example.net"] = "secret" }
            db:load(("INSERT INTO accounts VALUES ('%s', 3600)"):format(name))
        end
        for i = 1, 30 do
            call(trunk_a, callers[i])
        end
        for i = 31, 40 do
            call(trunk_b, callers[i])
        end
        local counted = {}
        for _, one in ipairs(net:command("profiles").data) do
            counted[one.value or ""] = one.profile == "trunk" and one.calls or counted[one.value or ""]
        end
        assert.same({ 30, 10 }, { counted["trunk-a"], counted["trunk-b"] })
        callers[41]:invite("sip:4930123@10.0.0.1", { sdp = true })
        assert.equal("30", callers[41]:receive(503):header "Retry-After")
        net:command("calls", "end", "--all")
        net:advance(0.1)
        for _, agent in ipairs { trunk_a, trunk_b, unpack(callers) } do
            while agent.queue[1] do
                agent:reply(agent:receive "BYE", 200)
            end
        end
    end)

    it("refuses what is none of its business", function()
        trunk_a:invite "sip:phone@192.0.2.1"
        trunk_a:receive(403)
        phone:ask("INFO", { uri = "sip:4930123@10.0.0.1" })
        phone:receive(481)
        phone:ask("OPTIONS", { uri = "sip:10.0.0.1" })
        phone:receive(200)
        phone:invite "sip:10.0.0.1"
        phone:receive(484)
        phone:send(table.concat({ -- of no call
            "ACK sip:4930123@10.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bKstray",
            "Max-Forwards: 70", "From: <sip:phone@10.0.0.10>;tag=a", "To: <sip:4930123@10.0.0.1>",
            "Call-ID: stray", "CSeq: 1 ACK", "Content-Length: 0", "", "",
        }, "\r\n"))
        phone:receive_nothing(function() return true end)
    end)

    it("answers 500 when the call cannot be made", function()
        phone:invite("sip:4930123@10.0.0.1", { headers = { ["Content-Type"] = "application/sdp" }, body = "m=audio" })
        phone:receive(500)
        assert.truthy(net:logged "cannot go to trunk%-a")
    end)
end)
