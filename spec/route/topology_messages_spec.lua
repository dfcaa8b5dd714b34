-- Every kind of message of a call, both ways, full of addresses of the side that sent it: nothing of them may reach the
-- other one. Of calls that are proxied and hidden (sip.dialog.track), and of calls of two legs (RFC 7092).
local world = require "route.world"

local PROXIED = [[
    local far = req.interface == "public" and "private" or "public"
    sip.media.manage(req, { from = req.interface, to = far })
    assert(sip.dialog.track(req, { hide = true, hide_call_id = true }))
    req["$fu"] = "sip:caller@example.net"
    req:relay { to = far == "private" and "sip:bob@10.0.0.20:5060" or "sip:alice@192.0.2.10:5060", interface = far }
]]
local TWO_LEGS = [[
    local far = req.interface == "public" and "private" or "public"
    assert(sip.call.bridge(req, {
        to = far == "private" and "sip:bob@10.0.0.20:5060" or "sip:alice@192.0.2.10:5060", interface = far,
        media = { from = req.interface, to = far }, %s
    }))
]]

local KINDS = {
    { name = "a hidden call", body = PROXIED, is_proxied = true },
    { name = "a call of two legs", body = TWO_LEGS:format "" },
    { name = "a call of two legs that handles REFER", body = TWO_LEGS:format [[refer = "handle"]] },
}

local function host_of(agent) return agent.address:match "^[^:]+" end

