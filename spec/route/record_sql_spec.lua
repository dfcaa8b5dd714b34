-- Records in SQL, in the shape of Kamailio's acc and acc_cdrs: through a spool, whatever the database does.
local ffi = require "ffi"
local world = require "route.world"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local URL = "mysql://sip@db.example/sip"
local TO_BOB = [[
    req:record { account = "a-" .. req.ruri:match "^sip:(%d+)" }
    req:record_route()
    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
]]
local TABLES = [[
    CREATE TABLE acc (id INTEGER PRIMARY KEY, method VARCHAR(16), from_tag VARCHAR(128), to_tag VARCHAR(128),
        callid VARCHAR(255), sip_code VARCHAR(3), sip_reason VARCHAR(128), time TIMESTAMP NOT NULL,
        account VARCHAR(20));
    CREATE TABLE missed_calls AS SELECT * FROM acc;
    CREATE TABLE acc_cdrs (id INTEGER PRIMARY KEY, start_time TIMESTAMP, end_time TIMESTAMP, duration FLOAT(10,3),
        account VARCHAR(20) CHECK (account <> 'a-13'), callid VARCHAR(255));
]]

describe("records in a database", function()
    local net, alice, bob, db

    local function open(options)
        options = options or {}
        local callees
        local records = {
            database = URL, spool = "/nowhere/spool", acc_extra = { "account" },
            cdr_extra = { "account", callid = "call_id" },
        }
        for name, value in pairs(options.records or {}) do
            records[name] = value
        end
        net, alice, callees = world.open {
            body = TO_BOB, conf = { records = records, limits = options.limits },
            databases = options.databases or { [URL] = TABLES },
        }
        bob = callees.bob
        db = net:database(URL)
    end

    after_each(function()
        net:close()
    end)

    local function call(number, talk_s)
        alice:invite("sip:" .. number .. "@example.net")
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(180)
        net:advance(1)
        bob:reply(invite, 200)
        alice:receive(200)
        bob:receive "ACK"
        net:advance(talk_s or 5)
    end

    local function hang_up(who, other)
        who:hangup()
        other:reply(other:receive "BYE", 200)
        who:receive(200)
        net:advance(1)
    end

    local function counter(name)
        return net:status().counters["records." .. name]
    end

    local function count(of)
        return db:rows("SELECT count(*) AS n FROM " .. of)[1].n
    end

    it("has a row for INVITE and BYE, and one of the whole call", function()
        open()
        call("1", 61.5)
        local tags = { alice.call.local_tag, bob.call.local_tag }
        hang_up(alice, bob)
        local rows = db:rows "SELECT * FROM acc ORDER BY id"
        assert.equal(2, #rows)
        for i, method in ipairs { "INVITE", "BYE" } do
            local row = rows[i]
            assert.same({ method, "200", "OK", alice.call.id, "a-1" },
                { row.method, row.sip_code, row.sip_reason, row.callid, row.account })
            assert.same(tags, { row.from_tag, row.to_tag })
            assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d$", row.time)
        end
        local cdr = db:rows "SELECT *, strftime('%s', end_time) - strftime('%s', start_time) AS s FROM acc_cdrs"
        assert.equal(1, #cdr)
        assert.near(61.5, cdr[1].duration, 0.01)
        assert.is_true(cdr[1].s == 61 or cdr[1].s == 62)
        assert.same({ "a-1", alice.call.id }, { cdr[1].account, cdr[1].callid })
        assert.same({ 1, 3 }, { counter "spooled", counter "stored" })
    end)

    it("has the callee's tag first where the callee hung up, and one row of a failure", function()
        open()
        call "1"
        hang_up(bob, alice)
        alice:invite "sip:2@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:settle()
        local rows = db:rows "SELECT * FROM acc ORDER BY id"
        assert.equal(3, #rows)
        assert.equal(rows[1].from_tag, rows[2].to_tag)
        assert.same({ "INVITE", "486" }, { rows[3].method, rows[3].sip_code })
        assert.equal(1, count "acc_cdrs")
    end)

    it("loses nothing while the database is away", function()
        open()
        call "1"
        hang_up(alice, bob)
        assert.equal(1, count "acc_cdrs")
        db:impair { fail = true }
        for i = 2, 90 do
            call(100 + i, 1)
            hang_up(alice, bob)
        end
        assert.equal(1, count "acc_cdrs")
        assert.equal(90, counter "spooled")
        assert.is_truthy(net:logged "records cannot be stored: .*they wait in the spool")
        db:impair {}
        net:advance(5)
        assert.is_truthy(net:logged "records are stored again")
        assert.same({ 90, 180, 90 }, { count "acc_cdrs", count "acc", count "(SELECT DISTINCT callid FROM acc)" })
        assert.equal(270, counter "stored")
        assert.equal(0, counter "refused")
    end)

    describe("whose answer was lost", function()
        -- The rows are there, and nobody hears of it.
        local function lose_answer(options)
            open(options)
            call "1"
            db:impair { delay = 60 }
            hang_up(alice, bob)
            net:advance(10)
            db:impair {}
            net:advance(5)
        end

        it("has nothing twice", function()
            lose_answer()
            assert.same({ 2, 1, 3 }, { count "acc", count "acc_cdrs", counter "stored" })
            call "2"
            hang_up(alice, bob)
            assert.same({ 4, 2, 6 }, { count "acc", count "acc_cdrs", counter "stored" })
        end)

        it("has a row twice where it cannot be told whose it is: acc_cdrs without call_id", function()
            lose_answer { records = { cdr_extra = { "account" } } }
            assert.equal(2, count "acc")
            assert.is_true(count "acc_cdrs" >= 2)
        end)
    end)

    it("puts aside what the database refuses, and goes on", function()
        open()
        db:impair { fail = true }
        for i = 10, 15 do
            call(i, 1)
            hang_up(alice, bob)
        end
        db:impair {}
        net:advance(5)
        assert.same({ 5, 12 }, { count "acc_cdrs", count "acc" })
        assert.equal(1, counter "refused")
        assert.is_truthy(net:logged "the database refuses a row of acc_cdrs: ")
        call "16"
        hang_up(alice, bob)
        assert.equal(6, count "acc_cdrs")
    end)

    it("has missed calls in a table of their own, too, where that is asked for (records.missed)", function()
        local function miss(number, status)
            alice:invite("sip:" .. number .. "@example.net")
            bob:reply(bob:receive "INVITE", status)
            alice:receive(status)
            net:settle()
        end
        open()
        miss("1", 486)
        assert.same({ 1, 0 }, { count "acc", count "missed_calls" })
        net:close()
        open { records = { missed = 1 } }
        miss("2", 486)
        alice:invite "sip:3@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        alice:hangup()
        alice:receive(487)
        call "4"
        hang_up(alice, bob)
        net:settle()
        local columns = "method, from_tag, to_tag, callid, sip_code, sip_reason, time, account"
        local missed = db:rows("SELECT " .. columns .. " FROM missed_calls ORDER BY callid")
        assert.equal(2, #missed)
        assert.same(db:rows("SELECT " .. columns .. " FROM acc WHERE sip_code <> '200' ORDER BY callid"), missed)
        local seen = {}
        for _, row in ipairs(missed) do seen[row.account] = row.method .. " " .. row.sip_code end
        assert.same({ ["a-2"] = "INVITE 486", ["a-3"] = "INVITE 487" }, seen)
        assert.same({ 4, 1 }, { count "acc", count "acc_cdrs" })
    end)

    it("makes the tables in SQLite", function()
        open { databases = {}, records = { acc_extra = {}, cdr_extra = {}, missed = 1 } }
        call "1"
        hang_up(alice, bob)
        alice:invite "sip:2@example.net"
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:settle()
        assert.same({ 3, 1, 1 }, { count "acc", count "missed_calls", count "acc_cdrs" })
    end)

    it("makes them as soon as it can be had", function()
        open { databases = {}, records = { acc_extra = {}, cdr_extra = {} } }
        db:impair { fail = true }
        call "1"
        hang_up(alice, bob)
        net:advance(2)
        db:impair {}
        net:advance(5)
        assert.same({ 2, 1 }, { count "acc", count "acc_cdrs" })
        assert.equal(0, counter "refused")
    end)

    it("are lost to it, and counted, beyond records.spool_mib", function()
        open { records = { spool_mib = 1 } }
        db:impair { fail = true }
        local long = ("x"):rep(900)
        for _ = 1, 6 do
            for _ = 1, 110 do
                alice:invite("sip:1@example.net", { headers = { ["X-Long"] = long } })
                bob:reply(bob:receive "INVITE", 486, { reason = long, headers = { Reason = "SIP;text=" .. long } })
                alice:receive(486)
            end
            net:settle()
        end
        assert.is_true(counter "spool_full" > 0)
        assert.equal(660, counter "spooled" + counter "spool_full")
        db:impair {}
        net:advance(10)
        assert.equal(counter "spooled", count "acc")
    end)

    it("without memory lose one, for which nothing waits any more (records.queue)", function()
        local engine = require "lunasip.stage".library
        for n = 0, 40 do
            open { limits = { dialog_idle_s = 60 } }
            call("49", 0.1)
            alice:hangup()
            bob:reply(bob:receive "BYE", 200)
            engine.memory_fail_after(n)
            net:advance(0.2)
            engine.memory_fail_never()
            net:settle(61)
            assert.equal(0, net:status().records_waiting)
            net:close()
        end
        open() -- for after_each
    end)
end)
