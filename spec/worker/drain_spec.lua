-- A stop that loses no call: SIGTERM and `ctl stop`.
local json = require "dkjson"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local running = require "worker.running"

local SIGTERM = 15

describe("draining", function()
    local it_runs

    local function start(options)
        it_runs = running.start(options)
        return it_runs.alice, it_runs.bob, it_runs.engine
    end

    after_each(function()
        it_runs:close()
    end)

    it("refuses new calls, lets the others end, and then ends with 0", function()
        local alice, _, engine = start()
        it_runs:call()
        engine.process:signal(SIGTERM)
        it_runs:wait_for_log "draining: new calls get 503, 30 s for the others"
        local carol = it_runs:agent("carol", it_runs.at(13), it_runs.public)
        carol:invite "sip:bob@example.net"
        assert.equal("5", carol:receive(503):header "Retry-After")
        alice:ask "OPTIONS" -- in the dialog
        it_runs.bob:reply(it_runs.bob:receive "OPTIONS", 200)
        alice:receive(200)
        assert.is_nil(engine.process:poll())
        it_runs:hang_up()
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("waits for a request that is not answered yet, record-routed or not", function()
        local alice, bob, engine = start {
            route = [[function request_route(req) req:relay { to = "sip:%s:5060", interface = "private" } end]],
        }
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        engine.process:signal(SIGTERM)
        it_runs:wait_for_log "draining"
        it_runs.world:run(0.4)
        bob:reply(invite, 486)
        alice:receive(486)
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("ends at once when it is told twice", function()
        local _, _, engine = start { blocks = { drain = { deadline_s = 3600 } } }
        it_runs:call()
        engine.process:signal(SIGTERM)
        it_runs:wait_for_log "draining"
        engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("leaves the calls that outlive the deadline as they are", function()
        local records = process.folder() .. "/calls.jsonl"
        local alice, bob, engine = start {
            blocks = { drain = { deadline_s = 1, rule = "leave" }, records = { file = records } },
        }
        it_runs:call()
        engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
        local record = json.decode(io.open(records):read "*a")
        assert.same({ "answered", "local", "engine" }, { record.outcome, record["end"], record.ended_by })
        assert.matches("the deadline is over: 1 calls are left as they are", engine.process:output())
        alice:receive_nothing("BYE", 0.1)
        bob:receive_nothing("BYE", 0.1)
    end)

    it("ends the calls that outlive the deadline, when that is the rule", function()
        local alice, bob, engine = start { blocks = { drain = { deadline_s = 1, rule = "bye" } } }
        it_runs:call()
        engine.process:signal(SIGTERM)
        for _, agent in ipairs { alice, bob } do
            local bye = agent:receive "BYE"
            assert.equal([[SIP;cause=503;text="Shutting down"]], bye:header "Reason")
            agent:reply(bye, 200)
        end
        assert.equal(0, it_runs:wait_for_end())
        assert.matches("the deadline is over: 1 calls get BYE", engine.process:output())
    end)

    it("waits no longer for what no BYE ends than it waits for the BYEs", function()
        local alice, _, engine = start {
            blocks = { drain = { deadline_s = 1, rule = "bye" }, timers = { t1_ms = 10, t2_ms = 40, t4_ms = 50 } },
            route = "local to = '%s' function request_route(req) require 'lunasip'.sleep(3600) req:reply(200, to) end",
        }
        alice:ask("OPTIONS", { uri = "sip:bob@example.net" })
        posix.wait_until(function() return engine:status().waiting == 1 end, 60)
        engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
        assert.matches("the deadline is over: 1 calls get BYE", engine.process:output())
    end)

    it("says once what it leaves, while it waits for a trunk", function()
        local at = network.block()
        local _, bob, engine = start {
            at = at, blocks = {
                drain = { deadline_s = 1 }, trunk = { leave_ms = 700,
                    bob = { registrar = ("sip:%s:5060"):format(at(21)), user = "us", interface = "private" },
                },
            },
        }
        assert.equal(0, (engine:ctl("trunks", "refresh", "bob"))) -- the first one may have come before bob
        assert.is_truthy(posix.wait_until(function()
            it_runs.world:run(0.02)
            if bob.queue[1] then bob:reply(bob:receive "REGISTER", 200) end
            local _, stands = engine:ctl "trunks"
            return stands:find "state: up"
        end, 60))
        it_runs:call()
        engine.process:signal(SIGTERM)
        repeat until bob:receive("REGISTER", 60):header "Expires" == "0" -- which is not answered
        assert.equal(0, it_runs:wait_for_end())
        assert.equal(1, select(2, engine.process:output():gsub("the deadline is over", "")))
    end)

    it("is for good once it stops", function()
        local alice, _, engine = start()
        assert.equal("serving", engine:status().intake)
        assert.equal(0, (engine:ctl "drain"))
        assert.equal("draining", engine:status().intake)
        assert.equal(0, (engine:ctl("drain", "off")))
        it_runs:call()
        engine.process:signal(SIGTERM)
        it_runs:wait_for_log "draining"
        assert.equal("stopping", engine:status().intake)
        local code, said = engine:ctl("drain", "off")
        assert.equal(1, code)
        assert.matches("it stops", said)
        local carol = it_runs:agent("carol", it_runs.at(13), it_runs.public)
        carol:invite "sip:bob@example.net"
        carol:receive(503)
        alice:hangup()
        it_runs.bob:reply(it_runs.bob:receive "BYE", 200)
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("is what `ctl stop` does too", function()
        local _, _, engine = start()
        it_runs:call()
        assert.equal(0, (engine:ctl "stop"))
        it_runs:wait_for_log "draining"
        assert.is_nil(engine.process:poll())
        it_runs:hang_up()
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("ends at once without calls", function()
        local _, _, engine = start()
        engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
    end)

    it("outlives reloads, and can be taken back with `ctl drain off`", function()
        local alice, _, engine = start()
        engine:ctl "drain"
        for _ = 1, 2 do
            alice:invite "sip:bob@example.net"
            alice:receive(503)
            assert.equal(0, (engine:ctl "reload")) -- a generation comes, and the drain stays
        end
        engine:ctl("drain", "off")
        it_runs:call()
        it_runs:hang_up()
    end)
end)
