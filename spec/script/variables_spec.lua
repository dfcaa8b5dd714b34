-- Variables that are about transactions, branches and dialogs, on the engine itself.
local evaluate = require "script.evaluate"
local world = require "route.world"

describe("variables of a message", function()
    it("give headers of any name, in order", function()
        assert.same({ "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKraw1", "0", "one", "8", "two", "7" }, evaluate.all([[
            out(req["$hdr(*)"]:match "^[^;]*;[^;]*") out(req["$(hdr(*)[-1])"])
            out(req["$(hdr(*)[7])"]) out(req["$hdrc(*)"] - 1)
            req:set_header("X-A", "two") out(req["$(hdr(*)[7])"])
            req:remove_header "Contact" out(req["$hdrc(*)"] - 1)
        ]], { headers = { "X-A: one" } }))
    end)

    it("show the message with its edits in $mbu, as it came in $mb", function()
        assert.same({ "true", "false", "true", "true" }, evaluate.all [[
            req:set_header("X-New", "1") req["$ru"] = "sip:new@h"
            out(req["$mbu"]:find("X-New: 1\r\n", 1, true) ~= nil) out(req["$mb"]:find("X-New", 1, true) ~= nil)
            out(req["$mbu"]:match "^INVITE sip:new@h SIP/2.0\r\n" ~= nil)
            out(req["$mb"]:match "^INVITE sip:bob@" ~= nil)
        ]])
    end)

    it("know the script, the engine and its listeners", function()
        assert.same({ "5", "true", "true", "udp:10.0.0.1:5060", "public", "nil" }, evaluate.all [[
out(req["$cfg(line)"])
            out(req["$cfg(name)"]:find "%.lua$" ~= nil) out(req["$version(num)"]:find "^%d+%.%d+" ~= nil)
            out(req["$lsock(n/private/listen)"]) out(req["$lsock(l/udp:192.0.2.1:5060/name)"]) out(req["$conid"])
        ]])
    end)
end)

describe("$br and $branch", function()
    local net, alice, callees

    after_each(function()
        net:close()
    end)

    local ADD = [[
        req:record_route()
        req["$ru"] = "sip:bob@10.0.0.20:5060"
        req["$br"] = "sip:carol@10.0.0.21:5060"
        req["$br"] = "sip:dave@example.net"
        req["$(branch(dst_uri)[-1])"] = "sip:10.0.0.22:5060"
    ]]

    it("ring together with the request's own target", function()
        net, alice, callees = world.open { body = ADD .. [[
            assert(req:relay { interface = "private", on_branch = "SEEN" })
            assert(req["$branch(count)"] == 0 and req["$T_branch_idx"] == 3)
        ]], more = [[
            function branch_route.SEEN(req)
                req:set_header("X-Branch", sip.format(req,
                    "$T_branch_idx $sndto(ip):$sndto(port) $sndto(sproto) $sndfrom(ip) $T_branch(uri)"))
            end
        ]] }
        alice:invite "sip:bob@example.net"
        local seen = {}
        for i, name in ipairs { "bob", "carol", "dave" } do
            local invite = callees[name]:receive "INVITE"
            seen[i] = invite:header "X-Branch"
            callees[name]:reply(invite, name == "dave" and 200 or 180)
        end
        assert.same({
            "0 10.0.0.20:5060 udp 10.0.0.1 sip:bob@10.0.0.20:5060",
            "1 10.0.0.21:5060 udp 10.0.0.1 sip:carol@10.0.0.21:5060",
            "2 10.0.0.22:5060 udp 10.0.0.1 sip:dave@example.net",
        }, seen)
        alice:receive(200)
        for _, name in ipairs { "bob", "carol" } do
            callees[name]:receive "CANCEL"
            callees[name]:receive "ACK"
        end
        callees.dave:receive "ACK"
        world.hang_up(alice, callees.dave)
    end)

    it("are kept when the relay fails, and refused when they are no URIs", function()
        net, alice = world.open { body = [[
            req["$br"] = "sip:carol@10.0.0.21:5060"
            local sent, problem = req:relay { to = "sip:bob@10.0.0.20:5060", interface = "nowhere" }
            req:reply(480, tostring(sent) .. " " .. req["$branch(count)"])
        ]] }
        alice:send(world.raw {})
        assert.equal("nil 1", alice:receive(480).reason)
    end)
end)

describe("$T_…", function()
    local net, alice, bob, callees

    after_each(function()
        net:close()
    end)

    local NOTE = [[
        local sip = require "lunasip"
        local function note(m, what)
            sip.log.info(m, what .. " code=$T_reply_code reason=$T_reply_reason type=$T(reply_type) idx=$T_branch_idx "
                .. "req=$T_req($fU) rpl=$T_rpl($rs) uri=$T_branch(uri) sent=$sndto(ip)")
        end
    ]]

    it("see the other message of the transaction in replies and failures", function()
        net, alice, callees = world.open { route = NOTE .. [[
            function request_route(req)
                note(req, "request")
                req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_reply = "R", on_failure = "F" }
            end
            function onreply_route.R(reply) note(reply, "reply") end
            function failure_route.F(req, reply) note(req, "failure") end
        ]] }
        bob = callees.bob
        alice:send(world.raw {})
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        bob:receive "ACK"
        local function noted(what)
            return (net:logged("^" .. what .. " "))
        end
        assert.equal("request code=0 reason= type=<null> idx=0 req=alice rpl=<null> uri=<null> sent=<null>",
            noted "request")
        assert.equal("reply code=486 reason=Busy Here type=0 idx=0 req=alice rpl=486 uri=sip:bob@example.net "
            .. "sent=10.0.0.20", noted "reply")
        assert.equal("failure code=486 reason=Busy Here type=0 idx=1 req=alice rpl=486 uri=<null> sent=<null>",
            noted "failure")
    end)

    it("tell a reply of our own", function()
        net, alice = world.open { route = NOTE .. [[
            function request_route(req)
                req:relay { to = "sip:10.0.0.99:5060", interface = "private", on_failure = "F" }
            end
            function failure_route.F(req, reply) note(req, "failure") end
        ]] }
        alice:send(world.raw {})
        alice:receive(503)
        assert.is_truthy(net:logged "^failure code=503 reason=Service Unavailable type=1 ")
    end)
end)

describe("$rdir, $fti and $tti", function()
    local SEEN = [[
        req:add_header("X-Dir", ("%s %s %s %s"):format(req["$rdir(id)"], req["$rdir(name)"], tostring(req["$fti"]),
            tostring(req["$tti"])))
    ]]

    it("know who speaks within a call", function()
        local net, alice, callees = world.open { route = [[
            function request_route(req)
                ]] .. SEEN .. [[
                if req:in_dialog() then
                    req:loose_route()
                    return req:relay()
                end
                ]] .. world.TO_BOB .. [[
            end
        ]] }
        local bob = callees.bob
        local invite = world.answer(alice, bob)
        local caller, callee = alice.call.local_tag, bob.call.local_tag
        assert.equal("1 downstream " .. caller .. " nil", invite:header "X-Dir")
        bob:hangup()
        local bye = alice:receive "BYE"
        assert.equal("2 upstream " .. caller .. " " .. callee, bye:header "X-Dir")
        alice:reply(bye, 200)
        bob:receive(function(msg) return msg.status == 200 and msg.cseq_method == "BYE" end)
        net:close()
    end)
end)
