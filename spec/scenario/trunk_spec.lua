-- lunasip registers at another one, which runs scripts/registrar.lua, and at a Kamailio, on real sockets and with
-- digest; a caller at the provider reaches what is behind it; a stop takes the bindings back.
local json = require "dkjson"
local kamailio = require "support.kamailio"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local registrar = require "support.registrar"

describe("trunks on real sockets", function()
    local provider, office
    local LINES = 8

    local function trunks()
        local _, out = office:ctl("trunks", "--json")
        return json.decode(out) or {}
    end

    local function all_are(state)
        local list = trunks()
        for _, trunk in ipairs(list) do
            if trunk.state ~= state then return false end
        end
        return #list == LINES
    end

    local function bindings() return provider.engine:status().registrations.bindings end

    setup(function()
        provider = registrar.start { users = LINES, timers = { t1_ms = 500 } }
        local host = network.block()(20)
        local block = { retry_base_s = 1, leave_ms = 60000 } -- a busy machine may be late
        for i = 1, LINES do
            block["line" .. i] = {
                registrar = "sip:" .. provider.host, domain = "example.net", user = "u" .. i,
                password = registrar.password("u" .. i), interface = "public",
            }
        end
        local route = process.folder() .. "/route.lua"
        local file = assert(io.open(route, "w"))
        file:write "function request_route(req) return req:reply(486, 'Line ' .. req['$rU']) end\n"
        file:close()
        office = lunasip.start {
            public = { ("udp:%s:5060"):format(host) }, private = { ("udp:%s:5070"):format(host) }, route = route,
            blocks = { trunk = block }, timers = { t1_ms = 500 },
        }
    end)
    teardown(process.clean)

    it("come up, whatever worker they belong to", function()
        assert.is_truthy(posix.wait_until(function() return all_are "up" end, 60), json.encode(trunks()))
        assert.equal(LINES, bindings())
        assert.is_true(office:status().counters["trunk.challenged"] >= LINES)
    end)

    it("show no secret", function()
        local _, text = office:ctl("trunks")
        assert.matches("line1", text)
        assert.is_nil(text:find("secret", 1, true))
        assert.is_nil(office.process:output():find("secret", 1, true))
    end)

    it("follow their operator", function()
        assert.equal(0, (office:ctl("trunks", "disable", "line1")))
        assert.is_truthy(posix.wait_until(function() return bindings() == LINES - 1 end, 60))
        assert.equal(0, (office:ctl("trunks", "enable", "line1")))
        assert.is_truthy(posix.wait_until(function() return all_are "up" and bindings() == LINES end, 60))
    end)

    it("are taken back by a stop", function()
        local code, complaint = office:stop()
        assert.same({ 0, "" }, { code, complaint })
        assert.equal(0, bindings())
        assert.same({ 0, "" }, { provider.engine:stop() })
    end)
end)

-- What a caller at the provider gets for a request to one of its users.
local function ask(phone, host, method, user)
    local status, reason
    local number = 0
    posix.wait_until(function()
        number = number + 1
        assert(phone.send(host, 5060, table.concat({
            ("%s sip:%s@%s SIP/2.0"):format(method, user, host),
            ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%d"):format(phone.host, phone.port, user, number),
            "Max-Forwards: 70", "From: <sip:caller@example.org>;tag=1", ("To: <sip:%s@%s>"):format(user, host),
            ("Call-ID: %s-%s-%d"):format(method, user, number), "CSeq: 1 " .. method,
            ("Contact: <sip:caller@%s:%d>"):format(phone.host, phone.port), "Content-Length: 0", "", "",
        }, "\r\n")))
        return posix.wait_until(function()
            for message in phone.receive do
                local code, phrase = message:match "^SIP/2%.0 ([2-6]%d%d) ([^\r]*)"
                if code and message:find("CSeq: 1 " .. method, 1, true) then
                    status, reason = tonumber(code), phrase
                end
            end
            return status
        end, 1, 0.01)
    end, 60)
    return status, reason
end

