-- What README.md and its pages in lua/ show is true: examples are run, lists are the engine's, files are there.
local digest = require "lunasip.lab.digest"
local json = require "dkjson"
local lab = require "lunasip.lab"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"
local text_file = require "support.text_file"

local binary = lunasip.build .. "/lunasip"

local read, write = text_file.read, text_file.write

local readme = read "README.md"
local reference = read "lua/API.md"
-- All that a reader is led to from the first page.
local pages = table.concat({ readme, reference, read "lua/CHECK.md", read "lua/KAMAILIO.md" }, "\n")

-- Fenced blocks in order: { kind = "lua route", text = … }
local blocks = {}
for kind, text in ("\n" .. pages):gmatch "\n```(%l[%l ]*)\n(.-\n)```" do
    blocks[#blocks + 1] = { kind = kind, text = text }
end

local function blocks_of(kind)
    local out = {}
    for _, block in ipairs(blocks) do
        if block.kind == kind then out[#out + 1] = block.text end
    end
    return out
end

local function only(kind)
    local found = blocks_of(kind)
    assert(#found == 1, ("%d blocks ```%s in README.md and its pages, not 1"):format(#found, kind))
    return found[1]
end

-- The folder of the first route as the reader has it. @return folder in which first/ is
local function first_route()
    local folder = process.folder()
    assert(process.run { "mkdir", folder .. "/first" } == 0)
    write(folder .. "/first/route.lua", only "lua route")
    write(folder .. "/first/conf.lua", only "lua conf")
    write(folder .. "/first/route_spec.lua", only "lua spec")
    return folder
end

local function run_in(folder, words, env)
    return process.run({ binary, unpack(words) }, 60, { directory = folder, env = env })
end

local function words_of(line)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    return words
end

describe("README.md and its pages", function()
    after_each(process.clean)

    it("has blocks of known kinds only, so that none goes unrun", function()
        local known = {
            ["lua route"] = true, ["lua conf"] = true, ["lua spec"] = true, sh = true,
            ["lua leave"] = true, ["lua auth"] = true, ["text auth"] = true, ["lua database"] = true,
            ["lua http"] = true, ["lua hide"] = true, ["lua legs"] = true, ["lua trunk"] = true,
            ["lua click"] = true, ["lua replaces"] = true,
            ["json record"] = true, ["sql uacreg"] = true,
            ["text demo"] = true, ["text variables"] = true, ["text flags"] = true,
            ["text check"] = true, ["text account"] = true, ["text filter"] = true,
        }
        for _, block in ipairs(blocks) do assert.is_true(known[block.kind], block.kind) end
        assert.equal(2 * #blocks, select(2, ("\n" .. pages):gsub("\n```", "")))
    end)

    it("shows fields of a record that records have", function()
        local net = lab.new { conf = { records = {} }, route = [[local sip = require "lunasip"
            function request_route(req)
                if req:in_dialog() then return req:loose_route() and req:relay() end
                sip.media.manage(req, { from = "public", to = "private" })
                req:record { account = "a-1" }
                req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
            end]] }
        local alice = net:agent { address = "192.0.2.10" }
        local bob = net:agent { address = "10.0.0.20", side = "private" }
        alice:invite("sip:4711@example.net", { sdp = true })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        bob:reply(invite, 200, { sdp = true })
        alice:receive(200)
        alice:send_rtp(10)
        bob:receive "ACK"
        net:advance(1)
        bob:ask("BYE", { headers = { Reason = "Q.850;cause=16" } })
        alice:reply(alice:receive "BYE", 200)
        bob:receive(200)
        local made = net:records()[1]
        made.tries[1].set = 2 -- of a gateway
        local function compare(shown, real, where)
            for name, value in pairs(shown) do
                assert.equal(type(value), type(real[name]), where .. name)
                if type(value) == "table" then compare(value, real[name], where .. name .. ".") end
            end
        end
        compare(assert(json.decode(only "json record")), made, "")
        net:close()
    end)

    it("lets users with passwords in, and logs who is not", function()
        local net = lab.new { route = 'local sip = require "lunasip"\n'
            .. 'local function passwords(user) return user == "bob" and "secret" or nil end\n'
            .. "function request_route(req)\n" .. only "lua auth" .. "req:reply(200)\nend" }
        for _, user in ipairs { "bob", "alice" } do
            local phone = net:agent {
                name = user, address = user == "bob" and "192.0.2.11" or "192.0.2.10",
                credentials = { username = user, password = "secret" },
            }
            phone:register()
            phone:receive(user == "bob" and 200 or 401)
        end
        net:advance(1)
        local last
        for _, line in ipairs(net:log()) do last = line.group == "auth" and line.text or last end
        assert.equal(only "text auth", ("info: auth: %s [...]\n"):format(last))
        net:close()
    end)

    it("makes trunks of Kamailio's uacreg", function()
        local folder = process.folder()
        local code, entries = process.run({ "sqlite3", ":memory:", [[
            CREATE TABLE uacreg (id INTEGER PRIMARY KEY, l_uuid VARCHAR(64), l_username VARCHAR(64),
                l_domain VARCHAR(64), r_username VARCHAR(64),
                r_domain VARCHAR(64), realm VARCHAR(64), auth_username VARCHAR(64),
                auth_password VARCHAR(64), auth_ha1 VARCHAR(128), auth_proxy VARCHAR(255), expires INT, flags INT,
                reg_delay INT, contact_addr VARCHAR(255), socket VARCHAR(128));
            INSERT INTO uacreg VALUES (1, '7', 'line', 'example.net', '4930', 'provider.example', 'provider', 'auth',
                'geheim', '', 'sip:192.0.2.50:5080', 600, 0, 0, '', '');
            INSERT INTO uacreg VALUES (2, '8', '4931', '', '4931', 'other.example', '', '4931', 'geheim', '', '', 360,
                0, 0, '', '');
        ]] .. only "sql uacreg" }, 60)
        assert.equal(0, code, entries)
        write(folder .. "/route.lua", "function request_route(req) req:reply(480) end\n")
        write(folder .. "/conf.lua", 'listen { public = "udp:192.0.2.1:5060" }\nroute "route.lua"\ntrunk {\n'
            .. entries .. "}\n")
        local net = lab.new { conf = folder .. "/conf.lua" }
        net:dns { ["other.example"] = "192.0.2.60" }
        local first, second = net:agent { address = "192.0.2.50:5080" }, net:agent { address = "192.0.2.60" }
        local register = first:receive("REGISTER", 60)
        assert.same({ "sip:provider.example", "<sip:4930@provider.example>", "<sip:line@192.0.2.1:5060>", "600" },
            { register.uri, register:header "To", register:header "Contact", register:header "Expires" })
        first:reply(register, 200)
        register = second:receive("REGISTER", 60)
        assert.equal("<sip:4931@other.example>", register:header "To")
        second:reply(register, 200)
        net:close()
    end)

    it("registers at a provider", function()
        local path = os.tmpname()
        for name, text in pairs {
            [path] = ('listen { public = "udp:192.0.2.1:5060" }\nroute "%s.route"\n'):format(path) .. only "lua trunk",
            [path .. ".route"] = "function request_route(req) req:reply(480) end\n",
        } do
            local file = assert(io.open(name, "w"))
            file:write(text)
            file:close()
        end
        local net = lab.new { conf = path }
        net:dns { ["provider.example"] = "192.0.2.50" }
        local provider = net:agent { name = "provider", address = "192.0.2.50" }
        net:command("trunks", "refresh", "provider")
        local register = provider:receive("REGISTER", 60)
        assert.equal("<sip:4930123@provider.example>", register:header "To")
        provider:reply(register, 200)
        net:close()
        os.remove(path)
        os.remove(path .. ".route")
    end)

    it("routes by a database", function()
        local net = lab.new {
            route = only "lua database", databases = { ["sqlite:numbers.db"] = [[
                CREATE TABLE numbers (number TEXT PRIMARY KEY, gateway TEXT, calls INTEGER);
                INSERT INTO numbers VALUES ('4711', 'sip:10.0.0.21', 0)]] },
        }
        local phone = net:agent { name = "phone", address = "192.0.2.10" }
        local gateway = net:agent { name = "gateway", address = "10.0.0.21", side = "private" }
        local db = net:database "sqlite:numbers.db"
        phone:ask("OPTIONS", { uri = "sip:4711@192.0.2.1" })
        gateway:reply(gateway:receive "OPTIONS", 200)
        phone:receive(200)
        assert.equal(1, db:rows("SELECT calls FROM numbers")[1].calls)
        phone:ask("OPTIONS", { uri = "sip:4712@192.0.2.1" })
        phone:receive(404)
        db:impair { fail = true }
        phone:ask("OPTIONS", { uri = "sip:4711@192.0.2.1" })
        phone:receive(503)
        net:close()
    end)

    it("joins two legs, hears keys, and transfers", function()
        local net = lab.new { route = only "lua legs" }
        local phone = net:agent { name = "phone", address = "10.0.0.9", side = "private" }
        local trunk = net:agent { name = "trunk", address = "198.51.100.7" }
        local reception = net:agent { name = "reception", address = "198.51.100.8" }
        phone:invite("sip:4711@10.0.0.1", { sdp = true })
        trunk:reply(trunk:receive "INVITE", 200, { sdp = true })
        phone:receive(200)
        trunk:receive "ACK"
        phone:dial "0"
        reception:reply(reception:receive "INVITE", 200, { sdp = true })
        phone:reply(phone:receive "INVITE", 200, { sdp = true })
        trunk:reply(trunk:receive "BYE", 200)
        reception:receive "ACK"
        phone:dial "*"
        for _, agent in ipairs { phone, reception } do
            agent:reply(agent:receive "BYE", 200)
        end
        assert.no_address("10.0.0.", "public")
        net:settle(40)
        net:close()
    end)

    it("replaces a party", function()
        local net = lab.new { route = (only "lua legs":gsub("req%)\n", "req)\n" .. only "lua replaces" .. "\n", 1)) }
        local phone = net:agent { name = "phone", address = "10.0.0.9", side = "private" }
        local other = net:agent { name = "other", address = "10.0.0.10", side = "private" }
        local trunk = net:agent { name = "trunk", address = "198.51.100.7" }
        phone:invite("sip:4711@10.0.0.1", { sdp = true })
        trunk:reply(trunk:receive "INVITE", 200, { sdp = true })
        local tag = phone:receive(200):tag "To"
        trunk:receive "ACK"
        local name = ("%s;to-tag=%s;from-tag="):format(phone.call.id, tag)
        other:invite("sip:4711@10.0.0.1", { sdp = true, headers = { Replaces = name .. "x" } })
        other:receive(481)
        other:invite("sip:4711@10.0.0.1", { sdp = true, headers = { Replaces = name .. phone.call.local_tag } })
        trunk:reply(trunk:receive "INVITE", 200, { sdp = true })
        trunk:receive "ACK"
        other:receive(200)
        phone:reply(phone:receive "BYE", 200)
        other:hangup()
        trunk:reply(trunk:receive "BYE", 200)
        other:receive(200)
        net:settle(40)
        net:close()
    end)

    it("calls for a click", function()
        local net = lab.new { route = only "lua click" }
        local phone = net:agent { name = "200", address = "10.0.0.20", side = "private" }
        local trunk = net:agent { name = "trunk", address = "198.51.100.7" }
        phone:ask("MESSAGE", { uri = "sip:click@10.0.0.1", content_type = "text/plain", body = "call +49301234" })
        local ringing = phone:receive "INVITE"
        phone:receive(202)
        phone:reply(ringing, 200, { sdp = true })
        phone:receive "ACK"
        local invite = trunk:receive "INVITE"
        assert.equal("sip:+49301234@198.51.100.7", invite.uri)
        assert.matches('^"Office" <sip:%+4930123@pbx.example>', invite:header "From")
        trunk:reply(invite, 200, { sdp = true })
        phone:reply(phone:receive "INVITE", 200, { sdp = true })
        trunk:receive "ACK"
        trunk:hangup()
        phone:reply(phone:receive "BYE", 200)
        trunk:receive(200)
        assert.truthy(net:logged "%+49301234: bye")
        assert.no_address("10.0.0.", "public")
        net:settle(40)
        net:close()
    end)

    it("hides the inside", function()
        local net = lab.new { route = only "lua hide" }
        local phone = net:agent { name = "phone", address = "10.0.0.20", side = "private" }
        local trunk = net:agent { name = "trunk", address = "198.51.100.7", side = "public" }
        phone:invite("sip:4711@10.0.0.1", { sdp = true })
        trunk:reply(trunk:receive "INVITE", 200, { sdp = true })
        phone:receive(200)
        trunk:receive "ACK"
        trunk:hangup()
        phone:reply(phone:receive "BYE", 200)
        trunk:receive(200)
        assert.no_address("10.0.", "public")
        assert.no_address("@10.0.", "public")
        net:close()
    end)

    it("routes by an HTTP server", function()
        local net = lab.new { route = only "lua http" }
        local phone = net:agent { name = "phone", address = "192.0.2.10" }
        local gateway = net:agent { name = "gateway", address = "10.0.0.21", side = "private" }
        local api = net:http { url = "https://numbers.example.com/", body = "sip:10.0.0.21" }
        phone:ask("OPTIONS", { uri = "sip:+491@192.0.2.1" })
        gateway:reply(gateway:receive "OPTIONS", 200)
        phone:receive(200)
        assert.equal("https://numbers.example.com/gateway?number=%2b491", api:requests()[1].url)
        assert.equal("text/plain", api:requests()[1].headers.accept)
        api:answer { status = 404 }
        phone:ask("OPTIONS", { uri = "sip:4712@192.0.2.1" })
        phone:receive(404)
        api:answer { delay = 1 }
        phone:ask("OPTIONS", { uri = "sip:4711@192.0.2.1" })
        phone:receive(503)
        net:close()
    end)

    it("shows what check says of a slip in it", function()
        local folder = first_route()
        write(folder .. "/first/route.lua", (only "lua route":gsub("record_route", "recrd_route")))
        local code, output = process.run({ "sh", "-c", 'exec "$0" check first/conf.lua 2>&1', binary }, 60,
            { directory = folder })
        assert.equal(3, code)
        assert.equal(only "text check", output)
    end)

    it("shows a first route of at most 20 lines that is fine", function()
        assert.is_true(select(2, only("lua route"):gsub("\n", "")) <= 20)
        local code, output = run_in(first_route(), { "check", "first/conf.lua" })
        assert.equal("0 first/conf.lua is fine\n", code .. " " .. output)
    end)

    it("shows a spec of the first route that passes, and that fails with a broken route", function()
        local folder = first_route()
        local code, output = run_in(folder, { "test", "first/route_spec.lua" })
        assert.equal(0, code, output)
        assert.matches("2 successes / 0 failures / 0 errors", output)
        code, output = run_in(folder, { "test" }) -- every spec of the project
        assert.equal(0, code, output)
        assert.matches("2 successes / 0 failures / 0 errors", output)
        write(folder .. "/first/route.lua", (only("lua route"):gsub("req:record_route%(%)", "req:drop()")))
        code, output = run_in(folder, { "test", "first/route_spec.lua" })
        assert.equal(1, code, output)
        assert.matches("gateway waited for INVITE in vain", output)
        assert.matches("phone +%-> public +INVITE", output)
    end)

    it("shows how a generation leaves something to the next", function()
        local source = only "lua leave" .. [[
function request_route(req)
    if req.method ~= "INVITE" then return req:drop() end
    calls_of[req.source_ip] = (calls_of[req.source_ip] or 0) + 1
    req:reply(200, "Call " .. calls_of[req.source_ip])
end]]
        local net = lab.new { route = source }
        local phone = net:agent { name = "phone", address = "192.0.2.10" }
        for call = 1, 3 do
            phone:invite "sip:4711@192.0.2.1"
            assert.equal("Call " .. call, phone:receive(200).reason)
            assert.is_true(net:reload())
        end
        net:close()
    end)

    -- conf/registrar.lua and its script in a folder, for other addresses than its own.
    local function copy_registrar(folder, host)
        assert(process.run { "mkdir", "-p", folder .. "/conf", folder .. "/scripts" } == 0)
        write(folder .. "/conf/registrar.lua", (read "conf/registrar.lua":gsub("127%.0%.0%.30", host)))
        write(folder .. "/scripts/registrar.lua", read "scripts/registrar.lua")
    end

    it("lets a newcomer's phone register after the commands of the registrar", function()
        local at, folder = network.block(), process.folder()
        copy_registrar(folder, at(30))
        local commands = assert(readme:match "\n### A registrar.-\n```sh\n(.-)\n```")
        local running
        for line in commands:gmatch "[^\n]+" do
            local words = words_of(line)
            words[1] = binary
            if words[2] == "run" then
                running = process.start { command = words, directory = folder }
            else
                local code, output = process.run(words, 60, { directory = folder })
                assert.equal(0, code, output)
            end
        end
        assert.matches("^rw%-%-%-%-%-%-%-", io.popen("stat -c %A " .. folder .. "/run/registrar.db"):read "*l":sub(2))
        posix.wait_until(function() return network.is_bound(at(30), 5060) or running:poll() end, 60, 0.05)
        local phone = assert(posix.udp(at(31), 0))
        local user, password = commands:match "add (%S+) (%S+)"
        local function register(number, authorization)
            assert(phone.send(at(30), 5060, table.concat({
                "REGISTER sip:example.net SIP/2.0",
                ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%d"):format(phone.host, phone.port, number),
                "Max-Forwards: 70", ("From: <sip:%s@example.net>;tag=1"):format(user),
                ("To: <sip:%s@example.net>"):format(user), "Call-ID: 1", ("CSeq: %d REGISTER"):format(number),
                ("Contact: <sip:%s@%s:%d>"):format(user, phone.host, phone.port) .. (authorization or ""), "", "",
            }, "\r\n")), running:output())
            return raw.receive(phone, "^SIP/2%.0 [2-6]", 30)
        end
        local from = digest.parse(raw.header(register(1), "WWW-Authenticate"):match ": *(.*)")
        local fields = {
            realm = from.realm, nonce = from.nonce, uri = "sip:example.net", algorithm = "MD5", qop = "auth",
            nc = "00000001", cnonce = "0a4f113b",
        }
        local reply = register(2, ('\r\nAuthorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", '
            .. 'algorithm=MD5, qop=auth, nc=%s, cnonce="%s", response="%s"'):format(user, fields.realm, fields.nonce,
            fields.uri, fields.nc, fields.cnonce, digest.response(fields, "REGISTER", user, password)))
        assert.matches("^SIP/2.0 200 ", reply)
    end)

    it("shows commands that work", function()
        local at, folder = network.block(), first_route()
        copy_registrar(folder, at(30))
        local engine = lunasip.start {
            public = { ("udp:%s:5060"):format(at(1)) }, private = { ("udp:%s:5060"):format(at(2)) },
            sets = { { "sip:" .. at(11) }, { "sip:" .. at(12) } },
        }
        write(folder .. "/users.lua", 'listen { lan = "udp:127.0.0.1:5060" } route "first/route.lua" '
            .. 'database { url = "sqlite:users.db" }')
        local env = { LUNASIP_SOCKET = engine.socket, LUNASIP_CONF = folder .. "/users.lua" }
        local count = 0
        for _, text in ipairs(blocks_of "sh") do
            for line in text:gmatch "[^\n]+" do
                local words = words_of(line)
                local command = table.remove(words, 1)
                count = count + 1
                if command == "make" then
                    assert.is_truthy(read("Makefile"):find("\n" .. words[1] .. ":", 1, true), line)
                else
                    assert.equal("build/lunasip", command)
                    -- `run` stays: other specs run it. Everything else ends by itself.
                    if words[1] ~= "run" then
                        local code, output = run_in(folder, words, env)
                        assert.equal(0, code, line .. "\n" .. output)
                    end
                end
            end
        end
        assert.is_true(count >= 12)
        assert.equal(0, engine.process:wait(60)) -- the last one was `ctl stop`
    end)

    it("shows what the demo prints", function()
        local code, output = lunasip.demo()
        assert.equal(0, code, output)
        -- Times, ports and jitter differ from run to run.
        local function normal(line)
            return (line:gsub("%d%.%d+", "N"):gsub("port %d+", "port N"):gsub("%s+", " "))
        end
        local printed = {}
        for line in output:gmatch "[^\n]+" do printed[normal(line)] = true end
        for line in only("text demo"):gmatch "[^\n]+" do
            assert.is_true(printed[normal(line)], line .. "\nis not in\n" .. output)
        end
    end)

    it("names files that are there", function()
        local count = 0
        for path in pages:gmatch "`(%l+/[%w_/.]+)`" do
            if not path:match "^build/" and not path:match "^first/" then
                local file = io.open(path)
                assert.is_truthy(file, path)
                file:close()
                count = count + 1
            end
        end
        assert.is_true(count > 40)
    end)

    it("is a first page that is read in ten minutes", function()
        assert.is_true(select(2, readme:gsub("\n", "")) <= 420)
    end)

    it("links to headings and files that are there", function()
        local heading = {} -- of a page: its headings in the form that links have, of GitHub's
        local function headings(path)
            if not heading[path] then
                heading[path] = {}
                for title in ("\n" .. read(path)):gmatch "\n#+ ([^\n]+)" do
                    heading[path][title:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
                end
            end
            return heading[path]
        end
        local list, count = io.popen "git ls-files '*.md' 2>/dev/null || find . -name '*.md'", 0
        for path in list:lines() do
            local text = read(path):gsub("\n```.-\n```", ""):gsub("`[^`\n]*`", "")
            for target in text:gmatch "%]%(([^)%s]+)%)" do
                if not target:match "^https?:" then
                    local file, title = target:match "^([^#]*)#?(.*)$"
                    file = file == "" and path or (path:match "^(.*/)" or "") .. file
                    assert.is_truthy(io.open(file), path .. ": " .. target)
                    assert.is_true(title == "" or headings(file)[title], path .. ": " .. target)
                    count = count + 1
                end
            end
        end
        list:close()
        assert.is_true(count > 20)
    end)

    it("maps every folder", function()
        local list = io.popen "git ls-files 2>/dev/null || find . -type f"
        local folders = {}
        for path in list:lines() do
            local top = path:match "^(engine/[^/]+)/" or path:match "^(%l+)/"
            if top and top ~= "engine" then folders[top] = true end
        end
        list:close()
        for folder in pairs(folders) do assert.is_truthy(readme:find("`" .. folder .. "/`", 1, true), folder) end
    end)

    it("lists every verb of the command", function()
        local _, usage = process.run { binary, "help" }
        for verb in usage:gmatch "lunasip (%l+)" do
            assert.is_truthy(readme:find("`lunasip " .. verb, 1, true), verb)
        end
        local _, verbs = process.run { binary, "ctl", "--socket", "/nowhere", "status" }
        assert.matches("no running lunasip", verbs)
        for verb in read("engine/control/commands.c"):gmatch '\n    {"(%l+)", %d' do
            assert.is_truthy(readme:find("ctl " .. verb, 1, true), verb)
        end
    end)

    it("lists every function that scripts can call", function()
        local count = 0
        local types = require("lunasip.check.annotations").read "lua"
        local owners = {
            Message = "msg:", Request = "req:", Reply = "reply:", Dictionary = ":", lunasip = "sip%.",
            Dispatcher = "sip%.dispatcher%.", Media = "sip%.media%.", Timer = "sip%.timer%.", Log = "sip%.log%.",
            Auth = "sip%.auth%.", Registrar = "sip%.registrar%.", Nat = "sip%.nat%.",
            Dialog = "sip%.dialog%.", TrackedDialog = "call:", CallMaker = "sip%.call%.", Call = "call:",
            Sql = "sip%.sql%.", Database = "db:", Http = "sip%.http%.", Trunk = "sip%.trunk%.",
        }
        for class, name in types:gmatch "\nfunction (%a+)[.:]([%l_]+)%(" do
            local call = assert(owners[class], class) .. name
            assert.is_truthy(reference:find(call .. "%f[^%l_]"), call)
            count = count + 1
        end
        assert.is_true(count > 30)
        -- And nothing else.
        for call in reference:gmatch "`r?m?[es][qg]?:([%l_]+)[%({ ]" do
            assert.is_truthy(types:find("[.:]" .. call .. "%("), call)
        end
    end)

    it("lists the dispatcher's algorithms with their numbers", function()
        local flat = reference:gsub("%s+", " ")
        local types = require("lunasip.check.annotations").read "lua"
        for name, number in types:gmatch '%-%-%-| "([%l-]+)" *# (%d+)' do
            assert.is_truthy(flat:find(("%s %s[,.]"):format(name:gsub("%-", "%%-"), number)), name)
        end
    end)

    it("lists the variables that there are", function()
        require "spec.lua.fake_core"
        local listed = {}
        for name in only("text variables"):gmatch "%S+" do listed[name] = true end
        local known = require("lunasip.pv_names").all()
        for name in pairs(known) do assert.is_true(listed[name], "$" .. name .. " is not listed") end
        for name in pairs(listed) do assert.is_truthy(known[name], "$" .. name .. " does not exist") end
    end)

    it("lists the media flags that there are, each of which check takes", function()
        local text = only("text flags"):gsub("\n", " ")
        local listed = " " .. text:lower():gsub("=", "-")
        for name in read("engine/media/flag_names.c"):gmatch '\n    {"([%l-]+)", ' do
            assert.is_truthy(listed:find(" " .. name .. " ", 1, true), name)
        end
        for name in read("engine/media/flags.c"):gmatch 'text_equal%(name, TEXT%("([%l-]+)"%)' do
            assert.is_truthy(listed:find(" " .. name, 1, true), name)
        end
        local folder = first_route()
        for flag in text:gmatch "%S+" do
            write(folder .. "/first/route.lua", ("local m = require 'lunasip'.media\n"
                .. "function request_route(req) m.manage(req, '%s') end\n"):format(flag))
            local code, output = run_in(folder, { "check", "first/conf.lua" })
            assert.equal(0, code, flag .. ": " .. output)
        end
    end)
end)
