-- Users register with digest, refresh, and call each other, by scripts/registrar.lua on real sockets with SIPp.
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local registrar = require "support.registrar"
local sipp = require "support.sipp"

describe("users of scripts/registrar.lua", function()
    local users, calls = lunasip.calls(20000), lunasip.calls(5000)
    local lan, callee_host, caller_host

    -- User, what SIPp answers a challenge with, and whom it calls.
    local list = {}
    for i = 1, users do
        local user = "u" .. i
        list[i] = ("%s;[authentication username=%s password=%s];u%d"):format(user, user, registrar.password(user),
            i % users + 1)
    end

    setup(function()
        lan = registrar.start { users = users, timers = { t1_ms = 500 } }
        callee_host, caller_host = lan.at(11), lan.at(12)
    end)
    teardown(registrar.clean)

    local function expect_all_well(result, count)
        local line = ("exit %s, %d ok, %d failed"):format(tostring(result.exit), result.ok, result.failed)
        if line ~= ("exit 0, %d ok, 0 failed"):format(count) then
            error(line .. "\n" .. result.errors:sub(1, 1500) .. "\nlunasip said:\n"
                .. lan.engine.process:output():sub(-2000), 2)
        end
    end

    it(("register and refresh, %d of them"):format(users), function()
        local phones = sipp.start {
            scenario = "register", host = callee_host, remote = lan.host .. ":5060", users = list, calls = users,
            rate = 500, values = { refresh_ms = 500 }, seconds = 120, simultaneous = users,
        }
        expect_all_well(phones:wait(), users)
        local status = lan.engine:status()
        assert.same({ aors = users, bindings = users }, status.registrations)
        assert.equal(2 * users, status.counters["location.saved"])
        assert.equal(2 * users, status.counters["auth.good"])
        assert.equal(0, status.counters["auth.refused"])
        assert.equal(0, status.counters["auth.replayed"])
    end)

    it(("call each other, %d calls at 200/s"):format(calls), function()
        local escaped = callee_host:gsub("%.", "[.]")
        local callees = sipp.gateway {
            scenario = "uas", host = callee_host, calls = calls, seconds = 120,
            values = { relay = (caller_host:gsub("%.", "[.]")) }, -- nobody is behind a NAT: no relay
        }
        local callers = sipp.start {
            scenario = "uac_digest", host = caller_host, remote = lan.host .. ":5060", users = list, calls = calls,
            rate = 200, values = { callee = escaped, talk_ms = 0 }, seconds = 120,
        }
        expect_all_well(callers:wait(), calls)
        expect_all_well(callees:wait(), calls)
    end)

    it("leave nothing behind but their bindings", function()
        assert.equal(lunasip.nothing, lan.engine:settle(90))
        local counters = lan.engine:status().counters
        for _, name in ipairs { "script.error", "script.unanswered", "sip.mailbox_full", "transaction.limit" } do
            assert.equal(0, counters[name], name)
        end
        local _, listed = lan.engine:ctl("registrations", "list", "--json") -- more than one answer holds
        local _, count = listed:gsub('"aor":', "")
        assert.equal(users, count)
        local code, output = lan.engine:ctl("registrations", "flush")
        assert.equal(("0 %d bindings ended\n"):format(users), code .. " " .. output)
        local left = posix.wait_until(function()
            return lan.engine:status().registrations.bindings == 0
        end, 60)
        assert.is_truthy(left)
        local exit, complaint = lan.engine:stop()
        assert.equal("", complaint)
        assert.equal(0, exit)
    end)
end)
