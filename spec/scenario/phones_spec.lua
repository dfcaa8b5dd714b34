-- baresip registers with scripts/registrar.lua and calls baresip: each says a tone of its own, and must hear the
-- other's. Phones are hosts of a small internet, one of them behind a NAT.
local baresip = require "support.baresip"
local lunasip = require "support.lunasip"
local namespaces = require "support.namespaces"
local posix = require "support.posix"
local registrar = require "support.registrar"

local HOST = "10.77.0.1"
local fault = namespaces.fault()
local PASSWORDS = { ["2001"] = "reception", ["2002"] = "workshop" }

-- The account that README.md shows, with the addresses and the user of this test.
local function account_of(user)
    local file = assert(io.open "README.md")
    local line = file:read("*a"):match "\n```text account\n(.-)\n```"
    file:close()
    return (line:gsub("127%.0%.0%.30", HOST):gsub("2001", user):gsub("reception", PASSWORDS[user]))
end

describe("phones", function()
    if fault then
        return pending("need network namespaces, which this kernel refuses: " .. fault)
    end

    after_each(function()
        registrar.clean()
        namespaces.clean()
    end)

    local function phone(user, on, options)
        local one = baresip.start {
            name = user, host = on.address, on = on, frequency = options.frequency, dial = options.dial,
            account = account_of(user),
        }
        one:wait_registered(60)
        return one
    end

    -- 2001 calls 2002; wait for two seconds of sound each way.
    local function call(lan, near, far)
        local callee = phone("2002", far, { frequency = 880 })
        local caller = phone("2001", near, { frequency = 440, dial = "sip:2002@example.net" })
        caller:wait_established(60)
        posix.wait_until(function() return caller:seconds_heard() >= 2 and callee:seconds_heard() >= 2 end, 60, 0.1)
        local at_caller = caller:hang_up()
        local at_callee = assert(callee:wait_ended(60), "the callee saw no hang-up")
        callee:hang_up()
        local log = "\n" .. lan.engine.process:output():sub(-2000)
        assert.is_true(at_caller.received >= 100, "the caller received " .. at_caller.received .. log)
        assert.is_true(at_callee.received >= 100, "the callee received " .. at_callee.received .. log)
        local heard_by_caller, heard_by_callee = caller:heard(), callee:heard()
        assert.is_true(math.abs(heard_by_caller - 880) < 40, "the caller heard " .. heard_by_caller .. " Hz")
        assert.is_true(math.abs(heard_by_callee - 440) < 20, "the callee heard " .. heard_by_callee .. " Hz")
    end

    local cases = {
        { "through the relay", relay = "always", relayed = true },
        { "from phone to phone", relay = "nat", relayed = false },
        { "through the relay, the caller behind a NAT", relay = "nat", relayed = true, caller_behind_nat = true },
        { "through the relay, the callee behind a NAT", relay = "nat", relayed = true, callee_behind_nat = true },
    }
    for _, case in ipairs(cases) do
        it("register, call and hear each other " .. case[1], function()
            local internet = namespaces.internet(HOST)
            local lan = registrar.start { on = internet, host = HOST, relay = case.relay, users = PASSWORDS }
            local near = case.caller_behind_nat and internet:host_behind_nat() or internet:host()
            local far = case.callee_behind_nat and internet:host_behind_nat() or internet:host()
            call(lan, near, far)
            local status = lan.engine:status()
            assert.equal(case.relayed, status.counters["media.forwarded"] > 0)
            assert.equal(lunasip.nothing, lan.engine:settle(50))
            local exit, complaint = lan.engine:stop()
            assert.equal("", complaint)
            assert.equal(0, exit)
        end)
    end
end)
