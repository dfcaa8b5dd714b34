-- What `lunasip check` finds before a script is loaded, each kind of fault by its place and its words; and that
-- what is right is left alone. The real entry (engine/script/check.h), called in this process.
local ffi = require "ffi"
local json = require "dkjson"
local text_file = require "support.text_file"
local library = require("lunasip.stage").library
local process = require "support.process"

ffi.cdef [[
struct check_report;
struct check_options { const char *conf_path, *route_path, *lua_dir; void *library; };
int check_run(struct check_report **reportp, const struct check_options *options, char **fault);
unsigned check_fault_count(const struct check_report *report);
unsigned check_warning_count(const struct check_report *report);
const char *check_text(const struct check_report *report);
const char *check_json(const struct check_report *report);
const char *check_note(const struct check_report *report);
void *memory_release(void *object);
]]

local CONF = [[
listen { public = { "udp:127.0.0.10:5060" }, private = { "udp:127.0.0.20:5060" } }
media { public = "127.0.0.10", private = "127.0.0.20", ports = { 30000, 39999 } }
dispatcher { sets = { [1] = { "sip:127.0.0.11" }, [2] = { "sip:127.0.0.12" } } }
address { trunks = { "192.0.2.0/24" } } trunk { provider = { registrar = "sip:provider.example", user = "1" } }
route "route.lua"
]]

local write = text_file.write

-- @return { text, list, note, faults, warnings }
local function check(conf_path, route_path)
    local report, fault = ffi.new "struct check_report *[1]", ffi.new "char *[1]"
    local options = ffi.new("struct check_options", { conf_path = conf_path, lua_dir = "lua" })
    options.route_path = route_path
    local result = library.check_run(report, options, fault)
    assert.equal(0, result, fault[0] ~= nil and ffi.string(fault[0]) or nil)
    local note = library.check_note(report[0])
    local found = {
        text = ffi.string(library.check_text(report[0])),
        list = assert(json.decode(ffi.string(library.check_json(report[0])))),
        note = note ~= nil and ffi.string(note) or nil,
        faults = library.check_fault_count(report[0]),
        warnings = library.check_warning_count(report[0]),
    }
    library.memory_release(report[0])
    return found
end

