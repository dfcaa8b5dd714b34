-- Trunks come, change and go with a reload; calls and other trunks do not notice.
local configuration = require "lunasip.lab.configuration"
local lab = require "lunasip.lab"
local world = require "trunk.world"

describe("a reload of trunks", function()
    local net, registrar, path, trunks

    local function write()
        local file = assert(io.open(path, "w"))
        file:write(configuration.print {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            trunk = trunks, route = path .. ".route",
        })
        file:close()
    end

    local function reload()
        write()
        local answer = net:command "reload"
        assert.equal(0, answer.code, answer.text)
    end

    local function receive(seconds) return registrar:receive("REGISTER", seconds) end

    before_each(function()
        path = os.tmpname()
        local file = assert(io.open(path .. ".route", "w"))
        file:write "function request_route(req) req:reply(480) end\n"
        file:close()
        trunks = { first = world.provider(), second = world.provider { user = "4931" } }
        write()
        net = lab.new { conf = path, workers = 2, seed = 3 }
        registrar = net:agent { name = "registrar", address = "192.0.2.50" }
        for _ = 1, 2 do world.accept(registrar, receive(), 1000) end
    end)

    after_each(function()
        net:close()
        os.remove(path)
        os.remove(path .. ".route")
    end)

    it("sends nothing for those that are the same", function()
        reload()
        registrar:receive_nothing("REGISTER", 800)
    end)

    it("registers one that is new, and takes the binding back of one that is gone", function()
        trunks.third = world.provider { user = "4932" }
        trunks.first = nil
        reload()
        for _ = 1, 2 do
            local register = receive()
            if register:header "Expires" == "0" then
                assert.header(register, "To", "^<sip:4930@")
                registrar:reply(register, 200)
            else
                assert.header(register, "To", "^<sip:4932@")
                world.accept(registrar, register, 1000)
            end
        end
        registrar:receive_nothing("REGISTER", 800)
        assert.is_nil(world.trunk(net, "first"))
        assert.equal("up", world.trunk(net, "third").state)
    end)

    it("uses another password at once, for the same binding", function()
        trunks.second.password = "other"
        reload()
        local register = receive()
        assert.header(register, "To", "^<sip:4931@")
        assert.equal(2, register.cseq)
        registrar:reply(register, 401, world.challenged(401, "a"))
        register = receive()
        world.check(register, "Authorization", "other")
        world.accept(registrar, register, 1000)
        registrar:receive_nothing("REGISTER", 800)
    end)

    it("of another contact takes the old one back", function()
        trunks.second.contact_user = "elsewhere"
        reload()
        local seen = {}
        for _ = 1, 2 do
            local register = receive()
            seen[register:header "Contact"] = register:header "Expires"
            registrar:reply(register, 200)
        end
        assert.same({ ["<sip:4931@192.0.2.1:5060>"] = "0", ["<sip:elsewhere@192.0.2.1:5060>"] = "3600" }, seen)
    end)

    it("that is refused changes nothing", function()
        trunks.second.registrar = "tel:+49"
        write()
        assert.equal(1, net:command("reload").code)
        registrar:receive_nothing("REGISTER", 800)
    end)

    it("leaves alone what an operator has disabled", function()
        net:command("trunks", "disable", "second")
        registrar:reply(receive(), 200)
        reload()
        registrar:receive_nothing("REGISTER", 800)
        assert.equal("disabled", world.trunk(net, "second").state)
    end)
end)
