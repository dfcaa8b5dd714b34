-- What a reload reads again beside the script, and what it refuses to.
local configuration = require "lunasip.lab.configuration"
local lab = require "lunasip.lab"
local world = require "route.world"

local ROUTE = [[
local sip = require "lunasip"
local helper = require "%s"
function request_route(req)
    if req:in_dialog() then req:loose_route() return req:relay() end
    if req.method == "OPTIONS" then
        return req:reply(sip.source_in(req, "friends") and 200 or 403, helper.word)
    end
    local ok, problem = sip.media.manage(req, { from = "public", to = "private" })
    if not ok then return req:reply(500, problem) end
    req:record_route()
    req:relay { to = "sip:10.0.0.20", interface = "private" }
end
]]

describe("a reload of the configuration", function()
    local net, alice, bob, path, blocks, module

    local function write(name, text)
        local file = assert(io.open(name, "w"))
        file:write(text)
        file:close()
    end

    before_each(function()
        path = os.tmpname()
        module = path:match "[^/]+$" .. "_module"
        write(path .. "_module.lua", "return { word = 'one' }")
        write(path .. ".route", ROUTE:format(module))
        write(path .. ".list", "1 sip:10.0.0.20\n")
        blocks = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30003 } },
            dispatcher = { file = path .. ".list", ping_interval = 0 },
            address = { friends = { "198.51.100.0/24" } },
            route = path .. ".route",
        }
        write(path, configuration.print(blocks))
        net = lab.new { conf = path }
        alice = net:agent { name = "alice", address = world.ALICE }
        bob = net:agent { name = "bob", address = world.BOB, side = "private", auto_options = true }
    end)

    after_each(function()
        net:close()
        for _, suffix in ipairs { "", "_module.lua", ".route", ".list" } do
            os.remove(path .. suffix)
        end
    end)

    local function reload()
        write(path, configuration.print(blocks))
        return net:command "reload"
    end

    local function ask()
        local branch = "r" .. #net.journal
        alice:send(world.raw { method = "OPTIONS", branch = branch, call_id = "Call-ID: " .. branch })
        return alice:receive(function(msg) return msg.status and msg.status >= 200 end)
    end

    it("takes modules that the script requires, and the address groups", function()
        assert.equal(403, ask().status)
        write(path .. "_module.lua", "return { word = 'two' }")
        blocks.address.friends = { "192.0.2.0/24" }
        assert.equal(0, reload().code)
        local answer = ask()
        assert.equal(200, answer.status)
        assert.equal("two", answer.reason)
    end)

    it("takes another range of ports; calls keep theirs", function()
        world.answer(alice, bob, { sdp = true })
        local first = alice.call
        world.answer(alice, bob, { sdp = true })
        local second = alice.call
        alice:invite("sip:bob@example.net", { sdp = true })
        assert.equal(500, alice:receive(500).status) -- two pairs are all there are
        blocks.media.ports = { 31000, 31003 }
        assert.equal(0, reload().code)
        local invite = world.answer(alice, bob, { sdp = true })
        assert.matches("m=audio 3100[02] ", invite.body)
        world.hang_up(alice, bob)
        for _, call in ipairs { first, second } do
            alice:request(call, "BYE")
            bob:reply(bob:receive "BYE", 200)
            alice:receive(200)
        end
        net:settle()
        assert.equal(0, net:status().media.ports)
    end)

    it("takes the lists, and how their gateways are pinged", function()
        write(path .. ".list", "1 sip:10.0.0.20\n2 sip:10.0.0.20\n")
        blocks.dispatcher.ping_interval = 1
        assert.equal(0, reload().code)
        assert.equal(2, #net:command("dispatcher", "list").data)
        net:advance(3)
        assert.is_true(net:status().counters["dispatcher.ping"] > 0)
    end)

    it("takes settings and the log level, and says what is new", function()
        blocks.limits = { transactions = 1 }
        blocks.log = { level = "warning" }
        net:log()
        assert.equal(0, reload().code)
        assert.is_truthy(net:logged "^limits%.transactions is now 1, was 200000$")
        alice:invite "sip:bob@example.net"
        assert.equal(500, alice:receive(500).status) -- no room for the client transaction
        assert.is_nil(net:logged "^generation 2 serves")
    end)

    it("refuses what cannot change, all of it by name, and changes nothing", function()
        blocks.listen.private = { "udp:10.0.0.2:5060" }
        blocks.media.private = "10.0.0.2"
        blocks.workers = 2
        blocks.shared = { bytes = 65536 }
        blocks.limits = { dialogs = 1 }
        local answer = reload()
        assert.equal(1, answer.code)
        assert.equal(path .. ":4: listen (its sockets are open), media (calls use its addresses; ports may change), "
            .. "workers (calls belong to them), shared.bytes (its memory is in use) cannot change while running; "
            .. "nothing was changed: restart, or put them back", answer.text)
        assert.equal(1, net:status().generations[1].id)
        assert.is_nil(net:logged "limits.dialogs")
    end)

    it("refuses a dispatcher block that comes or goes, and each setting that memory was made by", function()
        local function refused(pattern)
            local answer = reload()
            assert.equal(1, answer.code)
            assert.matches(pattern, answer.text)
        end
        blocks.limits = { mailbox = 512 }
        refused("limits%.mailbox %(its memory is in use%) cannot change while running; nothing was changed: restart, "
            .. "or put it back$")
        blocks.limits = { message_bytes = 2048, sources = 16 }
        refused "limits%.message_bytes %(its sockets are open%), limits%.sources "
        blocks.limits = nil
        blocks.dscp = { sip = 0 }
        refused "dscp%.sip "
        blocks.dscp = nil
        blocks.dispatcher = nil
        refused "dispatcher %(the block cannot come or go; what is in it may change%)"
    end)

    it("with a fault anywhere is refused with its place, and the running one goes on", function()
        local function refused(pattern)
            local answer = net:command "reload"
            assert.equal(1, answer.code)
            assert.matches(pattern, answer.text)
            assert.equal("one", ask().reason)
            assert.equal(1, #net:status().generations)
        end
        write(path .. "_module.lua", "return {\n word = }")
        refused "_module%.lua:2:%d+: "
        write(path .. "_module.lua", "return { word = 'two' }")
        write(path .. ".list", "1 sip:10.0.0.20\n1 nonsense\n")
        refused "%.list:2:"
        write(path .. ".list", "1 sip:10.0.0.20\n")
        write(path, configuration.print(blocks) .. "limits { dialogs = 0 }\n")
        refused ":%d+: limits dialogs is 0"
        os.remove(path)
        refused "cannot be read"
    end)

    it("with a fault that only the check finds is refused in its words", function()
        write(path .. ".route", ROUTE:format(module) .. "function route.LATER(req)\n    req:reply()\nend\n")
        local answer = net:command "reload"
        assert.equal(1, answer.code)
        assert.matches("%.route:%d+:%d+: .*reply.*\n", answer.text)
        assert.matches("\n +req:reply%(%)\n", answer.text)
        assert.equal("one", ask().reason)
        write(path .. ".route", ROUTE:format(module))
        assert.equal(0, net:command("reload").code)
    end)

    it("with a list that lacks a set which the script names is refused, though the script is as before", function()
        local select = "function route.LATER(req)\n    sip.dispatcher.select(req, 2, 'call-load')\nend\n"
        write(path .. ".list", "1 sip:10.0.0.20\n2 sip:10.0.0.21\n")
        write(path .. ".route", ROUTE:format(module) .. select)
        assert.equal(0, net:command("reload").code)
        write(path .. ".list", "1 sip:10.0.0.20\n")
        local answer = net:command "reload"
        assert.equal(1, answer.code)
        assert.matches("%.route:%d+:%d+: .*set 2", answer.text)
        assert.equal(2, #net:command("dispatcher", "list").data)
    end)

    it("follows the route of the configuration when that changes, and until then the one of ctl", function()
        local function answering(word)
            return ("function request_route(req) req:reply(200, '%s') end"):format(word)
        end
        local given, moved = net:temporary(answering "given", ".lua"), net:temporary(answering "moved", ".lua")
        assert.equal(0, net:command("reload", given).code)
        assert.equal("given", ask().reason)
        assert.equal(0, reload().code)
        assert.equal("given", ask().reason)
        blocks.route = moved
        assert.equal(0, reload().code)
        assert.equal("moved", ask().reason)
    end)
end)
