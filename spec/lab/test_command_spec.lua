-- `lunasip test` as a user meets it: what its own options print and write, and how it ends.
local lunasip = require "support.lunasip"
local process = require "support.process"

local ROUTE = [[
function request_route(req)
    if req["$rU"] == "nobody" then
        return req:reply(404, "Not Found")
    end
    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
end

function failure_route.never(req)
    req:reply(500)
end
]]

local SPEC = [[
local lab = require "lunasip.lab"
describe("a route", function()
    local net, alice
    before_each(function()
        net = lab.new { route = "ROUTE", workers = 2 }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
    end)
    after_each(function() net:close() end)
    it("knows nobody", function()
        alice:invite "sip:nobody@example.net"
        alice:receive(404)
    end)
    it("relays", function()
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", BOB)
        local refusal = alice:receive(function(msg) return msg.status and msg.status >= 200 end)
        assert.equal(486, refusal.status)
    end)
end)
]]

describe("lunasip test", function()
    local folder

    before_each(function()
        folder = process.folder()
    end)
    after_each(process.clean)

    local function write(name, text)
        local path = folder .. "/" .. name
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
        return path
    end

    local function read(path)
        local file = assert(io.open(path))
        local text = file:read "*a"
        file:close()
        return text
    end

    -- The spec with what bob answers, which is to be 486. @return exit code, output
    local function run(answer, ...)
        local route = write("route.lua", ROUTE)
        local spec = write("my_spec.lua", (SPEC:gsub("ROUTE", route):gsub("BOB", answer)))
        local words = { lunasip.build .. "/lunasip", "test", ... }
        words[#words + 1] = spec
        return process.run(words, 60, { directory = folder, env = { ASAN_OPTIONS = "detect_leaks=0" } })
    end

    it("ends with 0 when all is well, and prints no ladder", function()
        local code, output = run "486"
        assert.equal(0, code, output)
        assert.matches("2 successes / 0 failures / 0 errors", output)
        assert.not_matches("alice", output)
    end)

    it("prints the ladder with lines of the script when an assertion of the test fails, and ends with 1", function()
        local code, output = run "603"
        assert.equal(1, code, output)
        assert.matches("1 success / 1 failure / 0 errors", output)
        assert.matches("Expected:\n%(number%) 486\n\n +0%.000  alice +%-> public +INVITE", output)
        assert.matches("private +%-> bob +INVITE[^\n]+route%.lua:5\n +%+ Via: SIP/2%.0/UDP 10%.0%.0%.1", output)
        assert.not_matches("nobody@", output) -- that is another test's
        assert.not_matches("\27", output) -- no colour but on a terminal
    end)

    it("tells a ladder in plain busted, too", function()
        write("route.lua", ROUTE)
        local spec = write("my_spec.lua", (SPEC:gsub("ROUTE", folder .. "/route.lua"):gsub("BOB", "603")))
        local _, output = process.run({ "busted", "-o", "plainTerminal", spec }, 60,
            { env = { LD_PRELOAD = os.getenv "LD_PRELOAD" } }) -- the sanitizer of the library that it loads
        assert.matches("Expected:\n%(number%) 486\n\n +0%.000  alice +%-> public +INVITE", output)
    end)

    it("tells of a message that was waited for in vain as a failure, its ladder once", function()
        local spec = write("vain_spec.lua", [[
local lab = require "lunasip.lab"
it("waits", function()
    local net = lab.new { route = "function request_route(req) req:reply(404) end" }
    local alice = net:agent { name = "alice", address = "192.0.2.10" }
    alice:invite "sip:bob@example.net"
    alice:receive(200, 1)
end)
it("is surprised", function()
    local net = lab.new { route = "function request_route(req) req:reply(404) end" }
    local alice = net:agent { name = "alice", address = "192.0.2.10" }
    alice:invite "sip:bob@example.net"
    alice:receive_nothing(404)
end)
]])
        local words, env = { lunasip.build .. "/lunasip", "test" }, { ASAN_OPTIONS = "detect_leaks=0" }
        local function told(...)
            local command = { words[1], words[2], ... }
            command[#command + 1] = spec
            local code, output = process.run(command, 60, { directory = folder, env = env })
            assert.equal(1, code, output)
            return output
        end
        local output = told()
        assert.matches("0 successes / 2 failures / 0 errors", output)
        assert.matches("vain_spec%.lua:6: alice waited for 200 in vain; queued: 404", output)
        assert.matches("vain_spec%.lua:12: alice got an unexpected 404", output)
        assert.equal(2, select(2, output:gsub("alice +%-> public +INVITE", "")))
        output = told "--tap"
        assert.matches("not ok 1 %- waits\n.*alice waited for 200 in vain", output)
        assert.equal(2, select(2, output:gsub("alice +%-> public +INVITE", "")))
        told("--junit", folder .. "/vain.xml")
        local xml = read(folder .. "/vain.xml")
        assert.matches("<testsuites[^>]+errors='0'", xml)
        assert.matches("<testsuites[^>]+failures='2'", xml)
        assert.equal(2, select(2, xml:gsub("alice +%-&gt; public +INVITE", "")))
    end)

    it("writes a capture for each network", function()
        local code, output = run("603", "--pcap", folder .. "/captures/deep")
        assert.equal(1, code, output)
        for _, name in ipairs { "my-a-route-knows-nobody", "my-a-route-relays" } do
            local path = folder .. "/captures/deep/" .. name .. ".pcap"
            local ended, lines = process.run({ "tshark", "-n", "-r", path }, 60)
            assert.equal(0, ended)
            assert.matches("Request: INVITE sip:", lines)
        end
    end)

    it("writes JUnit XML beside what is printed", function()
        local code, output = run("603", "--junit", folder .. "/junit.xml")
        assert.equal(1, code, output)
        assert.matches("1 success / 1 failure / 0 errors", output)
        local xml = read(folder .. "/junit.xml")
        assert.matches("<testsuites[^>]+tests='2'", xml)
        assert.matches("<testsuites[^>]+failures='1'", xml)
        assert.matches("route%.lua:5", xml)
    end)

    it("writes what after_each and before_each find as failures of tests", function()
        local spec = write("leak_spec.lua", [[
local lab = require "lunasip.lab"
describe("a border", function()
    local net
    before_each(function() net = lab.new { route = "function request_route(req) sip_relay(req) end" } end)
    it("is never there", function() end)
end)
describe("a phone", function()
    local net
    before_each(function()
        net = lab.new {
            route = "function request_route(req) req:record_route() req:relay { to = 'sip:10.0.0.20' } end",
        }
    end)
    after_each(function() net:close() end)
    it("does not hang up", function()
        local alice = net:agent { name = "alice", address = "192.0.2.10" }
        local bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 200)
        alice:receive(200)
    end)
end)
]])
        local junit = folder .. "/junit.xml"
        local code, output = process.run({ lunasip.build .. "/lunasip", "test", "--junit", junit, spec }, 60,
            { directory = folder, env = { ASAN_OPTIONS = "detect_leaks=0" } })
        assert.equal(1, code, output)
        local xml = read(junit)
        assert.matches("<testsuites[^>]+errors='0'", xml)
        assert.matches("<testsuites[^>]+failures='2'", xml)
        assert.matches("<testcase[^>]+name='a border before_each'[^>]*>%s*<failure>[^<]*leak_spec%.lua:4: route:1: "
            .. "there is no global &apos;sip_relay&apos;", xml)
        assert.matches("<testcase[^>]+name='a phone does not hang up'[^>]*>%s*<failure>[^<]*left at the end: 1 dialog "
            .. "%(test: leak a phone does not hang up%)%s+0%.000  alice +%-&gt; public +INVITE", xml)
    end)

    it("prints TAP", function()
        local code, output = run("603", "--tap")
        assert.equal(1, code, output)
        assert.matches("ok 1 %- a route knows nobody\nnot ok 2 %- a route relays\n", output)
        assert.matches("1%.%.2\n", output)
    end)

    it("prints coverage behind TAP as comments", function()
        local code, output = run("486", "--tap", "--coverage")
        assert.equal(0, code, output)
        assert.matches("\n1%.%.2\n# \n# coverage of route scripts\n# +83%.3 %%  [^\n]+\n# +not run [^\n]+\n$", output)
    end)

    it("prints which lines of a script ran, over workers and tests, and writes them for lcov", function()
        local code, output = run("486", "--coverage", "--lcov", folder .. "/lcov.info")
        assert.equal(0, code, output)
        assert.matches("83%.3 %%  %S+/route%.lua %(5 of 6 lines%)\n  not run     9:     req:reply%(500%)\n$", output)
        local lcov = read(folder .. "/lcov.info")
        assert.matches("SF:%S+/route%.lua\n", lcov)
        assert.matches("DA:2,2\nDA:3,1\nDA:5,1\n", lcov)
        assert.matches("DA:9,0\nLF:6\nLH:5\nend_of_record\n", lcov)
    end)

    it("prints its own options and where the others are", function()
        local code, output = run("486", "--help")
        assert.equal(0, code)
        for _, word in ipairs { "--pcap DIR", "--coverage", "--lcov FILE", "--junit FILE", "--tap", "Exit code" } do
            assert.is_truthy(output:find(word, 1, true))
        end
    end)

    for _, words in ipairs {
        { "--bogus" }, { "--repeat=many" }, { "--pcap", "--coverage" }, { "--junit", "/nonexistent/junit.xml" },
        { "--lcov", "/nonexistent/lcov" },
    } do
        it("answers bad usage with 2: " .. table.concat(words, " "), function()
            local code, output = run("486", unpack(words))
            assert.equal(2, code)
            assert.matches("usage: lunasip test", output)
        end)
    end
end)
