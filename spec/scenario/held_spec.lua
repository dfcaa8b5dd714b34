-- Many calls at once that the engine ends by itself, and many that it loses to kill -9: nothing may be left, counted
-- wrongly, or go on as if it were known, and each that ended has its record.
local border = require "support.border"
local database = require "support.database"
local json = require "dkjson"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"

local SIGKILL = 9

local function script(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

-- Calls of the profile "held", of all workers.
local function profile_count(engine)
    local _, output = engine:ctl("profiles", "--json")
    local held = 0
    for _, one in ipairs(json.decode(output:match "[%[{].*[%]}]") or {}) do
        if one.profile == "held" and not one.value then held = held + one.calls end
    end
    return held
end

local function wait_for_calls(engine, calls, seconds)
    local seen
    posix.wait_until(function()
        seen = (engine:status() or {}).dialogs
        return seen == calls or engine.process:poll()
    end, seconds, 0.2)
    assert.equal(calls, seen)
end

-- Lines of the file of records, and what stands behind the last line end.
local function read_lines(path)
    local file = assert(io.open(path))
    local lines, torn = {}, ""
    for line in file:lines "L" do
        if line:sub(-1) == "\n" then lines[#lines + 1] = line else torn = line end
    end
    file:close()
    return lines, torn
end

-- The file of records and those that were put aside.
local function files_of(path)
    local list, pipe = {}, assert(io.popen(("ls %s*"):format(path)))
    for name in pipe:lines() do list[#list + 1] = name end
    pipe:close()
    return list
end

-- Every line is a record of its own call, which was answered and which the engine ended.
local function expect_records(path, calls, names)
    local lines, torn, seen = {}, "", {}
    for _, name in ipairs(files_of(path)) do
        local of_file, half = read_lines(name)
        for _, line in ipairs(of_file) do lines[#lines + 1] = line end
        torn = torn .. half
    end
    for _, line in ipairs(lines) do
        local r = assert(json.decode(line), line)
        assert.is_nil(seen[r.call_id], r.call_id)
        seen[r.call_id] = true
        assert.same({ "answered", 200, names["end"], "engine", names.reason, "private" },
            { r.outcome, r.status, r["end"], r.ended_by, r.reason_header, r.callee.interface })
        assert.is_true(r.duration_ms > 0 and r.duration_ms == r.times_ms["end"] - r.times_ms.answer)
    end
    assert.same({ calls, "" }, { #lines, torn })
    return seen
end

local function counter(engine, name)
    return ((engine:status() or {}).counters or {})["records." .. name] or 0
end

local function await(engine, name, count, seconds)
    assert.is_truthy(posix.wait_until(function()
        return counter(engine, name) >= count or engine.process:poll()
    end, seconds, 0.1), name)
end

-- Numbers of a row that a statement brings.
local function numbers(db, statement)
    local list = {}
    for number in db:rows(statement):gmatch "%d+" do list[#list + 1] = tonumber(number) end
    return list
end

-- In a table, and calls of them.
local function rows_of(db, table_name, where)
    return numbers(db, ("SELECT count(*), count(DISTINCT callid) FROM %s %s"):format(table_name, where or ""))
end

-- What the spool has not given to the database yet.
local function spool_is_empty(path)
    return #read_lines(path) == 1 -- its head
end

local HOLD = [[
local sip = require "lunasip"
local held = {}

-- Once it is said, their longest duration comes: some in each tenth of a second on each worker, so not all at once.
sip.timer.every(0.1, function()
    for _ = 1, sip.shared.test:get "end" and {{each}} or 0 do
        local call = table.remove(held, 1)
        if call and sip.shared.test:incr("ended", 1) <= {{most}} then call:set_max_duration(0.001) end
    end
end, { each_worker = true })

function request_route(req)
    if req.method == "MESSAGE" then
        sip.shared.test:set("end", true)
        return req:reply(200)
    elseif req:in_dialog() then
        return req:loose_route() and req:relay() or req.method ~= "ACK" and req:reply(481)
    end
    local call = assert(sip.dialog.track(req, { max_duration_s = 3600 }))
    call:set_profile("held")
    held[#held + 1] = call
    {{media}}
    assert(req:relay { to = "sip:{{gateway}}", interface = "private" })
end
]]

local function message_to(host, from, number, method, lines)
    local text = {
        method .. " sip:gw@" .. host .. " SIP/2.0",
        ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s"):format(from.host, from.port, method, number),
        "Max-Forwards: 70",
    }
    for _, line in ipairs(lines) do text[#text + 1] = line end
    return table.concat(text, "\r\n") .. "\r\nContent-Length: 0\r\n\r\n"
end

-- Send until `is_wanted` takes an answer: datagrams may be lost.
local function ask(socket, host, bytes, is_wanted)
    for _ = 1, 60 do
        socket.send(host, 5060, bytes)
        local deadline = posix.now() + 1
        while posix.now() < deadline do
            local answer = socket.receive()
            if answer and is_wanted(answer) then return answer end
            if not answer then socket.wait(0.1) end
        end
    end
    error("no answer to:\n" .. bytes, 2)
end

-- Tell the script to end what it holds.
local function say_end(sbc)
    local socket = assert(posix.udp(sbc.at(13), 5060))
    ask(socket, sbc.public, message_to(sbc.public, socket, 1, "MESSAGE", {
        "From: <sip:operator@example.net>;tag=1", "To: <sip:all@example.net>", "Call-ID: end", "CSeq: 1 MESSAGE",
    }), function(answer) return answer:match "^SIP/2.0 200" end)
    socket.close()
end

local ENDED = { ["end"] = "duration", reason = 'SIP;cause=200;text="Maximum duration reached"' }

local function clean()
    database.clean() -- before its folder goes, which has its process id
    border.clean()
end

describe("calls held until their longest duration", function()
    after_each(clean)

    it("end one by one, every BYE is answered, all records are there, and nothing is left", function()
        local calls = lunasip.calls(20000)
        local at, db, folder = network.block(), database.open "postgres", process.folder()
        db:rows "ALTER TABLE acc_cdrs ADD callid VARCHAR(255)"
        local hold = sipp.fill(HOLD, {
            gateway = at(21), each = math.max(10, math.floor(calls / 500)), most = calls, media = "",
        })
        local sbc = border.start {
            at = at, route = script(hold),
            blocks = {
                shared = { "test" }, timers = { t1_ms = 500, t2_ms = 4000, t4_ms = 5000 },
                database = { timeout_ms = 20000 },
                records = {
                    file = folder .. "/calls.jsonl", rotate_mib = 1, database = db.url, spool = folder .. "/spool",
                    cdr_extra = { callid = "call_id" },
                },
            },
        }
        local caller, gateway = sbc:run {
            from = "public", caller = "uac_waits", gateway = "uas", calls = calls, rate = math.max(100, calls / 50),
            simultaneous = calls, seconds = 220, values = { relay = ".*" },
            while_running = function()
                wait_for_calls(sbc.engine, calls, 150)
                assert.equal(calls, profile_count(sbc.engine))
                db:server "kill"
                say_end(sbc)
                await(sbc.engine, "spooled", calls / 4, 100)
                assert.equal(0, counter(sbc.engine, "stored"))
                db:server "start" -- in the middle of it
            end,
        }
        for _, result in ipairs { caller, gateway } do
            assert.same({ 0, calls, 0 }, { result.exit, result.ok, result.failed }, result.errors:sub(1, 1000))
        end
        assert.equal(0, profile_count(sbc.engine))
        sbc:expect_counters { ["dialog.duration"] = calls, ["script.error"] = 0 }
        await(sbc.engine, "stored", 3 * calls, 100)
        sbc:expect_counters {
            ["records.made"] = calls, ["records.written"] = calls, ["records.spooled"] = calls,
            ["records.stored"] = 3 * calls, ["records.dropped"] = 0, ["records.refused"] = 0,
        }
        sbc:expect_nothing_left()
        expect_records(folder .. "/calls.jsonl", calls, ENDED)
        assert.is_true(calls < 2000 or #files_of(folder .. "/calls.jsonl") > 1) -- more than a mebibyte was written
        assert.is_true(spool_is_empty(folder .. "/spool"))
        for _, method in ipairs { "INVITE", "BYE" } do
            assert.same({ calls, calls }, rows_of(db, "acc", "WHERE sip_code = '200' AND method = '" .. method .. "'"))
        end
        assert.same({ 2 * calls, calls }, rows_of(db, "acc"))
        assert.same({ calls, calls }, rows_of(db, "acc_cdrs", "WHERE duration > 0 AND end_time >= start_time"))
    end)
end)

describe("calls that kill -9 took", function()
    after_each(clean)

    local at, folder, db, options

    -- Of half as many more calls that many are ended, and the engine is killed while it still is at it.
    -- @return records of which it said that they were written, and spooled
    local function lose_calls(sbc, calls, ended)
        local all, values = calls + ended, { relay = ".*", talk_ms = 0 }
        local gateway = sipp.gateway {
            scenario = "uas", host = sbc.private_gateway, calls = all, values = values, seconds = 200,
        }
        local caller = sipp.start {
            scenario = "uac_waits", host = sbc.public_caller, remote = sbc.public .. ":5060", calls = all,
            rate = 100, simultaneous = all, values = values, seconds = 200, arguments = { "-cid_str", "%u-lost@%s" },
        }
        wait_for_calls(sbc.engine, all, 120)
        assert.equal(all, profile_count(sbc.engine))
        say_end(sbc)
        await(sbc.engine, "spooled", ended / 4, 60)
        local written, spooled = counter(sbc.engine, "written"), counter(sbc.engine, "spooled")
        sbc.engine.process:signal(SIGKILL)
        assert.is_truthy(sbc.engine.process:wait(30))
        caller.process:stop(1)
        gateway.process:stop(1)
        return written, spooled
    end

    -- BYE of either side, of each call, whether its end is in a record or nobody will ever know it.
    local function expect_unknown(sbc, calls)
        for _, side in ipairs { { sbc.public_caller, sbc.public }, { sbc.private_gateway, sbc.private } } do
            local socket = assert(posix.udp(side[1], 5060))
            for i = 1, calls do
                local id = ("Call-ID: %d-lost@%s"):format(i, sbc.public_caller)
                ask(socket, side[2], message_to(side[2], socket, i, "BYE", {
                    "From: <sip:a@example.net>;tag=a" .. i, "To: <sip:b@example.net>;tag=b" .. i, id, "CSeq: 2 BYE",
                    ("Route: <sip:%s;lr;r2=on>, <sip:%s;lr;r2=on>"):format(side[2], sbc.private),
                }), function(answer)
                    return answer:match "^SIP/2.0 481" and answer:find(id .. "\r\n", 1, true)
                end)
            end
            socket.close()
        end
        sbc:expect_counters { ["dialog.unknown"] = 2 * calls }
    end

    -- A record each, in the file and in the database, where the batch that was under way is there once.
    local function expect_consistent(written, spooled, most)
        local path = folder .. "/calls.jsonl"
        local count = #read_lines(path)
        assert.is_true(count >= written and count <= most, count)
        local records = expect_records(path, count, ENDED)
        assert.is_truthy(posix.wait_until(function() return spool_is_empty(folder .. "/spool") end, 60, 0.1))
        local rows, stored = unpack(rows_of(db, "acc", "WHERE method = 'INVITE'"))
        assert.is_true(stored >= spooled and stored <= count and rows == stored, ("%d of %d"):format(stored, rows))
        for id in db:rows("SELECT DISTINCT callid FROM acc"):gmatch "%S+" do assert.is_true(records[id], id) end
        return count
    end

    it("are unknown afterwards: 481 to either side, ports and profiles as new, records as far as written", function()
        local calls = lunasip.calls(1000)
        local ended = math.floor(calls / 2)
        at, db, folder = network.block(), database.open "sqlite", process.folder()
        options = {
            at = at,
            route = script(sipp.fill(HOLD, {
                gateway = at(21), each = math.max(1, math.floor(calls / 100)), most = ended,
                media = 'assert(sip.media.manage(req, { from = "public", to = "private" }))',
            })),
            blocks = {
                dialog = { refuse_unknown = 1 }, shared = { "test" },
                records = { file = folder .. "/calls.jsonl", database = db.url, spool = folder .. "/spool" },
            },
        }
        local sbc = border.start(options)
        local written, spooled = lose_calls(sbc, calls, ended)
        sbc = border.start(options)
        assert.equal(lunasip.nothing, sbc.engine:remains())
        assert.equal(0, profile_count(sbc.engine))
        local count = expect_consistent(written, spooled, ended)
        expect_unknown(sbc, calls)
        local caller = sbc:run { -- and new ones are as ever
            from = "public", caller = "uac_waits", gateway = "uas", calls = 20, rate = 20, simultaneous = 20,
            while_running = function()
                wait_for_calls(sbc.engine, 20, 60)
                assert.equal(20, profile_count(sbc.engine))
                say_end(sbc)
            end,
        }
        assert.equal(border.perfect(20), border.summary(caller))
        assert.equal(0, profile_count(sbc.engine))
        sbc:expect_nothing_left()
        expect_records(folder .. "/calls.jsonl", count + 20, ENDED)
    end)
end)
