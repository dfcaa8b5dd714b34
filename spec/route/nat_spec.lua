-- sip.nat on the engine: a phone whose NAT the engine sees past, and one that is called back through it.
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    %s
    if req:in_dialog() then
        if not req:loose_route() and req.method ~= "ACK" then return req:reply(481) end
        sip.nat.handle_alias(req)
        return req:relay()
    end
    req:record_route()
    req:relay { to = "sip:10.0.0.20:5060", interface = "private" }
end
function onreply_route(reply)
    if sip.nat.is_natted(reply, { "contact_private" }) then sip.nat.set_alias(reply) end
end]]

describe("sip.nat", function()
    local net, phone, bob

    local function open(body, advertise)
        net = lab.new { route = ROUTE:format(body) }
        phone = net:agent {
            name = "phone", address = "192.0.2.10:4321", advertise = advertise,
        }
        bob = net:agent { name = "bob", address = "10.0.0.20", side = "private" }
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    local CONTACT = { { "Contact", "<sip:phone@172.20.1.1:5060;x=y>" } }

    local function invite_with(contact)
        phone:invite("sip:bob@example.net", { headers = contact })
        local invite = bob:receive "INVITE"
        bob:reply(invite, 486)
        phone:receive(486)
        return invite
    end

    it("knows Kamailio's bits and words for them", function()
        open [[
            sip.log.info("default %s %d", sip.nat.is_natted(req))
            sip.log.info("bits %s %d", sip.nat.is_natted(req, 1 + 4 + 16 + 32 + 128))
            sip.log.info("words %s %d", sip.nat.is_natted(req, { "contact_private", "contact_port_differs" }))
            sip.log.info("others %s %d", sip.nat.is_natted(req, { "websocket", "source_private", "via_private" }))
        ]]
        invite_with(CONTACT)
        assert.is_truthy(net:logged "default true 1$")
        assert.is_truthy(net:logged "bits true 129$")
        assert.is_truthy(net:logged "words true 129$")
        assert.is_truthy(net:logged "others false 0$")
    end)

    it("puts the source into Contact, once, however often it is asked", function()
        open [[
            sip.log.info("first %s", sip.nat.fix_contact(req))
            sip.log.info("second %s", sip.nat.fix_contact(req))
            sip.log.info("still %s", sip.nat.is_natted(req, { "contact_private" }))
        ]]
        assert.equal("<sip:phone@192.0.2.10:4321;x=y>", invite_with(CONTACT):header "Contact")
        assert.is_truthy(net:logged "first true")
        assert.is_truthy(net:logged "second false")
        assert.is_truthy(net:logged "still true") -- the message as it came
    end)

    it("calls back through the NAT by the alias", function()
        open("if req.interface == 'public' then sip.nat.set_alias(req) sip.nat.set_alias(req) end", "172.20.1.1")
        phone:invite "sip:bob@example.net"
        local invite = bob:receive "INVITE"
        assert.equal("<sip:phone@172.20.1.1:4321;alias=192.0.2.10~4321~1>", invite:header "Contact")
        bob:reply(invite, 200)
        phone:receive(200)
        bob:receive "ACK"
        bob:hangup()
        local bye = phone:receive "BYE" -- at 192.0.2.10:4321, not at 172.20.1.1
        assert.equal("sip:phone@172.20.1.1:4321", bye.uri)
        phone:reply(bye, 200)
        bob:receive(200)
    end)

    it("refuses what is no alias, and leaves what has none", function()
        open [[
            req.ruri = "sip:bob@example.net;alias=example.net~1~1"
            sip.log.info("bad %s %s", sip.nat.handle_alias(req))
            req.ruri = "sip:bob@example.net"
            sip.log.info("none %s", sip.nat.handle_alias(req))
        ]]
        invite_with(CONTACT)
        assert.is_truthy(net:logged "bad nil malformed")
        assert.is_truthy(net:logged "none false")
    end)

    it("says what is wrong at the script's line", function()
        for _, case in ipairs {
            { [[sip.nat.is_natted(req, { "contact_privat" })]], "did you mean 'contact_private'" },
            { [[sip.nat.is_natted(req, 512)]], "from 0 to 511" },
            { [[sip.nat.is_natted(req, "1")]], "a number or a list of words" },
        } do
            open(case[1])
            phone:invite "sip:bob@example.net"
            phone:receive(500)
            assert.is_truthy(net:logged(case[2]), case[1])
            assert.is_truthy(net:logged ":3: ", case[1])
            net:close()
        end
        net = nil
    end)
end)
