local fake = require "spec.lua.fake_core"
local config = require "lunasip.config"

local PATH = "conf/test.lua" -- beside sbc.lua and dispatcher.list; the texts are given, not read

local GOOD = [[
listen { public = { "udp:127.0.0.10:5060" }, private = { "udp:127.0.0.20:5060" } }
route "../scripts/sbc.lua"
]]

describe("a configuration", function()
    it("is a table of plain values", function()
        local result = assert(config.load "conf/sbc.lua")
        assert.same({
            { interface = "private", proto = "udp", host = "127.0.0.20", port = 5060 },
            { interface = "public", proto = "udp", host = "127.0.0.10", port = 5060 },
        }, result.listeners)
        assert.same({
            interfaces = { { name = "private", v4 = "127.0.0.20" }, { name = "public", v4 = "127.0.0.10" } },
            port_least = 30000,
            port_most = 39999,
        }, result.media)
        assert.same({ "conf/dispatcher.list" }, result.dispatcher.files)
        assert.equal(10, result.dispatcher.ping_interval)
        assert.equal("scripts/sbc.lua", result.route)
        assert.equal("run/lunasip.sock", result.control.socket)
        assert.same({}, result.settings)
    end)

    it("takes several addresses, IPv6 and advertised ones", function()
        local result = assert(config.check([[
listen { office = { { "udp:10.0.0.5:5060", advertise = "192.0.2.7:5062" }, "udp:[2001:db8::5]:5060" },
         lan = { "udp:10.1.0.5:5060", advertise = "lan.example.com" } }
media { office = { { "10.0.0.5", advertise = "192.0.2.7" }, "2001:db8::5" } }
route "../scripts/sbc.lua"]], PATH))
        assert.same({
            { interface = "lan", proto = "udp", host = "10.1.0.5", port = 5060, advertise_host = "lan.example.com",
                advertise_port = 5060 },
            { interface = "office", proto = "udp", host = "10.0.0.5", port = 5060, advertise_host = "192.0.2.7",
                advertise_port = 5062 },
            { interface = "office", proto = "udp", host = "2001:db8::5", port = 5060 },
        }, result.listeners)
        assert.same({ { name = "office", v4 = "10.0.0.5", v4_advertise = "192.0.2.7", v6 = "2001:db8::5" } },
            result.media.interfaces)
    end)

    it("takes numbers by block, dictionaries, networks, sets, threads and accounts", function()
        local result = assert(config.check(GOOD .. [[
timers { t1_ms = 100 } limits { headers = 64 }
shared { "calls", "blocked", bytes = 65536 }
address { trunks = { "192.0.2.0/24", "2001:db8::1" }, one = "10.0.0.1" }
dispatcher { sets = { [3] = { "sip:192.0.2.1", { uri = "sip:192.0.2.2", priority = 5, attrs = "weight=50" } } },
    ping_reply_codes = { 403 } }
log { level = "debug" }
workers = 2 media_threads = 1 user = "lunasip"
]], PATH))
        assert.same({ ["timers.t1_ms"] = 100, ["limits.headers"] = 64, ["shared.bytes"] = 65536 }, result.settings)
        assert.same({ "calls", "blocked" }, result.shared)
        assert.same({ trunks = { "192.0.2.0/24", "2001:db8::1" }, one = { "10.0.0.1" } }, result.addresses)
        assert.same({
            { set = 3, uri = "sip:192.0.2.1", flags = 0, priority = 0, attrs = "" },
            { set = 3, uri = "sip:192.0.2.2", flags = 0, priority = 5, attrs = "weight=50" },
        }, result.dispatcher.sets)
        assert.equal("class=2;code=403", result.dispatcher.ping_reply_codes)
        assert.same({ level = "debug", to = "stderr" }, result.log)
        assert.same({ 2, 1, "lunasip" }, { result.workers, result.media_threads, result.user })
    end)

    it("reads Kamailio's address shape", function()
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write "# group address mask port tag\n1 10.0.0.0 8 0 office\n2 192.0.2.1/32\n1 2001:db8:: 32\n"
        file:close()
        local result = assert(config.check(GOOD .. ("address { file = %q }"):format(name), PATH))
        assert.same({ ["1"] = { "10.0.0.0/8", "2001:db8::/32" }, ["2"] = { "192.0.2.1/32" } }, result.addresses)
        file = assert(io.open(name, "w"))
        file:write "1 10.0.0.0 8 5060\n"
        file:close()
        local _, err = config.check(GOOD .. ("address { file = %q }"):format(name), PATH)
        assert.matches("line 1: port 5060 would not be looked at", err)
        os.remove(name)
    end)

    it("reads the database that is meant where none is named, and whose users these are", function()
        local result = assert(config.check(GOOD .. [[
            database { url = "sqlite:sip.db", timeout_ms = 500 } auth { domain = "example.com", nonce_s = 60 }]], PATH))
        assert.equal("sqlite:" .. PATH:match "^(.*/)" .. "sip.db", result.database_url)
        assert.equal("example.com", result.auth_domain)
        assert.same({ 500, 60 }, { result.settings["database.timeout_ms"], result.settings["auth.nonce_s"] })
    end)

    it("reads the environment", function()
        local result = assert(config.check(GOOD .. [[control { socket = env "NO_SUCH_NAME_HERE" or "/tmp/s" }]], PATH))
        assert.equal("/tmp/s", result.control.socket)
    end)

    it("fills in of a trunk what is not said", function()
        local result = assert(config.check(GOOD .. [[trunk { retry_base_s = 5, b = {
            registrar = "sip:edge.example:5070", user = "4930", auth_user = "office", realm = "example",
            proxy = "sip:10.0.0.1", interface = "public", expires_s = 60, contact_user = "x", domain = "example.com",
            password = "secret" }, a = { registrar = "sip:edge.example:5070", user = "4930" } }]], PATH))
        local a, b = result.trunks[1], result.trunks[2]
        assert.same({ "a", "edge.example", "4930", "4930", 3600 },
            { a.name, a.domain, a.auth_user, a.contact_user, a.expires_s })
        assert.same({ "b", "example.com", "office", "x", 60 },
            { b.name, b.domain, b.auth_user, b.contact_user, b.expires_s })
        assert.equal(5, result.settings["trunk.retry_base_s"])
    end)
end)

