-- What the engine does for its gateways by itself: pings, and names.
local lab = require "lunasip.lab"
local network = require "support.network"
local running = require "worker.running"

local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if sip.dispatcher.is_from(req, 2) then
        req:reply(200, "Known")
    else
        req:reply(403, "Forbidden")
    end
end
]]

describe("gateways", function()
    local net, gateway

    local function open(dispatcher)
        net = lab.new { conf = { dispatcher = dispatcher }, route = ROUTE }
    end

    local function with_gateway()
        gateway = net:agent { name = "gateway", address = "10.0.0.20", side = "private" }
    end

    after_each(function()
        if gateway then
            gateway.auto_options = true -- what is still asked
        end
        net:close()
        net, gateway = nil, nil
    end)

    local function listed()
        return net:command("dispatcher", "list").data[1]
    end

    local function letters()
        return listed().state
    end

    local function lines_about_state()
        local count = 0
        for _, line in ipairs(net:log()) do
            count = count + (line.text:find " is now " and 1 or 0)
        end
        return count
    end

    describe("that are pinged", function()
        it("go when they do not answer, and come back when they do; the log says each once", function()
            open { sets = { [1] = { "sip:10.0.0.20:5060" } }, ping_interval = 60 }
            net:advance(2) -- nobody is there: ICMP
            assert.equal("IP", letters())
            assert.equal(1, lines_about_state())
            with_gateway()
            gateway:reply(gateway:receive("OPTIONS", 70), 200)
            net:advance(1)
            assert.equal("AP", letters())
            assert.equal(2, lines_about_state())
        end)

        it("go when nothing can be sent, whatever answers count as good", function()
            open {
                sets = { [1] = { "sip:no-such-name.example:5060" } }, ping_interval = 60,
                ping_reply_codes = "class=2;class=4;class=5",
            }
            net:advance(10)
            assert.equal("IP", letters())
        end)

        it("go when they are silent, whatever answers count as good", function()
            open { sets = { [1] = { "sip:10.0.0.20:5060" } }, ping_interval = 60, ping_reply_codes = "class=4" }
            with_gateway()
            gateway:receive("OPTIONS", 70)
            net:advance(40)
            assert.equal("IP", letters())
        end)

        it("are pinged from the socket that their line names", function()
            open {
                sets = { [1] = { { uri = "sip:10.0.0.20", attrs = "socket=udp:192.0.2.1:5060" } } }, ping_interval = 60,
            }
            with_gateway()
            local options = gateway:receive("OPTIONS", 70)
            assert.equal("192.0.2.1:5060", options.source)
            gateway:reply(options, 200)
        end)

        it("are pinged through their outbound proxy, which is no Route (obproxy, RFC 3261 §8.1.2)", function()
            open {
                sets = { [1] = { { uri = "sip:gw@192.0.2.99", attrs = "obproxy=sip:10.0.0.20:5060" } } },
                ping_interval = 60,
            }
            with_gateway()
            local options = gateway:receive("OPTIONS", 70)
            assert.equal("sip:gw@192.0.2.99", options.uri)
            assert.is_nil(options:header "Route")
            gateway:reply(options, 200)
            net:advance(1)
            assert.equal("AP", letters())
        end)

        it("go when their outbound proxy is silent, and come back", function()
            open {
                sets = { [1] = { { uri = "sip:gw@192.0.2.99", attrs = "obproxy=sip:10.0.0.20:5060" } } },
                ping_interval = 60,
            }
            with_gateway()
            gateway:receive("OPTIONS", 70)
            net:advance(35)
            assert.equal("IP", letters())
            gateway.queue = {}
            gateway:reply(gateway:receive("OPTIONS", 70), 200)
            net:advance(1)
            assert.equal("AP", letters())
        end)

        it("are pinged by the URI that their line names, others by ping_from", function()
            open {
                sets = { [1] = {
                    { uri = "sip:10.0.0.20", attrs = "ping_from=sip:trunk@example.com" }, "sip:10.0.0.21",
                } },
                ping_interval = 60, ping_from = "sip:prober@example.org",
            }
            with_gateway()
            local other = net:agent { name = "other", address = "10.0.0.21", side = "private" }
            local own = gateway:receive("OPTIONS", 70)
            assert.is_truthy(own:header "From":find("^<sip:trunk@example%.com>;tag="))
            assert.equal("<sip:10.0.0.20>", own:header "To")
            local common = other:receive("OPTIONS", 70)
            assert.is_truthy(common:header "From":find("^<sip:prober@example%.org>;tag="))
            gateway:reply(own, 200)
            other:reply(common, 200)
        end)

        it("have their round trip measured", function()
            open { sets = { [1] = { "sip:10.0.0.20" } }, ping_interval = 60 }
            with_gateway()
            net:impair { delay = 0.012 }
            gateway:reply(gateway:receive("OPTIONS", 70), 200)
            net:advance(1)
            assert.equal(24000, listed().ping_average_us)
            assert.same({ 1, 0 }, { listed().pings_answered, listed().pings_unanswered })
        end)
    end)

    describe("given by name", function()
        local function ask_from(address)
            local one = net:agent { name = "from" .. address, address = address, side = "private" }
            one:ask("OPTIONS", { uri = "sip:10.0.0.1" })
            local status = one:receive(function(msg) return msg.status end).status
            one:close()
            return status
        end

        it("are known by the addresses of the name, pinged or not", function()
            open { sets = { [2] = { "sip:gw.example" } }, ping_interval = 0 }
            net:name("gw.example", "A", "10.0.0.30")
            net:name("gw.example", "A", "10.0.0.31")
            net:advance(21)
            assert.equal(200, ask_from "10.0.0.30")
            assert.equal(200, ask_from "10.0.0.31")
            assert.equal(403, ask_from "10.0.0.32")
        end)

        it("are pinged where the name leads", function()
            open { sets = { [2] = { "sip:gw.example:5060" } }, ping_interval = 60 }
            net:name("gw.example", "A", "10.0.0.20")
            with_gateway()
            gateway:reply(gateway:receive("OPTIONS", 130), 200)
            net:advance(1)
            assert.equal("AP", letters())
        end)
    end)
end)

-- "localhost" is in /etc/hosts everywhere.
describe("a gateway whose name is in /etc/hosts", function()
    it("gets calls, and is known as a source", function()
        local port = network.free_port "127.0.0.1"
        local it_runs = running.start {
            sets = { [2] = { ("sip:localhost:%d"):format(port) } },
            route = [[
local sip = require "lunasip"
function request_route(req)
    if req.method == "OPTIONS" then
        req:reply(sip.dispatcher.is_from(req, 2) and 200 or 403, "So")
    else
        assert(sip.dispatcher.select(req, 2, 4))
        assert(req:relay { interface = "private" })
    end
end
-- %s
]],
        }
        local gateway = it_runs:agent("gateway", "127.0.0.1:" .. port, it_runs.private)
        it_runs.alice:invite "sip:1001@example.net"
        gateway:reply(gateway:receive "INVITE", 486)
        it_runs.alice:receive(486)
        gateway:ask("OPTIONS", { uri = "sip:border" })
        gateway:receive(200)
        it_runs.bob:ask("OPTIONS", { uri = "sip:border" })
        it_runs.bob:receive(403)
        it_runs:close()
    end)
end)
