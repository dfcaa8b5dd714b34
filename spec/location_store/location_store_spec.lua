--- Bindings that outlive the process: location { database = URL, db_mode = 1 | 2 | 3 } on Kamailio's table.
local lab = require "lunasip.lab"

local URL = "postgres://sip:secret@db.example/kamailio"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "REGISTER" then
        return sip.registrar.save(req, { received = true })
    end
    local ok, why = sip.registrar.lookup(req)
    if not ok then return req:reply(480, why) end
    assert(req:relay())
end
]]

describe("bindings in a database", function()
    local net, alice, bob, db

    local function conf(location)
        location = location or {}
        location.database = location.database or URL
        return { listen = { lan = { "udp:10.0.0.1:5060" } }, location = location }
    end

    local function open(location, options)
        options = options or {}
        net = lab.new {
            seed = 3, workers = options.workers, route = options.route or ROUTE, conf = conf(location),
            databases = options.databases or { [URL] = "" },
        }
        alice = net:agent { name = "alice", address = "10.0.0.10", side = "lan" }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "lan", auto_options = true }
        db = net:database(URL)
    end

    after_each(function() net:close() end)

    local function register(agent, options)
        options = options or {}
        options.uri = "sip:example.net"
        options.aor = options.aor or not agent.registration and "sip:team@example.net" or nil
        agent:register(options)
    end

    local function answer_of(agent)
        return agent:receive(function(msg) return msg.status and msg.cseq_method == "REGISTER" end, 20)
    end

    local function rows()
        return db:rows "SELECT * FROM location ORDER BY id"
    end

    local function counter(name)
        return net:status().counters[name]
    end

    -- The engine ends, or is killed, and another begins with the same database.
    local function restart(location)
        net.stage:stop_engine(net.engines[#net.engines].number)
        net:engine { name = "next", conf = conf(location), route = ROUTE }
    end

    -- Status of the one that runs now.
    local function status()
        return net.engines[#net.engines]:status()
    end

    -- Engines that were stopped have nothing to tell at the end.
    local function forget_stopped()
        net.has_failed = true
    end

    describe("db_mode 1 (write-through)", function()
        it("writes Kamailio's columns", function()
            open()
            register(bob, { expires = 600, headers = { ["User-Agent"] = "phone/1", Allow = "INVITE, ACK, BYE" } })
            assert.equal(200, answer_of(bob).status)
            local row = rows()[1]
            assert.equal("team", row.username)
            assert.equal("example.net", row.domain)
            assert.matches("^sip:bob@10%.0%.0%.20", row.contact)
            assert.matches("^sip:10%.0%.0%.20", row.received)
            assert.equal("udp:10.0.0.1:5060", row.socket)
            assert.equal("phone/1", row.user_agent)
            assert.equal(1 + 4 + 8, row.methods)
            assert.equal(-1, row.q)
            assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d$", row.expires)
            assert.matches("^uloc%-%x+$", row.ruid)
            assert.equal(1, counter "location.stored")
        end)

        it("answers 200 when the row is there, and not before", function()
            open()
            db:impair { delay = 1.5 }
            local before = net:now()
            register(bob)
            net:advance(1)
            bob:receive_nothing(200, 0.1)
            assert.equal(200, answer_of(bob).status)
            assert.is_true(net:now() - before >= 1.5)
        end)

        it("gathers rows for write_through_ms, and writes them together", function()
            open { write_through_ms = 300 }
            register(alice)
            net:advance(0.2)
            register(bob)
            net:advance(0.09)
            assert.equal(0, #rows())
            assert.equal(200, answer_of(alice).status)
            assert.equal(2, #rows())
            assert.equal(200, answer_of(bob).status)
            assert.is_true(net:now() < 0.4)
        end)

        it("writes a refresh into the same row, and takes it away with the binding", function()
            open()
            register(bob, { expires = 600 })
            answer_of(bob)
            local first = rows()[1]
            net:advance(100)
            register(bob, { expires = 600 })
            answer_of(bob)
            assert.equal(1, #rows())
            assert.equal(first.ruid, rows()[1].ruid)
            assert.not_equal(first.expires, rows()[1].expires)
            register(bob, { expires = 0 })
            answer_of(bob)
            assert.equal(0, #rows())
        end)

        it("asks nothing for a REGISTER that only asks", function()
            open()
            register(bob)
            answer_of(bob)
            db:impair { fail = true }
            alice:send(table.concat({
                "REGISTER sip:example.net SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bKasks",
                "Max-Forwards: 70", "From: <sip:team@example.net>;tag=1", "To: <sip:team@example.net>",
                "Call-ID: asks", "CSeq: 1 REGISTER", "", "",
            }, "\r\n"))
            assert.matches("bob@10%.0%.0%.20", alice:receive(200):header "Contact")
        end)
    end)

    describe("after a restart", function()
        it("everybody is reached where they were, with received and socket", function()
            open()
            register(bob, { expires = 600 })
            answer_of(bob)
            restart()
            assert.equal(1, status().registrations.bindings)
            assert.equal(1, status().counters["location.loaded"])
            alice:ask("OPTIONS", { uri = "sip:team@example.net" })
            alice:receive(200)
            -- and a refresh goes on with the row
            register(bob, { expires = 600 })
            answer_of(bob)
            assert.equal(1, #rows())
            forget_stopped()
        end)

        it("loads in batches, leaves out what expired, and purges it", function()
            local inserts = {}
            for i = 1, 25 do
                inserts[i] = ("INSERT INTO location (ruid, username, domain, contact, expires) VALUES ('r%d', 'u%d',"
                    .. " 'example.net', 'sip:u%d@10.0.0.20', '%s');"):format(i, i, i,
                    i % 5 == 0 and "1999-01-01 08:00:00" or i == 6 and "nonsense" or "2099-01-01 00:00:00")
            end
            open({ load_batch = 4 })
            db:load(table.concat(inserts))
            restart { load_batch = 4 }
            assert.equal(19, status().registrations.bindings)
            assert.is_truthy(net:logged "19 bindings loaded, 5 had expired, 1 make no sense")
            net:advance(61)
            assert.equal(20, #rows())
            forget_stopped()
        end)

        it("a row without end stays", function()
            open()
            net:command("registrations", "add", "door@example.net", "sip:door@10.0.0.20", "0")
            net:advance(1)
            restart()
            net:advance(100000)
            assert.equal(1, status().registrations.bindings)
            forget_stopped()
        end)
    end)

    describe("while the database is away", function()
        it("calls go on, a REGISTER is not acknowledged, and everything is written when it is back", function()
            open()
            register(bob, { expires = 600 })
            answer_of(bob)
            db:impair { fail = true }
            register(bob, { expires = 600, contact = "<sip:moved@10.0.0.20>" })
            local refused = answer_of(bob)
            assert.equal(503, refused.status)
            assert.header(refused, "Retry-After", "10")
            assert.is_true(counter "location.unstored" >= 1)
            assert.is_true(net:status().registrations.unwritten >= 1)
            assert.is_truthy(net:logged "bindings cannot be stored")
            alice:ask("OPTIONS", { uri = "sip:team@example.net" })
            alice:receive(200)
            db:impair {}
            net:advance(2)
            assert.equal(2, #rows())
            assert.equal(0, net:status().registrations.unwritten)
            assert.is_truthy(net:logged "bindings are stored again")
            register(bob, { expires = 600, contact = "<sip:moved@10.0.0.20>" })
            assert.equal(200, answer_of(bob).status)
        end)

        it("an engine that starts then serves, and loads when it is back", function()
            open()
            register(bob, { expires = 600 })
            answer_of(bob)
            db:impair { fail = true }
            restart()
            alice:ask("OPTIONS", { uri = "sip:team@example.net" })
            alice:receive(480)
            db:impair {}
            net:advance(1)
            alice:ask("OPTIONS", { uri = "sip:team@example.net" })
            alice:receive(200)
            forget_stopped()
        end)

        it("beyond location.store_queue all bindings are written again", function()
            open { db_mode = 2, store_queue = 2, write_back_ms = 100 }
            db:impair { fail = true }
            for i = 1, 6 do
                register(bob, { aor = ("sip:u%d@example.net"):format(i), expires = 600 })
                assert.equal(200, answer_of(bob).status)
            end
            assert.is_true(counter "location.store_queue_full" >= 1)
            db:impair {}
            net:advance(5)
            assert.equal(net:status().registrations.bindings, #rows())
            assert.is_true(#rows() >= 1)
        end)
    end)

    describe("db_mode 2 (write-back)", function()
        it("answers at once, and writes once what changed often", function()
            open { db_mode = 2, write_back_ms = 1000 }
            db:impair { delay = 0.5 }
            local before = net:now()
            for _ = 1, 3 do
                register(bob, { expires = 600 })
                assert.equal(200, answer_of(bob).status)
            end
            assert.is_true(net:now() - before < 0.1)
            net:advance(3)
            assert.equal(1, #rows())
            assert.equal(1, counter "location.stored")
        end)

        it("writes what waits when lunasip stops", function()
            open { db_mode = 2, write_back_ms = 60000 }
            register(bob, { expires = 600 })
            answer_of(bob)
            assert.equal(0, #rows())
            net.stage:stop_engine(0)
            assert.equal(1, #rows())
            forget_stopped()
        end)
    end)

    describe("db_mode 3 (the database alone counts)", function()
        -- The row of a contact that another engine wrote.
        local function write(user, contact, more)
            db:load(("INSERT INTO location (ruid, username, domain, contact, expires, callid %s) "
                .. "VALUES ('other-%s', '%s', 'example.net', '%s', '2038-01-01 00:00:00', 'c' %s)")
                :format(more and ", cseq" or "", contact, user, contact, more or ""))
        end

        local function ask(user)
            alice:ask("OPTIONS", { uri = ("sip:%s@example.net"):format(user) })
            return alice:receive(function(msg) return msg.status and msg.status >= 200 end, 20)
        end

        it("finds what somebody else wrote, and not what somebody else took away", function()
            open({ db_mode = 3 }, { route = [[
                local sip = require "lunasip"
                function request_route(req)
                    local ok, why = sip.registrar.lookup(req)
                    req:reply(299, ok and req["$ru"] or why)
                end]] })
            net:advance(1)
            assert.equal("not registered", ask("team").reason)
            write("team", "sip:bob@10.0.0.20")
            assert.equal("sip:bob@10.0.0.20", ask("team").reason)
            db:load "UPDATE location SET contact = 'sip:moved@10.0.0.20', cseq = 2"
            assert.equal("sip:moved@10.0.0.20", ask("team").reason)
            db:load "DELETE FROM location"
            assert.equal("not registered", ask("team").reason)
            assert.equal(4, counter "location.fetched")
        end)

        it("reads nothing at the start", function()
            open({ db_mode = 3 })
            net:advance(1)
            write("team", "sip:bob@10.0.0.20")
            restart { db_mode = 3 }
            net:advance(1)
            assert.equal(0, status().registrations.bindings)
            assert.equal(200, ask("team").status)
            forget_stopped()
        end)

        it("reckons a REGISTER with the contacts that are there", function()
            open { db_mode = 3, contacts_per_aor = 2 }
            net:advance(1)
            write("team", "sip:one@10.0.0.30")
            register(bob, { expires = 600 })
            local answer = answer_of(bob)
            assert.equal(200, answer.status)
            assert.is_truthy(answer.bytes:find("sip:one@10.0.0.30", 1, true))
            assert.equal(2, #rows())
            write("team", "sip:two@10.0.0.30")
            db:load "DELETE FROM location WHERE contact LIKE 'sip:bob%'"
            register(bob, { expires = 600, contact = "<sip:three@10.0.0.20>" })
            assert.equal(503, answer_of(bob).status)
        end)

        it("an AoR that waits delays no other", function()
            open { db_mode = 3 }
            net:advance(1)
            write("team", "sip:bob@10.0.0.20")
            db:impair { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:team@example.net" })
            net:advance(0.1)
            assert.equal(1, net:status().waiting)
            bob:ask("OPTIONS", { uri = "tel:1" }) -- no address of record: nobody is asked
            bob:receive(480, 0.5)
            assert.equal(1, net:status().waiting)
            alice:receive(200, 5)
        end)

        it("a database that is away: who is known is found, of others nothing can be told", function()
            open { db_mode = 3 }
            net:advance(1)
            write("team", "sip:bob@10.0.0.20")
            assert.equal(200, ask("team").status)
            db:impair { fail = true }
            assert.equal(200, ask("team").status)
            local answer = ask "nobody"
            assert.equal("480 unavailable", answer.status .. " " .. answer.reason)
            register(bob, { aor = "sip:bob@example.net", expires = 600 })
            assert.equal(503, answer_of(bob).status)
            assert.is_true(counter "location.fetch_failed" >= 3)
            db:impair {}
            net:advance(2)
            assert.equal(480, ask("nobody").status)
            assert.equal("not registered", ask("nobody").reason)
        end)

        it("location.aors bounds what is in memory, not who is found", function()
            open { db_mode = 3, aors = 2 }
            net:advance(1)
            for i = 1, 5 do write("u" .. i, ("sip:bob%d@10.0.0.20"):format(i)) end
            for _ = 1, 2 do
                for i = 1, 5 do assert.equal(200, ask("u" .. i).status) end
            end
            assert.is_true(net:status().registrations.aors <= 2)
            assert.is_true(counter "location.evicted" >= 8)
        end)

        it("what was registered just now is not forgotten for others", function()
            open { db_mode = 3, aors = 1 }
            net:advance(1)
            register(bob, { expires = 600 })
            assert.equal(200, answer_of(bob).status)
            write("other", "sip:other@10.0.0.20")
            assert.equal("480 unavailable", ("%d %s"):format(ask("other").status, ask("other").reason))
            net:advance(61)
            assert.equal(200, ask("other").status)
            assert.equal(2, #rows())
        end)

        it("ends, lists and asks for bindings of the database", function()
            open({ db_mode = 3 }, { route = [[
                local sip = require "lunasip"
                function request_route(req)
                    local r, uri = sip.registrar, "sip:team@example.net"
                    local before = #r.contacts(uri)
                    local ended = r.unregister(uri, "sip:bob@10.0.0.20")
                    req:reply(299, ("%d %d %s"):format(before, ended, tostring(r.registered(uri))))
                end]] })
            net:advance(1)
            write("team", "sip:bob@10.0.0.20")
            write("team", "sip:eve@10.0.0.20")
            assert.equal("2 1 true", ask("team").reason)
            net:advance(1)
            assert.equal(1, #rows())
        end)

        it("waits only where a handler can", function()
            open({ db_mode = 3 }, { route = [[
                local sip = require "lunasip"
                function request_route(req)
                    local ok, problem = pcall(string.gsub, "a", "a", function()
                        return tostring(sip.registrar.registered "sip:team@example.net")
                    end)
                    req:reply(299, problem:match "registrar.*")
                end]] })
            net:advance(1)
            assert.equal("registrar.contacts: cannot wait inside a callback of a library function", ask("team").reason)
        end)
    end)

    it("db_mode 0 uses no database", function()
        open { db_mode = 0 }
        register(bob)
        assert.equal(200, answer_of(bob).status)
        assert.same({}, net:status().databases)
    end)

    it("a row that the database refuses is told, and blocks no other", function()
        open()
        db:load [[CREATE TRIGGER bad BEFORE INSERT ON location WHEN NEW.username = 'team'
            BEGIN SELECT RAISE(ABORT, 'not you'); END;]]
        register(bob)
        assert.equal(503, answer_of(bob).status)
        assert.equal(1, counter "location.store_refused")
        assert.is_truthy(net:logged "the database refuses what team@example.net registered")
        register(alice, { aor = "sip:alice@example.net" })
        assert.equal(200, answer_of(alice).status)
    end)

    it("works with several workers", function()
        open(nil, { workers = 4 })
        for i = 1, 20 do
            register(bob, { aor = ("sip:u%d@example.net"):format(i), expires = 600 })
            assert.equal(200, answer_of(bob).status)
        end
        assert.equal(net:status().registrations.bindings, #rows())
    end)
end)
