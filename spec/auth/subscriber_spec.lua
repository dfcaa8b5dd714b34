--- sip.auth.check with Kamailio's table of users: { database = db }.
local digest = require "lunasip.lab.digest"
local lab = require "lunasip.lab"

local URL = "mysql://sip:secret@db.example/kamailio"

-- md5 of "alice:example.com:secret" and "alice@example.com:example.com:secret"
local function md5(text)
    local pipe = assert(io.popen(("printf %%s '%s' | md5sum"):format(text)))
    local found = pipe:read "*l":match "^%x+"
    pipe:close()
    return found
end

local TABLE = [[
CREATE TABLE subscriber (
    id INTEGER PRIMARY KEY, username VARCHAR(64) NOT NULL DEFAULT '', domain VARCHAR(64) NOT NULL DEFAULT '',
    password VARCHAR(64) NOT NULL DEFAULT '', ha1 VARCHAR(128) NOT NULL DEFAULT '',
    ha1b VARCHAR(128) NOT NULL DEFAULT '', UNIQUE (username, domain));
INSERT INTO subscriber (username, domain, ha1, ha1b) VALUES ('alice', 'example.com', ']]
    .. md5 "alice:example.com:secret" .. "', '" .. md5 "alice@example.com:example.com:secret" .. [[');
INSERT INTO subscriber (username, domain, password) VALUES ('bob', 'example.com', 'secret');
INSERT INTO subscriber (username, domain, password) VALUES ('carol', 'other.example', 'secret');
INSERT INTO subscriber (username, domain) VALUES ('dave', 'example.com');
]]

describe("sip.auth.check with a database", function()
    local net, db

    local function open(options, algorithm, sql)
        net = lab.new {
            conf = { database = false }, databases = { [URL] = sql or TABLE },
            route = ([[
                local sip = require "lunasip"
                local db = sip.sql.open "%s"
                function request_route(req)
                    local user, why = sip.auth.check(req, "example.com", { database = db, %s })
                    if not user then
                        sip.log.info("refused: " .. why)
                        if why == "unavailable" then return req:reply(503) end
                        return sip.auth.challenge(req, "example.com", { algorithms = { "%s" } })
                    end
                    req:reply(200, user)
                end]]):format(URL, options or "", algorithm or "MD5"),
        }
        db = net:database(URL)
    end

    after_each(function() net:close() end)

    local count = 0

    -- The last answer to a REGISTER with credentials, and how long it took.
    local function register(user, password)
        count = count + 1
        local phone = net:agent {
            name = "phone" .. count, address = "192.0.2." .. (10 + count % 200),
            credentials = { username = user, password = password or "secret" },
        }
        local before = net:now()
        phone:register { uri = "sip:example.com" }
        local reply = phone:receive(function(msg) return msg.status and msg.status >= 200 end)
        return reply.status, net:now() - before, reply
    end

    it("takes the HA1 of MD5, or the password", function()
        open()
        assert.equal(200, (register "alice"))
        assert.equal(401, (register("alice", "wrong")))
        assert.equal(200, (register "bob"))
        assert.equal(401, (register("bob", "wrong")))
    end)

    it("takes ha1b for user@domain", function()
        open()
        assert.equal(200, (register "alice@example.com"))
        assert.equal(200, (register "bob@example.com"))
        assert.equal(401, (register "alice@other.example"))
    end)

    it("reckons any algorithm from a password", function()
        open(nil, "SHA-256")
        assert.equal(200, (register "bob"))
        assert.equal(401, (register "alice")) -- there is an HA1 of MD5 only
    end)

    it("keeps domains apart, unless told not to", function()
        open()
        assert.equal(401, (register "carol"))
        net:close()
        open "use_domain = false"
        assert.equal(200, (register "carol"))
    end)

    it("looks into another table", function()
        open("table = 'users'", nil, (TABLE:gsub("subscriber", "users")))
        assert.equal(200, (register "alice"))
    end)

    it("is the configuration's database where none is named", function()
        net = lab.new {
            conf = { listen = { lan = { "udp:192.0.2.1:5060" } }, database = { url = URL } },
            databases = { [URL] = TABLE },
            route = [[
                local sip = require "lunasip"
                function request_route(req)
                    local user = sip.auth.check(req, "example.com")
                    if not user then
                        return sip.auth.challenge(req, "example.com", { algorithms = { "MD5" } })
                    end
                    req:reply(200, user)
                end]],
        }
        local phone = net:agent { name = "phone", address = "192.0.2.10", side = "lan",
            credentials = { username = "alice", password = "secret" } }
        phone:register { uri = "sip:example.com" }
        assert.equal("alice", phone:receive(200).reason)
    end)

    it("lets nobody in without a password or an HA1", function()
        open()
        assert.equal(401, (register("dave", "")))
    end)

    it("tells nobody which users there are: the same answers, one query each, and the same time", function()
        open()
        db:impair { delay = 0.1 }
        local told = {}
        for i, user in ipairs { "alice", "nobody", "dave", "carol", "'--" } do
            local asked = net:status().counters["database.asked"]
            local status, took, reply = register(user, "wrong")
            local challenge = digest.parse(reply:header "WWW-Authenticate")
            told[i] = ("%d %s %.3f s %d queries %s"):format(status, reply.reason, took,
                net:status().counters["database.asked"] - asked, tostring(challenge.stale))
            assert.is_truthy(net:logged "refused: wrong")
        end
        for i = 2, #told do
            assert.equal(told[1], told[i])
        end
    end)

    it("remembers who was right: the database is not asked again, and may be away", function()
        open "cache_s = 60"
        assert.equal(200, (register "alice"))
        local asked = net:status().counters["database.asked"]
        db:impair { fail = true }
        assert.equal(200, (register "alice"))
        assert.equal(asked, net:status().counters["database.asked"])
    end)

    it("says so when the database cannot tell, whoever asks", function()
        open()
        db:impair { fail = true }
        assert.equal(503, (register "alice"))
        assert.equal(503, (register "nobody"))
        assert.is_truthy(net:logged "auth.check: ")
        db:impair {}
        assert.equal(200, (register "alice"))
    end)

    it("is misused at the script's own line", function()
        open()
        for options, fault in pairs {
            ["database = db, password = 'x'"] = "one of password, ha1 and database is needed",
            ["password = 'x', table = 't'"] = "table and use_domain belong to a database",
            ["database = db, table = 'a b'"] = "table is the name of a table",
            ["cache_s = 1"] = "either password, ha1 or database is needed",
        } do
            assert(net:reload { source = ([[
                local sip = require "lunasip"
                local db = sip.sql.open "%s"
                function request_route(req) sip.auth.check(req, "r", { %s }) end]]):format(URL, options) })
            assert.equal(500, (register "alice"))
            assert.is_truthy(net:logged("%.lua:3: auth.check: " .. fault), fault)
        end
    end)
end)
