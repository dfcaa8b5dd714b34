-- The border with IPv6 on one side or both. Loopback has one IPv6 address only, so sides differ by port there.
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local border = require "support.border"
local sipp = require "support.sipp"

describe("IPv6 (RFC 3261, RFC 5118)", function()
    local calls = lunasip.calls(500)

    after_each(process.clean)

    -- One side, with two ports for SIP: ours and the peer's.
    local function side(family, at, number, port)
        local host = family == 6 and "::1" or at(number)
        return {
            host = host, port = port, peer_host = family == 6 and "::1" or at(number + 1), peer_port = port + 1,
            media = host,
        }
    end

    local function escaped(host) return (host:gsub("%.", "[.]")) end

    local function run(public_family, private_family)
        local at = network.block()
        local first, last = network.port_range(84)
        local public, private = side(public_family, at, 10, last - 1), side(private_family, at, 20, last - 3)
        local engine = lunasip.start {
            timers = { t1_ms = 500 },
            public = { "udp:" .. network.host_port(public.host, public.port) },
            private = { "udp:" .. network.host_port(private.host, private.port) },
            media = { public = public.media, private = private.media, ports = { first, last - 4 } },
            sets = {
                [1] = { "sip:" .. network.host_port(public.peer_host, public.peer_port) },
                [2] = { "sip:" .. network.host_port(private.peer_host, private.peer_port) },
            },
        }
        local gateway = sipp.gateway {
            scenario = "uas", host = private.peer_host, port = private.peer_port, calls = calls,
            values = { relay = escaped(private.media) },
        }
        local caller = sipp.start {
            scenario = "uac", host = public.peer_host, port = public.peer_port, calls = calls, rate = 50,
            remote = network.host_port(public.host, public.port), simultaneous = 8,
            values = { relay = escaped(public.media), talk_ms = 0 },
        }
        local saw, served = caller:wait(), gateway:wait()
        local log = "\n" .. engine.process:output():sub(-3000)
        assert.equal(border.perfect(calls), border.summary(saw), log)
        assert.equal(border.perfect(calls), border.summary(served), log)
        assert.equal(lunasip.nothing, engine:settle())
        local code, complaint = engine:stop()
        assert.equal("", complaint)
        assert.equal(0, code)
    end

    it("carries calls on both sides", function() run(6, 6) end)
    it("is bridged to a private side with IPv4", function() run(6, 4) end)
    it("is bridged from a public side with IPv4", function() run(4, 6) end)
end)
