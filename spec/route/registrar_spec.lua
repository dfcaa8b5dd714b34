--- sip.registrar on the real engine: REGISTER by RFC 3261 s10.3, and calls to what was bound.
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "REGISTER" then
        return sip.registrar.save(req, SAVE)
    elseif req:in_dialog() then
        return req:loose_route() and req:relay()
    end
    local ok, why = sip.registrar.lookup(req, LOOKUP)
    if not ok then
        return req:reply(480, why)
    end
    req:record_route()
    assert(req:relay())
end
MORE
]]

describe("a registrar (RFC 3261 s10.3)", function()
    local net, alice, bob, carol

    local function open(options)
        options = options or {}
        local route = ROUTE:gsub("SAVE", function() return options.save or "{}" end)
            :gsub("LOOKUP", function() return options.lookup or "nil" end)
            :gsub("MORE", function() return options.more or "" end)
        net = lab.new {
            seed = 3, workers = options.workers, route = route,
            conf = { listen = { lan = { "udp:10.0.0.1:5060", "udp:10.0.0.1:5070" } }, location = options.location },
        }
        alice = net:agent { name = "alice", address = "10.0.0.10", side = "lan" }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "lan", auto_cancel = true }
        carol = net:agent { name = "carol", address = "10.0.0.21", side = "lan", auto_cancel = true }
    end

    after_each(function() net:close() end)

    -- A contact of one address of record; each with a Call-ID of its own.
    local function register(agent, options)
        options = options or {}
        options.uri = "sip:example.net"
        options.aor = options.aor or not agent.registration and "sip:team@example.net" or nil
        agent:register(options)
        return agent:receive(function(msg) return msg.status and msg.cseq_method == "REGISTER" end)
    end

    local function bindings()
        return net:status().registrations.bindings
    end

    local function answer_and_end(callee, invite)
        callee:reply(invite, 200, { sdp = true })
        alice:receive(200)
        alice:hangup()
        callee:reply(callee:receive "BYE", 200)
        alice:receive { status = 200, method = "BYE" }
    end

    describe("save", function()
        it("answers 200 with every contact and what is left of its time (step 8)", function()
            open()
            register(bob, { expires = 600 })
            net:advance(100)
            local ok = register(carol, { expires = 300 })
            local contacts = table.concat(ok:values "Contact", "\n")
            assert.matches("<sip:bob@10%.0%.0%.20[^>]*>;expires=500", contacts)
            assert.matches("<sip:carol@10%.0%.0%.21[^>]*>;expires=300", contacts)
            assert.header(ok, "Date", "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$")
            assert.equal(2, bindings())
        end)

        it("ends a binding with Expires 0, and all with a star (steps 6, 7)", function()
            open()
            register(bob)
            register(carol)
            assert.equal(1, #register(bob, { expires = 0 }):values "Contact")
            assert.equal(0, #register(carol, { expires = 0, contact = "*" }):values "Contact")
            assert.equal(0, bindings())
            assert.equal(400, register(carol, { expires = 60, contact = "*" }).status)
        end)

        it("refuses a time that is too brief with 423 and Min-Expires (step 7)", function()
            open { location = { expires_least_s = 120 } }
            local refused = register(bob, { expires = 60 })
            assert.equal(423, refused.status)
            assert.header(refused, "Min-Expires", "120")
            assert.equal(1, net:status().counters["location.brief"])
        end)

        it("takes other bounds from the script", function()
            open { save = "{ expires_least_s = 30, expires_most_s = 90, max_contacts = 1 }" }
            assert.header(register(bob, { expires = 60 }), "Contact", "^.*expires=60$")
            assert.header(register(bob, { expires = 600 }), "Contact", "^.*expires=90$")
            assert.equal(503, register(carol).status)
            assert.equal(1, bindings())
        end)

        it("refuses an extension that it does not know with 420 (step 2)", function()
            open()
            local refused = register(bob, { headers = { Require = "path, x-unheard-of" } })
            assert.equal(420, refused.status)
            assert.header(refused, "Unsupported", "x-unheard-of")
            assert.equal(0, bindings())
        end)

        it("leaves the answer to the script when told so", function()
            open()
            net:reload { source = [[
            local sip = require "lunasip"
            function request_route(req)
                local count, why, status = sip.registrar.save(req, { reply = false })
                req:reply(status or 202, why or "bound: " .. count)
            end]] }
            assert.equal("bound: 1", register(bob).reason)
            assert.equal(423, register(bob, { expires = 1 }).status)
        end)

        it("raises what cannot be meant", function()
            open { save = "{ expire_most_s = 5 }" }
            assert.equal(500, register(bob).status)
            assert.is_truthy(net:logged "no option 'expire_most_s'")
        end)
    end)

    describe("Path (RFC 3327)", function()
        local EDGE = "<sip:10.0.0.21;lr>"

        it("becomes the Route of a call, and is told to who supports it (s5.3)", function()
            open()
            local ok = register(bob, { headers = { Path = EDGE, Supported = "path" } })
            assert.header(ok, "Path", EDGE)
            alice:invite("sip:team@example.net", { sdp = true })
            local invite = carol:receive "INVITE"
            assert.header(invite, "Route", EDGE)
            assert.matches("^sip:bob@10%.0%.0%.20", invite.uri)
            carol:reply(invite, 486)
            alice:receive(486)
        end)

        it("is kept, but not told to who does not say that it knows it", function()
            open()
            local ok = register(bob, { headers = { Path = EDGE } })
            assert.equal(200, ok.status)
            assert.has_no.header(ok, "Path")
        end)

        it("is refused with 420 without Supported where the script is strict", function()
            open { save = '{ path = "strict" }' }
            local refused = register(bob, { headers = { Path = EDGE } })
            assert.equal(420, refused.status)
            assert.header(refused, "Unsupported", "path")
        end)

        it("counts for nothing where it is off", function()
            open { save = '{ path = "off" }' }
            register(bob, { headers = { Path = EDGE, Supported = "path" } })
            alice:invite("sip:team@example.net", { sdp = true })
            bob:reply(bob:receive "INVITE", 486)
            alice:receive(486)
        end)
    end)

    describe("outbound (RFC 5626 s6)", function()
        local FLOW = '<sip:bob@10.0.0.20>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-0000-0000-000000000001>"'

        it("is granted to a UA that is one hop away", function()
            open()
            local ok = register(bob, { contact = FLOW, headers = { Supported = "path, outbound" } })
            assert.equal(200, ok.status)
            assert.header(ok, "Require", "outbound")
        end)

        it("is refused with 439 when a first proxy does not know it", function()
            open()
            bob:send(table.concat({
                "REGISTER sip:example.net SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.20:5060;branch=z9hG4bKedge",
                "Via: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKua", "Max-Forwards: 69",
                "From: <sip:team@example.net>;tag=1", "To: <sip:team@example.net>", "Call-ID: flow", "CSeq: 1 REGISTER",
                "Supported: path, outbound", "Contact: " .. FLOW, "", "",
            }, "\r\n"), "10.0.0.1:5060")
            bob:receive(439)
            assert.equal(0, bindings())
        end)
    end)

    describe("flows of one device (RFC 5626 s7)", function()
        -- The device is bob by one flow and carol by another; the last to register is tried first.
        before_each(function()
            open()
            for number, agent in ipairs { bob, carol } do
                assert.equal(200, register(agent, {
                    contact = ('<sip:%s@10.0.0.%d>;reg-id=%d;+sip.instance="<urn:uuid:1>"'):format(agent.name,
                        number == 1 and 20 or 21, number),
                    headers = { Supported = "path, outbound" },
                }).status)
                net:advance(1)
            end
            alice:invite("sip:team@example.net", { sdp = true })
        end)

        it("are never tried at once, nor the next one after an answer", function()
            local invite = carol:receive "INVITE"
            bob:receive_nothing("INVITE", 1)
            carol:reply(invite, 486)
            alice:receive(486)
            bob:receive_nothing("INVITE", 1)
        end)

        for _, status in ipairs { 430, 408 } do
            it(("are tried one after the other while each fails: %d"):format(status), function()
                carol:reply(carol:receive "INVITE", status)
                answer_and_end(bob, bob:receive "INVITE")
            end)
        end

        it("are tried one after the other while nobody is there", function()
            local invite = carol:receive "INVITE"
            net:partition("carol", "lan")
            assert.is_truthy(invite)
            local second = bob:receive("INVITE", 40) -- Timer B
            net:heal()
            answer_and_end(bob, second)
        end)
    end)

    describe("contacts that lead back (RFC 5627 s5.1)", function()
        local GRUU = '<sip:bob@10.0.0.20>;+sip.instance="<urn:uuid:1>"'

        it("are refused with 403: the address of record itself, and its GRUUs", function()
            open()
            local ok = register(bob, { contact = GRUU, headers = { Supported = "gruu" } })
            local public, temporary = ok:header "Contact":match 'pub%-gruu="([^"]+)";temp%-gruu="([^"]+)"'
            for _, contact in ipairs { "sip:team@example.net", "sip:team@EXAMPLE.net", public, temporary } do
                assert.equal(403, register(carol, { contact = "<" .. contact .. ">" }).status, contact)
            end
            assert.equal(1, bindings())
            assert.equal(200, register(carol, { contact = "<sip:team@example.net>", expires = 0 }).status)
        end)

        it("are not those that only look like it", function()
            open { location = { use_domain = 0 } }
            for _, contact in ipairs {
                "sip:team@10.0.0.21", "sip:team@example.net:5080", "sip:other@example.net;gr=urn:x",
            } do
                assert.equal(200, register(carol, { contact = "<" .. contact .. ">" }).status, contact)
            end
        end)

        it("leave a SIPS contact its own GRUUs, of SIPS (RFC 5630)", function()
            open()
            local ok = register(bob, { contact = (GRUU:gsub("sip:bob", "sips:bob")), headers = { Supported = "gruu" } })
            assert.header(ok, "Contact", '^.*pub%-gruu="sips:team@example%.net;gr=urn:uuid:1";temp%-gruu="sips:tgruu%.')
        end)
    end)

    describe("lookup", function()
        it("rings all contacts of one q, and cancels the losers (RFC 3261 s16.7)", function()
            open()
            register(bob)
            register(carol)
            alice:invite("sip:TEAM@Example.Net", { sdp = true })
            local invite = bob:receive "INVITE"
            carol:reply(carol:receive "INVITE", 180)
            alice:receive(180)
            assert.matches("^sip:bob@10%.0%.0%.20", invite.uri)
            bob:reply(invite, 200, { sdp = true })
            alice:receive(200)
            carol:receive "CANCEL"
            alice:hangup()
            bob:reply(bob:receive "BYE", 200)
            alice:receive { status = 200, method = "BYE" }
        end)

        it("tries a lower q when the higher ones have failed (s16.6)", function()
            open()
            register(carol, { contact = "<sip:carol@10.0.0.21>;q=0.2" })
            register(bob, { contact = "<sip:bob@10.0.0.20>;q=0.7" })
            alice:invite("sip:team@example.net", { sdp = true })
            local first = bob:receive "INVITE"
            carol:receive_nothing("INVITE", 1)
            bob:reply(first, 486)
            answer_and_end(carol, carol:receive "INVITE")
        end)

        it("sends to where a device behind a NAT registered from, from the socket that it knows", function()
            open { save = "{ received = true }" }
            local phone = net:agent {
                name = "phone", address = "10.0.0.30:1024", advertise = "192.168.1.5", side = "lan",
                proxy = "10.0.0.1:5070",
            }
            assert.header(register(phone), "Contact", '^.*received="sip:10%.0%.0%.30:1024"')
            alice:invite("sip:team@example.net", { sdp = true })
            local invite = phone:receive "INVITE"
            assert.matches("192%.168%.1%.5", invite.uri)
            assert.header(invite, "Via", "^SIP/2%.0/UDP 10%.0%.0%.1:5070")
            phone:reply(invite, 486)
            alice:receive(486)
        end)

        it("tells who is not registered, and what no device takes", function()
            open { lookup = "{ filter_methods = true }" }
            alice:ask("MESSAGE", { uri = "sip:team@example.net", body = "hi", content_type = "text/plain" })
            assert.equal("not registered", alice:receive(480).reason)
            register(bob, { headers = { Allow = "INVITE, ACK, BYE, CANCEL" } })
            alice:ask("MESSAGE", { uri = "sip:team@example.net", body = "hi", content_type = "text/plain" })
            assert.equal("method not supported", alice:receive(480).reason)
            alice:ask("OPTIONS", { uri = "sip:10.0.0.1" })
            assert.equal("no address of record", alice:receive(480).reason)
        end)

        it("reaches one device by its GRUU (RFC 5627 s5.4)", function()
            open()
            local function gruus(agent, digit)
                local ok = register(agent, {
                    contact = ('<%s>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00000000000%d>"')
                        :format("sip:" .. agent.name .. "@" .. (digit == 1 and "10.0.0.20" or "10.0.0.21"), digit),
                    headers = { Supported = "gruu" },
                })
                for _, contact in ipairs(ok:values "Contact") do
                    if contact:find("0000" .. digit, 1, true) then
                        return contact:match 'pub%-gruu="([^"]+)"', contact:match 'temp%-gruu="([^"]+)"'
                    end
                end
            end
            gruus(bob, 1)
            for _, gruu in ipairs { gruus(carol, 2) } do
                alice:invite(gruu, { sdp = true })
                carol:reply(carol:receive "INVITE", 486)
                alice:receive(486)
                bob:receive_nothing("INVITE", 1)
            end
        end)
    end)

    describe("time", function()
        it("ends what was not refreshed, and tells the script", function()
            open { workers = 3, more = [[
            event_route["registration:expired"] = function(event)
                sip.log.info(event, "gone: %s %s", event.aor, event.contact)
            end
            event_route["registration:inserted"] = function(event)
                sip.log.info(event, "there: %s", event.aor)
            end]] }
            register(bob, { expires = 60 })
            assert.is_truthy(net:logged "there: team@example%.net")
            net:advance(59)
            assert.is_nil(net:logged "gone")
            net:advance(3)
            assert.is_truthy(net:logged "gone: team@example%.net sip:bob@10%.0%.0%.20")
            assert.same({ aors = 0, bindings = 0 }, net:status().registrations)
            assert.equal(1, net:status().counters["location.expired"])
            alice:invite("sip:team@example.net", { sdp = true })
            alice:receive(480)
        end)
    end)

    describe("scripts", function()
        it("ask who is bound, and end bindings", function()
            open { more = [[
            local request = request_route
            function request_route(req)
                if req.method ~= "OPTIONS" then
                    return request(req)
                end
                local aor = "sip:team@example.net"
                local found = sip.registrar.contacts(aor)
                local before = sip.registrar.registered(aor)
                local ended = sip.registrar.unregister(aor, found[1].contact)
                req:reply(200, ("%s %d %s %d %s"):format(found[1].contact, found[1].expires_s, tostring(before), ended,
                    tostring(sip.registrar.registered(aor))))
            end]] }
            register(bob, { expires = 100, contact = "<sip:bob@10.0.0.20>" })
            alice:ask("OPTIONS", { uri = "sip:10.0.0.1" })
            assert.equal("sip:bob@10.0.0.20 100 true 1 false", alice:receive(200).reason)
        end)
    end)

    describe("ctl registrations", function()
        it("lists, shows, adds, removes and flushes", function()
            open { more = [[
            event_route["registration:removed"] = function(event)
                sip.log.info(event, "removed: %s", event.contact)
            end]] }
            register(bob, { expires = 100, contact = "<sip:bob@10.0.0.20>;q=0.5" })
            local function ctl(...)
                return net:command("registrations", ...)
            end
            local listed = ctl("list").data
            assert.equal(1, #listed)
            assert.equal("team@example.net", listed[1].aor)
            assert.equal("sip:bob@10.0.0.20", listed[1].contacts[1].contact)
            assert.equal(100, listed[1].contacts[1].expires_s)
            assert.equal(0.5, listed[1].contacts[1].q)
            assert.equal(1, ctl("show", "nobody@example.net").code)

            assert.equal(0, ctl("add", "team@example.net", "sip:carol@10.0.0.21").code)
            assert.equal(0, ctl("add", "door@example.net", "sip:dave@10.0.0.22", "60").code)
            local shown = ctl("show", "sip:team@example.net").data.contacts
            assert.equal(2, #shown)
            assert.is_true(shown[1].permanent or shown[2].permanent)
            assert.equal(0, ctl("rm", "team@example.net", "sip:bob@10.0.0.20").code)
            assert.is_truthy(net:logged "removed: sip:bob@10%.0%.0%.20")
            alice:invite("sip:team@example.net", { sdp = true })
            answer_and_end(carol, carol:receive "INVITE")

            register(carol, { aor = "sip:camera@example.net", contact = "<sip:c@10.0.0.21>",
                headers = { ["User-Agent"] = "\201\227\207\241\205\241" } }) -- GB2312
            assert.equal("(not UTF-8)", ctl("show", "camera@example.net").data.contacts[1].user_agent)

            assert.equal("3 bindings ended", ctl("flush").text)
            for i = 1, 300 do ctl("add", i .. "@example.net", "sip:x@10.0.0.22") end
            local seen, pages, answer = {}, 0, ctl("list", 64)
            while answer do
                for _, record in ipairs(answer.data) do
                    assert.is_nil(seen[record.aor])
                    seen[record.aor] = true
                    seen[#seen + 1] = record.aor
                end
                pages = pages + 1
                answer = answer.next and net:command(unpack(answer.next))
            end
            assert.equal(300, #seen)
            assert.is_true(pages >= 3 and pages <= 6, pages)
            assert.equal(0, ctl("list", 64, "0.4294967295.0").code)
            assert.same({}, ctl("list", 64, "4294967295.0.0").data)
            assert.equal("300 bindings ended", ctl("flush").text)
            assert.same({}, ctl("list").data)
            assert.equal(1, ctl("rm", "team@example.net").code)
            local wrong = {
                { "rm" }, { "list", "x" }, { "list", "0" }, { "list", "5", "1.2" }, { "list", "5", "1.2.3.4" },
                { "show", "" }, { "add", "a@b" }, { "add", "a@b", "sip:c@d", "x" },
            }
            for _, words in ipairs(wrong) do
                assert.equal(2, ctl(unpack(words)).code, table.concat(words, " "))
            end
        end)
    end)
end)
