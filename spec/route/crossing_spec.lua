-- Tracked calls whose messages cross, get lost or fork: whatever happens on the wire, a call begins once, is answered
-- at most once and ends once, and its parties agree that it is over (RFC 3261 s9.1, s13.3.1.4, s14.1, s15.1; RFC 3311).
local world = require "route.world"

local TO_BOB = [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]

local HOW = { { name = "proxied", track = "" }, { name = "hidden", track = "hide = true, hide_call_id = true" } }

for _, how in ipairs(HOW) do
    describe("a " .. how.name .. " call that is tracked:", function()
        local net, alice, bob, callees

        local function open(options)
            options = options or {}
            net, alice, callees = world.open {
                body = ("assert(sip.dialog.track(req, { %s })) "):format(how.track) .. (options.to or TO_BOB),
                more = world.NOTES, auto_cancel = options.auto_cancel, auto_ack = options.auto_ack,
            }
            bob = callees.bob
        end

        after_each(function()
            net:close()
        end)

        local function slow()
            net:impair { delay = 0.05 }
        end

        -- What the script heard of the call, in order.
        local function expect_seen(...)
            net:settle()
            assert.same({ ... }, world.seen(net))
            assert.equal(0, net:status().dialogs)
        end

        local function answer()
            open()
            world.answer(alice, bob)
            slow()
        end

        describe("crossing", function()
            it("CANCEL and 200: the call is up, and the caller ends it (s9.1)", function()
                open { auto_cancel = false }
                alice:invite "sip:bob@example.net"
                local invite = bob:receive "INVITE"
                bob:reply(invite, 180)
                alice:receive(180)
                slow()
                bob:reply(invite, 200)
                alice:cancel()
                alice:receive { status = 200, method = "CANCEL" }
                alice:receive { status = 200, method = "INVITE" }
                bob:receive "ACK"
                local cancel = bob.queue[1]
                if cancel and cancel.method == "CANCEL" then
                    bob:reply(bob:receive "CANCEL", 200)
                end
                alice:request(alice.call, "BYE")
                bob:reply(bob:receive "BYE", 200)
                alice:receive { status = 200, method = "BYE" }
                expect_seen("start - -", "answer - -", "end bye caller")
            end)

            it("BYE and BYE: both are answered, it ends once (s15.1)", function()
                answer()
                alice:hangup()
                bob:hangup()
                local to_bob, to_alice = bob:receive "BYE", alice:receive "BYE"
                bob:reply(to_bob, 200)
                alice:reply(to_alice, 200)
                alice:receive { status = 200, method = "BYE" }
                bob:receive { status = 200, method = "BYE" }
                net:settle()
                assert.equal(0, net:status().dialogs)
                assert.equal(1, world.count_logged(net, "^seen end bye"))
            end)

            for name, options in pairs {
                UPDATE = {}, INVITE = { sdp = true },
                REFER = { headers = { ["Refer-To"] = "<sip:carol@example.net>" } },
            } do
                it(name .. " within the call and BYE: it gets 481 from whoever hung up", function()
                    answer()
                    bob:hangup()
                    alice:request(alice.call, name, options)
                    alice:reply(alice:receive "BYE", 200)
                    bob:reply(bob:receive(name), 481)
                    alice:receive { status = 481, method = name }
                    bob:receive { status = 200, method = "BYE" }
                    expect_seen("start - -", "answer - -", "end bye callee")
                end)
            end

            for _, name in ipairs { "INVITE", "UPDATE" } do
                it(("%s and %s: both get 491, one tries again (s14.1, RFC 3311 s5.2)"):format(name, name), function()
                    answer()
                    for _, agent in ipairs { alice, bob } do
                        agent:request(agent.call, name, { sdp = true })
                    end
                    bob:reply(bob:receive(name), 491)
                    alice:reply(alice:receive(name), 491)
                    alice:receive { status = 491, method = name }
                    bob:receive { status = 491, method = name }
                    if name == "INVITE" then
                        alice:receive "ACK"
                        bob:receive "ACK"
                    end
                    net:advance(1)
                    assert.equal(1, net:status().dialogs)
                    world.ask(bob, alice, name, { sdp = true })
                    world.hang_up(bob, alice)
                    expect_seen("start - -", "answer - -", "end bye callee")
                end)
            end

            it("the end of our own making and BYE: each BYE is answered", function()
                answer()
                net:impair {}
                net:command("calls", "end", alice.call.id)
                alice:hangup()
                bob:reply(bob:receive "BYE", 200)
                alice:reply(alice:receive "BYE", 200)
                -- Hers comes when nothing is known of the call any more; its Route, where it has one, still leads on.
                if how.name == "proxied" then
                    bob:reply(bob:receive "BYE", 481)
                end
                alice:receive { method = "BYE", status = 481 }
                expect_seen("start - -", "answer - -", "end local engine")
            end)
        end)

        describe("loss", function()
            local STEPS = { "INVITE", "180", "200", "ACK", "UPDATE", "200 to UPDATE", "BYE", "200 to BYE" }
            local LINKS = { caller = { "alice", "public" }, callee = { "private", "bob" } }
            -- What is said, in order; a step that is lost is cut off from one of the two links for 0.3 s.
            local function whole_call(lost, link)
                local has_lost_ringing
                open { auto_ack = false }
                local function step(name, action)
                    if name ~= lost then
                        return action()
                    end
                    net:partition(link[1], link[2])
                    action()
                    net:advance(0.3)
                    net:heal()
                    has_lost_ringing = name == "180"
                end
                local invite
                step("INVITE", function() alice:invite("sip:bob@example.net", { sdp = true }) end)
                invite = bob:receive "INVITE"
                step("180", function() bob:reply(invite, 180) end)
                if not has_lost_ringing then
                    alice:receive(180)
                end
                step("200", function() bob:reply(invite, 200, { sdp = true }) end)
                alice:receive { status = 200, method = "INVITE" }
                step("ACK", function() alice:ack() end)
                alice.auto_ack = true -- to each 2xx that is repeated
                bob:receive "ACK"
                step("UPDATE", function() bob:update { sdp = true } end)
                local update = alice:receive "UPDATE"
                step("200 to UPDATE", function() alice:reply(update, 200, { sdp = true }) end)
                bob:receive { status = 200, method = "UPDATE" }
                step("BYE", function() alice:hangup() end)
                local bye = bob:receive "BYE"
                step("200 to BYE", function() bob:reply(bye, 200) end)
                alice:receive { status = 200, method = "BYE" }
                expect_seen("start - -", "answer - -", "end bye caller")
            end

            for _, side in ipairs { "caller", "callee" } do
                for _, name in ipairs(STEPS) do
                    it(("of %s between us and the %s changes nothing"):format(name, side), function()
                        whole_call(name, LINKS[side])
                    end)
                end
            end

            it("of all that the callee says after its answer ends the call by its longest duration", function()
                open { to = [[sip.dialog.of(req):set_max_duration(60) ]] .. TO_BOB }
                world.answer(alice, bob)
                net:partition("private", "bob")
                alice:reply(alice:receive("BYE", 61), 200)
                net:advance(40)
                net:heal()
                expect_seen("start - -", "answer - -", "end duration engine")
            end)
        end)

        describe("forking", function()
            local FORK = [[
                req:fork { "sip:bob@10.0.0.20:5060", "sip:carol@10.0.0.21:5060", "sip:dave@10.0.0.22:5060",
                    interface = "private" }
            ]]

            -- Three early dialogs. @return the INVITEs by callee
            local function ring(options)
                options = options or {}
                options.to = FORK
                open(options)
                alice:invite "sip:bob@example.net"
                local invites = {}
                for _, callee in pairs(callees) do
                    invites[callee] = callee:receive "INVITE"
                    callee:reply(invites[callee], 180)
                    alice:receive(180)
                end
                return invites
            end

            it("the early dialogs of one call end with its answer, but for the one that answered", function()
                local invites = ring()
                callees.carol:reply(invites[callees.carol], 200)
                alice:receive { status = 200, method = "INVITE" }
                callees.carol:receive "ACK"
                bob:receive "CANCEL"
                callees.dave:receive "CANCEL"
                world.hang_up(callees.carol, alice)
                expect_seen("start - -", "answer - -", "end bye callee")
            end)

            it("two answers that cross the CANCEL are two legs, and the call ends with the second BYE", function()
                local invites = ring { auto_cancel = false }
                slow()
                bob:reply(invites[bob], 200)
                callees.carol:reply(invites[callees.carol], 200)
                callees.dave:reply(invites[callees.dave], 486)
                local tags = {}
                for i = 1, 2 do
                    tags[i] = alice:receive { status = 200, method = "INVITE" }:tag "To"
                end
                bob:receive "ACK"
                callees.carol:receive "ACK"
                for i, tag in ipairs(tags) do
                    assert.equal(1, net:status().dialogs)
                    alice:request(alice.call, "BYE", { dialog = alice.call.dialogs[tag] })
                    local callee = bob.call.local_tag == tag and bob or callees.carol
                    callee:reply(callee:receive "BYE", 200)
                    alice:receive { status = 200, method = "BYE" }
                    net:advance(i == 2 and 0 or 0.01)
                end
                expect_seen("start - -", "answer - -", "end bye caller")
            end)

            it("all early dialogs are given up by one CANCEL", function()
                ring()
                alice:cancel()
                alice:receive { status = 200, method = "CANCEL" }
                alice:receive(487)
                expect_seen("start - -", "failed cancelled caller", "end cancelled caller")
            end)
        end)
    end)
end
