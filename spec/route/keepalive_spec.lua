-- Keepalives of registered devices, block keepalive: to whom, from where, how often, and what becomes of silence.
local configuration = require "lunasip.lab.configuration"
local lab = require "lunasip.lab"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "REGISTER" then
        return sip.registrar.save(req, { received = sip.nat.is_natted(req, { "via_differs", "via_port_differs" }) })
    end
    req:reply(200)
end
event_route["registration:removed"] = function(event) sip.log.info(event, "removed: %s", event.contact) end
]]

describe("keepalive", function()
    local net, phones

    local function open(keepalive, options)
        options = options or {}
        phones = {}
        net = lab.new {
            route = ROUTE, workers = options.workers, seed = 5,
            conf = {
                listen = { lan = { "udp:10.0.0.1:5060", "udp:10.0.0.1:5070" } }, keepalive = keepalive,
                timers = options.timers,
            },
        }
    end

    after_each(function() net:close() end)

    local function phone(name, options)
        options.name, options.side = name, "lan"
        phones[name] = net:agent(options)
        return phones[name]
    end

    local function register(one, options)
        options = options or {}
        options.uri = "sip:example.net"
        one:register(options)
        return one:receive { status = 200, method = "REGISTER" }
    end

    -- Behind a NAT: the second socket of ours is the one that its router knows.
    local function natted(name, more)
        return phone(name, {
            address = "10.0.0.30:" .. (more and more.port or 40001), advertise = "192.168.1.5:5060",
            proxy = "10.0.0.1:5070", auto_options = more and more.answers,
        })
    end

    local function count(name) return net:status().counters["keepalive." .. name] end
    local function bindings() return net:status().registrations.bindings end

    it("is off unless it is asked for", function()
        open()
        register(natted "phone")
        phones.phone:receive_nothing("OPTIONS", 300)
        assert.equal(0, count "sent")
    end)

    it("reaches a device where it registered from, from the socket that it knows (RFC 3581)", function()
        open { interval_s = 30 }
        register(natted "phone")
        local options = phones.phone:receive("OPTIONS", 31)
        assert.equal("10.0.0.1:5070", options.source)
        assert.equal("sip:phone@192.168.1.5:5060", options.uri)
        assert.header(options, "From", "^<sip:keepalive@example%.net>;tag=")
        assert.header(options, "To", "<sip:phone@192.168.1.5:5060>")
        assert.header(options, "Via", "^SIP/2%.0/UDP 10%.0%.0%.1:5070;")
        phones.phone:reply(options, 404) -- whoever answers is there
        net:advance(1)
        assert.equal(0, count "unanswered")
        assert.equal(1, bindings())
    end)

    it("passes the Path that the device registered through (RFC 3327 s5.3)", function()
        open { interval_s = 30, nat_only = 0 }
        local edge = phone("edge", { address = "10.0.0.40" })
        register(phone("phone", { address = "10.0.0.41" }), {
            headers = { Path = "<sip:10.0.0.40;lr;ob>", Supported = "path" },
        })
        local options = edge:receive("OPTIONS", 31)
        assert.header(options, "Route", "<sip:10.0.0.40;lr;ob>")
        assert.equal("sip:phone@10.0.0.41:5060", options.uri)
        edge:reply(options, 200)
    end)

    it("leaves alone who is not behind a NAT, unless nat_only is 0", function()
        for nat_only = 0, 1 do
            open { interval_s = 10, nat_only = nat_only }
            register(phone("phone", { address = "10.0.0.41", auto_options = true }))
            net:advance(35)
            assert.equal(nat_only == 0 and 3 or 0, count "sent")
            if nat_only == 0 then net:close() end
        end
    end)

    it("may be empty lines, which no proxy of a Path would pass on", function()
        open { interval_s = 10, options = 0, nat_only = 0 }
        register(natted "phone")
        register(phone("far", { address = "10.0.0.41" }), {
            headers = { Path = "<sip:10.0.0.40;lr>", Supported = "path" },
        })
        register(phone("named", { address = "10.0.0.42" }), { contact = "<sip:named@phone.example>" })
        net:advance(10.2)
        local seen
        for _, packet in ipairs(net:packets()) do
            if packet.destination == "10.0.0.30:40001" and packet.size_bytes == 4 then
                seen = packet.source
            end
        end
        assert.equal("10.0.0.1:5070", seen)
        assert.equal(1, count "sent")
        assert.equal(2, count "not_sent")
    end)

    it("ends the binding of who does not answer three in a row, and tells script and log", function()
        open { interval_s = 30 }
        register(natted("alive", { port = 40001, answers = true }))
        register(natted("gone", { port = 40002 }))
        net:advance(30 + 30 + 30)
        assert.equal(2, bindings())
        net:advance(33) -- the third is given up after 64 T1
        assert.equal(1, bindings())
        assert.is_truthy(net:logged "removed: sip:gone@192%.168%.1%.5:5060")
        assert.is_truthy(net:logged "gone@example%.net is gone: sip:gone@192%.168%.1%.5:5060 did not answer 3")
        assert.equal(1, count "ended")
        assert.equal(3, count "unanswered")
    end)

    it("counts anew after an answer, and after a refresh", function()
        open({ interval_s = 60, failures = 2 }, { timers = { t1_ms = 100 } })
        local gone = natted "gone"
        register(gone)
        net:advance(70) -- one is not answered
        gone:reply(gone:receive("OPTIONS", 60), 200)
        register(gone)
        net:advance(130) -- two more
        assert.equal(0, bindings())
        register(gone)
        net:advance(70)
        register(gone)
        net:advance(60)
        assert.equal(1, bindings())
    end)

    it("asks nobody again who has not answered yet, and counts the intervals", function()
        open { interval_s = 8, failures = 6 }
        local silent = natted "silent"
        register(silent)
        net:advance(34)
        assert.equal(1, count "sent")
        assert.equal(3, count "unanswered")
        net:advance(10) -- given up after 64 T1: the next one was due
        assert.equal(2, count "sent")
        assert.equal(1, bindings())
        net:advance(25)
        assert.equal(2, count "sent")
        assert.equal(0, bindings())
        assert.equal(6, count "unanswered")
        assert.is_nil(net:settle(40))
    end)

    it("asks at once when the answer comes later than the next keepalive was due", function()
        open { interval_s = 8, failures = 6 }
        local slow = natted "slow"
        register(slow)
        local options = slow:receive("OPTIONS", 9)
        net:advance(12)
        assert.equal(1, count "unanswered")
        slow:reply(options, 200)
        net:advance(0.1)
        assert.equal(2, count "sent")
        slow:receive { method = "OPTIONS" }
        assert.equal(1, bindings())
    end)

    it("never ends a binding where failures is 0", function()
        open { interval_s = 10, failures = 0 }
        register(natted "gone")
        net:advance(500)
        assert.equal(1, bindings())
        assert.is_true(count "unanswered" > 10)
        register(phones.gone, { expires = 0 })
        assert.is_nil(net:settle(40))
    end)

    it("begins and ends with a reload", function()
        local path = os.tmpname()
        local blocks = { listen = { lan = { "udp:10.0.0.1:5060", "udp:10.0.0.1:5070" } }, route = path .. ".route" }
        local function write(name, text)
            local file = assert(io.open(name, "w"))
            file:write(text)
            file:close()
        end
        local function set(interval_s)
            blocks.keepalive = { interval_s = interval_s }
            write(path, configuration.print(blocks))
        end
        write(path .. ".route", ROUTE)
        set(0)
        net = lab.new { conf = path }
        phones = {}
        register(natted("phone", { answers = true }))
        for _, interval_s in ipairs { 10, 0 } do
            local before = count "sent"
            set(interval_s)
            assert.equal(0, net:command("reload").code)
            net:advance(31.2)
            assert.equal(before + (interval_s > 0 and 3 or 0), count "sent")
        end
        os.remove(path)
        os.remove(path .. ".route")
    end)

    it("is spread over the interval, each device once", function()
        open({ interval_s = 20, nat_only = 0, options = 0 }, { workers = 3 })
        local fleet = phone("fleet", { address = "10.0.0.50" })
        for i = 1, 200 do
            fleet:register {
                uri = "sip:example.net", aor = ("sip:%d@example.net"):format(i),
                contact = ("<sip:%d@10.1.0.%d:%d>"):format(i, i, 5060),
            }
            fleet:receive { status = 200, method = "REGISTER" }
        end
        net:advance(20) -- all are there
        local begin, most, seconds, devices = net:now(), 0, {}, {}
        net:advance(21) -- up to eight may go before their turn
        for _, packet in ipairs(net:packets()) do
            if packet.time > begin and packet.size_bytes == 4 then
                local second = math.floor(packet.time - begin)
                seconds[second] = (seconds[second] or 0) + 1
                most = math.max(most, seconds[second])
                devices[packet.destination] = (devices[packet.destination] or 0) + 1
            end
        end
        assert.is_true(most <= 18, "in one second: " .. most)
        local reached, again = 0, 0
        for _, times in pairs(devices) do
            reached = reached + 1
            assert.is_true(times <= 2)
            again = again + times - 1
        end
        assert.equal(200, reached)
        assert.is_true(again <= 18)
    end)
end)
