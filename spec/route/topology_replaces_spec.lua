-- Attended transfers across calls whose Call-IDs are masked: Replaces (RFC 3891) and Refer-To (RFC 3515, RFC 5589 s7)
-- name the other call as whoever gets them knows it. The two calls may belong to different workers.
local world = require "route.world"

local ROUTE = [==[
local sip = require "lunasip"
local WHERE = {
    alice = { "sip:192.0.2.10", "public" }, erin = { "sip:192.0.2.11", "public" },
    bob = { "sip:10.0.0.20", "private" }, carol = { "sip:10.0.0.21", "private" },
}
function request_route(req)
    local refer_to = req:header "Refer-To"
    if refer_to then -- names are the script's
        local us = req["$si"]:find "^10" and "192.0.2.1" or "10.0.0.1"
        req:set_header("Refer-To", (refer_to:gsub("@[%d.]+", "@" .. us, 1)))
    end
    if req:in_dialog() then
        return req:loose_route() and req:relay() or req.method ~= "ACK" and req:reply(481)
    end
    assert(sip.dialog.track(req, { hide = true, hide_call_id = true }))
    local where = WHERE[req["$rU"]]
    req["$fu"], req["$tu"] = "sip:" .. req["$fU"] .. "@example.net", "sip:" .. req["$rU"] .. "@example.net"
    req:relay { to = where[1], interface = where[2] }
end
]==]

describe("a transfer across masked Call-IDs", function()
    local net, agents

    before_each(function()
        local alice, callees
        -- Nobody hangs up: what is named is all that matters.
        net, alice, callees = world.open {
            route = ROUTE, workers = 4, conf = { limits = { dialog_idle_s = 60 } },
        }
        agents = { alice = alice, bob = callees.bob, carol = callees.carol }
        agents.erin = net:agent { name = "erin", address = "192.0.2.11:5060" }
    end)

    after_each(function()
        net:close()
    end)

    local function call(from, to)
        from:invite("sip:" .. to.name .. "@example.net")
        local invite = to:receive "INVITE"
        to:reply(invite, 200)
        local tag = from:receive(200):tag "To"
        to:receive "ACK"
        return {
            caller = from, callee = to, real = from.call.id, masked = invite:header "Call-ID",
            caller_tag = from.call.local_tag, callee_tag = tag, handle = from.call,
        }
    end

    local function escape(text)
        return (text:gsub("[^%w.]", function(c) return ("%%%02X"):format(c:byte()) end))
    end

    -- What `who` tells of its call `second`, as RFC 3891 s3 wants it: to-tag is the other party's.
    local function name_of(second, who)
        local is_caller = second.caller == who
        return ("%s;to-tag=%s;from-tag=%s"):format(is_caller and second.real or second.masked,
            is_caller and second.callee_tag or second.caller_tag, is_caller and second.caller_tag or second.callee_tag)
    end

    -- `from` refers the other party of its call to `target`, with whom it talks in `second`; that one follows.
    local function transfer(first, second, from, target)
        local follower = first.caller == from and first.callee or first.caller
        from:request(first.caller == from and first.handle or from.calls[first.masked], "REFER", {
            headers = { ["Refer-To"] = ("<sip:%s@%s?Replaces=%s>"):format(target.name, from.proxy:gsub(":.*", ""),
                escape(name_of(second, from))) },
        })
        local refer = follower:receive "REFER"
        follower:reply(refer, 202)
        from:receive(202)
        local uri, replaces = refer:header "Refer-To":match "^<([^?]*)%?Replaces=([^>]*)>$"
        assert.is_nil(refer:header "Refer-To":find(escape(second.real), 1, true))
        replaces = replaces:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
        assert.equal(second.masked, replaces:match "^[^;]*")
        follower:invite(uri, { headers = { Replaces = replaces } })
        local invite = target:receive "INVITE"
        local known = second.caller == target and second.real or second.masked
        assert.equal(known .. replaces:match ";.*$", invite:header "Replaces")
        target:reply(invite, 200)
        follower:receive(200)
        target:receive "ACK"
    end

    local function finish()
        assert.no_address("10.0.0.", "public")
        assert.no_address("192.0.2.", "private")
        assert.equal(0, net:status().counters["script.error"])
        net:advance(100)
    end

    for _, case in ipairs {
        { "by a callee who calls the target", { "alice", "bob" }, { "bob", "erin" }, "bob", "erin" },
        { "by a callee whom the target has called", { "alice", "bob" }, { "erin", "bob" }, "bob", "erin" },
        { "by a caller who calls the target", { "alice", "bob" }, { "alice", "carol" }, "alice", "carol" },
        { "by a caller whom the target has called", { "alice", "bob" }, { "carol", "alice" }, "alice", "carol" },
    } do
        it(case[1] .. " finds the call at the target", function()
            for _ = 1, 3 do
                local first = call(agents[case[2][1]], agents[case[2][2]])
                local second = call(agents[case[3][1]], agents[case[3][2]])
                assert.not_equal(second.real, second.masked)
                transfer(first, second, agents[case[4]], agents[case[5]])
            end
            finish()
        end)
    end

    it("leaves a name alone that is of no call of ours, and what is no name", function()
        for _, given in ipairs { "x@y;to-tag=a;from-tag=b", "x%y", "" } do
            local first = call(agents.alice, agents.bob)
            agents.bob:request(agents.bob.calls[first.masked], "REFER", {
                headers = { ["Refer-To"] = "<sip:carol@example.net?Replaces=" .. given .. ">" },
            })
            local refer = agents.alice:receive "REFER"
            assert.truthy(refer:header "Refer-To":find("Replaces=" .. given .. ">", 1, true))
            agents.alice:reply(refer, 202)
            agents.bob:receive(202)
        end
        finish()
    end)
end)
