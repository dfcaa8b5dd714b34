-- limits.shed_lag_ms: a worker that is behind refuses new calls and keeps serving those it has.
local posix = require "support.posix"
local running = require "worker.running"

-- One request keeps the only worker busy for longer than it may be behind. A handler's clock stands still: it counts.
local BUSY_ROUTE = running.ROUTE:gsub("req:reply%(200, \"OK\"%)", [[
for _ = 1, 400000000 do end
        req:reply(200, "OK")]])

describe("a worker that is behind", function()
    local it_runs

    after_each(function()
        it_runs:close()
    end)

    it("answers new calls 503 with Retry-After, and serves its dialogs", function()
        it_runs = running.start {
            route = BUSY_ROUTE, workers = 1,
            blocks = {
                limits = { shed_lag_ms = 400 },
                script = { budget_ms = 60000, budget_instructions = 1000000000 },
            },
        }
        local alice, bob = it_runs.alice, it_runs.bob
        it_runs:call()
        local call = alice.call
        local carol = it_runs:agent("carol", it_runs.at(13), it_runs.public)
        local engine = it_runs.engine.process
        local cpu_s = engine:usage().cpu_s
        carol:ask("OPTIONS", { uri = "sip:busy@example.net", once = true })
        assert.is_truthy(posix.wait_until(function() return engine:usage().cpu_s > cpu_s + 0.1 end, 60))
        -- It is in that request now: what comes meanwhile is read when it knows that it is behind.
        alice:request(call, "INFO", { once = true })
        alice:invite("sip:bob@example.net", { once = true })
        it_runs:wait_for_log "worker 0 is %d+ ms behind: new calls get 503"
        assert.equal("5", alice:receive(503):header "Retry-After")
        bob:reply(bob:receive "INFO", 200)
        alice:receive(function(msg) return msg.status == 200 and msg.cseq_method == "INFO" end)
        carol:receive(200)
        it_runs:wait_for_log "worker 0 has caught up"
        local counters = it_runs.engine:status().counters
        assert.equal(1, counters["sip.shed"])
        alice.call = call
        it_runs:hang_up()
        it_runs:call() -- and takes new calls again
        it_runs:hang_up()
    end)
end)
