-- Captures of the lab: what tshark says of them, and what is read back.
local lab = require "lunasip.lab"
local pcap = require "lunasip.lab.pcap"
local process = require "support.process"

local function tshark(path, ...)
    local command = { "tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", ... }
    local code, output = process.run(command, 60)
    assert.equal(0, code, output)
    return output:gsub("Running as user[^\n]*\n?", "")
end

local function fields(path, ...)
    local command = { "-T", "fields" }
    for _, field in ipairs { ... } do
        command[#command + 1] = "-e"
        command[#command + 1] = field
    end
    return tshark(path, unpack(command))
end

local ROUTE = [[
function request_route(req)
    req:relay { to = "sip:TO:5060", interface = "private" }
end
]]

describe("a capture of the lab", function()
    local path

    before_each(function()
        path = process.folder() .. "/lab.pcap"
    end)
    after_each(process.clean)

    -- A refused call between two hosts, written.
    local function capture(options, from, to)
        options.route = ROUTE:gsub("TO", to)
        local net = lab.new(options)
        local alice = net:agent { name = "alice", address = from }
        local bob = net:agent { name = "bob", address = to, side = "private" }
        alice:invite("sip:bob@example.net", { sdp = true })
        net:advance(0.25)
        bob:reply(bob:receive "INVITE", 486)
        alice:receive(486)
        net:pcap(path)
        local packets = net:packets()
        net:close()
        return packets
    end

    it("is read by tshark: SIP, hosts, virtual times, right checksums", function()
        capture({}, "192.0.2.10", "10.0.0.20")
        local lines = {}
        for line in fields(path, "frame.time_relative", "ip.src", "ip.dst", "udp.dstport", "sip.Method",
            "sip.Status-Code", "ip.checksum.status", "udp.checksum.status"):gmatch "[^\n]+" do
            lines[#lines + 1] = line:gsub("\t", " ")
        end
        assert.same({
            "0.000000000 192.0.2.10 192.0.2.1 5060 INVITE  1 1",
            "0.000000000 10.0.0.1 10.0.0.20 5060 INVITE  1 1",
            "0.000000000 192.0.2.1 192.0.2.10 5060  100 1 1",
            "0.250000000 10.0.0.20 10.0.0.1 5060  486 1 1",
            "0.250000000 10.0.0.1 10.0.0.20 5060 ACK  1 1",
            "0.250000000 192.0.2.1 192.0.2.10 5060  486 1 1",
            "0.250000000 192.0.2.10 192.0.2.1 5060 ACK  1 1",
        }, lines)
    end)

    it("holds IPv6 with its checksum, too", function()
        local listen = { public = { "udp:[2001:db8::1]:5060" }, private = { "udp:[2001:db8:1::1]:5060" } }
        capture({ conf = { listen = listen } }, "[2001:db8::10]", "[2001:db8:1::20]")
        assert.equal("2001:db8::10\t2001:db8::1\tINVITE\t1",
            fields(path, "ipv6.src", "ipv6.dst", "sip.Method", "udp.checksum.status"):match "^[^\n]+")
    end)

    it("gives back what was written", function()
        local sent = capture({}, "192.0.2.10", "10.0.0.20")
        local read, passed_over = pcap.read(path)
        assert.equal(0, passed_over)
        assert.equal(#sent, #read)
        for i, packet in ipairs(read) do
            assert.same({ sent[i].source, sent[i].destination, sent[i].payload },
                { packet.source, packet.destination, packet.bytes })
            assert.near(sent[i].time, packet.time, 1e-6)
        end
    end)

    it("cannot be written where there is no folder, and says so", function()
        local net = lab.new { route = ROUTE:gsub("TO", "10.0.0.20") }
        local ok, fault = pcall(net.pcap, net, "/nonexistent/lab.pcap")
        net:close()
        assert.is_false(ok)
        assert.matches("/nonexistent/lab.pcap", fault)
    end)
end)

describe("reading a capture", function()
    local path

    before_each(function()
        path = process.folder() .. "/some.pcap"
    end)
    after_each(process.clean)

    local function little(number, size_bytes)
        local out = {}
        for i = 1, size_bytes do
            out[i] = string.char(number % 256)
            number = math.floor(number / 256)
        end
        return table.concat(out)
    end

    -- A file of one frame.
    local function write(link_type, frame, cut_bytes)
        local kept = frame:sub(1, #frame - (cut_bytes or 0))
        local file = assert(io.open(path, "wb"))
        file:write(little(0xa1b2c3d4, 4), little(2, 2), little(4, 2), little(0, 8), little(65535, 4),
            little(link_type, 4), little(7, 4), little(500000, 4), little(#kept, 4), little(#frame, 4), kept)
        file:close()
        return path
    end

    local packet = pcap.ip_packet("192.0.2.1:5060", "192.0.2.2:5062", "hello")
    local packet6 = pcap.ip_packet("[2001:db8::1]:5060", "[2001:db8::2]:5062", "hello")

    for name, frame in pairs {
        ["1 Ethernet"] = ("\0"):rep(12) .. "\8\0" .. packet,
        ["1 Ethernet with VLAN"] = ("\0"):rep(12) .. "\129\0\0\7\8\0" .. packet,
        ["113 Linux cooked"] = ("\0"):rep(14) .. "\8\0" .. packet,
        ["276 Linux cooked 2"] = "\8\0" .. ("\0"):rep(18) .. packet,
        ["101 raw IP"] = packet,
        ["0 loopback"] = little(2, 4) .. packet,
        ["1 Ethernet padded to 60 bytes"] = ("\0"):rep(12) .. "\8\0" .. packet .. ("\0"):rep(20),
    } do
        it("knows link type " .. name, function()
            assert.same({ {
                number = 1, time = 7.5, source = "192.0.2.1:5060", destination = "192.0.2.2:5062", bytes = "hello",
            } }, (pcap.read(write(tonumber(name:match "%d+"), frame))))
        end)
    end

    it("knows IPv6 behind a hop-by-hop header", function()
        local long = packet6:sub(1, 4) .. "\0\21\0" .. packet6:sub(8, 40) .. "\17\0\1\4\0\0\0\0" .. packet6:sub(41)
        local read = pcap.read(write(101, long))[1]
        assert.same({ "[2001:db8::1]:5060", "hello" }, { read.source, read.bytes })
    end)

    it("reads pcapng", function()
        local code, output = process.run({ "editcap", "-F", "pcapng", write(101, packet), path .. "ng" }, 60)
        assert.equal(0, code, output)
        assert.equal("hello", pcap.read(path .. "ng")[1].bytes)
    end)

    it("passes over what is no UDP", function()
        local tcp = packet:sub(1, 9) .. "\6" .. packet:sub(11)
        local read, passed_over = pcap.read(write(101, tcp))
        assert.same({ {}, 1 }, { read, passed_over })
    end)

    -- A datagram of 2,000 bytes in fragments. @return list of IP packets
    local function fragments(identification, is_ipv6)
        local hosts = { "192.0.2.1:5060", "192.0.2.2:5062" }
        if is_ipv6 then
            hosts = { "[2001:db8::1]:5060", "[2001:db8::2]:5062" }
        end
        local whole = pcap.ip_packet(hosts[1], hosts[2], ("0123456789"):rep(200))
        local header_bytes, list = is_ipv6 and 40 or 20, {}
        local data = whole:sub(header_bytes + 1)
        local function big(number) return string.char(math.floor(number / 256), number % 256) end
        for offset = 0, #data - 1, 800 do
            local piece = data:sub(offset + 1, offset + 800)
            local has_more = offset + 800 < #data
            if is_ipv6 then
                list[#list + 1] = whole:sub(1, 4) .. big(8 + #piece) .. "\44" .. whole:sub(8, 40)
                    .. "\17\0" .. big(offset + (has_more and 1 or 0))
                    .. "\0\0\0" .. string.char(identification) .. piece
            else
                list[#list + 1] = whole:sub(1, 2) .. big(20 + #piece) .. "\0" .. string.char(identification)
                    .. big(offset / 8 + (has_more and 0x2000 or 0)) .. whole:sub(9, 20) .. piece
            end
        end
        return list
    end

    -- A file of raw IP packets, one each millisecond.
    local function write_all(packets)
        local file = assert(io.open(path, "wb"))
        file:write(little(0xa1b2c3d4, 4), little(2, 2), little(4, 2), little(0, 8), little(65535, 4), little(101, 4))
        for i, one in ipairs(packets) do
            file:write(little(7, 4), little(i * 1000, 4), little(#one, 4), little(#one, 4), one)
        end
        file:close()
        return path
    end

    for name, is_ipv6 in pairs { ["IPv4 (RFC 791 s3.2)"] = false, ["IPv6 (RFC 8200 s4.5)"] = true } do
        describe("in fragments, " .. name, function()
            local function read_whole(packets)
                local read, passed_over = pcap.read(write_all(packets))
                assert.equal(0, passed_over)
                for _, one in ipairs(read) do
                    assert.equal(("0123456789"):rep(200), one.bytes)
                    assert.matches(is_ipv6 and "^%[2001:db8::1%]:5060$" or "^192%.0%.2%.1:5060$", one.source)
                end
                return read
            end

            it("puts a datagram together, at the time of the last", function()
                local read = read_whole(fragments(1, is_ipv6))
                assert.equal(1, #read)
                assert.near(7.003, read[1].time, 1e-6)
                assert.equal(3, read[1].number)
            end)

            it("takes them in any order, those of other datagrams between them", function()
                local a, b = fragments(1, is_ipv6), fragments(2, is_ipv6)
                assert.equal(2, #read_whole { a[3], b[2], a[1], b[1], b[3], a[2] })
            end)

            it("takes each twice, as a capture of all interfaces has them", function()
                local a = fragments(1, is_ipv6)
                assert.equal(1, #read_whole { a[1], a[1], a[2], a[2], a[3], a[3] })
            end)

            it("refuses a datagram that lacks one, by number", function()
                local a, b = fragments(1, is_ipv6), fragments(2, is_ipv6)
                local ok, fault = pcall(pcap.read, write_all { a[1], a[2], a[3], b[2], b[3] })
                assert.is_false(ok)
                assert.matches("packet 4 is a fragment of a datagram that is not whole; capture all fragments", fault)
            end)
        end)
    end

    it("tells the fragments of two datagrams apart that have the same identification", function()
        local a = fragments(1)
        local other = a[1]:sub(1, 28) .. ("x"):rep(#a[1] - 28)
        local ok, fault = pcall(pcap.read, write_all { a[1], other, a[2], a[3] })
        assert.is_false(ok)
        assert.matches("packet 1 is a fragment of a datagram that is not whole", fault)
    end)

    it("reads a fragment that is alone (RFC 6946)", function()
        local alone = packet6:sub(1, 4) .. "\0\21\44" .. packet6:sub(8, 40) .. "\17\0\0\0\0\0\0\7" .. packet6:sub(41)
        assert.equal("hello", pcap.read(write(101, alone))[1].bytes)
    end)

    it("refuses a cut packet, a link type, and what is no capture, by name", function()
        for wanted, file in pairs {
            ["packet 1 is a packet that was cut"] = function() return write(101, packet, 2) end,
            ["link type .* is not known"] = function() return write(105, packet) end,
            ["unknown file format"] = function()
                local out = assert(io.open(path, "w"))
                out:write(("no capture "):rep(10))
                out:close()
                return path
            end,
            ["No such file"] = function() return path .. ".none" end,
        } do
            local ok, fault = pcall(pcap.read, file())
            assert.is_false(ok)
            assert.matches(wanted, fault)
        end
    end)
end)
