-- `lunasip user`: users as kamctl keeps them, in SQLite and in Kamailio's own tables; phones register as them.
local json = require "dkjson"

local database = require "support.database"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    local user = sip.auth.check(req, "example.com")
    if not user then
        return sip.auth.challenge(req, "example.com", { algorithms = { "MD5" }, qop = "none" })
    end
    sip.registrar.save(req, { aor = "sip:" .. user .. "@example.com" })
end
]]

local function md5(text)
    local pipe = assert(io.popen(("printf %%s '%s' | md5sum"):format(text)))
    local found = pipe:read "*l":match "^%x+"
    pipe:close()
    return found
end

describe("lunasip user", function()
    local folder, conf

    local function write(name, text)
        local file = assert(io.open(folder .. "/" .. name, "w"))
        file:write(text)
        file:close()
        return folder .. "/" .. name
    end

    -- @return exit code, output
    local function user(words)
        return process.run({ "sh", "-c", lunasip.build .. "/lunasip user " .. words }, 60,
            { env = { LUNASIP_CONF = conf or false } })
    end

    local function expect(code, output, words)
        local found, said = user(words)
        assert.same({ code, output }, { found, said })
    end

    local function expect_refused(code, pattern, words)
        local found, said = user(words)
        assert.equal(code, found, said)
        assert.matches(pattern, said)
    end

    before_each(function()
        folder = process.folder()
    end)

    after_each(function()
        conf = nil
        database.clean()
        process.clean()
    end)

    local function configure(more)
        write("route.lua", ROUTE)
        conf = write("lunasip.lua", 'listen { lan = { "udp:127.0.0.1:5060" } }\nroute "route.lua"\n' .. (more or ""))
    end

    for _, kind in ipairs { "sqlite", "postgres", "mysql" } do
        it("adds, changes, lists and removes users: " .. kind, function()
            local db = database.open(kind)
            configure(('database { url = %q }\nauth { domain = "example.com" }\n'):format(db.url))
            expect(0, "2001@example.com is added\n", "add 2001 eins")
            expect(0, "2002@other.example is added\n", "add 2002@other.example --ha1-only zwei")
            expect(1, "lunasip: 2001: is a user already; `lunasip user passwd` changes the password\n", "add 2001 x")
            expect(0, "2001@example.com\n2002@other.example\n", "list")
            expect(0, "2002@other.example\n", "list --domain other.example")
            local _, listed = user "list --json"
            assert.same({ { user = "2001", domain = "example.com" }, { user = "2002", domain = "other.example" } },
                json.decode(listed))
            if kind ~= "sqlite" then
                assert.same(table.concat({
                    "2001\teins\t" .. md5 "2001:example.com:eins" .. "\t" .. md5 "2001@example.com:example.com:eins",
                    "2002\t\t" .. md5 "2002:other.example:zwei" .. "\t" .. md5 "2002@other.example:other.example:zwei",
                }, "\n") .. "\n", db:rows "SELECT username, password, ha1, ha1b FROM subscriber ORDER BY username")
            end
            expect(0, "2001@example.com has another password\n", "passwd 2001 drei")
            expect(0, "2001@example.com has another password\n", "passwd 2001 drei")
            expect(0, "2002@other.example is removed\n", "rm 2002@other.example")
            expect(1, "lunasip: 2002@other.example: there is no such user\n", "rm 2002@other.example")
            expect(1, "lunasip: 2002: there is no such user\n", "passwd 2002 x")
            expect(0, "2001@example.com\n", "list")
        end)

        it("lets those in whom it added, with the password that was read: " .. kind, function()
            local db, at = database.open(kind), network.block()
            write("route.lua", ROUTE)
            local engine = lunasip.start {
                public = { "udp:" .. at(10) .. ":5060" }, route = folder .. "/route.lua",
                blocks = { database = { url = db.url }, auth = { domain = "example.com" } },
            }
            conf = engine.folder .. "/lunasip.lua"
            expect(0, "2001@example.com is added\n", "add 2001 <<E\ngeheim\nE")
            local phone = assert(posix.udp(at(20), 0))
            local function register(number, authorization)
                assert(phone.send(at(10), 5060, table.concat({
                    "REGISTER sip:example.com SIP/2.0",
                    ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%d"):format(phone.host, phone.port, number),
                    "Max-Forwards: 70", "From: <sip:2001@example.com>;tag=1", "To: <sip:2001@example.com>",
                    "Call-ID: 1", "CSeq: " .. number .. " REGISTER",
                    ("Contact: <sip:2001@%s:%d>"):format(phone.host, phone.port) .. (authorization or ""), "", "",
                }, "\r\n")))
                return posix.wait_until(function()
                    local message = phone.receive()
                    return message and not message:find "^SIP/2%.0 1" and message
                end, 60, 0.001)
            end
            local function authorization(nonce, password)
                local response = md5(("%s:%s:%s"):format(md5("2001:example.com:" .. password), nonce,
                    md5 "REGISTER:sip:example.com"))
                return ('\r\nAuthorization: Digest username="2001", realm="example.com", nonce="%s", '
                    .. 'uri="sip:example.com", response="%s"'):format(nonce, response)
            end
            local nonce = register(1):match 'nonce="([^"]+)"'
            nonce = register(2, authorization(nonce, "wrong")):match 'nonce="([^"]+)"'
            assert.matches("^SIP/2.0 200 ", register(3, authorization(nonce, "geheim")))
            phone.close()
            local code, complaint = engine:stop()
            assert.same({ 0, "" }, { code, complaint })
        end)
    end

    it("says what it does not know", function()
        configure()
        expect_refused(3, "no database is named; write database { url", "add 2001@example.com x")
        local url = "--database sqlite:" .. folder .. "/sip.db "
        expect_refused(2, "^lunasip: 2001: the domain is not known; write USER@DOMAIN, %-%-domain", url .. "add 2001 x")
        expect(0, "2001@example.com is added\n", url .. "--domain example.com add 2001 x")
        conf = folder .. "/none.lua"
        expect_refused(3, "none.lua:1: cannot be read", "list")
        conf = write("faulty.lua", "listen { lan = 5 }")
        expect_refused(3, "faulty.lua:1: ", "list")
    end)

    it("refuses what cannot be a user or a password", function()
        local url = "--database sqlite:" .. folder .. "/sip.db --domain example.com "
        for _, name in ipairs { "a:b", "'a b'", "@example.com", "a@", "a@b@c", ("x"):rep(65) } do
            expect_refused(2, "a user and a domain have 1 to 64 characters", url .. "add " .. name .. " x")
        end
        expect_refused(2, "2001: the password is empty", url .. "add 2001 ''")
        expect_refused(2, "2001: the password is empty", url .. "add 2001 <<E\n\nE")
        expect_refused(2, "2001: there is no password", url .. "add 2001")
        expect_refused(2, "2001: the password is too long", url .. "add 2001 <<E\n" .. ("x"):rep(200) .. "\nE")
        expect(0, "", url .. "list")
    end)

    it("refuses words that it does not take", function()
        for _, words in ipairs {
            "", "grow 2001", "list 2001", "add", "rm 2001 x", "add 2001 x y", "add --json 2001 x", "list --ha1-only",
            "list --loud", "list --domain",
        } do
            expect_refused(2, "^usage: lunasip user ", words)
        end
        expect_refused(2, "a URL begins with sqlite:", "--database db.example list")
    end)

    it("says in the words of the database why it cannot be asked", function()
        expect_refused(1, "^lunasip: list: .*Connection refused", "--database postgres://a:b@127.0.0.1:1/sip list")
        expect_refused(1, "^lunasip: list: .*unable to open database file\n$",
            "--database sqlite:/none/none/sip.db list")
    end)

    it("lists more users than one query does, each once", function()
        local db = database.open "mysql"
        local rows = {}
        for i = 1, 2500 do rows[i] = ("('u%d', 'd%d.example')"):format(i % 1250, i) end
        db:rows("INSERT INTO subscriber (username, domain) VALUES " .. table.concat(rows, ", "))
        local code, listed = user("--database '" .. db.url .. "' list")
        assert.equal(0, code)
        local seen, count = {}, 0
        for line in listed:gmatch "[^\n]+" do
            assert.is_nil(seen[line])
            seen[line], count = true, count + 1
        end
        assert.equal(2500, count)
    end)
end)
