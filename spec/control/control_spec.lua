-- Clients of the control socket that say half a line, too much, or do not read: each is cut off and counted, and
-- the next one is served. The control thread serves one after the other.
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local process = require "support.process"
local running = require "worker.running"

describe("the control socket", function()
    local it_runs

    local function start(gateways)
        local sets = { [1] = {} }
        for i = 1, gateways or 0 do
            sets[1][i] = ("sip:10.%d.%d.1"):format(math.floor(i / 256), i % 256)
        end
        it_runs = running.start { blocks = { limits = { control_ms = 500, control_bytes = 4096 } }, sets = sets }
    end

    after_each(function()
        it_runs:close()
    end)

    local function connect()
        return assert(posix.unix(it_runs.engine.socket))
    end

    local function cut_off()
        return it_runs.engine:status().counters["control.cut_off"]
    end

    local function answer_of(client)
        local parts = {}
        posix.wait_until(function()
            for piece in client.receive do
                parts[#parts + 1] = piece
            end
            return parts[#parts] and parts[#parts]:sub(-1) == "\n"
        end, 10, 0.001)
        client.close()
        return table.concat(parts)
    end

    it("is made in the place of no file", function()
        it_runs = running.start()
        local folder = process.folder()
        local path = folder .. "/notes.txt"
        local function write(name, text)
            local file = assert(io.open(folder .. "/" .. name, "w"))
            file:write(text)
            file:close()
        end
        write("notes.txt", "of somebody's")
        write("route.lua", "function request_route(req) req:reply(480) end")
        write("conf.lua", ('listen { lan = "udp:%s:5062" } route "route.lua" control { socket = "notes.txt" }')
            :format(it_runs.at(30)))
        local code, said = process.run({ lunasip.build .. "/lunasip", "run", folder .. "/conf.lua" }, 60)
        assert.equal(3, code)
        assert.matches("notes.txt: a file of that name is no socket; change the control block", said)
        assert.equal("of somebody's", io.open(path):read "*a")
    end)

    it("reads a request in pieces", function()
        start()
        local client = connect()
        client.send '["log","level"'
        client.send ',"info"]\n'
        assert.matches('^{"code":0', answer_of(client))
        assert.equal(0, cut_off())
    end)

    it("cuts off who never ends a line, after limits.control_ms", function()
        start()
        local client = connect()
        client.send '["stat'
        assert.equal(1, cut_off()) -- asked by the next client
        client.close()
    end)

    it("cuts off who says more than limits.control_bytes", function()
        start()
        local client = connect()
        client.send(("x"):rep(5000))
        assert.equal(1, cut_off())
        client.close()
    end)

    it("has nothing to say to who leaves, or says no request", function()
        start()
        connect().close()
        local client = connect()
        client.send "status\n"
        assert.equal("", client.receive() or "")
        client.close()
        assert.equal(0, cut_off())
    end)

    it("cuts off who does not read the answer, again and again", function()
        start(10000)
        local whole = connect()
        whole.send '["dispatcher","list"]\n'
        assert.is_true(#answer_of(whole) > 1000000) -- beyond what a socket holds
        for i = 1, 3 do
            local client = connect()
            client.send '["dispatcher","list"]\n'
            assert.equal(i, cut_off())
            client.close()
        end
    end)
end)