-- What a party may put into any message, its own host in all of it.
local function loud(agent, more)
    local host = host_of(agent)
    local headers = {
        { "History-Info", ("<sip:x@%s>;index=1, <sip:y@%s?Reason=SIP%%3Bcause%%3D302>;index=1.1"):format(host, host) },
        { "Diversion", ([["Desk" <sip:+4930@%s;user=phone>;reason=unconditional]]):format(host) },
        { "P-Asserted-Identity", ("<sip:x@%s>, <tel:+4930>"):format(host) },
        { "P-Preferred-Identity", ("<sip:x@%s>"):format(host) },
        { "Remote-Party-ID", ("<sip:x@%s>;party=calling"):format(host) },
        { "Referred-By", ("<sip:x@%s:5060>"):format(host) },
        { "Warning", ([[399 %s:5060 "of our own"]]):format(host) },
        { "Reason", [[SIP;cause=480;text="gone"]] },
    }
    for name, value in pairs(more or {}) do
        headers[#headers + 1] = { name, value }
    end
    return headers
end

local function fragment_of(agent, first)
    local host = host_of(agent)
    return ("%s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx\r\nContact: <sip:x@%s>\r\n"):format(first, host, host)
end

for _, kind in ipairs(KINDS) do
    describe("no message of " .. kind.name, function()
        local net, alice, bob, callees

        local function open(workers)
            net, alice, callees = world.open { body = kind.body, workers = workers, auto_cancel = false }
            bob = callees.bob
        end

        after_each(function()
            net:close()
        end)

        local function is_there(agent, method)
            for _, msg in ipairs(agent.queue) do
                if msg.method == method then return true end
            end
        end

        -- A request within the call; what the engine does not answer by itself, the other side does.
        local function ask(from, to, method, options, status)
            options = options or {}
            options.headers = loud(from, options.headers)
            from:request(from.call, method, options)
            net:advance(0.2)
            assert(is_there(to, method) or not kind.is_proxied)
            if is_there(to, method) then
                local is_refused = status and status >= 300
                to:reply(to:receive(method), status or 200, {
                    sdp = not is_refused and options.sdp, headers = loud(to, is_refused and {
                        Contact = ("<sip:z@%s>"):format(host_of(to)),
                    } or nil),
                    body = is_refused and fragment_of(to, "SIP/2.0 404 Not Found") or nil,
                    content_type = is_refused and "message/sipfrag" or nil,
                })
            end
            from:receive(function(msg) return msg.cseq_method == method and (msg.status or 0) >= 200 end)
        end

        local function ring(from, to, options)
            options = options or {}
            from:invite("sip:somebody@example.net", { sdp = true, headers = loud(from, { Supported = "100rel" }) })
            local invite = to:receive "INVITE"
            to:reply(invite, 183, { sdp = true, reliable = options.reliable, headers = loud(to) })
            local ringing = from:receive(183)
            if options.reliable then
                from:prack(ringing)
                to:reply(to:receive "PRACK", 200, { headers = loud(to) })
                from:receive { status = 200, method = "PRACK" }
            end
            return invite
        end

        local function answer(from, to)
            local invite = ring(from, to, { reliable = true })
            ask(from, to, "UPDATE")
            to:reply(invite, 200, { headers = loud(to) })
            from:receive { status = 200, method = "INVITE" }
            to:receive "ACK"
        end

        local function talk(from, to)
            for _, method in ipairs { "INFO", "MESSAGE", "OPTIONS", "UPDATE", "INVITE" } do
                local sdp = (method == "UPDATE" or method == "INVITE") or nil
                ask(from, to, method, { sdp = sdp })
                ask(from, to, method, { sdp = sdp }, 488)
            end
            ask(from, to, "SUBSCRIBE", { headers = { Event = "conference" } })
            ask(to, from, "NOTIFY", { headers = { Event = "conference", ["Subscription-State"] = "active" } })
        end

        local function hang_up(from, to)
            from:hangup { headers = loud(from) }
            to:reply(to:receive "BYE", 200, { headers = loud(to) })
            from:receive { status = 200, method = "BYE" }
        end

        local function nothing_seen()
            net:settle()
            assert.no_address("10.0.0.", "public")
            assert.no_address("192.0.2.", "private")
            local status = net:status()
            assert.same({ 0, 0 }, { status.dialogs, status.transactions })
        end

        for _, way in ipairs { "public", "private" } do
            local function parties()
                if way == "public" then return alice, bob end
                return bob, alice
            end

            for _, workers in ipairs { 1, 3 } do
                it(("shows an address, called from the %s side (%d workers)"):format(way, workers), function()
                    open(workers)
                    local from, to = parties()
                    for i = 1, workers do
                        answer(from, to)
                        talk(from, to)
                        talk(to, from)
                        if i % 2 == 1 then hang_up(from, to) else hang_up(to, from) end
                    end
                    nothing_seen()
                end)
            end

            it("shows one when it is refused, called from the " .. way .. " side", function()
                open()
                local from, to = parties()
                for _, status in ipairs { 302, 404, 407, 480, 486, 503, 603 } do
                    local invite, host = ring(from, to), host_of(to)
                    to:reply(invite, status, {
                        headers = loud(to, { Contact = ("<sip:x@%s>, <sip:y@%s>;q=0.5"):format(host, host) }),
                        body = fragment_of(to, "SIP/2.0 404 Not Found"), content_type = "message/sipfrag;version=2.0",
                    })
                    from:receive(function(msg) return (msg.status or 0) >= 300 end)
                    to:receive "ACK"
                end
                nothing_seen()
            end)

            it("shows one when it is given up, called from the " .. way .. " side", function()
                open()
                local from, to = parties()
                local invite = ring(from, to)
                from:cancel()
                local cancel = to:receive "CANCEL"
                to:reply(cancel, 200, { headers = loud(to) })
                to:reply(invite, 487, { headers = loud(to) })
                from:receive { status = 200, method = "CANCEL" }
                from:receive(487)
                to:receive "ACK"
                nothing_seen()
            end)

            -- In calls of two legs the engine invites whom they name: call_transfer_spec.lua.
            local transfer = kind.is_proxied and it or function() end
            transfer("shows one of a transfer, called from the " .. way .. " side", function()
                open()
                local from, to = parties()
                answer(from, to)
                for _, pair in ipairs { { from, to }, { to, from } } do
                    local sender, receiver = pair[1], pair[2]
                    ask(sender, receiver, "REFER", {
                        headers = { ["Refer-To"] = ("<sip:carol@%s;user=phone>"):format(host_of(sender)) },
                    }, 202)
                    for _, line in ipairs { "SIP/2.0 100 Trying", "SIP/2.0 200 OK", "BYE sip:x@10.0.0.20 SIP/2.0" } do
                        ask(receiver, sender, "NOTIFY", {
                            headers = { Event = "refer", ["Subscription-State"] = "active" },
                            body = fragment_of(receiver, line), content_type = "message/sipfrag;version=2.0",
                        })
                    end
                end
                hang_up(from, to)
                nothing_seen()
            end)
        end
    end)
end

describe("what stays of a message of a hidden call", function()
    local net, alice, bob

    before_each(function()
        local callees
        net, alice, callees = world.open { body = PROXIED }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    it("names a party by our host where it was named by an address, and by a domain as it was", function()
        alice:invite("sip:bob@example.net", { headers = {
            { "P-Asserted-Identity", [["Alice" <sip:alice@192.0.2.10;user=phone;maddr=192.0.2.10>, <tel:+4930>]] },
            { "Diversion", "<sip:desk@example.org>;reason=no-answer" },
            { "History-Info", "<sip:x@[2001:db8::1]?Reason=SIP%3Bcause%3D302>;index=1, <sip:y@example.org>;index=1.1" },
            { "Remote-Party-ID", "<sip:192.0.2.10>;privacy=off" },
            { "Referred-By", "<sips:192.0.2.10@192.0.2.10>" },
        } })
        local invite = bob:receive "INVITE"
        assert.equal([["Alice" <sip:alice@10.0.0.1:5060;user=phone>, <tel:+4930>]], invite:header "P-Asserted-Identity")
        assert.equal("<sip:desk@example.org>;reason=no-answer", invite:header "Diversion")
        assert.equal("<sip:x@10.0.0.1:5060?Reason=SIP%3Bcause%3D302>;index=1, <sip:y@example.org>;index=1.1",
            invite:header "History-Info")
        assert.equal("<sip:10.0.0.1:5060>;privacy=off", invite:header "Remote-Party-ID")
        assert.equal("<sip:10.0.0.1:5060>", invite:header "Referred-By")
        bob:reply(invite, 486)
        alice:receive(486)
    end)

    it("of a message/sipfrag is its status line (RFC 3420)", function()
        world.answer(alice, bob)
        local function notify(body)
            bob:request(bob.call, "NOTIFY", { body = body, content_type = "Message/SIPfrag;version=2.0" })
            local request = alice:receive "NOTIFY"
            alice:reply(request, 200)
            bob:receive { status = 200, method = "NOTIFY" }
            return request
        end
        assert.equal("SIP/2.0 180 Ringing\r\n", notify("SIP/2.0 180 Ringing\r\nContact: <sip:x@10.0.0.20>\r\n").body)
        assert.equal("SIP/2.0 200 OK\r\n", notify("SIP/2.0 200 OK").body)
        local empty = notify("From: <sip:x@10.0.0.20>\r\n")
        assert.equal("", empty.body)
        assert.is_nil(empty:header "Content-Type")
        world.hang_up(alice, bob)
    end)
end)
