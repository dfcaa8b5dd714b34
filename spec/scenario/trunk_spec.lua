-- lunasip registers at another one, which runs scripts/registrar.lua, on real sockets and with digest; a caller at the
-- provider reaches what is behind it; a stop takes the bindings back.
local json = require "dkjson"
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