describe("trunks at a Kamailio", function()
    local provider, office, phone

    local function trunk(name)
        local _, out = office:ctl("trunks", "--json")
        for _, one in ipairs(json.decode(out) or {}) do
            if one.name == name then return one end
        end
        return {}
    end

    local function await(name, state)
        assert.is_truthy(posix.wait_until(function() return trunk(name).state == state end, 60, 0.1),
            json.encode(trunk(name)))
    end

    -- Its bindings last for seconds: between two of them a busy machine may have none.
    local function await_answer(method, user, expected, phrase)
        local status, reason
        posix.wait_until(function()
            status, reason = ask(phone, provider.host, method, user)
            return status == expected
        end, 60, 0.1)
        assert.same({ expected, phrase or reason }, { status, reason })
    end

    local function registered() return office:status().counters["trunk.registered"] end

    setup(function()
        local at = network.block()
        provider = kamailio.start { host = at(10), password = "geheim", expires_s = 2 }
        phone = assert(posix.udp(at(30), 0))
        local function entry(user, more)
            local all = {
                registrar = "sip:" .. provider.host, user = user, password = "geheim", interface = "public",
            }
            for name, value in pairs(more or {}) do all[name] = value end
            return all
        end
        local route = process.folder() .. "/route.lua"
        local file = assert(io.open(route, "w"))
        file:write "function request_route(req) return req:reply(486, 'Line ' .. req['$rU']) end\n"
        file:close()
        office = lunasip.start {
            public = { ("udp:%s:5060"):format(at(20)) }, private = { ("udp:%s:5070"):format(at(20)) }, route = route,
            blocks = {
                trunk = {
                    retry_base_s = 1, retry_most_s = 600, leave_ms = 60000, line = entry "4930",
                    brief = entry("4931", { expires_s = 60 }), wrong = entry("4932", { password = "falsch" }),
                },
            },
        }
    end)
    teardown(function()
        phone.close()
        provider:kill()
        process.clean()
    end)

    it("come up with digest; 423 raises what is asked for (RFC 3261 s10.2.8)", function()
        await("line", "up")
        await("brief", "up")
        assert.same({ 200, 0 }, { trunk("line").status, trunk("line").failures })
        assert.same({ "3600", "3600" }, { unpack(provider:registers "4930", 1, 2) }) -- the challenge between them
        assert.same({ "60", "120" }, { unpack(provider:registers "4931", 1, 2) })
        await_answer("OPTIONS", "4930", 200)
        await_answer("OPTIONS", "4931", 200)
    end)

    it("with a wrong password say so, and are slow to try again", function()
        await("wrong", "down")
        local wrong = trunk "wrong"
        assert.same({ 401, 1 }, { wrong.status, wrong.failures })
        assert.matches("password", wrong.reason)
        assert.is_true(wrong.next_in_s > 100, wrong.next_in_s) -- 300 to 600 from when it failed
        await_answer("OPTIONS", "4932", 404)
    end)

    it("are refreshed before their time is over", function()
        local before = registered()
        assert.is_truthy(posix.wait_until(function() return registered() >= before + 3 end, 60, 0.1))
        await_answer("OPTIONS", "4930", 200)
        assert.equal("up", trunk("line").state)
        assert.equal(2, #provider:registers "4932") -- the wrong one waits meanwhile
    end)

    it("bring calls here", function()
        await_answer("INVITE", "4930", 486, "Line 4930")
    end)

    it("are down when the registrar is, and up again when it comes back", function()
        provider:kill()
        await("line", "down")
        assert.is_true(trunk("line").failures >= 1)
        provider:up()
        await("line", "up")
        await("brief", "up")
        assert.equal(0, trunk("line").failures)
        await_answer("INVITE", "4931", 486, "Line 4931")
    end)

    it("are taken back by a stop", function()
        local code, complaint = office:stop()
        assert.same({ 0, "" }, { code, complaint })
        for _, user in ipairs { "4930", "4931" } do
            local all = provider:registers(user)
            assert.equal("0", all[#all])
            assert.equal(404, (ask(phone, provider.host, "OPTIONS", user)))
        end
    end)
end)
