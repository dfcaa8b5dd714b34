-- Databases for real: a slow query delays no other call; registrations outlive kill -9 of lunasip, and a server that
-- is killed in the middle of them: calls go on, and nothing that was acknowledged is lost.
local json = require "dkjson"

local database = require "support.database"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"

local SIGKILL = 9
local USERS = lunasip.calls(2000)

local ROUTE = [[
local sip = require "lunasip"
local db = sip.sql.open("%s", { timeout_ms = 60000 })
function request_route(req)
    if req.method == "REGISTER" then
        return sip.registrar.save(req)
    elseif req.method == "INFO" then
        local rows, problem = db:query "%s"
        return req:reply(rows and 200 or 500, problem)
    end
    return req:reply(#(sip.registrar.contacts(req.ruri) or {}) > 0 and 200 or 480)
end
]]

-- A statement that takes seconds.
local SLOW = {
    sqlite = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 30000000) SELECT max(x) FROM c",
    postgres = "SELECT pg_sleep(5)",
    mysql = "SELECT sleep(5)",
}

describe("registrations in a database", function()
    local at, folder, engine, phone, db

    local function write(path, text)
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
    end

    local function open_database(kind)
        db = database.open(kind)
        folder = process.folder()
    end

    local function start(location)
        location = location or {}
        location.database = db.url
        write(folder .. "/route.lua", ROUTE:format(db.url, SLOW[db.kind]))
        engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, route = folder .. "/route.lua",
            blocks = { location = location, database = { timeout_ms = 20000 } },
        }
    end

    before_each(function()
        at = network.block()
        phone = assert(posix.udp(at(20), 0))
    end)

    after_each(function()
        phone.close()
        database.clean() -- before its folder goes, which has its process id
        process.clean()
    end)

    local function request(method, user, number)
        return table.concat({
            ("%s sip:%s@example.net SIP/2.0"):format(method, method == "REGISTER" and "x" or user),
            ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s%d"):format(phone.host, phone.port, method, user, number),
            "Max-Forwards: 70", ("From: <sip:%s@example.net>;tag=1"):format(user),
            ("To: <sip:%s@example.net>"):format(user), ("Call-ID: %s-%s"):format(method, user),
            ("CSeq: %d %s"):format(number, method),
            ("Contact: <sip:%s@%s:%d>;expires=3000"):format(user, phone.host, phone.port), "", "",
        }, "\r\n")
    end

    local function send(method, user, number)
        assert(phone.send(at(10), 5060, request(method, user, number or 1)))
    end

    -- Statuses of what comes within a time, by user; until `count` final ones are there.
    local function collect(method, count, seconds, found)
        found = found or {}
        local seen = 0
        posix.wait_until(function()
            for message in phone.receive do
                local status = tonumber(message:match "^SIP/2%.0 (%d+)")
                local user = message:match("Call%-ID: " .. method .. "%-(%S+)")
                if user and status >= 200 then
                    found[user] = status
                    seen = seen + 1
                end
            end
            return seen >= count
        end, seconds, 0.001)
        return found
    end

    local function register(from, to, number, seconds)
        local found = {}
        for i = from, to do
            send("REGISTER", "u" .. i, number)
            if i % 20 == 0 then
                collect("REGISTER", 20, 0.2, found)
            end
        end
        local left = 0
        for i = from, to do left = left + (found["u" .. i] and 0 or 1) end
        return collect("REGISTER", left, seconds or 60, found)
    end

    local function count_of(found, status)
        local n = 0
        for _, value in pairs(found) do n = n + (value == status and 1 or 0) end
        return n
    end

    -- Users whom the engine knows now.
    local function known()
        local _, output = engine:ctl("registrations", "list", "--json")
        local users = {}
        for _, record in ipairs(json.decode(output:match "[%[{].*[%]}]") or {}) do
            users[record.aor:match "^[^@]+"] = true
        end
        return users
    end

    local function expect_acknowledged(found)
        local there, lost = known(), {}
        for user, status in pairs(found) do
            if status == 200 and not there[user] then lost[#lost + 1] = user end
        end
        assert.same({}, lost)
    end

    local function kill_and_start()
        engine.process:signal(SIGKILL)
        engine.process:wait(60)
        start()
    end

    for _, of in ipairs { "sqlite", "postgres", "mysql" } do
        it("a query of seconds delays no other call: " .. of, function()
            open_database(of)
            start()
            send("REGISTER", "bob")
            assert.equal(200, collect("REGISTER", 1, 60).bob)
            send("INFO", "bob")
            local answered = 0
            for i = 1, 50 do
                send("OPTIONS", "bob", i)
                answered = answered + (collect("OPTIONS", 1, 60).bob == 200 and 1 or 0)
            end
            assert.equal(50, answered)
            assert.equal(1, engine:status().waiting)
            assert.equal(200, collect("INFO", 1, 60).bob)
        end)

        it("what was acknowledged outlives kill -9: " .. of, function()
            open_database(of)
            start()
            local found = register(1, USERS, 1, 0.05) -- and now, in the middle of it
            assert.is_true(count_of(found, 200) > 0)
            kill_and_start()
            expect_acknowledged(found)
        end)
    end

    for _, of in ipairs { "postgres", "mysql" } do
        it("a server that is killed delays no call, and nothing acknowledged is lost: " .. of, function()
            open_database(of)
            start()
            local found = register(1, 50, 1)
            assert.equal(50, count_of(found, 200))
            for i = 51, 70 do send("REGISTER", "u" .. i) end
            db:server "kill"
            collect("REGISTER", 20, 10, found)
            -- Away: calls go on, registrations are told to come again.
            send("OPTIONS", "u1")
            assert.equal(200, collect("OPTIONS", 1, 60).u1)
            assert.equal(5, count_of(register(71, 75, 1), 503))
            assert.is_true(engine:status().registrations.unwritten >= 5)
            -- Back: what waited is written, and registrations are taken again.
            db:server "start"
            assert.is_truthy(posix.wait_until(function()
                return engine:status().registrations.unwritten == 0
            end, 60, 0.2))
            for user, status in pairs(register(71, 90, 2)) do found[user] = status end
            assert.equal(200, found.u71)
            kill_and_start()
            expect_acknowledged(found)
            assert.is_true(known().u75)
            local code, complaint = engine:stop()
            assert.equal("", complaint)
            assert.equal(0, code)
        end)
    end

    for _, kind in ipairs { "sqlite", "postgres", "mysql" } do
        it("several lunasips share a table with db_mode 3: " .. kind, function()
            open_database(kind)
            start { db_mode = 3 }
            local first = engine
            local second = lunasip.start {
                public = { "udp:" .. at(11) .. ":5060" }, route = folder .. "/route.lua",
                blocks = { location = { database = db.url, db_mode = 3 }, database = { timeout_ms = 20000 } },
            }
            local function ask(host, user, number)
                assert(phone.send(host, 5060, request("OPTIONS", user, number)))
                return collect("OPTIONS", 1, 60)[user]
            end
            assert.equal(480, ask(at(11), "u1", 1))
            assert.equal(20, count_of(register(1, 20, 1), 200)) -- at the first
            for i = 1, 20 do assert.equal(200, ask(at(11), "u" .. i, 2)) end
            first.process:signal(SIGKILL)
            first.process:wait(60)
            assert.equal(200, ask(at(11), "u7", 3))
            assert.equal(480, ask(at(11), "nobody", 4))
            local code, complaint = second:stop()
            assert.same({ 0, "" }, { code, complaint })
        end)
    end

    -- Rows as another lunasip would have left them, more than one question brings.
    local function write_rows(count)
        local rows = {}
        for i = 1, count do
            rows[i] = ("('r%d', 'u%04d', 'example.net', 'sip:u%d@192.0.2.1', '2099-01-01 00:00:00', '', 'c%d')"):format(
                i, math.ceil(i / 2), i, i)
        end
        local sql = "INSERT INTO location (ruid, username, domain, contact, expires, user_agent, callid) VALUES "
            .. table.concat(rows, ",\n") .. ";\n"
        write(folder .. "/rows.sql", sql)
        local code, output = process.run({ "sh", "-c", db:client() .. " < " .. folder .. "/rows.sql" }, 60)
        assert(code == 0, output)
    end

    for _, kind in ipairs { "sqlite", "postgres", "mysql" } do
        it("db_mode 3: ctl registrations reads and changes the database, a page at a time: " .. kind, function()
            open_database(kind)
            start { db_mode = 3 }
            assert.equal(200, register(1, 1).u1) -- SQLite's table is there now
            write_rows(2600)
            local _, output = engine:ctl("registrations", "list", "--json")
            local list, seen = json.decode(output:match "%b[]" and output:match "%[.*%]"), {}
            assert.equal(1301, #list)
            for _, record in ipairs(list) do
                assert.is_nil(seen[record.aor], record.aor)
                seen[record.aor] = #record.contacts
            end
            assert.equal(2, seen["u0501@example.net"]) -- where a page ends
            assert.equal(1, seen["u1@example.net"])
            local code, shown = engine:ctl("registrations", "show", "u0007@example.net", "--json")
            assert.equal(0, code, shown)
            assert.matches("sip:u13@192%.0%.2%.1.*sip:u14@192%.0%.2%.1", shown)
            code, output = engine:ctl("registrations", "rm", "u0007@example.net", "sip:u13@192.0.2.1")
            assert.equal("0 1 bindings ended\n", code .. " " .. output)
            code, output = engine:ctl("registrations", "flush")
            assert.equal("0 2600 bindings ended\n", code .. " " .. output)
            assert.is_truthy(posix.wait_until(function()
                return select(2, engine:ctl("registrations", "list", "--json")):match "%[%s*%]"
            end, 30, 0.2))
        end)
    end

    it("written back is written when lunasip stops: sqlite", function()
        open_database "sqlite"
        start { db_mode = 2, write_back_ms = 60000 }
        local found = register(1, 100, 1)
        assert.equal(100, count_of(found, 200))
        assert.equal(0, (engine:stop()))
        start()
        expect_acknowledged(found)
    end)
end)