describe("a faulty configuration", function()
    -- text (after GOOD unless alone), line, pattern of the message
    local faults = {
        { "workers = 'two'", 3, "workers must be a whole number, not 'two'; write" },
        { "workers = 0", 3, "workers is 0; it must be from 1 to 256" },
        { "workres = 2", 3, "there is no setting 'workres'; did you mean 'workers'" },
        { "timer { t1_ms = 5 }", 3, "there is no block 'timer'; did you mean 'timers'" },
        { "timers = { t1_ms = 500 }", 3, "'timers' is a block, not a value" },
        { "timers {\n  t2_ms = 4000,\n  t1 = 5,\n}", 5, "timers has no setting 't1'; did you mean 't1_ms'" },
        { "timers {\n  t1_ms = 'fast',\n}", 4, "t1_ms must be a whole number, not 'fast'; write a number from 10" },
        { "timers {\n  t1_ms = 1,\n}", 4, "timers t1_ms is 1; it must be from 10 to 10000" },
        { "timers { 5 }", 3, "takes no bare values" },
        { "timers { t1_ms = 500 }\ntimers { t2_ms = 500 }", 4, "timers is there already, in line 3; keep one" },
        { "database {\n  url = 'db.example',\n}", 4, "url: a URL begins with sqlite:, .*write url = " },
        { "database { url = 5 }", 3, "url must be a text" },
        { "database { ulr = 'sqlite:sip.db' }", 3, "no setting 'ulr'" },
        { "auth { domain = 'alice@example.com' }", 3, "auth domain must be the name that stands behind the @" },
        { "trunk { a = { user = '1' } }", 3, "trunk registrar must be a text .*; write registrar = " },
        { "trunk {\n  a = {\n registrar = 'tel:+49', user = '1' } }", 5, "'tel:%+49' is not a sip URI" },
        { "trunk { a = { registrar = 'sip:x@y.example', user = '1' } }", 3, "has a user; write it as user = \"x\"" },
        { "trunk { a = { registrar = 'sip:y.example;transport=tcp', user = '1' } }", 3, "other than UDP" },
        { "trunk { a = { registrar = 'sip:y.example' } }", 3, "trunk user must be a text" },
        { "trunk { a = { registrar = 'sip:y.example', user = '1 2' } }", 3, "trunk user '1 2' cannot stand in a URI" },
        { "trunk { a = { registrar = 'sip:y.example', user = '1', passwd = 'x' } }", 3, "did you mean 'password'" },
        { "trunk { a = { registrar = 'sip:y', user = '1',\n  password = 5 } }", 4, "trunk password must be a text" },
        { "trunk { a = { registrar = 'sip:y', user = '1', expires_s = 5 } }", 3, "trunk expires_s is 5; it must" },
        { "trunk { a = { registrar = 'sip:y', user = '1', interface = 'publik' } }", 3, "did you mean 'public'" },
        { "trunk { ['a b'] = { registrar = 'sip:y.example', user = '1' } }", 3, "'a b' is not a name" },
        { "trunk { retry_base = 5 }", 3, "no setting 'retry_base'; did you mean 'retry_base_s'" },
        { "trunk { a = 5 }", 3, "trunk has no setting 'a'" },
        { "trunk { a = { 'sip:y.example', user = '1' } }", 3, "takes no bare values" },
        { "trunk(5)", 3, "trunk must be a table, not 5" },
        { "timers(5)", 3, "timers must be a table, not 5" },
        { "limits { headers = 20.5 }", 3, "headers must be a whole number" },
        { "media { public = 'localhost' }", 3, "'localhost' is not an IP address" },
        { "media { public = '0.0.0.0' }", 3, "means every address" },
        { "media { publik = '127.0.0.1' }", 3, "that listen does not; did you mean 'public'" },
        { "media { }", 3, "media names no interface" },
        { "media { public = { '127.0.0.1', '127.0.0.2' } }", 3, "two IPv4 addresses" },
        { "media { public = { '127.0.0.1', advertise = '::1' } }", 3, "not an IPv4 address" },
        { "media { public = '127.0.0.1',\n  ports = { 30000, 30002 } }", 4, "too few" },
        { "media { public = '127.0.0.1', ports = { 39999, 30000 } }", 3, "too few" },
        { "media { public = '127.0.0.1', ports = 30000 }", 3, "ports must be two numbers" },
        { "media { public = '127.0.0.1', ports = { 80, 90 } }", 3, "from 1024 to 65535" },
        { "dispatcher { file = 'nowhere.list' }", 3, "dispatcher file 'nowhere.list' cannot be read" },
        { "dispatcher { file = '.' }", 3, "it is not a file" },
        { "dispatcher { files = 'dispatcher.list' }", 3, "no setting 'files'; did you mean 'file'" },
        { "dispatcher { ping_interval = -1 }", 3, "ping_interval is %-1; it must be from 0" },
        { "dispatcher { ping_method = 'options' }", 3, "capitals" },
        { "dispatcher { ping_from = 'me' }", 3, "'me' is not a SIP URI" },
        { "dispatcher { ping_reply_codes = 'all' }", 3, "'all' is not understood" },
        { "dispatcher { sets = { [1] = { '192.0.2.1' } } }", 3, "'192.0.2.1' is not a SIP URI" },
        { "dispatcher { sets = { one = {} } }", 3, "is no number" },
        { "control { sock = 'x' }", 3, "no setting 'sock'; did you mean 'socket'" },
        { "control { socket = '" .. ("x"):rep(120) .. "' }", 3, "longer than 107 bytes" },
        { "log { level = 'loud' }", 3, "log level must be one of debug, error, info, warning" },
        { "address { a = { '10.0.0.0/33' } }", 3, "longer than 32 bits" },
        { "address { a = { 'nowhere' } }", 3, "is not an address or network" },
        { "shared { 'no good' }", 3, "is no name" },
        { "shared { 'a', 'a' }", 3, "there already" },
        { "user = 5", 3, "name of an account" },
        { "group = 'lunasip'", 3, "there is a group but no user; write user = \"lunasip\"" },
        { "drain {\n  rule = 'hope' }", 4, "drain rule must be bye or leave; write rule = \"leave\"" },
        { "drain { deadline = 5 }", 3, "no setting 'deadline'; did you mean 'deadline_s'" },
        { "drain(5)", 3, "drain must be a table, not 5" },
        { "print 'x'", 3, "there is no block 'print'" },
        { "while true do end", 1, "does not end" },
        { "local x = nil + 1", 3, "attempt to perform arithmetic" },
        { "error 'mine'", 3, "mine" },
        { "error({})", 1, "an error was raised that is not a text" },
        { "timers {", 3, "unexpected symbol near '<eof>'" },
    }
    local alone = {
        { "", 1, "there is no listen; write" },
        { "listen { a = { 'udp:127.0.0.1:5060' } }", 1, "there is no route; write" },
        { "route 'nowhere.lua'", 1, "route 'nowhere.lua' cannot be read %(No such file or directory%)" },
        { "route { 'sbc.lua' }", 1, "route must be a text, not a table" },
        { "listen { a = { 'udp:0.0.0.0:5060' } }", 1, "'0.0.0.0' means every address" },
        { "listen { a = { 'udp:[::]:5060' } }", 1, "'::' means every address" },
        { "listen { a = { 'udp:[0:0::0]:5060' } }", 1, "means every address" },
        { "listen { a = { 'udp:localhost:5060' } }", 1, "'localhost' is not an IP address" },
        { "listen { a = { 'udp:127.0.0.256:5060' } }", 1, "is not an IP address" },
        { "listen { a = { 'udp:[1::2::3]:5060' } }", 1, "is not an IP address" },
        { "listen { a = { 'udp:127.0.0.1' } }", 1, "has no port" },
        { "listen { a = { 'udp:127.0.0.1:70000' } }", 1, "ports go from 1 to 65535" },
        { "listen { a = { 'tcp:127.0.0.1:5060' } }", 1, "transport 'tcp' is not available yet" },
        { "listen { a = { 'upd:127.0.0.1:5060' } }", 1, "no transport 'upd'" },
        { "listen { a = { '127.0.0.1:5060' } }", 1, "is not a listen address" },
        { "listen {\n  a = { 'udp:127.0.0.1:5060' },\n  b = { 'udp:127.0.0.1:5060' } }", 2, "listed twice" },
        { "listen { a = {} }", 1, "listen a has no address" },
        { "listen { a = 5 }", 1, "listen a must be a table, not 5" },
        { "listen { a = { 'udp:127.0.0.1:5060', advertise = 5 } }", 1, "advertise must be a text" },
        { "listen { a = { 'udp:127.0.0.1:5060', advertized = 'x' } }", 1, "did you mean 'advertise'" },
        { "listen { ['a b'] = { 'udp:127.0.0.1:5060' } }", 1, "'a b' is not a name" },
        { "listen { }", 1, "listen names no interface" },
    }

    -- The fault is one line; whether listen and route are there is said beside it.
    local function check(source, line, pattern)
        local result, err = config.check(source, PATH)
        assert.is_nil(result)
        local found = {}
        for fault in (err .. "\n"):gmatch "(.-)\n" do
            assert.matches("^conf/test%.lua:%d+: ", fault)
            if fault:find("^conf/test%.lua:" .. line .. ": ") and fault:find(pattern) then
                found[#found + 1] = fault
            else
                assert.matches("^conf/test%.lua:1: there is no [lr]%a+; write ", fault)
            end
        end
        assert.equal(1, #found, err)
    end

    it("is told with all its other faults, in the order of their lines", function()
        local result, err, partial = config.check([[
listen { public = { "udp:nowhere:5060", "tcp:127.0.0.1:5060" }, private = { "udp:127.0.0.20:5060" }, ["a b"] = 5 }
route "../scripts/sbc.lua"
media { publik = "127.0.0.1", private = { "127.0.0.20", advertise = "::1" }, ports = 5 }
timers { t1_ms = 1, t2_ms = "slow", t9 = 5, 7 }
dispatcher { sets = { [1] = { "192.0.2.1", "sip:192.0.2.2" }, two = {} }, ping_interval = -1, ping_method = "ping" }
address { trusted = { "10.0.0.0/33", "nowhere", "10.0.0.0/8" } }
log { level = "loud", to = "paper" }
lisen { public = 5 }
workers = many + 1
]], PATH)
        assert.is_nil(result)
        local told = {}
        for line, text in (err .. "\n"):gmatch "conf/test%.lua:(%d+): (.-)\n" do
            told[#told + 1] = line .. " " .. text:match "^[^;]*"
        end
        assert.same({
            "1 'a b' is not a name",
            "1 'nowhere' is not an IP address",
            "1 transport 'tcp' is not available yet",
            "3 '::1' is not an IPv4 address",
            "3 media ports must be two numbers",
            "4 timers has no setting 't9'",
            "4 timers takes no bare values",
            "4 timers t1_ms is 1",
            "4 timers t2_ms must be a whole number, not 'slow'",
            "5 dispatcher set 1: '192.0.2.1' is not a SIP URI",
            "5 dispatcher set 'two' is no number",
            "5 dispatcher ping_interval is -1",
            "5 ping_method must be a method in capitals",
            "6 '10.0.0.0/33' has a prefix longer than 32 bits",
            "6 'nowhere' is not an address or network",
            "7 log level must be one of debug, error, info, warning",
            "7 log to must be one of stderr, syslog",
            "8 there is no block 'lisen'",
            "9 there is no block 'many'",
        }, told)
        assert.equal("scripts/sbc.lua", partial.route)
        assert.same({ "address", "dispatcher", "listen", "media", "trunk" }, partial.unknown)
    end)

    for _, fault in ipairs(faults) do
        it("is told in one line: " .. fault[1]:gsub("%s+", " "):sub(1, 60), function()
            check(GOOD .. fault[1], fault[2], fault[3])
        end)
    end
    for _, fault in ipairs(alone) do
        it("is told in one line: " .. fault[1]:gsub("%s+", " "):sub(1, 60), function()
            check(fault[1], fault[2], fault[3])
        end)
    end

    it("is told when it does not exist", function()
        local result, err = config.load "conf/nowhere.lua"
        assert.is_nil(result)
        assert.matches("^conf/nowhere%.lua:1: cannot be read %(No such file or directory%); ", err)
        assert.matches("cannot be read", (select(2, config.load "conf")))
    end)

    it("reaches nothing outside the sandbox", function()
        for _, name in ipairs { "io", "os", "require", "load", "loadstring", "dofile", "debug", "getfenv" } do
            local _, err = config.check("return " .. name, PATH)
            assert.matches("there is no block '" .. name .. "'", err)
        end
    end)
end)

describe("conf/lunasip.lua", function()
    local file = assert(io.open "conf/lunasip.lua")
    local text = file:read "*a"
    file:close()

    it("is a configuration", function()
        local result, err = config.load "conf/lunasip.lua"
        assert.is_nil(err)
        assert.equal(2, #result.listeners)
    end)

    local function line_of(setting)
        return ("-- %s = %.0f, -- %s; %.0f to %.0f"):format(setting.name, setting.value, setting.help, setting.least,
            setting.most)
    end

    -- A new line of engine/base/settings.h belongs into conf/lunasip.lua too: the message says how.
    for _, setting in ipairs(fake.core.settings()) do
        it("documents " .. setting.block .. "." .. setting.name, function()
            local block = text:match("\n" .. setting.block .. " (%b{})")
            assert.is_truthy(block, "there is no block " .. setting.block)
            assert.is_truthy(block:find(line_of(setting), 1, true), "write: " .. line_of(setting))
        end)
    end

    it("has no number that does not exist", function()
        local known = {}
        for _, setting in ipairs(fake.core.settings()) do
            known[line_of(setting)] = true
        end
        for line in text:gmatch "(%-%- [%w_]+ = %d+, %-%- [^\n]*; %d+ to %d+)" do
            assert.is_truthy(known[line], line)
        end
    end)

    it("takes every default it shows", function()
        local source = text:gsub("%-%- ([%w_]+ = %d+, %-%- [^\n]*; %d+ to %d+)", "%1")
        local result, err = config.check(source, "conf/lunasip.lua")
        assert.is_nil(err)
        for _, setting in ipairs(fake.core.settings()) do
            assert.equal(setting.value, result.settings[setting.block .. "." .. setting.name])
        end
    end)
end)
