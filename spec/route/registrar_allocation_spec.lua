-- Memory runs out at every place where a registration with digest, its row in a database, its keepalive and a call to
-- it ask for some: the nth allocation fails and all after it, for each n until all of them need fewer. The engine may
-- refuse, it may not crash or keep anything, and what comes next must succeed.
local ffi = require "ffi"
local lab = require "lunasip.lab"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local URL = "postgres://sip:secret@db.example/kamailio"
local MOST_ALLOCATIONS = 3000 -- reaching it means that the sweep never ended

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "REGISTER" then
        if not sip.auth.check(req, "example.net", { password = "secret", cache_s = 60 }) then
            return sip.auth.challenge(req, "example.net", { algorithms = { "MD5" } })
        end
        return sip.registrar.save(req, { received = true })
    elseif not sip.registrar.lookup(req) then
        return req:reply(480)
    end
    req:relay()
end
]]

describe("a registrar without memory", function()
    local net, alice, bob, engine

    after_each(function()
        engine.memory_fail_never()
        net:close()
    end)

    local function is_final(msg) return msg.status and msg.status >= 200 end

    -- Bob registers, gets a keepalive, is asked something by alice, and goes. @return did all of it succeed?
    local function come_and_go()
        bob:register { uri = "sip:example.net", expires = 600 }
        if bob:receive(is_final, 3).status ~= 200 then return false end
        net:advance(45)
        alice:ask("MESSAGE", { uri = "sip:bob@example.net" })
        bob:reply(bob:receive("MESSAGE", 3), 200)
        if alice:receive(is_final, 3).status ~= 200 then return false end
        bob:register { uri = "sip:example.net", expires = 0 }
        return bob:receive(is_final, 3).status == 200
    end

    local function forget()
        for _, agent in ipairs { alice, bob } do
            agent.queue, agent.calls, agent.resending = {}, {}, {}
        end
    end

    for _, db_mode in ipairs { 1, 2 } do
        it("fails cleanly at each allocation, and does not the next time: db_mode " .. db_mode, function()
            net = lab.new {
                seed = 5, route = ROUTE, databases = { [URL] = "" },
                conf = {
                    listen = { lan = { "udp:10.0.0.1:5060" } }, keepalive = { interval_s = 40 },
                    location = { database = URL, db_mode = db_mode },
                },
            }
            engine = require("lunasip.stage").library
            alice = net:agent { name = "alice", address = "10.0.0.10", side = "lan" }
            bob = net:agent {
                name = "bob", address = "10.0.0.20", side = "lan", auto_options = true,
                credentials = { username = "bob", password = "secret" },
            }
            local n, is_done = 0, false
            while not is_done do
                assert.is_true(n < MOST_ALLOCATIONS)
                engine.memory_fail_after(n)
                local is_run, result = pcall(come_and_go)
                is_done = is_run and result == true
                engine.memory_fail_never()
                net:advance(100)
                forget()
                n = n + (n < 300 and 1 or 5)
            end
            assert.is_true(n > 50)
            assert.is_true(come_and_go())
            net:advance(700) -- what was left by a refused one has expired
            local status = net:status()
            assert.equal(0, status.transactions)
            assert.same({ 0, 0 }, { status.registrations.bindings, status.registrations.unwritten })
            assert.equal(0, #net:database(URL):rows "SELECT * FROM location")
        end)
    end
end)
