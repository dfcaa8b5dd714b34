-- Reloads that run specs first, and reloads by themselves: a live engine, its files, and `ctl`.
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

local ROUTE = "function request_route(req) req:reply(200, %q) end\n"

-- Passes when the route answers with the word; waits for the gate where there is one.
local SPEC = [[
local lab = require "lunasip.lab"
it("answers %s", function()
    local gate = %q
    if gate ~= "" then
        io.open(gate .. ".begun", "w"):close()
        while not io.open(gate) do collectgarbage() end
    end
    local net = lab.new { route = %q }
    local phone = net:agent { name = "phone", address = "192.0.2.10" }
    phone:invite "sip:a@192.0.2.1"
    assert.equal(%q, phone:receive(200).reason)
    net:close()
end)
]]

describe("a running engine", function()
    local at, folder, engine, route

    local function write(path, text)
        local file = assert(io.open(path .. ".new", "w"))
        file:write(text)
        file:close()
        assert(os.rename(path .. ".new", path)) -- as editors do
    end

    local function start(blocks)
        at, folder = network.block(), process.folder()
        route = folder .. "/route.lua"
        write(route, ROUTE:format "one")
        engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, route = route, blocks = blocks, workers = 1,
        }
    end

    after_each(function()
        local code, complaint = engine:stop()
        process.clean()
        assert.equal("", complaint)
        assert.equal(0, code)
    end)

    local function ask()
        local socket = assert(posix.udp(at(12), 0))
        socket.send(at(10), 5060, raw.request({
            id = "ask" .. posix.now(), host = socket.host, port = socket.port, target = "sip:" .. at(10),
        }, "OPTIONS", 1))
        local answer = raw.receive(socket, "^SIP/2.0 200 ")
        socket.close()
        return answer:match "^SIP/2.0 200 (%w+)"
    end

    local function spec(word, gate)
        write(folder .. "/route_spec.lua", SPEC:format(word, gate or "", route, word))
    end

    it("runs the specs beside the script first, and reloads when they pass", function()
        start()
        write(route, ROUTE:format "two")
        spec "two"
        local code, output = engine:ctl("reload", "--test")
        assert.equal("0 its specs pass; generation 2 serves new calls\n", code .. " " .. output)
        assert.equal("two", ask())
    end)

    it("changes nothing when a spec fails, and says which", function()
        start()
        write(route, ROUTE:format "two")
        spec "three"
        local code, output = engine:ctl("reload", "--test")
        assert.equal(1, code)
        assert.matches("^not reloaded, its specs failed:\n", output)
        assert.matches("answers three", output)
        assert.equal("one", ask())
        assert.equal(1, engine:status().generations[1].id)
    end)

    it("changes nothing when there are no specs, or the configuration is faulty", function()
        start()
        local code, output = engine:ctl("reload", "--test")
        assert.equal(1, code)
        assert.matches("route%.lua has no specs; write some", output)
        write(engine.folder .. "/lunasip.lua", "nonsense {")
        code, output = engine:ctl("reload", "--test")
        assert.equal(1, code)
        assert.matches("lunasip%.lua:%d+:%d+: ", output)
        assert.equal("one", ask())
    end)

    -- `ctl reload --test` of specs that wait for the gate, once they run.
    local function begin(gate)
        spec("two", gate)
        local asking = process.start { command = {
            engine.binary, "ctl", "--socket", engine.socket, "reload", "--test",
        } }
        assert.is_truthy(posix.wait_until(function() return io.open(gate .. ".begun") end, 60))
        return asking
    end

    it("answers others while the specs run, but runs no second ones", function()
        start()
        local gate = folder .. "/gate"
        write(route, ROUTE:format "two")
        local first = begin(gate)
        local code, output = engine:ctl("reload", "--test")
        assert.equal("1 the specs of another reload are running; ask again\n", code .. " " .. output)
        assert.is_truthy(engine:status())
        assert.equal("one", ask())
        write(gate, "")
        assert.equal(0, first:wait(60), first:output())
        assert.equal("two", ask())
    end)

    it("loads nothing that its specs have not seen", function()
        start()
        local gate = folder .. "/gate"
        write(route, ROUTE:format "two")
        local asking = begin(gate)
        write(route, ROUTE:format "two" .. "-- and a little more\n")
        write(gate, "")
        assert.equal(1, asking:wait(60))
        assert.matches("a file has changed while the specs ran", asking:output())
        assert.equal("one", ask())
    end)

    it("ends the specs, and loads nothing, when whoever asked has left", function()
        start()
        local gate = folder .. "/gate"
        write(route, ROUTE:format "two")
        begin(gate):stop()
        engine.process:wait_for_output("not reloaded: whoever asked for its specs has left", 60)
        write(gate, "")
        assert.equal("one", ask())
        assert.equal(1, engine:status().generations[1].id)
        assert.equal(0, (engine:ctl("reload", "--test")))
        assert.equal("two", ask())
    end)

    it("runs no specs of a script that the check refuses", function()
        start()
        write(route, ROUTE:format "two" .. "function route.LATER(req) req:replly(200) end\n")
        spec("two", folder .. "/gate")
        local code, output = engine:ctl("reload", "--test")
        assert.equal(1, code)
        assert.matches("^%S+/route%.lua:2:%d+: .*replly", output)
        assert.is_nil(io.open(folder .. "/gate.begun"))
    end)

    it("ends specs that take too long", function()
        start { reload = { test_s = 1 } }
        spec("two", folder .. "/never")
        local code, output = engine:ctl("reload", "--test")
        assert.equal(1, code, output)
        assert.matches("^not reloaded, its specs failed:", output)
    end)

    it("loads a file that changes by itself where that is wanted: script, module, configuration", function()
        start { reload = { watch = true, settle_ms = 50 } }
        write(folder .. "/words.lua", "return { word = 'two' }\n")
        write(route, "local words = require 'words'\nfunction request_route(req) req:reply(200, words.word) end\n")
        engine.process:wait_for_output("generation 2 serves", 60)
        assert.equal("two", ask())
        write(folder .. "/words.lua", "return { word = 'three' }\n")
        engine.process:wait_for_output("generation 3 serves", 60)
        assert.equal("three", ask())
        write(folder .. "/words.lua", "return { word = }\n")
        engine.process:wait_for_output("not reloaded: [^\n]*words%.lua:1:", 60)
        assert.equal("three", ask())
        write(folder .. "/other.txt", "nobody's\n")
        local conf = engine.folder .. "/lunasip.lua"
        local file = assert(io.open(conf))
        local text = file:read "*a"
        file:close()
        write(folder .. "/words.lua", "return { word = 'four' }\n")
        engine.process:wait_for_output("generation 4 serves", 60)
        write(conf, (text:gsub("watch = true", "watch = false")))
        engine.process:wait_for_output("reload%.watch is now 0", 60)
        engine.process:wait_for_output("generation 5 serves", 60)
        write(folder .. "/words.lua", "return { word = 'five' }\n")
        assert.equal(0, (engine:ctl "reload")) -- the sixth: nobody else has loaded it
        assert.equal(6, engine:status().generations[1].id)
        assert.equal("five", ask())
    end)

    it("loads a script that was refused once a module that is new to it is in order", function()
        start { reload = { watch = true, settle_ms = 50 } }
        write(folder .. "/new.lua", "return {\n word = }\n")
        write(route, "local words = require 'new'\nfunction request_route(req) req:reply(200, words.word) end\n")
        engine.process:wait_for_output("not reloaded: [^\n]*new%.lua:2:", 60)
        write(folder .. "/new.lua", "return { word = 'two' }\n")
        engine.process:wait_for_output("generation 2 serves", 60)
        assert.equal("two", ask())
    end)

    it("logs what became of a SIGHUP", function()
        start()
        engine.process:signal(1)
        engine.process:wait_for_output("generation 2 serves new calls", 60)
        write(route, "function broken(")
        engine.process:signal(1)
        engine.process:wait_for_output("not reloaded: [^\n]*route%.lua:1:", 60)
        assert.equal("one", ask())
    end)
end)
