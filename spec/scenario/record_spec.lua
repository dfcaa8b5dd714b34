-- Records for real: as many lines as calls, through SIPp on both sides; rows in PostgreSQL and MariaDB whatever the
-- server and kill -9 do meanwhile.
local json = require "dkjson"

local border = require "support.border"
local database = require "support.database"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"

local SIGKILL, SIGHUP = 9, 1

local function records_of(path)
    local list, file = {}, assert(io.open(path))
    for line in file:lines() do list[#list + 1] = assert(json.decode(line), line) end
    file:close()
    return list
end

describe("records of calls through scripts/sbc.lua", function()
    local sbc, path
    local calls = lunasip.calls(5000)

    setup(function()
        path = process.folder() .. "/calls.jsonl"
        sbc = border.start { timers = border.PATIENT, blocks = { records = { file = path } } }
    end)
    teardown(border.clean)

    local function await(count)
        assert.is_truthy(posix.wait_until(function()
            return sbc.engine:status().counters["records.written"] == count
        end, 60, 0.1))
    end

    it("are one for each, with what happened", function()
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = calls, rate = 500 }
        await(calls)
        local list, seen = records_of(path), {}
        assert.equal(calls, #list)
        for _, r in ipairs(list) do
            assert.is_nil(seen[r.call_id])
            seen[r.call_id] = true
            assert.same({ 1, "answered", 200, "bye", "caller" },
                { r.version, r.outcome, r.status, r["end"], r.ended_by })
            assert.same({ "public", sbc.public_caller }, { r.caller.interface, r.caller.source:match "^[^:]+" })
            assert.same({ "private", sbc.private_gateway .. ":5060" }, { r.callee.interface, r.callee.source })
            assert.same({ 2, 200 }, { r.tries[1].set, r.tries[1].status })
            assert.equal("public to private", r.fields.direction)
            local t = r.times_ms
            assert.is_true(t.invite <= t.progress and t.progress <= t.answer and t.answer <= t["end"])
        end
        assert.equal(0, sbc.engine:status().counters["records.dropped"])
    end)

    it("go to a new file after `ctl records reopen`, and after a reload that is refused", function()
        assert(os.rename(path, path .. ".1"))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 50 }
        await(calls + 5) -- the file that was moved is still the one
        local script = sbc.engine.folder .. "/broken.lua"
        local file = assert(io.open(script, "w"))
        file:write "function"
        file:close()
        assert.equal(1, (sbc.engine:ctl("reload", script)))
        assert.is_truthy(posix.wait_until(function() -- it opens the file all the same
            local opened = io.open(path)
            return opened and opened:close()
        end, 60, 0.05))
        assert.equal(calls + 5, #records_of(path .. ".1"))
        assert(os.rename(path, path .. ".2"))
        local code, answer = sbc.engine:ctl("records", "reopen")
        assert.equal("0 the file was opened again\n", code .. " " .. answer)
        assert.equal(0, #records_of(path)) -- from here on nobody writes to the other one
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 3, rate = 50 }
        await(calls + 8)
        assert.same({ 3, 0 }, { #records_of(path), #records_of(path .. ".2") })
        assert.equal("0 the file was put aside\n", code .. " " .. select(2, sbc.engine:ctl("records", "rotate")))
        local state = json.decode((select(2, sbc.engine:ctl("records", "--json"))))
        assert.same({ path, 0, 0, calls + 8, 1 },
            { state.file, state.file_bytes, state.waiting, state.written, state.rotated })
        assert.same({ 2, 2 }, { (sbc.engine:ctl("records", "rotate", "twice")), (sbc.engine:ctl("records", "burn")) })
        calls = calls + 8
    end)

    it("go to a new file after a reload, when the old one was moved", function()
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 4, rate = 50 }
        await(calls + 4)
        assert(os.rename(path, path .. ".moved"))
        local before = sbc.engine:status().generations
        sbc.engine.process:signal(SIGHUP)
        assert.is_truthy(posix.wait_until(function()
            local now = sbc.engine:status().generations
            return now[#now].id > before[#before].id
        end, 60, 0.1))
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 5, rate = 50 }
        await(calls + 9)
        assert.same({ 5, 4 }, { #records_of(path), #records_of(path .. ".moved") })
    end)
end)

-- No callee is needed: a call that the script refuses has a record, too.
local ROUTE = [[
function request_route(req)
    assert(req:record { account = "a-" .. req["$rU"] })
    req:reply(402)
end
]]

describe("records in a database", function()
    local at, folder, engine, phone, db

    before_each(function()
        at = network.block()
        phone = assert(posix.udp(at(20), 0))
    end)

    after_each(function()
        phone.close()
        database.clean() -- before its folder goes, which has its process id
        process.clean()
    end)

    local function open_database(kind)
        db = database.open(kind)
        folder = process.folder()
        db:rows "ALTER TABLE acc ADD account VARCHAR(30)"
    end

    local function start()
        local file = assert(io.open(folder .. "/route.lua", "w"))
        file:write(ROUTE)
        file:close()
        engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, route = folder .. "/route.lua",
            blocks = {
                records = { database = db.url, spool = folder .. "/spool", acc_extra = { "account" } },
                database = { timeout_ms = 20000 },
            },
        }
    end

    -- Calls numbered from, to; each until it is refused.
    local function call(from, to)
        local answered = {}
        for i = from, to do
            local user = "u" .. i
            local invite = table.concat({
                ("INVITE sip:%s@example.net SIP/2.0"):format(user),
                ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s"):format(phone.host, phone.port, user),
                "Max-Forwards: 70", "From: <sip:caller@example.net>;tag=1",
                ("To: <sip:%s@example.net>"):format(user), "Call-ID: " .. user, "CSeq: 1 INVITE",
                ("Contact: <sip:%s:%d>"):format(phone.host, phone.port), "", "",
            }, "\r\n")
            assert(posix.wait_until(function()
                if answered[user] then return true end
                assert(phone.send(at(10), 5060, invite))
                for message in phone.receive do
                    if message:match "^SIP/2%.0 402" then answered[message:match "Call%-ID: (%S+)"] = true end
                end
                return answered[user]
            end, 60, 0.01))
        end
    end

    local function counter(name)
        return engine:status().counters["records." .. name]
    end

    local function await(name, count)
        assert.is_truthy(posix.wait_until(function() return counter(name) >= count end, 60, 0.1),
            name .. ": " .. counter(name))
    end

    -- Accounts that there are, and rows.
    local function stored()
        local accounts, rows = db:rows("SELECT count(DISTINCT account), count(*) FROM acc"):match "(%d+)%s+(%d+)"
        return tonumber(accounts), tonumber(rows)
    end

    for _, kind in ipairs { "postgres", "mysql" } do
        it("outlive a server that is away, kill -9 and a restart: " .. kind, function()
            open_database(kind)
            start()
            call(1, 20)
            await("stored", 20)
            local row = db:rows "SELECT method, sip_code, sip_reason, from_tag, callid FROM acc WHERE account = 'a-u7'"
            assert.equal("INVITE\t402\tPayment Required\t1\tu7", (row:gsub("%s+$", "")))
            call(21, 60)
            db:server "kill" -- whatever it is at
            call(61, 100)
            await("spooled", 100)
            engine.process:signal(SIGKILL)
            engine.process:wait(60)
            start() -- the server is still away
            call(101, 120)
            await("spooled", 20)
            assert.equal(0, counter "stored")
            db:server "start"
            local accounts, rows
            posix.wait_until(function()
                accounts, rows = stored()
                return accounts == 120
            end, 60, 0.2)
            assert.same({ 120, 120 }, { accounts, rows })
            assert.same({ 0, 0, 0 }, { counter "refused", counter "spool_full", counter "dropped" })
            call(121, 125)
            local code, complaint = engine:stop()
            assert.same({ 0, "" }, { code, complaint })
            assert.equal(125, (stored())) -- the stop waits for what waits
        end)
    end
end)
