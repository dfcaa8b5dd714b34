-- Memory runs out at every place where a handler that asks a database, an HTTP server, the table of users and that of
-- bindings (db_mode 3) asks for some: the nth allocation fails and all after it, for each n until all of them need
-- fewer. The handler may be refused; nothing crashes or is kept, and what comes next succeeds.
local ffi = require "ffi"
local lab = require "lunasip.lab"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local URL = "mysql://sip:secret@db.example/sip"
local MOST_ALLOCATIONS = 3000 -- reaching it means that the sweep never ended

local ROUTE = [[
local sip = require "lunasip"
local db = sip.sql.open()
local function ask(req)
    local user, why = sip.auth.check(req, "example.net")
    if why == "no credentials" then return 401 end
    local rows = user and db:query("SELECT gateway FROM numbers WHERE number = ?", req["$tU"])
    if not rows then return 500 end
    local answer = sip.http.post { url = "http://api.example/calls", body = rows[1].gateway,
        headers = { ["Content-Type"] = "text/plain" } }
    if not answer or not db:exec("UPDATE numbers SET calls = calls + 1 WHERE number = ?", req["$tU"]) then
        return 500
    end
    if not sip.registrar.save(req, { reply = false }) or #(sip.registrar.contacts(req["$tu"]) or {}) ~= 1 then
        return 500
    end
    return 299, answer.body
end
function request_route(req)
    local status, reason = ask(req)
    if status == 401 then
        return sip.auth.challenge(req, "example.net", { algorithms = { "MD5" } })
    end
    req:reply(status, reason)
end
]]

local TABLES = [[
CREATE TABLE subscriber (username TEXT, domain TEXT, password TEXT, ha1 TEXT, ha1b TEXT);
INSERT INTO subscriber VALUES ('alice', 'example.net', 'secret', '', '');
CREATE TABLE numbers (number TEXT, gateway TEXT, calls INTEGER DEFAULT 0);
INSERT INTO numbers (number, gateway) VALUES ('4711', 'sip:gw.example');
]]

describe("what is asked outside, without memory", function()
    local net, alice, engine

    before_each(function()
        net = lab.new {
            seed = 5, route = ROUTE, databases = { [URL] = TABLES },
            conf = { listen = { lan = { "udp:10.0.0.1:5060" } }, database = { url = URL },
                location = { database = URL, db_mode = 3 } },
        }
        net:http("http://api.example/"):answer { body = "taken" }
        engine = require("lunasip.stage").library
        alice = net:agent {
            name = "alice", address = "10.0.0.10", side = "lan",
            credentials = { username = "alice", password = "secret" },
        }
    end)

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    local function is_final(msg) return msg.status and msg.status >= 200 end

    local function call()
        alice:register { uri = "sip:example.net", aor = "sip:4711@example.net", expires = 60 }
        return alice:receive(is_final, 5).reason
    end

    it("fails cleanly at each allocation, and does not the next time", function()
        assert.equal("taken", call())
        local n, is_done, succeeded = 0, false, 1
        while not is_done do
            assert.is_true(n < MOST_ALLOCATIONS)
            engine.memory_fail_after(n)
            local is_run, reason = pcall(call)
            engine.memory_fail_never()
            is_done = is_run and reason == "taken"
            net:advance(100)
            alice.queue, alice.calls, alice.resending = {}, {}, {}
            n = n + (n < 300 and 1 or 5)
        end
        assert.is_true(n > 50)
        assert.equal("taken", call())
        succeeded = succeeded + 2
        net:advance(100)
        local status = net:status()
        assert.same({ 0, 0, 0, 0 }, {
            status.transactions, status.waiting, status.registrations.bindings, status.registrations.unwritten,
        })
        assert.is_true(net:database(URL):rows("SELECT calls FROM numbers")[1].calls >= succeeded)
    end)
end)
