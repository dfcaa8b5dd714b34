-- Session timers as a proxy has them (RFC 4028 s8): what requests leave with, what a 2xx gets, and the end of a session
-- that nobody refreshes.
local ffi = require "ffi"
local world = require "route.world"

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

describe("the session timer of a proxied call (RFC 4028)", function()
    local net, alice, bob

    local function open(timer, more)
        local callees
        net, alice, callees = world.open {
            body = ("assert(sip.dialog.track(req, { session_timer = { %s } })) "):format(timer or "")
                .. [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]], more = more,
        }
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function invite(headers)
        alice:invite("sip:bob@example.net", { headers = headers })
        return bob:receive "INVITE"
    end

    -- An answered call. @return the INVITE as bob saw it, the 200 as alice did
    local function answer(asked, answered)
        local request = invite(asked)
        bob:reply(request, 200, { headers = answered })
        local ok = alice:receive(200)
        bob:receive "ACK"
        return request, ok
    end

    local function expect_end()
        local to_bob, to_alice = bob:receive "BYE", alice:receive "BYE"
        assert.equal([[SIP;cause=408;text="Session timer expired"]], to_bob:header "Reason")
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:settle()
        assert.equal(0, net:status().dialogs)
    end

    describe("s8.1, requests:", function()
        local function sent(timer, headers)
            open(timer)
            local request = invite(headers)
            bob:reply(request, 486)
            alice:receive(486)
            return request:header "Session-Expires", request:header "Min-SE"
        end

        it("puts in what the script wants where there is none, without a refresher", function()
            assert.same({ "600" }, { sent "expires_s = 600" })
        end)

        it("wants half an hour when nothing else is said", function()
            assert.same({ "1800" }, { sent() })
        end)

        it("lowers what is too long, its parameters kept", function()
            assert.same({ "600;refresher=uac" }, { sent("expires_s = 600", {
                ["Session-Expires"] = "3600;refresher=uac", Supported = "timer",
            }) })
        end)

        it("lowers it to no less than Min-SE", function()
            assert.same({ "1200", "1200" }, { sent("expires_s = 600", {
                ["Session-Expires"] = "3600", ["Min-SE"] = "1200", k = "timer",
            }) })
        end)

        it("puts in no less than Min-SE", function()
            assert.same({ "1200", "1200" }, { sent("expires_s = 600", { ["Min-SE"] = "1200", k = "timer" }) })
        end)

        it("leaves alone what is short enough", function()
            assert.same({ "300;refresher=uas" }, { sent("expires_s = 600, min_s = 300", {
                ["Session-Expires"] = "300;refresher=uas", Supported = "100rel, timer",
            }) })
        end)

        it("raises what is too short, and Min-SE, where the caller knows no timers", function()
            assert.same({ "300", "300" }, { sent("expires_s = 600, min_s = 300", { ["Session-Expires"] = "100" }) })
        end)

        it("says Min-SE to nobody else", function()
            assert.same({ "600" }, { sent("expires_s = 600, min_s = 300", { Supported = "timer" }) })
        end)

        it("refuses 422 with Min-SE what is too short, and the retry with more passes", function()
            open "expires_s = 600, min_s = 300"
            alice:invite("sip:bob@example.net", { headers = { ["Session-Expires"] = "120", Supported = "timer" } })
            local refused = alice:receive(422)
            assert.equal("300", refused:header "Min-SE")
            assert.equal("Session Interval Too Small", refused.reason)
            net:settle()
            assert.equal(0, net:status().dialogs)
            -- s7.4: in the same dialog, so to say, with a higher CSeq.
            alice:request(alice.call, "INVITE", { headers = {
                ["Session-Expires"] = "300", ["Min-SE"] = "300", Supported = "timer",
            } })
            local request = bob:receive "INVITE"
            assert.equal("300", request:header "Session-Expires")
            bob:reply(request, 200, { headers = { ["Session-Expires"] = "300;refresher=uac", Require = "timer" } })
            alice:receive(200)
            bob:receive "ACK"
            world.hang_up(alice, bob)
        end)

        it("refuses a refresh that is too short, too, and the call goes on", function()
            open "expires_s = 600, min_s = 300"
            answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uac", Require = "timer" })
            alice:update { headers = { ["Session-Expires"] = "100", Supported = "timer" } }
            alice:receive(422)
            world.hang_up(alice, bob)
        end)

        it("passes a 422 of the callee", function()
            open "expires_s = 600"
            bob:reply(invite { Supported = "timer" }, 422, { headers = { ["Min-SE"] = "900" } })
            assert.equal("900", alice:receive(422):header "Min-SE")
        end)

        it("is of no interest to other methods", function()
            open()
            answer()
            alice:request(alice.call, "INFO")
            local info = bob:receive "INFO"
            assert.is_nil(info:header "Session-Expires")
            bob:reply(info, 200)
            alice:receive(200)
            world.hang_up(alice, bob)
        end)
    end)

    describe("s8.2, responses:", function()
        it("has the caller refresh when the callee knows no timers", function()
            open "expires_s = 600"
            local _, ok = answer({ Supported = "timer" }, { Require = "100rel" })
            assert.equal("600;refresher=uac", ok:header "Session-Expires")
            assert.same({ "100rel", "timer" }, ok:values "Require")
            world.hang_up(alice, bob)
        end)

        it("leaves what the callee said", function()
            open "expires_s = 600"
            local _, ok = answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uas" })
            assert.same({ "600;refresher=uas" }, ok:values "Session-Expires")
            world.hang_up(alice, bob)
        end)

        it("has no timer where neither side knows any", function()
            open "expires_s = 600"
            local _, ok = answer()
            assert.is_nil(ok:header "Session-Expires")
            net:advance(900)
            assert.equal(1, net:status().dialogs)
            world.hang_up(alice, bob)
        end)
    end)

    describe("s8.3, the end:", function()
        it("says BYE to both when the interval is over", function()
            open("expires_s = 600", [[event_route["dialog:end"] = function(event)
                sip.log.info("ended: %s by %s", event.reason, event.ended_by)
            end]])
            answer({ Supported = "timer" }, { ["Session-Expires"] = "300;refresher=uac", Require = "timer" })
            net:advance(299)
            assert.equal(1, net:status().dialogs)
            expect_end()
            assert.equal(1, net:status().counters["dialog.session"])
            assert.truthy(net:logged "ended: session by engine")
        end)

        it("is put off by a refresh of either side, re-INVITE or UPDATE", function()
            open "expires_s = 600"
            local interval = { ["Session-Expires"] = "600;refresher=uac", Require = "timer" }
            answer({ Supported = "timer" }, interval)
            for _, method in ipairs { "UPDATE", "INVITE" } do
                for _, pair in ipairs { { alice, bob }, { bob, alice } } do
                    local from, to = pair[1], pair[2]
                    net:advance(500)
                    from:request(from.call, method, { headers = { Supported = "timer", ["Session-Expires"] = "600" } })
                    to:reply(to:receive(method), 200, { headers = interval })
                    from:receive { status = 200, method = method }
                    if method == "INVITE" then
                        to:receive "ACK"
                    end
                end
            end
            net:advance(599)
            assert.equal(1, net:status().dialogs)
            expect_end()
        end)

        it("is not put off by a refresh that fails", function()
            open "expires_s = 600"
            answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uac" })
            net:advance(500)
            alice:update { headers = { Supported = "timer", ["Session-Expires"] = "600" } }
            bob:reply(bob:receive "UPDATE", 491)
            alice:receive(491)
            net:advance(99)
            expect_end()
        end)

        it("comes no more when a refresh agrees on no timer", function()
            open "expires_s = 600"
            answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uac" })
            bob:update()
            alice:reply(alice:receive "UPDATE", 200)
            bob:receive { status = 200, method = "UPDATE" }
            net:advance(900)
            assert.equal(1, net:status().dialogs)
            world.hang_up(alice, bob)
        end)

        it("is over with the call", function()
            open "expires_s = 600"
            answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uac" })
            world.hang_up(alice, bob)
            net:advance(900)
            assert.equal(0, net:status().counters["dialog.session"])
        end)

        it("goes on with the handlers of its generation across a reload", function()
            open "expires_s = 600"
            answer({ Supported = "timer" }, { ["Session-Expires"] = "600;refresher=uac" })
            assert.is_true(net:reload { source = world.route "req:reply(403)" })
            net:advance(599)
            expect_end()
        end)
    end)

    it("raises at the script's line for what cannot be meant", function()
        world.expect_misuse(function(timer)
            open(timer)
            return net, alice
        end, {
            ["expires = 600"] = "session_timer has no option 'expires'",
            ["min_s = 60"] = "session_timer.min_s is at least 90",
            ["expires_s = 100, min_s = 200"] = "and expires_s at least that",
        })
        open()
    end)

    it("survives any allocation that fails, and leaks nothing", function()
        open "expires_s = 600, min_s = 300"
        local engine = require("lunasip.stage").library
        for n = 0, 120 do
            alice:send(world.raw {
                call_id = "Call-ID: poor-" .. n, branch = "poor" .. n,
                headers = { n % 2 == 0 and "Supported: timer" or "Supported: none", "Session-Expires: 4000" },
            })
            engine.memory_fail_after(n)
            net:advance(0.01)
            engine.memory_fail_never()
            local request = table.remove(bob.queue, 1)
            if request and request.method == "INVITE" then
                bob:reply(request, 200)
                engine.memory_fail_after(n % 40)
                net:advance(0.01)
                engine.memory_fail_never()
            end
            net:advance(40)
            bob.queue = {}
            net:command("calls", "end", "--all")
            net:advance(40)
        end
    end)
end)
