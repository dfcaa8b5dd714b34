-- Profiles: how many calls are where, counted over all workers. Whatever ends a call gives its count back, once.
local storm = require "route.storm"
local world = require "route.world"

local TO_BOB = [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]

describe("a profile of calls", function()
    local net, alice, bob

    local function open(body, options)
        options = options or {}
        options.body = body
        local callees
        net, alice, callees = world.open(options)
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    -- { ["trunk outbound"] = 2, ["trunk"] = 2 }
    local function counts()
        local found = {}
        for _, entry in ipairs(net:command("profiles").data) do
            found[entry.profile .. (entry.value ~= nil and " " .. entry.value or "")] = entry.calls
        end
        return found
    end

    local function begin(options)
        alice:invite("sip:bob@example.net", options)
        local invite = bob:receive "INVITE"
        return invite, alice.call
    end

    local COUNT = [[
        assert(sip.dialog.track(req, { max_duration_s = 3 }):set_profile("trunk", req.from_uri:sub(1, 3)))
    ]]

    it("counts by value and as a whole, and gives back by BYE", function()
        open(COUNT .. TO_BOB)
        world.answer(alice, bob)
        assert.same({ ["trunk"] = 1, ["trunk sip"] = 1 }, counts())
        world.hang_up(alice, bob)
        assert.same({}, counts())
    end)

    it("gives back by refusal, CANCEL, ctl, time, and a script that changes its mind", function()
        open(COUNT .. [[ if req:header "X-Refuse" then return req:reply(403) end ]] .. TO_BOB)
        bob:reply(begin(), 486)
        alice:receive(486)
        assert.same({}, counts())

        bob:reply(begin(), 180)
        alice:receive(180)
        assert.equal(1, counts().trunk)
        alice:cancel()
        alice:receive(200)
        alice:receive(487)
        assert.same({}, counts())

        world.answer(alice, bob)
        assert.equal(1, counts().trunk)
        net:command("calls", "end", "--all")
        assert.same({}, counts())
        bob:reply(bob:receive "BYE", 200)
        alice:reply(alice:receive "BYE", 200)

        world.answer(alice, bob)
        bob:reply(bob:receive "BYE", 200)
        assert.same({}, counts())
        alice:reply(alice:receive "BYE", 200)

        alice:invite("sip:bob@example.net", { headers = { ["X-Refuse"] = "1" } })
        alice:receive(403)
        assert.same({}, counts())
    end)

    it("has no more places than its limit, over all workers", function()
        open([[
            local call = sip.dialog.track(req)
            local ok, err = call:set_profile("trunk", "out", { limit = 3 })
            if not ok then
                return req:reply(503, err, { headers = { ["Retry-After"] = "10" } })
            end
        ]] .. TO_BOB, { workers = 4 })
        for _ = 1, 3 do
            world.answer(alice, bob)
        end
        local last = alice.call
        for _ = 1, 6 do
            alice:invite "sip:bob@example.net"
            assert.equal("full", alice:receive(503).reason)
        end
        assert.same({ ["trunk"] = 3, ["trunk out"] = 3 }, counts())
        assert.equal(6, net:status().counters["dialog.profile_refused"])
        net:command("calls", "end", last.id)
        bob:reply(bob:receive "BYE", 200)
        alice:reply(alice:receive "BYE", 200)
        world.answer(alice, bob)
        assert.same({ ["trunk"] = 3, ["trunk out"] = 3 }, counts())
        net:command("calls", "end", "--all")
        assert.same({}, counts())
        for _ = 1, 3 do
            bob:reply(bob:receive "BYE", 200)
            alice:reply(alice:receive "BYE", 200)
        end
    end)

    it("counts a call once, and moves it", function()
        open([[
            local call = sip.dialog.track(req)
            call:set_profile("trunk", "a")
            call:set_profile("trunk", "a")
            assert(sip.dialog.count("trunk", "a") == 1 and sip.dialog.count("trunk") == 1)
            call:set_profile("trunk", "b")
            assert(sip.dialog.count("trunk", "a") == 0 and sip.dialog.count("trunk", "b") == 1)
            assert(sip.dialog.count("trunk") == 1 and sip.dialog.count("other") == 0)
            call:set_profile("other")
            assert(call:unset_profile("other") == true and call:unset_profile("other") == false)
            assert(sip.dialog.count("other") == 0)
        ]] .. TO_BOB)
        world.answer(alice, bob)
        assert.same({ ["trunk"] = 1, ["trunk b"] = 1 }, counts())
        world.hang_up(bob, alice)
    end)

    it("is told to an end handler without the call that ended", function()
        open([[
            sip.dialog.track(req, { on_end = function(event)
                sip.log.info("left %s", sip.dialog.count "trunk")
                assert(select(2, event.dialog:set_profile "trunk") == "the call has ended")
            end }):set_profile("trunk")
        ]] .. TO_BOB)
        world.answer(alice, bob)
        world.hang_up(alice, bob)
        assert.truthy(net:logged "left 0")
    end)

    it("is one of limits.profile_values, beyond which nothing is counted", function()
        open([[
            local call = sip.dialog.track(req)
            assert(call:set_profile("a", "b"))
            local ok, err = call:set_profile("c", "d")
            assert(not ok and err == "a configured limit is reached")
        ]] .. TO_BOB, { conf = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            limits = { profile_values = 2 },
        } })
        world.answer(alice, bob)
        assert.same({ ["a"] = 1, ["a b"] = 1 }, counts())
        assert.equal(1, net:status().counters["dialog.profile_limit"])
        world.hang_up(alice, bob)
    end)

    it("stays with a call across a reload", function()
        open(COUNT .. TO_BOB)
        world.answer(alice, bob)
        assert.is_true(net:reload { source = world.route(TO_BOB) })
        assert.equal(1, counts().trunk)
        world.hang_up(alice, bob)
        assert.same({}, counts())
    end)
end)

-- The storm's route counts every call in two profiles and ends it after four seconds.
describe("the counts of a storm", function()
    for seed = 401, 406 do
        it(("never drift: as many as there are calls, at every moment (seed %d)"):format(seed), function()
            local most = 0
            local function watch(running)
                local all, plans = 0, 0
                for _, entry in ipairs(running:command("profiles").data) do
                    if entry.profile == "all" and entry.value == nil then
                        all = entry.calls
                    elseif entry.profile == "plan" and entry.value ~= nil then
                        plans = plans + entry.calls
                        assert.is_true(entry.calls <= 3)
                    end
                end
                most = math.max(most, all)
                local calls = running:status().dialogs
                assert.is_true(all <= calls and plans <= calls)
                if seed % 3 ~= 0 then -- with all its memory every call is counted
                    assert.equal(calls, all)
                end
            end
            local net = storm.run(seed, {
                workers = seed % 2 == 0 and 4 or 1, without_memory = seed % 3 == 0, watch = watch,
            })
            assert.is_true(most > 0)
            assert.same({}, net:command("profiles").data)
            net:close()
        end)
    end
end)
