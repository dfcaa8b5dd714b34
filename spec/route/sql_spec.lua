--- sip.sql on the real engine and SQLite: queries that look sequential, and what else goes on meanwhile.
local world = require "route.world"

local URL = "postgres://sip:secret@db.example/sip"

describe("sip.sql", function()
    local net, alice, bob, db

    -- The body of request_route; `db` is open. What it answers with is what a spec looks at.
    local function open(body, options)
        options = options or {}
        net, alice, bob = world.open_asking {
            before = ("local db = sip.sql.open(%q, %s)"):format(URL, options.open or "{}"), body = body,
            more = options.more, route = options.route, workers = options.workers,
            conf = { script = options.script, database = options.database },
            databases = { [URL] = options.sql or [[
                CREATE TABLE phones (name TEXT PRIMARY KEY, port INTEGER, weight REAL, note TEXT);
                INSERT INTO phones VALUES ('bob', 5060, 0.5, NULL), ('carol', 5070, 2.0, 'x');
            ]] },
        }
        db = net:database(URL)
    end

    after_each(function() net:close() end)

    -- The reason phrase of the answer to an OPTIONS.
    local function said(agent)
        return world.said(agent or alice)
    end

    local function counter(name)
        return net:status().counters[name]
    end

    describe("query", function()
        it("gives rows by the names of their columns, nil for NULL", function()
            open [[
                local rows = db:query("SELECT * FROM phones WHERE name = ?", req["$rU"])
                local row = rows[1]
                answer(req, #rows, row.name, row.port, row.weight, row.note)
            ]]
            assert.equal("1 bob 5060 0.5 nil", said())
        end)

        it("binds texts, numbers, booleans and nil, whatever they contain", function()
            open [[
                local text = "'; DROP TABLE phones; --"
                local rows = db:query("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e", text, 7, 1.5, true, nil)
                local row = rows[1]
                answer(req, row.a, row.b, row.c, row.d, row.e)
            ]]
            assert.equal("'; DROP TABLE phones; -- 7 1.5 1 nil", said())
            assert.equal(2, db:rows("SELECT count(*) AS n FROM phones")[1].n)
        end)

        it("gives integers that a number cannot hold as texts", function()
            open [[
                local row = db:query("SELECT 9007199254740993 AS large, 9007199254740992 AS fits")[1]
                answer(req, type(row.large), row.large, type(row.fits))
            ]]
            assert.equal("string 9007199254740993 number", said())
        end)

        it("gives an empty list where there is no row", function()
            open [[answer(req, #db:query("SELECT * FROM phones WHERE name = 'nobody'"))]]
            assert.equal("0", said())
        end)

        it("tells what is wrong with a statement in the words of the database", function()
            open [[answer(req, db:query "SELECT * FROM nowhere")]]
            assert.equal("nil no such table: nowhere refused", said())
        end)

        it("runs within pcall", function()
            open [[
                local ok, rows = pcall(function() return db:query "SELECT 1 AS one" end)
                answer(req, ok, rows[1].one)
            ]]
            assert.equal("true 1", said())
        end)
    end)

    describe("exec", function()
        it("gives the number of rows affected", function()
            open [[answer(req, db:exec("UPDATE phones SET note = ? WHERE port >= ?", "seen", 0))]]
            assert.equal("2", said())
            assert.equal("seen", db:rows("SELECT note FROM phones")[1].note)
        end)

        it("tells a key that is there from other faults", function()
            open [[local n, _, reason = db:exec("INSERT INTO phones (name) VALUES (?)", "bob") answer(req, n, reason)]]
            assert.equal("nil exists", said())
        end)
    end)

    describe("while a query takes two seconds", function()
        local BODY = [[
            if req.method == "OPTIONS" then
                local rows, problem, reason = db:query "SELECT count(*) AS n FROM phones"
                return answer(req, rows and rows[1].n or reason)
            end
            return req:reply(200)
        ]]

        it("no other call is delayed", function()
            open(BODY, { open = "{ timeout_ms = 5000 }" })
            db:impair { delay = 2 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            local before = net:now()
            bob:ask("MESSAGE", { uri = "sip:bob@10.0.0.1" })
            bob:receive(200)
            assert.is_true(net:now() - before < 0.01)
            assert.equal(1, net:status().waiting)
            assert.equal("2", alice:receive(function(msg) return msg.status end).reason)
            assert.is_true(net:now() - before > 1.8)
        end)

        it("its deadline holds: that of the setting, of open() and of with()", function()
            open([[
                local function ms(db)
                    local _, _, reason = db:query "SELECT 1"
                    return reason
                end
                answer(req, ms(db), ms(db:with { timeout_ms = 300 }), ms(db:with { timeout_ms = 20000 }))
            ]], { open = "{ timeout_ms = 1000 }" })
            db:impair { delay = 10 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(12)
            assert.equal("timeout timeout nil", alice:receive(function(msg) return msg.status end).reason)
            assert.equal(2, counter "database.late")
        end)

        it("an INVITE is answered after it", function()
            open([[
                if req.method == "INVITE" then
                    db:exec "UPDATE phones SET note = 'invited'"
                    return req:reply(486)
                end
                req:reply(200)
            ]])
            db:impair { delay = 1.5 }
            alice:invite "sip:bob@10.0.0.1"
            alice:receive(486)
            assert.equal("invited", db:rows("SELECT note FROM phones")[1].note)
        end)

        it("an exec of a caller who gave up is carried out and its result is known", function()
            open([[
                local n = db:exec "UPDATE phones SET note = 'done'"
                sip.log.info("affected %s", tostring(n))
                req:reply(200)
            ]])
            db:impair { delay = 1 }
            alice:invite "sip:bob@10.0.0.1"
            net:advance(0.5)
            alice:hangup()
            net:advance(1)
            assert.is_truthy(net:logged "affected 2")
        end)
    end)

    describe("a database that is away", function()
        it("fails at once, and works again when it is back", function()
            open [[local rows, _, reason = db:query "SELECT 1 AS one" answer(req, rows and rows[1].one, reason)]]
            db:impair { fail = true }
            assert.equal("nil unavailable", said())
            assert.is_false(net:status().databases[1].connected)
            db:impair {}
            assert.equal("1 nil", said())
            assert.equal(2, counter "database.asked")
            assert.equal(1, counter "database.failed")
        end)
    end)

    it("works in timers and event routes", function()
        open("return req:relay { to = 'sip:10.0.0.20:5060' }", { more = [[
            sip.timer.every(1, function()
                db:exec "UPDATE phones SET port = port + 1 WHERE name = 'bob'"
            end)
            event_route["dialog:end"] = function(event)
                db:exec("UPDATE phones SET note = ? WHERE name = 'carol'", event.call_id)
            end
        ]], route = nil })
        net:advance(3.5)
        assert.equal(5063, db:rows("SELECT port FROM phones WHERE name = 'bob'")[1].port)
    end)

    it("says so where a handler cannot wait", function()
        open [[
            local ok, problem = pcall(string.gsub, "abc", "b", function() return db:query "SELECT 1" end)
            answer(req, ok, (problem:gsub("^.*: db", "db")))
        ]]
        assert.equal("false db: cannot wait inside a callback of a library function", said())
    end)

    local function fault_of(route)
        local ok, fault = net:reload { source = "local sip = require 'lunasip'\n" .. route }
        assert.is_nil(ok)
        return table.concat({ fault:match "^[^:]*(:%d+):%d+(: [^\n]*)" }):sub(2)
    end

    it("is misused at the script's own line", function()
        open "req:reply(200)"
        local rest = "\nfunction request_route(req) req:reply(200) end"
        assert.equal("2: sql.open: a URL begins with sqlite:, postgres:// or mysql://",
            fault_of("sip.sql.open 'db.example'" .. rest))
        assert.equal("2: sip.sql.open takes no option 'timeout'; did you mean 'timeout_ms'?",
            fault_of("sip.sql.open('" .. URL .. "', { timeout = 1 })" .. rest))
        assert.equal("3: db: only a handler can wait",
            fault_of("local db = sip.sql.open '" .. URL .. "'\nlocal rows = db:query 'SELECT 1'" .. rest))
    end)

    it("means the configuration's database where none is named", function()
        open([[answer(req, #(sip.sql.open(nil, { timeout_ms = 500 }):query "SELECT * FROM phones"))]],
            { database = { url = URL } })
        assert.equal("2", said())
        net:close()
        open("req:reply(200)", { database = false })
        assert.equal('2: sql.open: a URL is needed, or database { url = "..." } in the configuration',
            fault_of "local db = sip.sql.open()\nfunction request_route(req) db:query 'SELECT 1' req:reply(200) end")
    end)

    it("wants as many values as there are places, and no transaction", function()
        open [[
            local _, problem = pcall(function() return db:query "SELECT ?" end)
            local _, other = pcall(function() return db:exec "BEGIN" end)
            answer(req, problem:match "db: (.*) are needed", other:match "db: (.*) are needed")
        ]]
        local said_of_both = "as many values as the statement has '?'"
        assert.equal(said_of_both .. " " .. said_of_both, said())
    end)

    describe("limits", function()
        it("database.queue: more queries are refused", function()
            open([[local rows, problem, reason = db:query "SELECT 1" answer(req, reason, problem)]],
                { database = { queue = 1 } })
            db:impair { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            assert.equal("limit too many queries wait (database.queue)", said(bob))
            assert.equal(1, counter "database.queue_full")
            alice:receive(299)
        end)

        it("database.answer_bytes: a larger answer is none", function()
            open([[local rows, problem, reason = db:query "SELECT hex(zeroblob(4096)) AS x" answer(req, reason)]],
                { database = { answer_bytes = 1024 } })
            assert.equal("limit", said())
            assert.equal(1, counter "database.too_large")
        end)

        it("script.waiting: the handler ends, and its answer is nobody's", function()
            open([[db:query "SELECT 1" req:reply(200)]], { script = { waiting = 1 } })
            db:impair { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            bob:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            bob:receive(500)
            alice:receive(200)
        end)
    end)

    describe("a reload", function()
        local function route(url, reply)
            return ([[
                local sip = require "lunasip"
                local db = sip.sql.open "%s"
                function request_route(req)
                    local rows = db:query "SELECT 1 AS one"
                    req:reply(%s, rows and "one" or "none")
                end]]):format(url, reply)
        end

        it("keeps a URL open that both generations use, with what waits", function()
            open(nil, { route = route(URL, 298) })
            db:impair { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            assert(net:reload { source = route(URL, 299) })
            assert.equal(298, alice:receive(function(msg) return msg.status end).status)
            assert.equal(1, #net:status().databases)
            assert.equal(299, select(2, said()))
            assert.is_nil(net:logged "nobody uses it any more")
        end)

        it("closes a URL that no generation uses any more", function()
            open(nil, { route = route(URL, 298) })
            assert.equal(298, select(2, said()))
            net:advance(60)
            assert(net:reload { source = route("sqlite:other", 299) })
            assert(net:reload { source = route("sqlite:other", 299) })
            assert.is_truthy(net:logged "postgres://db.example/sip: closed, nobody uses it any more")
            assert.equal("sqlite:other", net:status().databases[1].name)
        end)

        it("that fails closes what it opened", function()
            open(nil, { route = route(URL, 298) })
            assert.is_nil(net:reload { source = route("sqlite:other", 299) .. "\nerror 'no'" })
            assert.equal(1, #net:status().databases)
        end)
    end)

    it("wakes those who wait when lunasip stops, and what they decide still leaves", function()
        open [[
            local rows, _, reason = db:query "SELECT 1"
            sip.log.info("reason %s", reason)
            req:reply(503)
        ]]
        db:impair { delay = 1 }
        alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
        net:advance(0.1)
        net.stage:stop_engine(0)
        assert.is_truthy(net:logged "reason cancelled")
        net.has_failed = true -- the engine is gone: only clean up
    end)

    it("shares one database between workers", function()
        open([[answer(req, db:exec "UPDATE phones SET port = port + 1")]], { workers = 4 })
        for _ = 1, 8 do
            said()
        end
        assert.equal(5068, db:rows("SELECT port FROM phones WHERE name = 'bob'")[1].port)
    end)
end)
