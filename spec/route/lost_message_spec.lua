-- Every message of a call is lost once, on each of its two links, one at a time: whoever sent it sends it again, or
-- does without, and the call goes as if nothing had been (RFC 3261 s17, s13.3.1.4; RFC 3262 s3).
local world = require "route.world"

local TO_BOB = [[req:relay { to = "sip:10.0.0.20:5060", interface = "private" }]]

local HOW = {
    { name = "proxied", body = "assert(sip.dialog.track(req)) " .. TO_BOB },
    { name = "hidden", body = "assert(sip.dialog.track(req, { hide = true, hide_call_id = true })) " .. TO_BOB },
    { name = "joined of two legs", body = world.two_legs 'refer = "pass", ' },
}

-- The nth datagram that agents send or get from now on is lost. @return { count }: how many there were
local function lose(agents, nth)
    local seen = { count = 0 }
    local function is_lost()
        seen.count = seen.count + 1
        return seen.count == nth
    end
    for _, agent in ipairs(agents) do
        local send, take = agent.send, agent.on_datagram
        function agent.send(...)
            return is_lost() or send(...)
        end
        function agent.on_datagram(...)
            return is_lost() or take(...)
        end
    end
    return seen
end

-- `from` asks, `to` agrees.
local function exchange(from, to, method, options)
    from:request(from.call, method, options)
    local cseq = from.call.cseq
    to:reply(to:receive(method), 200, { sdp = options and options.sdp })
    from:receive(function(msg) return msg.status == 200 and msg.cseq_method == method and msg.cseq == cseq end)
    if method == "INVITE" then
        to:receive "ACK"
    end
end

local function call(alice, bob)
    alice:invite("sip:bob@example.net", { sdp = true, headers = { Supported = "100rel" } })
    local invite = bob:receive "INVITE"
    bob:reply(invite, 183, { sdp = true, reliable = true })
    alice:prack(alice:receive(183))
    bob:reply(bob:receive "PRACK", 200)
    alice:receive { status = 200, method = "PRACK" }
    bob:reply(invite, 180)
    bob:reply(invite, 200)
    alice:receive { status = 200, method = "INVITE" }
    bob:receive "ACK"
    exchange(bob, alice, "UPDATE", { sdp = true })
    exchange(alice, bob, "INVITE", { sdp = true })
    exchange(bob, alice, "INVITE", { sdp = true })
    exchange(alice, bob, "INFO")
    exchange(bob, alice, "MESSAGE", { body = "hello", content_type = "text/plain" })
    exchange(alice, bob, "REFER", { headers = { ["Refer-To"] = "<sip:carol@example.net>" } })
    exchange(bob, alice, "NOTIFY", { headers = { Event = "refer", ["Subscription-State"] = "terminated" } })
    exchange(alice, bob, "BYE")
end

-- A caller that gives up.
local function given_up(alice, bob, net)
    alice:invite("sip:bob@example.net", { sdp = true })
    bob:reply(bob:receive "INVITE", 180)
    net:advance(1)
    alice:cancel()
    alice:receive { status = 200, method = "CANCEL" }
    alice:receive(487)
end

local CASES = {
    { name = "answered", run = call, seen = { "start - -", "answer - -", "end bye caller" }, least = 50 },
    { name = "given up", run = given_up, seen = { "start - -", "failed cancelled caller", "end cancelled caller" },
        least = 12 },
}

-- @return how many messages it took
local function run(how, case, nth)
    local net, alice, callees = world.open { body = how.body, more = world.NOTES }
    local bob = callees.bob
    local seen = lose({ alice, bob }, nth)
    local is_done, problem = pcall(case.run, alice, bob, net)
    net:settle(40)
    local left = net:status()
    local text = ("message %d is lost: %s"):format(nth, is_done and "" or tostring(problem))
    if not is_done then
        error(net:failed(text))
    end
    assert.same(case.seen, world.seen(net), text)
    assert.same({ 0, 0, 0 }, { left.dialogs, left.transactions, left.media.ports }, text)
    net:close()
    return seen.count
end

for _, how in ipairs(HOW) do
    for _, case in ipairs(CASES) do
        it(("each message of a call that is %s and %s may be lost"):format(how.name, case.name), function()
            local count = run(how, case, 0)
            assert.is_true(count >= case.least, "only " .. count)
            for nth = 1, count do
                run(how, case, nth)
            end
        end)
    end
end
