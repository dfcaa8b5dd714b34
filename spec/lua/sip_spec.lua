local fake = require "spec.lua.fake_core"
local sip = require "lunasip"

local function last()
    return fake.calls[#fake.calls]
end

describe("sip.dispatcher", function()
    before_each(fake.reset)

    it("takes algorithms by name and by Kamailio's number", function()
        for name, number in pairs(sip.dispatcher.algorithms) do
            sip.dispatcher.select("req", 2, name)
            assert.same({ "dispatcher_select", "req", 2, number }, last())
        end
        sip.dispatcher.select("req", 2, "round_robin")
        assert.equal(4, last()[4])
        sip.dispatcher.select("req", 2)
        assert.equal(4, last()[4])
        sip.dispatcher.select("req", 2, 7, { value = "x", limit = 3 })
        assert.same({ "dispatcher_select", "req", 2, 7, 3, "x" }, last())
    end)

    it("says what is wrong at the caller's line", function()
        for _, call in ipairs {
            function() sip.dispatcher.select("req", 2, "round-robbin") end,
            function() sip.dispatcher.select("req", 2, {}) end,
            function() sip.dispatcher.select("req", 2, 4, { limits = 1 }) end,
            function() sip.dispatcher.mark(2, nil, "active") end,
            function() sip.dispatcher.mark(2, "sip:a", "broken") end,
        } do
            local ok, err = pcall(call)
            assert.is_false(ok)
            assert.matches("sip_spec%.lua:%d+: dispatcher", err)
        end
        local _, err = pcall(function() sip.dispatcher.select("req", 2, "round-robbin") end)
        assert.matches("did you mean 'round%-robin'", err)
    end)

    it("marks by word and by Kamailio's letters", function()
        for _, state in ipairs { "active", "inactive", "probing", "disabled", "trying", "ip", "AX", "d" } do
            assert.is_true(sip.dispatcher.mark(2, "sip:a", state))
            assert.same({ "dispatcher_mark", 2, "sip:a", state:lower() }, last())
        end
    end)

    it("gives a destination as a table that is the caller's own", function()
        local select_before, next_before = fake.core.dispatcher_select, fake.core.dispatcher_next
        finally(function()
            fake.core.dispatcher_select, fake.core.dispatcher_next = select_before, next_before
        end)
        fake.core.dispatcher_select = function() return "sip:a", 2, nil, nil end
        local one, other = sip.dispatcher.select("req", 2), sip.dispatcher.select("req", 2)
        assert.same({ uri = "sip:a", set = 2, attrs = {} }, one)
        assert.not_equal(one.attrs, other.attrs)
        fake.core.dispatcher_next = function() return "sip:b", 2, { weight = "50" }, "udp:127.0.0.1:5060" end
        assert.same({ uri = "sip:b", set = 2, attrs = { weight = "50" }, socket = "udp:127.0.0.1:5060" },
            sip.dispatcher.next "req")
        fake.core.dispatcher_next = function() return nil, "no further destination" end
        assert.same({ nil, "no further destination" }, { sip.dispatcher.next "req" })
    end)

    it("passes the rest on", function()
        sip.dispatcher.next "req"
        assert.same({ "dispatcher_next", "req" }, last())
        sip.dispatcher.is_from("req", 2)
        assert.same({ "dispatcher_is_from", "req", 2 }, last())
        sip.dispatcher.list()
        assert.same({ "dispatcher_list" }, last())
    end)
end)

describe("sip.media", function()
    before_each(fake.reset)

    it("takes a table, a flag string or nothing", function()
        for _, options in ipairs { { from = "public", to = "private" }, "trust-address" } do
            assert.is_true(sip.media.manage("req", options))
            assert.same({ "media_manage", "req", options }, last())
        end
        assert.is_true(sip.media.manage "req")
    end)
end)

describe("sip.shared", function()
    before_each(fake.reset)

    it("is a dictionary by name", function()
        local calls = sip.shared.calls
        assert.equal(calls, sip.shared.calls)
        assert.is_nil(calls:get "a")
        assert.is_true(calls:set("a", "b"))
        assert.equal("b", calls:get "a")
        assert.same({ nil, "exists" }, { calls:add("a", "c") })
        assert.equal(1, calls:incr "n")
        assert.equal(5, calls:incr("n", 4))
        calls:delete "a"
        assert.is_nil(calls:get "a")
    end)

    it("refuses what it cannot keep, at the caller's line", function()
        for _, call in ipairs {
            function() sip.shared.calls:set("a", {}) end,
            function() sip.shared.calls:set({}, "a") end,
            function() sip.shared.calls:set("a", nil) end,
            function() sip.shared.calls:incr("a", "b") end,
        } do
            local ok, err = pcall(call)
            assert.is_false(ok)
            assert.matches("sip_spec%.lua:%d+: sip.shared", err)
        end
    end)
end)

describe("sip.timer and sip.sleep", function()
    before_each(fake.reset)

    it("take seconds", function()
        local function tick() end
        sip.timer.every(1.5, tick)
        assert.same({ "timer", 1500, true, false, tick }, last())
        sip.timer.after(60, tick, { each_worker = true })
        assert.same({ "timer", 60000, false, true, tick }, last())
        sip.sleep(0.25)
        assert.same({ "sleep", 250 }, last())
    end)

    it("refuse what is no time and no function", function()
        for _, call in ipairs {
            function() local _ = sip.timer.every(0, print) end,
            function() local _ = sip.timer.every(1, "tick") end,
            function() local _ = sip.timer.after(0 / 0, print) end,
            function() local _ = sip.sleep(-1) end,
        } do
            assert.has_error(call)
        end
    end)
end)

describe("sip.interface", function()
    it("gives the listen interfaces", function()
        assert.equal("127.0.0.10", sip.interface.public.address)
    end)

    it("names the ones that exist", function()
        local ok, err = pcall(function() return sip.interface.pubic.address end)
        assert.is_false(ok)
        assert.matches("sip_spec%.lua:%d+: no interface 'pubic'.*did you mean 'public'", err)
    end)
end)
