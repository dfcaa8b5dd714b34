-- An incident becomes a regression test: a call of SIPp through the running engine is captured on loopback, and
-- `lunasip test` plays it again in the lab, with the configuration that was in use.
local border = require "support.border"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"
local text_file = require "support.text_file"

local SPEC = [[
local lab = require "lunasip.lab"
it("behaves as it did", function()
    local net = lab.new { conf = %q, route = %s }
    net:replay(%q)
    net:close()
end)
]]

local write = text_file.write

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

-- Whoever may not capture cannot be shown this.
local function may_capture()
    local status = read "/proc/self/status"
    local effective = tonumber(status:match "CapEff:%s*%x*(%x%x%x%x)\n", 16)
    return math.floor(effective / 0x2000) % 2 == 1 -- CAP_NET_RAW
end

describe("a captured incident", function()
    local folder

    before_each(function() folder = process.folder() end)
    after_each(process.clean)

    -- Start to capture what the filter lets pass, nobody else's; the format is dumpcap's option.
    -- @return function that ends it and gives the path, once everything so far is in the file
    local function capture(interface, filter, format, host, port)
        local path = folder .. "/incident.pcap"
        local capturer = process.start {
            command = { "dumpcap", "-q", "-i", interface, "-f", filter, format, "-w", path },
        }
        capturer:wait_for_output("File: ", 60)
        return function()
            local marker, socket = "the end of " .. folder, assert(posix.udp(host, port))
            local is_there = posix.wait_until(function()
                socket.send(host, socket.port, marker)
                return read(path):find(marker, 1, true)
            end, 60, 0.1)
            socket.close()
            assert.is_truthy(is_there, capturer:output())
            capturer:stop()
            return path
        end
    end

    -- Play it again. @param[opt] route another script than the one of the incident
    local function replay(engine, path, route)
        local spec = write(folder .. "/incident_spec.lua",
            SPEC:format(engine.folder .. "/lunasip.lua", route and ("%q"):format(route) or "nil", path))
        return process.run({ lunasip.build .. "/lunasip", "test", spec }, 120,
            { directory = folder, env = { ASAN_OPTIONS = "detect_leaks=0" } })
    end

    local function expect_regression_test(engine, path)
        local code, output = replay(engine, path)
        assert.equal(0, code, output)
        assert.matches("1 success / 0 failures / 0 errors", output)
        local changed = write(folder .. "/changed.lua", (read "scripts/sbc.lua"):gsub(
            "(\nfunction request_route%(req%)\n)", "%1    req:set_header('X-Changed', 'yes')\n"))
        code, output = replay(engine, path, changed)
        assert.equal(1, code, output)
        assert.matches("0 successes / 1 failure / 0 errors", output)
        assert.matches("%-%-%- captured: packet %d+, [^\n]+: INVITE %(SDP%)\n%+%+%+ replayed: [^\n]+\n"
            .. "%+X%-Changed: yes", output)
    end

    local test = may_capture() and it or pending

    test("on loopback, in IPv4, is a regression test", function()
        local sbc = border.start {}
        local stop = capture("lo", "udp and net " .. sbc.at(0) .. "/24", "-n", sbc.at(99), 0)
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 2, rate = 10 }
        expect_regression_test(sbc.engine, stop())
    end)

    test("on all interfaces at once, in IPv6, is a regression test", function()
        local host = "::1"
        local ports = {}
        for i = 1, 5 do ports[i] = network.free_port(host) end
        local first, last = network.port_range(80)
        local engine = lunasip.start {
            public = { "udp:" .. network.host_port(host, ports[1]) },
            private = { "udp:" .. network.host_port(host, ports[2]) },
            media = { public = host, private = host, ports = { first, last } },
            sets = {
                [1] = { "sip:" .. network.host_port(host, ports[3]) },
                [2] = { "sip:" .. network.host_port(host, ports[4]) },
            },
        }
        local filter = "ip6 and udp and (port " .. table.concat(ports, " or port ") .. ")"
        local stop = capture("any", filter, "-P", host, ports[5])
        local gateway = sipp.gateway {
            scenario = "uas", host = host, port = ports[4], calls = 2, values = { relay = host },
        }
        local caller = sipp.start {
            scenario = "uac", host = host, port = ports[3], calls = 2, rate = 10, simultaneous = 2,
            remote = network.host_port(host, ports[1]), values = { relay = host, talk_ms = 0 },
        }
        assert.equal(border.perfect(2), border.summary(caller:wait()))
        assert.equal(border.perfect(2), border.summary(gateway:wait()))
        expect_regression_test(engine, stop())
    end)
end)
