-- Calls that are ended from here (`ctl calls end`, a drain with rule = "bye"): each party gets the BYE that the
-- other would have sent (RFC 3261 s12.2.1.1, s15.1.1).
local ffi = require "ffi"
local world = require "route.world"

ffi.cdef [[
void memory_fail_after(uint64_t n);
void memory_fail_never(void);
]]

local REWRITE = [[
    req.from_uri = "sip:+4930123@trunk.example"
    req.to_uri = "sip:+4989456@trunk.example"
]]

describe("a call that is ended from here", function()
    local net, alice, bob, callees

    local function open(options)
        net, alice, callees = world.open(options or { body = world.TO_BOB })
        bob = callees.bob
    end

    after_each(function()
        net:close()
    end)

    local function end_call()
        return net:command("calls", "end", alice.call.id)
    end

    -- Both sides take their BYE. @return the two
    local function take_byes()
        local to_bob, to_alice = bob:receive "BYE", alice:receive "BYE"
        bob:reply(to_bob, 200)
        alice:reply(to_alice, 200)
        net:settle()
        return to_bob, to_alice
    end

    it("says BYE to both parties, within their dialog", function()
        open()
        world.answer(alice, bob)
        assert.equal(0, end_call().code)
        local to_bob, to_alice = take_byes()
        assert.equal("sip:bob@10.0.0.20:5060", to_bob.uri)
        assert.equal("sip:alice@192.0.2.10:5060", to_alice.uri)
        assert.same({ alice.call.local_tag, bob.call.local_tag }, { to_bob:tag "From", to_bob:tag "To" })
        assert.same({ bob.call.local_tag, alice.call.local_tag }, { to_alice:tag "From", to_alice:tag "To" })
        assert.equal(alice.call.cseq + 1, tonumber(to_bob:header("CSeq"):match "%d+"))
        for _, bye in ipairs { to_bob, to_alice } do
            assert.equal([[SIP;cause=200;text="Ended by the operator"]], bye:header "Reason")
            assert.is_nil(bye:header "Route")
        end
        assert.equal(world.US_PRIVATE, to_bob:header("Via"):match "UDP ([^;]+)")
        assert.equal(world.US_PUBLIC, to_alice:header("Via"):match "UDP ([^;]+)")
        assert.equal(0, net:status().dialogs)
    end)

    it("counts on after the requests that each party had", function()
        open()
        world.answer(alice, bob)
        world.ask(alice, bob, "INFO")
        world.ask(bob, alice, "INFO")
        local of_alice, of_bob = alice.call.cseq, bob.call.cseq
        end_call()
        local to_bob, to_alice = take_byes()
        assert.equal(of_alice + 1, tonumber(to_bob:header("CSeq"):match "%d+"))
        assert.equal(of_bob + 1, tonumber(to_alice:header("CSeq"):match "%d+"))
    end)

    it("sends them where the parties moved to (target refresh, s12.2)", function()
        open()
        world.answer(alice, bob)
        alice.contact = "<sip:moved@192.0.2.10:5060>"
        world.ask(alice, bob, "INVITE")
        end_call()
        local _, to_alice = take_byes()
        assert.equal("sip:moved@192.0.2.10:5060", to_alice.uri)
    end)

    it("shows each party the names that it knows", function()
        open { body = REWRITE .. world.TO_BOB }
        world.answer(alice, bob)
        end_call()
        local to_bob, to_alice = take_byes()
        assert.matches("^<sip:%+4930123@trunk%.example>;tag=", to_bob:header "From")
        assert.matches("^<sip:%+4989456@trunk%.example>;tag=", to_bob:header "To")
        assert.matches("^<sip:bob@example%.net>;tag=", to_alice:header "From")
        assert.matches("^<sip:alice@192%.0%.2%.10:5060>;tag=", to_alice:header "To")
    end)

    it("cancels a branch that rings, and answers the caller 503", function()
        open()
        alice:invite "sip:bob@example.net"
        bob:reply(bob:receive "INVITE", 180)
        alice:receive(180)
        end_call()
        bob:receive "CANCEL"
        alice:receive(503)
        net:settle()
        assert.equal(0, net:status().dialogs)
    end)

    it("passes the proxies between us and a party, loose and strict (s12.1, s12.2.1.1)", function()
        for _, lr in ipairs { ";lr", "" } do
            open()
            local near, far = "<sip:10.0.0.21:5060" .. lr .. ">", "<sip:proxy.example;lr>"
            alice:invite("sip:bob@example.net", { headers = { ["Record-Route"] = "<sip:192.0.2.10:5060;lr>" } })
            local invite = bob:receive "INVITE"
            -- as if two more proxies had added theirs
            local above = { name = "Record-Route", key = "record-route", value = far .. ", " .. near }
            table.insert(invite.headers, 1, above)
            bob:reply(invite, 200)
            alice:receive(200)
            net:settle(0.1)
            end_call()
            local to_bob, to_alice = callees.carol:receive "BYE", alice:receive "BYE"
            callees.carol:reply(to_bob, 200)
            alice:reply(to_alice, 200)
            assert.equal("<sip:192.0.2.10:5060;lr>", to_alice:header "Route")
            if lr ~= "" then
                assert.equal("sip:bob@10.0.0.20:5060", to_bob.uri)
                assert.equal(near .. ", " .. far, to_bob:header "Route")
            else
                assert.equal("sip:10.0.0.21:5060", to_bob.uri)
                assert.equal(far .. ", <sip:bob@10.0.0.20:5060>", to_bob:header "Route")
            end
            net:settle()
            if lr ~= "" then
                net:close()
            end
        end
    end)

    it("is ended for the callee when its 200 crosses our refusal (s13.2.2.4, s15)", function()
        net, alice, callees = world.open {
            body = world.TO_BOB .. [[ require "lunasip".sleep(1) req:reply(503) ]], auto_cancel = false,
        }
        bob = callees.bob
        alice:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        bob:reply(invite, 180)
        alice:receive(503)
        bob:reply(invite, 200)
        local ack, bye = bob:receive "ACK", bob:receive "BYE"
        assert.equal(invite.cseq, ack.cseq)
        assert.equal(invite.cseq + 1, bye.cseq)
        assert.equal(bob.call.local_tag, bye:tag "To")
        bob:reply(bob:receive "CANCEL", 200)
        bob:reply(bye, 200)
    end)

    it("is over for us even when nobody answers (s15.1.1)", function()
        open()
        world.answer(alice, bob)
        end_call()
        bob:receive "BYE"
        assert.equal(0, net:status().dialogs)
        net:settle(40)
    end)

    it("is refused when there is none of that Call-ID", function()
        open()
        local answer = net:command("calls", "end", "nobody")
        assert.same({ 1, "there is no such call" }, { answer.code, answer.text })
    end)

    it("is over without memory, too, whoever hears of it", function()
        open()
        local engine, byes = require("lunasip.stage").library, 0
        for n = 0, 60 do
            world.answer(alice, bob)
            engine.memory_fail_after(n)
            end_call()
            engine.memory_fail_never()
            assert.equal(0, net:status().dialogs)
            net:settle(0.1)
            for _, agent in ipairs { alice, bob } do
                while agent.queue[1] do
                    local bye = agent:receive "BYE"
                    byes = byes + 1
                    agent:reply(bye, 200)
                end
            end
            net:settle()
        end
        assert.is_true(byes > 0 and byes < 2 * 61, byes)
    end)

    it("may be all of them", function()
        open()
        world.answer(alice, bob)
        net:command("calls", "end", "--all")
        take_byes()
    end)
end)
