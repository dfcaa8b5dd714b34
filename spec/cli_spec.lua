-- The command as a user meets it: what each verb prints, where, and how it ends.
-- 0 fine, 1 refused by the running engine, 2 bad usage, 3 configuration or script error.
local json = require "dkjson"
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local text_file = require "support.text_file"

local binary = lunasip.build .. "/lunasip"

local read, write = text_file.read, text_file.write

-- Run the command in a folder. @return exit code, standard output, standard error
local function run_in(folder, ...)
    local errors = os.tmpname()
    local code, output = process.run({ "sh", "-c", 'exec "$0" "$@" 2>"$ERRORS"', binary, ... }, 60, {
        directory = folder,
        env = { ERRORS = errors, ASAN_OPTIONS = "exitcode=99:detect_leaks=1", LUNASIP_SOCKET = folder .. "/none" },
    })
    local said = read(errors)
    os.remove(errors)
    return code, output, said
end

local function lines_of(text)
    return select(2, text:gsub("\n", ""))
end

describe("lunasip on the command line", function()
    local folder

    before_each(function()
        folder = process.folder()
    end)
    after_each(process.clean)

    local function run(...)
        return run_in(folder, ...)
    end

    for _, words in ipairs {
        {}, { "dance" }, { "run" }, { "run", "a", "b" }, { "check" }, { "check", "a", "b" },
        { "check", "--strict" }, { "check", "--jsn", "a" }, { "ctl" },
        { "ctl", "--json" }, { "ctl", "--socket" }, { "ctl", "status", "--jsn" },
        { "demo", "--twice" }, { "demo", "--once", "more" },
    } do
        it("answers bad usage with the usage and 2: " .. table.concat(words, " "), function()
            local code, output, said = run(unpack(words))
            assert.equal(2, code, said)
            assert.equal("", output)
            assert.matches("^usage: lunasip run CONF", said)
        end)
    end

    it("helps who asks", function()
        for _, word in ipairs { "help", "--help", "-h" } do
            local code, output, said = run(word)
            assert.equal(0, code)
            assert.equal("", said)
            for _, verb in ipairs { "run", "check", "test", "demo", "ctl", "user", "version" } do
                assert.matches("lunasip " .. verb, output)
            end
        end
    end)

    it("tells its version", function()
        local code, output, said = run "version"
        assert.equal("0 lunasip ", code .. " " .. output:match "^lunasip ")
        assert.matches("^lunasip %d+%.%d+%.%d+\n$", output)
        assert.equal("", said)
    end)

    it("finds the samples fine", function()
        for path in io.popen("ls conf/*.lua"):lines() do
            local code, output, said = run_in(".", "check", "--strict", path)
            assert.equal(0, code, said)
            assert.matches("is fine\n$", output)
        end
    end)

    describe("check", function()
        local LISTEN = 'listen { public = { "udp:127.0.0.1:5060" } }\nroute "route.lua"\n'
        local HERE = 'route "route.lua"; '
        local ROUTE = "function request_route(req)\n  req:reply(404)\nend\n"

        it("says that a configuration is fine, and starts nothing", function()
            write(folder .. "/route.lua", ROUTE)
            write(folder .. "/c.lua", LISTEN .. 'control { socket = "s.sock" }\n')
            local code, output, said = run("check", "c.lua")
            assert.equal(0, code, said)
            assert.equal("c.lua is fine\n", output)
            assert.equal("", said)
            assert.is_nil(io.open(folder .. "/s.sock"))
        end)

        -- Exactly one fault on standard error: file:line:column: what; what to do. Then the line and a caret.
        local function refuses(place, pattern)
            local code, output, said = run("check", "c.lua")
            assert.equal(3, code, output .. said)
            assert.equal("", output)
            assert.equal(place, said:match "^([^:]+:%d+):%d+: ", said)
            assert.matches(pattern, said:match "^[^\n]*")
            assert.is_true(said:match "^[^\n]*\n$" ~= nil or said:match "^[^\n]*\n    [^\n]*\n *%^\n$" ~= nil, said)
        end

        -- what, configuration (after a good one unless it is the third that is bad), line, what is said
        for _, case in ipairs {
            { "a wrong type", LISTEN .. "workers = 'many'", 3, "workers must be a whole number.*; write" },
            { "a number out of range", LISTEN .. "timers { t1_ms = 1 }", 3, "from 10 to 10000" },
            { "an unknown key", LISTEN .. "media {\n  publik = '127.0.0.1' }", 4, "did you mean 'public'" },
            { "an unknown block", LISTEN .. "medai { public = '127.0.0.1' }", 3, "did you mean 'media'" },
            { "an unknown value", LISTEN .. "worker = 4", 3, "did you mean 'workers'" },
            { "a missing script", 'listen { a = "udp:127.0.0.1:5060" }\nroute "no.lua"', 2, "No such file.*; paths" },
            { "a missing list", LISTEN .. 'dispatcher { file = "no.list" }', 3, "No such file.*; paths are" },
            { "no script", 'listen { a = "udp:127.0.0.1:5060" }', 1, "no route; write route" },
            { "no address", 'route "route.lua"', 1, "no listen; write listen" },
            { "a bad address", 'route "route.lua"\nlisten { a = "udp:127.0.0.999:5060" }', 2, "not an IP address; w" },
            { "a name for an address", HERE .. 'listen { a = "udp:localhost:5060" }', 1, "not an IP address; write" },
            { "a wildcard", HERE .. 'listen { a = "udp:0.0.0.0:5060" }', 1, "every address; name each" },
            { "a wildcard of IPv6", HERE .. 'listen { a = "udp:[::]:5060" }', 1, "every address; name each" },
            { "no port", HERE .. 'listen { a = "udp:127.0.0.1" }', 1, "no port; write HOST:PORT" },
            { "a transport to come", HERE .. 'listen { a = "tls:127.0.0.1:5061" }', 1, "not available yet; use udp" },
            { "the same address twice", HERE .. 'listen { a = "udp:127.0.0.1:5060",\n  b = "udp:127.0.0.1:5060" }', 1,
                "listed twice, in 'a' and 'b'; keep one" },
            { "too few ports", LISTEN .. "media { public = '127.0.0.1',\n  ports = { 30000, 30002 } }", 4, "few; a" },
            { "a bad gateway", LISTEN .. "dispatcher {\n  sets = { [1] = { 'sip:192.0.2.1:99999' } } }", 4,
                "'sip:192.0.2.1:99999' is not a SIP URI; write" },
            { "a text that is too long", LISTEN .. ("dispatcher { ping_from = 'sip:%s' }"):format(("x"):rep(300)), 1,
                "ping_from .* longer than 255 bytes; choose" },
            { "an error of its own", LISTEN .. "error 'not on this machine'", 3, "not on this machine" },
            { "a syntax error", LISTEN .. "media { public = = }", 3, "unexpected symbol near '='" },
            { "a loop", "while true do end", 1, "does not end; it may not loop" },
        } do
            it("refuses a configuration with " .. case[1], function()
                write(folder .. "/route.lua", ROUTE)
                write(folder .. "/c.lua", case[2])
                refuses("c.lua:" .. case[3], case[4])
            end)
        end

        it("refuses a configuration that is not there, or a folder", function()
            refuses("c.lua:1", "cannot be read %(No such file or directory%); give the path")
            assert.equal(0, (process.run { "mkdir", folder .. "/c.lua" }))
            refuses("c.lua:1", "cannot be read %(it is not a file%); give the path")
        end)

        for _, case in ipairs {
            { "a syntax error", "function request_route(req)\n  if then\nend", 2, "near 'then'; correct" },
            { "no request_route", "print(1)", 1, "no request_route; define function request_route" },
            { "a slip in request_route", "function reqest_route(req) end", 1, "is 'reqest_route' meant" },
            { "an unknown global in a handler", ROUTE .. "function route.X(req)\n  lgo.info 'x'\nend", 5,
                "no global 'lgo'; define it" },
            { "an unknown route", ROUTE .. "function route.BYE(req)\n  route.BYEE(req)\nend", 5, "did you mean 'BYE'" },
            { "an unknown handler", ROUTE .. "function route.X(req) req:relay { on_failure = 'NO' } end", 4,
                "no failure_route.NO; define function failure_route.NO" },
            { "an unknown variable", "function request_route(req)\n\n  return req['$rz2'] end", 3, "variable %$rz2" },
            { "an unknown media flag", ROUTE .. "local m = require 'lunasip'.media\nfunction route.X(req)\n"
                .. "  m.manage(req, 'trust-address replace-orgin') end", 6, "'replace%-orgin' is unknown.*; did you" },
            { "an unknown media flag in a table", ROUTE .. "local m = require 'lunasip'.media\nfunction route.X(req)\n"
                .. "  m.manage(req, {\n from = 'public', ['replace-orgin'] = true }) end", 7,
                "'replace%-orgin=true' is unknown" },
            { "a media flag that is not built", ROUTE .. "local m = require 'lunasip'.media\nfunction route.X(req)\n"
                .. "  m.manage(req, 'RTP/SAVP') end", 6, "media flag 'RTP/SAVP' is not supported; lua/API.md" },
            { "a missing module", "require 'no_such_module' " .. ROUTE, 1, "no module 'no_such_module'" },
            { "an error", ROUTE .. "error 'not today'", 4, "not today" },
            { "an error that is no text", ROUTE .. "error({})", 1, "error was raised that is not a text" },
            { "a loop", ROUTE .. "while true do end", 4, "budget used up" },
            { "a long line of trouble", ROUTE .. "error 'two\\nlines'", 4, "two lines" },
        } do
            it("refuses a script with " .. case[1], function()
                write(folder .. "/route.lua", case[2])
                write(folder .. "/c.lua", LISTEN)
                refuses("route.lua:" .. case[3], case[4])
            end)
        end

        it("lets a script with warnings pass, unless they count, too", function()
            write(folder .. "/route.lua", ROUTE .. "local forgotten = 4\n")
            write(folder .. "/c.lua", LISTEN)
            local code, output, said = run("check", "c.lua")
            assert.equal("0 c.lua is fine\n", code .. " " .. output)
            assert.matches("^route%.lua:4:7: warning: unused variable 'forgotten'\n", said)
            code, output, said = run("check", "--strict", "c.lua")
            assert.equal("3 ", code .. " " .. output)
            assert.matches("^route%.lua:4:7: warning: ", said)
        end)

        it("prints JSON for editors", function()
            write(folder .. "/c.lua", LISTEN)
            write(folder .. "/route.lua", ROUTE)
            local code, output, said = run("check", "--json", "c.lua")
            assert.equal("0 [] ", ("%d %s %s"):format(code, output:gsub("\n", ""), said))
            write(folder .. "/route.lua", "function request_route(req)\n  req:rply(404)\n  return undefned\nend\n")
            code, output, said = run("check", "--json", "c.lua")
            assert.equal("3 ", code .. " " .. said)
            local faults = assert(json.decode(output))
            assert.equal(2, #faults)
            assert.same({ file = "route.lua", line = 2, column = 7, severity = "error", code = "field",
                message = "there is no req:rply; did you mean 'reply'?" }, faults[1])
        end)

        it("looks into the modules of a script and into dispatcher lists, too", function()
            write(folder .. "/route.lua", "require 'part'\n" .. ROUTE)
            write(folder .. "/part.lua", "return function()\n  return typo\nend\n")
            write(folder .. "/c.lua", LISTEN)
            refuses("part.lua:2", "no global 'typo'")
            write(folder .. "/part.lua", "return true\n")
            write(folder .. "/c.lua", LISTEN .. "dispatcher { file = 'd.list' }")
            write(folder .. "/d.list", "# gateways\n1 nowhere\n")
            refuses("d.list:2", "not a SIP URI; write")
        end)
    end)

    describe("run", function()
        local function expect_refusal(conf, pattern)
            write(folder .. "/route.lua", "function request_route(req) end\n")
            write(folder .. "/c.lua", conf .. '\nroute "route.lua"\n')
            local code, output, said = run("run", "c.lua")
            assert.equal(3, code, output .. said)
            assert.equal("", output)
            assert.equal(1, lines_of(said), said)
            assert.matches(pattern, said)
        end

        it("says which address is in use, and starts nothing", function()
            local at = network.block()
            lunasip.start { public = { ("udp:%s:5060"):format(at(1)) } }
            expect_refusal(('listen { free = "udp:%s:5060", taken = "udp:%s:5060" }'):format(at(2), at(1)),
                ("^udp:%s:5060 %%(taken%%): address in use; another process listens there; stop it"):format(at(1)))
            assert.is_false(network.is_bound(at(2), 5060))
        end)

        it("says which address is not of this machine", function()
            expect_refusal('listen { a = "udp:192.0.2.77:5060" }',
                "^udp:192%.0%.2%.77:5060 %(a%): this machine has no such address; change the listen block")
            local at = network.block()
            expect_refusal(('listen { a = "udp:%s:5060" }\nmedia { a = "192.0.2.78" }'):format(at(1)),
                "^192%.0%.2%.78 %(media a%): this machine has no such address; change the media block")
        end)

        it("refuses what check refuses", function()
            expect_refusal("listen { }", "^c%.lua:1: listen names no interface; write")
        end)
    end)

    describe("ctl", function()
        local engine, at

        before_each(function()
            at = network.block()
            engine = nil
        end)

        local function start()
            write(folder .. "/route.lua", "function request_route(req) req:reply(404) end\n")
            engine = lunasip.start {
                public = { ("udp:%s:5060"):format(at(1)) }, route = folder .. "/route.lua",
                sets = { [1] = { ("sip:%s 0 0 duid=a"):format(at(2)), ("sip:%s:5070"):format(at(3)) } },
            }
        end

        local function ctl(...)
            return run("ctl", "--socket", engine.socket, ...)
        end

        -- @return exit code, and what was said in one line on standard error
        local function refused(...)
            local code, output, said = ctl(...)
            assert.equal("", output)
            assert.equal(1, lines_of(said), said)
            return code, said
        end

        it("says in one line that nobody answers, and 1", function()
            for _, words in ipairs { { "status" }, { "status", "--json" }, { "--socket", "nowhere.sock", "stop" } } do
                local code, output, said = run("ctl", unpack(words))
                assert.equal(1, code)
                assert.equal("", output)
                assert.equal(1, lines_of(said), said)
                assert.matches("^no running lunasip answers.*; start one with `lunasip run CONF`", said)
            end
        end)

        it("shows figures to people and to programs", function()
            start()
            local code, output = ctl "status"
            assert.equal(0, code)
            assert.matches("\ntransactions: 0\ndialogs: 0\n", output)
            assert.matches("\n  sip%.received: 0\n", output)
            for verb, kind in pairs { status = "{", calls = "[", transactions = "[", media = "{" } do
                code, output = ctl("--json", verb)
                assert.equal(0, code)
                assert.equal(kind, output:sub(1, 1))
                assert.is_table(json.decode(output))
                assert.equal(0, (ctl(verb)))
            end
        end)

        it("finds the engine by the environment and by the usual place", function()
            start()
            local env = { ASAN_OPTIONS = "exitcode=99", LUNASIP_SOCKET = engine.socket }
            assert.equal(0, (process.run({ binary, "ctl", "status" }, 60, { env = env })))
            local usual = folder .. "/run/lunasip.sock"
            assert.equal(0, (process.run { "mkdir", folder .. "/run" }))
            assert.equal(0, (process.run { "ln", "-s", engine.socket, usual }))
            assert.equal(0, (run("ctl", "status")))
        end)

        it("answers verbs and words that it does not know with 2", function()
            start()
            for _, case in ipairs {
                { { "dance" }, "unknown verb; one of: status, reload" },
                { { "status", "please" }, "'please' is one word too many" },
                { { "reload", "a", "b" }, "usage: ctl reload [--test] [PATH]" },
                { { "reload", "a", "b", "c" }, "'c' is one word too many" },
                { { "log" }, "usage: ctl log level error|warning|info|debug" },
                { { "log", "level", "loud" }, "usage: ctl log level" },
                { { "dispatcher" }, "usage: ctl dispatcher list, ctl dispatcher set SET URI" },
                { { "dispatcher", "list", "1" }, "usage: ctl dispatcher" },
                { { "dispatcher", "set", "1" }, "usage: ctl dispatcher set SET URI" },
                { { "dispatcher", "set", "one", "a", "active" }, "usage: ctl dispatcher set SET URI" },
                { { "dispatcher", "set", "1", "a", "sleepy" }, "state is one of active, inactive" },
                { { "drain", "of" }, "usage: ctl drain %[off%]" },
            } do
                local code, said = refused(unpack(case[1]))
                assert.equal(2, code, said)
                assert.is_truthy(said:find(case[2]:gsub("%%", ""), 1, true), said)
            end
            assert.same({ 1, "the configuration has no block records\n" }, { refused "records" })
            local code, output = ctl("--json", "dance")
            assert.equal(2, code)
            assert.equal(2, json.decode(output).code)
        end)

        it("lists gateways and sets their state", function()
            start()
            local function states()
                local out = {}
                for i, gateway in ipairs(json.decode((select(2, ctl("dispatcher", "list", "--json"))))) do
                    out[i] = ("%d %s %s"):format(gateway.set, gateway.uri, gateway.state)
                end
                return table.concat(out, ", ")
            end
            local a, b = ("1 sip:%s "):format(at(2)), ("1 sip:%s:5070 "):format(at(3))
            assert.equal(a .. "AX, " .. b .. "AX", states())
            assert.equal(0, (ctl("dispatcher", "set", "1", ("sip:%s:5070"):format(at(3)), "inactive")))
            assert.equal(a .. "AX, " .. b .. "IX", states())
            assert.equal(0, (ctl("dispatcher", "set", "1", "a", "disabled")))
            assert.matches("DX, .*IX", states())
            assert.equal(0, (ctl("dispatcher", "set", "1", "all", "active")))
            assert.equal(a .. "AX, " .. b .. "AX", states())
            local code, said = refused("dispatcher", "set", "1", "sip:192.0.2.1", "inactive")
            assert.equal(1, code)
            assert.matches("set 1 has no destination sip:192.0.2.1", said)
            assert.equal(a .. "AX, " .. b .. "AX", states())
            assert.matches("\n  uri: sip:" .. at(2) .. "\n", (select(2, ctl("dispatcher", "list"))))
        end)

        it("changes the log level", function()
            start()
            local code, output = ctl("log", "level", "debug")
            assert.equal("0 log level is debug\n", code .. " " .. output)
        end)

        local function generation()
            local list = engine:status().generations
            return list[#list].id
        end

        it("reloads the script, and another one by its path from where the caller stands", function()
            start()
            local code, output = ctl "reload"
            assert.equal("0 generation 2 serves new calls\n", code .. " " .. output)
            write(folder .. "/other.lua", "function request_route(req) req:reply(486) end\n")
            assert.equal(0, (ctl("reload", "other.lua")))
            assert.equal(3, generation())
        end)

        it("refuses a broken script with 1 and leaves the running one untouched", function()
            start()
            write(folder .. "/broken.lua", "function request_route(req)\n  oops(req)\nend\n")
            local code, output, shown = ctl("reload", "broken.lua")
            assert.equal(1, code)
            assert.equal("", output)
            assert.matches("broken%.lua:2:3: there is no global 'oops'[^\n]*\n      oops%(req%)\n      %^\n$", shown)
            local said
            code, said = refused("reload", "nowhere.lua")
            assert.equal(1, code)
            assert.matches("nowhere%.lua:1:1: cannot be read", said)
            write(folder .. "/route.lua", "function request_route(req\n")
            code, output, shown = ctl "reload"
            assert.equal(1, code)
            assert.equal("", output)
            assert.matches("route%.lua:%d:%d+: ", shown)
            assert.equal(1, generation())
        end)

        it("says every fault of configuration and script, however many, in any encoding", function()
            start()
            local lines = {}
            for i = 1, 150 do
                lines[i] = ("oops%d(\"f\252r alle\")\n"):format(i)
            end
            write(folder .. "/route.lua", table.concat(lines))
            local path = engine.folder .. "/lunasip.lua"
            write(path, read(path) .. "\ndrain { deadline = 1 }\nwokers = 3\n")
            local code, _, shown = ctl "reload"
            assert.equal(1, code)
            assert.matches("no setting 'deadline'; .*no setting 'wokers'; ", shown)
            assert.matches("no global 'oops1'.*no global 'oops150'", shown)
        end)

        it("drains, takes calls again, and stops", function()
            start()
            assert.equal(0, (ctl "drain"))
            assert.equal(0, (ctl("drain", "off")))
            local code, output = ctl "stop"
            assert.equal("0 draining, then stopping\n", code .. " " .. output)
            assert.equal(0, engine.process:wait(60))
            assert.equal(1, (ctl "status"))
        end)
    end)

    it("shows a call each way with its media in the demo", function()
        local code, output = lunasip.demo()
        assert.equal(0, code, output)
        assert.matches("INVITE", output)
        assert.matches("\nEvery packet arrived%.\n", output)
    end)
end)