describe("lunasip check", function()
    local folder

    before_each(function()
        folder = process.folder()
        write(folder .. "/c.lua", CONF)
    end)
    after_each(process.clean)

    local function check_source(source)
        write(folder .. "/route.lua", source)
        return check(folder .. "/c.lua")
    end

    -- The lines of a handler, with the API at hand; line 1 of `body` is line 5 of the file.
    local function handler(body)
        return ([[
local sip = require "lunasip"
local dispatcher, log, media = sip.dispatcher, sip.log, sip.media
function failure_route.NEXT(req, reply) log.info("%%d of $rm", reply.status) return dispatcher, media, req end
function request_route(req)
%s
end
]]):format(body)
    end

    -- Each: what, the line, column, message, how many faults when not 1
    for _, case in ipairs {
        { "a word of sip that is not there", "dispatcher.selct(req, 1)",
            12, "no sip.dispatcher.selct; did you mean 'sel" },
        { "a module's word through sip", "sip.media.manag(req)", 11, "no sip.media.manag; did you mean 'manage'" },
        { "a method that is not there", "req:rely()", 5, "no req:rely; did you mean 'relay'" },
        { "a word of a message that is not there", "local x = req.ruri2 return x",
            15, "no req.ruri2; did you mean 'ruri'" },
        { "a method written as a function", "req.relay()", 5, "req.relay is a method; write req:relay" },
        { "a function written as a method", "log:info 'x'", 5, "sip.log:info is no method; write sip.log.info" },
        { "a word called", "return req.method()", 12, "req.method is a string, not a function" },
        { "a word that is read-only", "req.method = 'X'", 5, "req.method cannot be written; keep" },
        { "a part of Lua's library that is not there", "return string.fnd('x')",
            8, "no string.fnd; did you mean 'find'" },
        { "a method of texts that is not there", "return ('x'):fnd()", 14, "no method 'fnd'; did you mean 'find'" },
        { "an unknown global", "lgo.info 'x'", 1, "no global 'lgo'; define it, or take" },
        { "a misspelt global", "defined = 1 return defind", 20, "no global 'defind'; did you mean 'defined'" },
        { "a word of a result that is not there", "local g = dispatcher.next(req) return g.uir",
            41, "destination.uir; did you" },
        { "too few arguments", "req:reply()", 1, "req:reply takes at least 1 argument, not 0; give its code" },
        { "too many arguments", "req:drop(1)", 10, "req:drop takes no argument, not 1; leave out the rest" },
        { "an argument of a wrong type", "req:reply('404')",
            11, "argument 1 (code) of req:reply must be a whole number, not \"404\"" },
        { "a message where a text belongs", "sip.format(req, req)",
            17, "argument 2 (format) of sip.format must be a text, not a request" },
        { "a fraction where a whole number belongs", "req:reply(404.5)", 11, "must be a whole number, not 404.5" },
        { "a status below 100", "req:reply(99)", 11, "argument 1 (code) of req:reply must be from 100 to 699, not 99" },
        { "a status above 699", "req:reply(700, 'No')", 11, "from 100 to 699, not 700" },
        { "one of two statuses", "req:reply(req.body and 404 or 4040)", 11, "from 100 to 699, not 4040" },
        { "a time below zero", "req:relay { timeout_ms = -5 }", 26, "'timeout_ms' must be from 1 to 3600000, not -5" },
        { "a number that is none of a list", "sip.auth.challenge(req, 'r', { code = 402 })",
            39, "'code' must be 401 or 407, not 402" },
        { "an unknown option of reply", "req:reply(404, 'x', { header = {} })",
            23, "no option 'header'; did you mean 'headers'" },
        { "an unknown option of relay", "req:relay { timout_ms = 1 }",
            13, "no option 'timout_ms'; did you mean 'timeout_ms'" },
        { "an unknown option of fork", "req:fork { 'sip:a', on_brnch = 'X' }",
            21, "no option 'on_brnch'; did you mean 'on_branch'" },
        { "an unknown option of a fork's target", "req:fork { { uri = 'sip:a', qq = 1 } }",
            29, "no option 'qq'; did you mean 'q'" },
        { "an option of a wrong type", "req:relay { timeout_ms = 'x' }",
            26, "'timeout_ms' must be a whole number, not \"x\"" },
        { "a destination for a URI", "local g = dispatcher.next(req) req:relay { to = g }",
            49, "'to' must be a text, not a destination" },
        { "an unknown option of select", "dispatcher.select(req, 1, 4, { limt = 2 })",
            32, "no option 'limt'; did you mean 'limit'" },
        { "an unknown option of a database", "sip.sql.open('sqlite:x', { timeout = 5 })",
            28, "no option 'timeout'; did you mean 'timeout_ms'" },
        { "a database's method that is not there", "local db = sip.sql.open 'sqlite:x' return db:qery 'SELECT 1'",
            46, "did you mean 'query'" },
        { "a statement that is no text", "local db = sip.sql.open 'sqlite:x' db:exec(req)",
            44, "argument 1 (statement) of db:exec must be a text, not a request" },
        { "an unknown option of a request", "sip.http.get { url = 'http://x/', timeout = 5 }",
            35, "no option 'timeout'; did you mean 'timeout_ms'" },
        { "a body where there is none", "sip.http.get { url = 'http://x/', body = 'x' }",
            35, "no option 'body'" },
        { "a method of sip.http that is not there", "sip.http.fetch 'http://x/'", 10, "fetch" },
        { "a field of an answer that is not there", "local a = sip.http.get 'http://x/' return a and a.code",
            51, "there is no answer.code" },
        { "an unknown variable", "return req['$xyz']", 12, "unknown variable $xyz" },
        { "a variable that is read-only", "req['$si'] = '1'", 5, "$si cannot be written; keep" },
        { "a variable in a constant", "local V = '$' .. 'foo' return req[V]", 35, "unknown variable $foo" },
        { "a constant that is read-only", "local V = '$si' req[V] = '1'", 21, "$si cannot be written" },
        { "a value that no variable takes", "req['$ru'] = {}", 14, "$ru takes a text, a number or nil" },
        { "a word's value of a wrong type", "req.flags = 'x'", 13, "req.flags must be a whole number, not \"x\"" },
        { "a word's value, the second of two", "local x x, req.ruri = 1, {} return x",
            26, "req.ruri must be a text, not a table" },
        { "a table for a header", "req:set_header('X', { 'a' })", 21, "must be a text, not a table" },
        { "a transformation that is not there", "return req['$(ru{s.lenn})']", 12, "lenn" },
        { "an unknown variable in a log line", "log.info('at $foo')",
            10, "unknown variable $foo; write $$ for a dollar" },
        { "an unknown variable in a format", "sip.format(req, 'x $(rv2)')", 17, "unknown variable $rv2" },
        { "more values than directives", "log.info('$fu %s', 1, 2)", 23, "takes 1 value, not 2" },
        { "fewer values than directives", "log.info(req, '%s %s', 1)", 15, "takes 2 values, not 1" },
        { "a text for a number's directive", "log.info('%d', 'x')", 16, "'%d' takes a number" },
        { "a directive that is not there", "return ('%y'):format(1)", 9, "no directive '%y'" },
        { "a format that ends early", "return string.format('50%', 1)", 22, "ends with a '%'; write %% for" },
        { "a failure route that is not there", "req:relay { on_failure = 'NXT' }",
            26, "failure_route.NXT; did you mean 'NEXT'" },
        { "a reply route that is not there", "req:relay { on_reply = 'R' }",
            24, "no onreply_route.R; define function onreply_route.R(reply)" },
        { "a branch route that is not there", "req:fork { 'sip:a', on_branch = 'B' }",
            33, "define function branch_route.B(req)" },
        { "a failure route of options made before", "local o = { to = 'sip:a' } o.on_failure = 'NXT' req:relay(o)",
            43, "failure_route.NXT; did you mean 'NEXT'" },
        { "a failure route that is one of two", "req:relay { on_failure = req.body and 'NXT' or 'NEXT' }",
            26, "failure_route.NXT; did you mean" },
        { "a failure route that a function is given", "local function go(o) req:relay(o) end go { on_failure = 'NXT' }",
            57, "failure_route.NXT; did you mean" },
        { "a route that is not there", "route.FOO(req)", 7, "no route.FOO; define function route.FOO(req)" },
        { "a handler named by a constant", "local N = 'X' .. 'Y' req:relay { on_failure = N }",
            47, "no failure_route.XY" },
        { "a set that no list defines", "dispatcher.select(req, 9)",
            24, "no dispatcher list defines set 9; the lists define 1, 2" },
        { "a set by a constant", "local SET = 7 dispatcher.is_from(req, SET)", 39, "defines set 7" },
        { "an unknown algorithm", "dispatcher.select(req, 1, 'rond-robin')",
            27, "algorithm 'rond-robin'; did you mean 'round-robin'" },
        { "an algorithm's number that is not there", "dispatcher.select(req, 1, 17)", 27, "from 0 to 13, not 17" },
        { "an unknown state", "dispatcher.mark(1, 'all', 'activ')", 27, "no state 'activ'; did you mean 'active'" },
        { "an unknown flag", "media.manage(req, 'trust-address replace-orgin')", 19, "'replace-orgin' is unknown" },
        { "an unknown flag in a table", "media.manage(req, { ['replace-orgin'] = true })",
            22, "replace-orgin=true' is unknown" },
        { "a flag that is not built", "media.manage(req, 'RTP/SAVP')", 19, "'RTP/SAVP' is not supported; lua/API.md" },
        { "flags in conflict", "media.manage(req, 'symmetric asymmetric')",
            19, "'symmetric' and 'asymmetric' contradict" },
        { "flags in conflict in a table", "media.manage(req, { symmetric = true, asymmetric = true })",
            39, "contradict" },
        { "a media interface that is not there", "media.manage(req, { from = 'publik', to = 'private' })",
            28, "media block has no interface 'publik'; did" },
        { "an interface that is not there", "req:relay { interface = 'publc' }",
            25, "listen block has no interface 'publc'; did you mean 'public'" },
        { "an interface of sip that is not there", "return sip.interface.publc",
            22, "listen block has no interface 'publc'" },
        { "a trunk that is not there", "return sip.trunk.get 'provder'", 22,
            "no trunk 'provder'; did you mean 'provider'" },
        { "an address group that is not there", "return sip.source_in(req, 'trunk')", 27, "names a group 'trunk'" },
        { "a malformed pattern", "return req.source_ip:match('^(%s*')",
            28, "pattern is not valid: a '(' without its ')'" },
        { "a bracket that nothing opens", "return req.source_ip:match('%d+)')", 28, "a ')' without its '('" },
        { "a set that is not closed", "return req.source_ip:match('[%d')", 28, "malformed pattern" },
        { "a reference to a capture that is not there", "return ('x'):find('(%a)%2')", 19, "%2 names no capture" },
        { "a replacement that ends with a percent sign", "return ('x'):gsub('a', '50%')",
            24, "'%' stands before nothing; write %% for a percent sign" },
        { "a percent sign before a letter", "return ('x'):gsub('a', '50%o')", 24, "'%' stands before 'o'" },
        { "a replacement by a capture that is not there", "return ('x'):gsub('(a)', '%2')",
            26, "names capture %2, the pattern has 1" },
        { "a pattern of several literals", "local A = '(.*),' local P = A .. '(.*),' .. '(.*);' return ('x'):match(P)",
            72, "backtracks without bound" },
        { "a pattern that is one of two", "return ('x'):match(req.method == 'ACK' and '(' or ')')",
            20, "a ')' without its '('", 2 },
        { "a pattern of a list", "for _, p in ipairs { 'good', 'ba[d' } do if req.body:match(p) then return end end",
            60, "malformed pattern" },
        { "a pattern that backtracks without bound", "return ('x'):match('(.*),(.*),(.*);')",
            20, "backtracks without bound" },
        { "the same in a function of string", "return string.gsub(req.body, '^(.-)%s*(.-)%s*(.-)%s*;$', '')",
            30, "backtracks without" },
        { "a number compared with a text", "return req['$Rp'] == '5060'",
            22, "a number is compared with a text: they are never equal" },
        { "a number that is to be more than a text", "return req.cseq > '1'", 19, "use tonumber()" },
        { "a method in small letters", "return req.method == 'invite'", 22, 'in capitals; write "INVITE"' },
        { "a state that there is not", "return req.call_state ~= 'confirmd'", 26, "did you mean 'confirmed'" },
        { "a message in a text", "return 'from ' .. req", 19, "'..' joins texts and numbers" },
        { "headers as a list", "req:reply(405, 'No', { headers = { 'Allow: ACK' } })", 36, "takes named options" },
        { "a body without its type", "req:reply(200, 'OK', { body = 'x' })", 24, "'body' needs a content_type, too" },
        { "a word of a list that is not there", "sip.nat.is_natted(req, { 'contact_privat' })",
            26, "did you mean 'contact_private'" },
        { "a method that is indexed", "return req.headers['X-Foo']", 20, "req:headers is a function, not a table" },
        { "all dictionaries for one", "sip.shared:get('a')", 12, "write sip.shared.NAME:get(...)" },
        { "a route as Kamailio calls it", "route('RELAY')", 1,
            "'route' is a table of functions; write route.RELAY(req)" },
        { "a function of Kamailio", "t_relay()", 1, "no global 't_relay'; here that is req:relay()" },
        { "a method named as in Kamailio", "req:append_hf('X: y')", 5, "here that is msg:add_header(NAME, VALUE)" },
        { "what a request route cannot do", "sip.auth.answer(req, req, { username = 'a', password = 'b' })",
            1, "sip.auth.answer is not possible in a request route", 2 },
        { "a module that is not there", "return require 'nowhere'", 16, "no module 'nowhere'" },
        { "a bad inline option", "return 1 -- luacheck: ignor", 10, "unknown inline option" },
    } do
        it("finds " .. case[1], function()
            local found = check_source(handler(case[2]))
            assert.equal(case[5] or 1, #found.list, found.text)
            assert.equal(case[5] or 1, found.faults, found.text)
            local fault = found.list[1]
            assert.equal("error", fault.severity)
            assert.equal(("%s/route.lua:5:%d"):format(folder, case[3]),
                ("%s:%d:%d"):format(fault.file, fault.line, fault.column), found.text)
            assert.is_truthy(fault.message:find(case[4], 1, true), found.text)
        end)
    end

    -- Whole files: what, source, line, column, message
    for _, case in ipairs {
        { "a syntax error", "function request_route(req)\n  if then\nend", 2, 6, "near 'then'" },
        { "what only LuaJIT does not take", "function request_route(req)\n  local x = 1 // 2\nend", 2,
            3, "near '/'" },
        { "bytecode", "\27LJ", 1, 1, "is bytecode; give the script's text" },
        { "no request_route", "local x = 1 return x", 1, 1, "no request_route; define function request_route" },
        { "a misspelt request_route", "function reqest_route(req) req:drop() end", 1,
            1, "is 'reqest_route' meant to be it" },
        { "a misspelt onreply_route",
            "function request_route(req) req:drop() end\nfunction onrepy_route() end", 2, 10,
            "nothing calls 'onrepy_route'; did you mean 'onreply_route'" },
        { "a table of handlers replaced", "function request_route(req) req:drop() end\nroute = {}", 2, 1,
            "'route' is a table that is there already; write function route.NAME" },
        { "a handler that is no function", "function request_route(req) req:drop() end\nroute.X = 4", 2, 1,
            "route takes functions; write function route.NAME" },
        { "a request route defined twice",
            "function request_route(req) req:drop() end\nfunction request_route(req) req:relay() end", 2, 10,
            "request_route is defined in line 1 already; only this one is ever called" },
        { "what a branch route cannot do", "function request_route(req) req:relay { on_branch = 'B' } end\n"
            .. "function branch_route.B(req) req:set_header('X', 'y') req:reply(404) end", 2, 59,
            "req:reply is not possible in a branch route" },
        { "a failure route that takes its request for the reply",
            "function request_route(req) req:relay { on_failure = 'F' } end\n"
            .. "function failure_route.F(reply) return reply.status end", 2, 26,
            "write function failure_route.NAME(req, reply)" },
        { "an event that does not exist",
            "function request_route(req) req:drop() end\nevent_route['dialog:edn'] = function() end", 2, 13,
            "no event 'dialog:edn'; did you mean 'dialog:end'" },
        { "a word of an event", "function request_route(req) req:drop() end\n"
            .. "event_route['dialog:end'] = function(event) return event.durtion_s end",
            2, 58, "did you mean 'duration_s'" },
        { "a word of a reply",
            "function request_route(req) req:drop() end\nfunction onreply_route(r) return r.stats end", 2, 36,
            "no reply.stats; did you mean 'status'" },
        { "a word of a message that a route is given", "function request_route(req) route.A(1, req) end\n"
            .. "function route.A(_, msg) route.B(msg) end\nfunction route.B(m) m:rely() end",
            3, 23, "no req:rely; did" },
        { "a word of a message that a local function is given", "local function send(n, m) return n, m.methd end\n"
            .. "function request_route(req) send(1, req) req:drop() end",
            1, 39, "no req.methd; did you mean 'method'" },
    } do
        it("finds " .. case[1], function()
            local found = check_source(case[2])
            assert.equal(1, found.faults, found.text)
            local fault = found.list[1]
            assert.equal(("%d:%d"):format(case[3], case[4]), ("%d:%d"):format(fault.line, fault.column), found.text)
            assert.is_truthy(fault.message:find(case[5], 1, true), found.text)
        end)
    end

    it("looks into modules, and knows what they are given", function()
        write(folder .. "/part.lua", "local M = {}\nfunction M.send(m) m:rely() end\nreturn M\n")
        local found = check_source "local part = require 'part'\nfunction request_route(req) part.send(req) end\n"
        assert.equal(1, found.faults, found.text)
        assert.matches("part%.lua:2:22: there is no req:rely; did you mean 'relay'", found.text)
    end)

    it("says what is wrong with the configuration and with dispatcher lists, too", function()
        write(folder .. "/c.lua", CONF:gsub("workers", "") .. "\nwokers = 3\n")
        local found = check_source "function request_route(req) req:drop() end\n"
        assert.equal(1, found.faults)
        assert.matches("c%.lua:7:1: there is no setting 'wokers'; did you mean 'workers'%?\n    wokers = 3\n    %^\n",
            found.text)
        write(folder .. "/c.lua", (CONF:gsub("dispatcher[^\n]*", "dispatcher { file = 'd.list' }")))
        write(folder .. "/d.list", "1 nowhere\n")
        found = check_source "function request_route(req) req:rely() end\n"
        assert.equal(2, found.faults)
        assert.matches("d%.list:1:1: .*\n.*route%.lua:1:33: ", found.text)
    end)

    it("says every fault of a configuration, and those of the script that do not follow from them", function()
        local conf = CONF:gsub("dispatcher[^\n]*", "dispatcher { file = 'd.list', ping_interval = -1 }")
            :gsub("media[^\n]*", "media { public = 'here' }")
        write(folder .. "/c.lua", conf .. "\ntimers { t1_ms = 1 }\nwokers = 3\n")
        write(folder .. "/d.list", "1 sip:192.0.2.1 0\n")
        local found = check_source [[
local sip = require "lunasip"
function request_route(req)
    sip.dispatcher.select(req, 77, 4)
    sip.media.manage(req, { from = "nowhere", to = "public" })
    req:rely()
end
error "is not run"
]]
        assert.equal(5, found.faults, found.text)
        for _, pattern in ipairs { "ping_interval is %-1", "'here' is not an IP address", "t1_ms is 1",
            "no setting 'wokers'", "no req:rely" } do
            assert.matches(pattern, found.text)
        end
    end)

    it("prints all faults in the order of their places, with the line and a caret", function()
        local found = check_source(handler "\treq:rely()\n  log.inof 'x' return undefned")
        assert.equal(3, found.faults)
        local expected = ([[
@:5:6: there is no req:rely; did you mean 'relay'?
    %sreq:rely()
    %s    ^
@:6:7: there is no sip.log.inof; did you mean 'info'?
      log.inof 'x' return undefned
          ^
@:6:23: there is no global 'undefned'; define it, or take it from require "lunasip"
      log.inof 'x' return undefned
                          ^
]]):format("\t", "\t"):gsub("@", folder .. "/route.lua")
        assert.equal(expected, found.text)
    end)

    it("warns of what is likely a slip and can be run", function()
        local found = check_source(handler "local forgotten = 4")
        assert.equal("0 1", found.faults .. " " .. found.warnings)
        assert.equal("warning", found.list[1].severity)
        assert.matches("route%.lua:5:7: warning: unused variable 'forgotten'", found.text)
    end)

    it("lets pass what an inline comment of luacheck names", function()
        for _, body in ipairs {
            "req:rely() -- luacheck: ignore", "req:rely() -- luacheck: ignore rely",
            "-- luacheck: push ignore\nreq:rely()\nreq:rly()\n-- luacheck: pop",
        } do
            local found = check_source(handler(body))
            assert.equal(0, found.faults, found.text)
        end
        assert.equal(1, check_source(handler "req:rely() -- luacheck: ignore relay").faults)
    end)

    it("runs the script's chunk when nothing else is wrong", function()
        local found = check_source "function request_route(req) req:drop() end\nerror 'not today'\n"
        assert.equal(1, found.faults, found.text)
        assert.matches("route%.lua:2:1: .*not today", found.text)
    end)

    it("checks another script than the configuration's", function()
        write(folder .. "/other.lua", "function request_route(req) req:rely() end\n")
        check_source "function request_route(req) req:drop() end\n"
        local found = check(folder .. "/c.lua", folder .. "/other.lua")
        assert.equal(1, found.faults)
        assert.matches("other%.lua:1:33: ", found.text)
    end)

    it("leaves alone what is right", function()
        local found = check_source [==[
local sip = require "lunasip"
local dispatcher, log, shared = sip.dispatcher, sip.log, require "lunasip.shared"
local SET, OPTIONS = 1, { from = "public", to = "private", ["codec-strip"] = { "PCMA", "G729" } }
local TRIM = "^%s*(.-)%s*$"
local helpers = {}
function helpers.of(m) return m["$ru"], m.method, m.status end
local function either(message) return message:header "Contact", message.status, message.ruri end
function late() defined_late = true return defined_late end
function request_route(req)
    local name, flags = "$" .. req.method, req.method
    req["$var(x)"], req["$ru"], req.ruri = 1, "sip:a", "sip:b"
    local value = req[name] or req[flags] or req.body
    if route.OPTIONAL then route.OPTIONAL(req) end
    route.COMPUTED(req, helpers.of(req))
    sip.media.manage(req, OPTIONS)
    sip.media.manage(req, flags .. "no-such-flag")
    local ok, err = req:relay { to = "sip:x", on_failure = name, interface = sip.interface.public.name }
    log.info("100%% of $5, $$fu and $fu: %s %d%% %5.2f", ok, 3, 4.5)
    log.info "100% of $ru"
    log.info(req, "$rm %s", err)
    log.info(value)
    local gateway = dispatcher.select(req, SET, "round_robin", { limit = 2 }) or dispatcher.next(req)
    if gateway then gateway.tried = true end
    either(req)
    shared.calls:incr("x")
    sip.shared.calls:set("x", gateway and gateway.tried, 5)
    local db = sip.sql.open("sqlite:x", { timeout_ms = 500 })
    local rows = db:query("SELECT a FROM t WHERE b = ?", req["$rU"], nil, true)
    for _, row in ipairs(rows or {}) do log.info("%s", row.a) end
    if not db:with({ timeout_ms = 50 }):exec("UPDATE t SET a = ?", 1) then return req:reply(503) end
    local query = { user = req["$fU"], n = 1 }
    local answer, problem, reason = sip.http.get { url = "http://x/", query = query, redirects = 2 }
    if not answer then log.warning("%s %s", reason, problem) elseif answer.status == 200 then log.info(answer.body) end
    sip.http.post { url = "http://x/" .. sip.http.escape "a b", body = "{}", headers = { ["X-A"] = "1" } }
    sip.http.request { method = "PUT", url = "http://x/" }
    sip.timer.every(60, function() sip.shared.calls:delete "x" end)
    local user, host = (req.ruri or ""):match "^sip:(.-)@(.-);?$"
    local parts = { (req.body or ""):gsub("\r\n", "\n"):match(TRIM) }
    return user, host, parts, late, ("%s"):rep(3):format(unpack(parts)), select("#", req:sanity_ok())
end
function onreply_route(reply) either(reply) log.debug("%d", reply.status) end
route.COMPUTED = late
failure_route["N" .. "X"] = function(_, reply) return reply.reason end
branch_route.B = function(req) req:set_header("X", 4) end
event_route["media:timeout"] = function(event) log.info(event, "after %d s", event.duration_s or 0) end
        ]==]
        assert.equal("", found.text)
    end)

    it("names each flag of rtpengine that is not built", function()
        local file = assert(io.open "engine/media/flag_names.c")
        local list = file:read("*a"):match "not_built%[%] = (%b{})"
        file:close()
        local lines = { "local media = require('lunasip').media", "function request_route(req)" }
        local names = {}
        for name in list:gmatch '"([^"]+)"' do
            names[#names + 1] = name:gsub("%-%*$", "=x")
            lines[#lines + 1] = ("media.manage(req, '%s')"):format(names[#names])
        end
        assert.is_true(#names > 120)
        lines[#lines + 1] = "req:relay() end"
        local said = check_source(table.concat(lines, "\n")).text
        for i, name in ipairs(names) do
            local fault = (":%d:19: media flag '%s' is not supported"):format(i + 2, name)
            assert.is_truthy(said:find(fault, 1, true), fault .. "\n" .. said)
        end
    end)

    it("leaves alone the examples of lua/API.md", function()
        local file = assert(io.open "lua/API.md")
        local page = file:read "*a"
        file:close()
        for kind, around in pairs {
            auth = { "local function passwords() end function request_route(req)\n", "req:relay() end\n" },
            leave = { "", "function request_route(req) calls_of[1] = req.method req:relay() end\n" },
        } do
            local block = assert(page:match("```lua " .. kind .. "\n(.-)```"), kind)
            local source = around[1] .. block .. around[2]
            assert.equal("", check_source('local sip = require "lunasip" sip.log.info "here"\n' .. source).text)
        end
    end)

    it("leaves alone handlers that are wrapped, and what only a caller knows", function()
        local found = check_source [==[
local sip = require "lunasip"
local NEXT, HANDLE = { FIRST = "SECOND", SECOND = "THIRD" }, { ACK = function(r) return r:relay() end }
local Router = {}
Router.__index = Router
function Router.new(set) return setmetatable({ set = set }, Router) end
function Router:relay(req) return self.set and req:relay { on_failure = "FIRST" } end
local router = Router.new(1)
local function say(format, ...) sip.log.info(format, ...) end
for name, following in pairs(NEXT) do
    failure_route[name] = function(req) req:relay { on_failure = following } end
end
function failure_route.THIRD(_, reply) say("%d", reply.status) say "nothing" end
function request_route(req)
    for _, name in ipairs { "fu", "tu" } do say("%s %s", name, req["$" .. name]) end
    local options, work = { on_failure = "THIRD" }, HANDLE[req.method]
    if req.method == "INVITE" then options.ringing_timeout_ms = 60000 end
    local value = sip.shared.calls:get "x"
    if value == 5 or value == "5" then return work and work(req) end
    return router:relay(req) or req:relay(options) or req:reply(value and 486 or 404)
end
local inner = request_route
function request_route(req) if req:max_forwards_ok() then return inner(req) end req:reply(483) end
]==]
        assert.equal("", found.text)
    end)

    it("leaves alone what only looks like the API", function()
        local found = check_source [==[
local sip = require "lunasip"
local prices, stats, templates = { ["$five"] = 5 }, {}, { on_reply = "some text", on_failure = "Sorry" }
local set, name = 0, ""
function stats.manage(_, text) return text end
local function total(list) return list["$five"] + prices["$five"] end
function route.INVITE(req) req:relay() end
function request_route(req)
    stats.manage(req, "hello world")
    if req.interface == "private" then set, name = 1, "sales" end
    sip.log.info("%s %d", templates.on_reply, total(prices))
    sip.dispatcher.select(req, set)
    req.next_hop, req["$du"] = nil, nil
    req:set_header("X-Discount", (("%d per cent"):format(50):gsub(" per cent", "%%")))
    req:set_header("X-Name", (name:gsub("(%a)(%a*)", "%2%1%0")))
    local work = route[req.method]
    if not work then return req:reply(405) end
    return route[req.method](req)
end
]==]
        assert.equal("", found.text)
    end)

    it("is done with a script of 1,000 lines before anybody waits", function()
        local lines = { 'local sip = require "lunasip"' }
        for i = 1, 166 do
            lines[#lines + 1] = ([[
function route.R%d(req)
    if req["$si"] == "192.0.2.%d" and req.method == "INVITE" then
        sip.log.info("call %%d of $fu to $ru", %d)
        return req:reply(403, "Forbidden", { headers = { ["X-Reason"] = "%d" } })
    end
end]]):format(i, i % 250, i, i)
        end
        lines[#lines + 1] = "function request_route(req) route.R1(req) route.R166(req) req:relay() end"
        local began = os.clock()
        local found = check_source(table.concat(lines, "\n") .. "\n")
        print(("1,000 lines: %d ms"):format((os.clock() - began) * 1000))
        assert.equal("", found.text)
    end)
end)

describe("lunasip.check without luacheck", function()
    it("says so in one line and leaves the rest to loading", function()
        require "spec.lua.fake_core"
        local source = require "lunasip.check.source"
        local loaded, loaders = package.loaded["luacheck.check_state"], package.loaders
        package.loaded["luacheck.check_state"], package.loaders = nil, {}
        local ok, note = source.load()
        package.loaded["luacheck.check_state"], package.loaders = loaded, loaders
        assert.is_nil(ok)
        assert.matches("^luacheck is not installed %(Debian package lua%-check%)[^\n]*$", note)
    end)
end)
