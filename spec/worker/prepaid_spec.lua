-- scripts/b2bua.lua for real: passwords and seconds in SQLite, two trunks with room for one call each, calls that the
-- engine ends when the seconds are spent.
local json = require "dkjson"

local agent = require "lunasip.lab.agent"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local stage = require "lunasip.stage"

local SECONDS = 3
local PATIENCE_S = 60 -- a busy machine is late, the call is not

-- The sample with the test's trunks and limits.
local function script(changes)
    local file = assert(io.open "scripts/b2bua.lua")
    local text = file:read "*a"
    file:close()
    for from, to in pairs(changes) do
        local at, last = text:find(from, 1, true)
        assert(at, "scripts/b2bua.lua has no " .. from)
        text = text:sub(1, at - 1) .. to .. text:sub(last + 1)
    end
    local path = process.folder() .. "/b2bua.lua"
    file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

describe("prepaid calls", function()
    local at, folder, world, engine, trunk_a, trunk_b
    local agents = {}

    local function add(options)
        local one = agent.new(world, options)
        agents[#agents + 1] = one
        return one
    end

    local function sql(statement)
        local code, output = process.run({ "sqlite3", "-cmd", ".timeout 20000", folder .. "/sip.db", statement }, 60)
        assert(code == 0, output)
        return output
    end

    local function account(number, seconds)
        local code, output = process.run({
            lunasip.build .. "/lunasip", "user", "--database", "sqlite:" .. folder .. "/sip.db",
            "add", number .. "@example.net", "secret",
        }, 60)
        assert(code == 0, output)
        sql(("INSERT INTO accounts VALUES ('%s', %d)"):format(number, seconds))
    end

    local function phone(number, host)
        account(number, SECONDS)
        return add {
            name = number, address = at(host), proxy = at(20) .. ":5060",
            credentials = { username = number, password = "secret" },
        }
    end

    setup(function()
        at, folder, world = network.block(), process.folder(), stage.open { real = true }
        trunk_a = add { name = "trunk-a", address = at(11), proxy = at(10) .. ":5060" }
        trunk_b = add { name = "trunk-b", address = at(12), proxy = at(10) .. ":5060" }
        engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, private = { "udp:" .. at(20) .. ":5060" },
            media = { public = at(10), private = at(20), ports = { 30000, 39999 } }, timers = { t1_ms = 2000 },
            route = script {
                ['host = "192.0.2.21", limit = 30'] = ('host = "%s", limit = 1'):format(at(11)),
                ['host = "192.0.2.22", limit = 10'] = ('host = "%s", limit = 1'):format(at(12)),
                ["WARNING_S, LONGEST_S = 30,"] = "WARNING_S, LONGEST_S = 1,",
            },
            blocks = {
                database = { url = "sqlite:" .. folder .. "/sip.db" }, records = { file = folder .. "/calls.jsonl" },
                trunk = {
                    trunk_a = {
                        registrar = "sip:" .. at(11), user = "office", password = "geheim", interface = "public",
                    },
                },
            },
        }
        trunk_a:reply(trunk_a:receive("REGISTER", PATIENCE_S), 200)
        assert.is_truthy(posix.wait_until(function() -- the script makes the table
            return sql "SELECT name FROM sqlite_master WHERE name = 'accounts'" ~= ""
        end, PATIENCE_S, 0.1))
    end)
    teardown(function()
        for _, one in ipairs(agents) do one:close() end
        world:close()
        process.clean()
    end)

    local function counts()
        local _, output = engine:ctl("profiles", "--json")
        local found = {}
        for _, one in ipairs(json.decode(output:match "[%[{].*[%]}]") or {}) do
            if one.profile == "trunk" and one.value then found[one.value] = one.calls end
        end
        return found
    end

    local function answer(trunk, invite, caller)
        trunk:reply(invite, 200, { sdp = true })
        caller:receive(200, PATIENCE_S)
        trunk:receive("ACK", PATIENCE_S)
    end

    local function record_of(number)
        local found
        posix.wait_until(function()
            for line in io.lines(folder .. "/calls.jsonl") do
                local record = assert(json.decode(line), line)
                if record.fields.account == number then found = record end
            end
            return found
        end, PATIENCE_S, 0.1)
        return found
    end

    it("go to the trunk that has room, and end with the account's seconds", function()
        local first, second, third = phone("2001", 21), phone("2002", 22), phone("2003", 23)
        first:invite("sip:4930123@" .. at(20), { sdp = true })
        trunk_a:reply(trunk_a:receive("INVITE", PATIENCE_S), 407, {
            headers = { ["Proxy-Authenticate"] = 'Digest realm="trunk", nonce="abc"' },
        })
        local invite = trunk_a:receive(function(msg) return msg:header "Proxy-Authorization" ~= nil end, PATIENCE_S)
        second:invite("sip:4930123@" .. at(20), { sdp = true })
        local overflow = trunk_b:receive("INVITE", PATIENCE_S) -- trunk-a has its one call
        third:invite("sip:4930123@" .. at(20), { sdp = true })
        assert.equal("30", third:receive(503, PATIENCE_S):header "Retry-After")
        assert.same({ ["trunk-a"] = 1, ["trunk-b"] = 1 }, counts())
        answer(trunk_a, invite, first)
        answer(trunk_b, overflow, second)
        for _, one in ipairs { first, trunk_a, second, trunk_b } do
            local bye = one:receive("BYE", PATIENCE_S)
            assert.equal('SIP;cause=200;text="Maximum duration reached"', bye:header "Reason")
            one:reply(bye, 200)
        end
        engine.process:wait_for_output("2001 pays %d s to", PATIENCE_S)
        engine.process:wait_for_output("2002 pays %d s to", PATIENCE_S)
        assert.matches("has 1 s left", engine.process:output())
        assert.equal("2001|0\n2002|0\n2003|3\n", sql "SELECT number, seconds FROM accounts ORDER BY number")
        for number, trunk in pairs { ["2001"] = "trunk-a", ["2002"] = "trunk-b" } do
            local record = record_of(number)
            assert.same({ "answered", "duration", "engine", trunk },
                { record.outcome, record["end"], record.ended_by, record.fields.trunk })
            assert.is_true(record.duration_ms >= SECONDS * 1000 - 10, record.duration_ms)
        end
        assert.equal("trunk_a", record_of "2001".trunk) -- of the configuration, whose password it used
        local _, story = engine:ctl("calls", "show", first.call.id)
        for _, line in ipairs { "INVITE sip:4930123@", "bridge to sip:4930123@", "BYE sip:" } do
            assert.is_truthy(story:find(line, 1, true), line .. "\n" .. story)
        end
        assert.same({}, counts())
        first:invite("sip:4930123@" .. at(20), { sdp = true })
        first:receive(402, PATIENCE_S)
    end)

    it("leave nothing", function()
        local status = engine:status()
        assert.same({ 0, 0, 0 }, { status.dialogs, status.media.calls, status.media.ports })
        trunk_a.queue = {}
        engine.process:signal(15)
        trunk_a:reply(trunk_a:receive("REGISTER", PATIENCE_S), 200) -- taken back
        local code, complaint = engine:stop()
        assert.same({ 0, "" }, { code, complaint })
    end)
end)
