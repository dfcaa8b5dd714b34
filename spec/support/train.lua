-- Calls that show the compiler the usual way through the engine (`make release`), by scripts/sbc.lua: in the lab from
-- both sides, with media and without, hung up by either party, and one refused; and on real sockets, some at a time, as
-- they come where it works. Run by `lunasip test`, so that it is the command itself whose ways are counted.
package.path = "spec/?.lua;" .. package.path
local lab = require "lunasip.lab"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"

local NETWORKS, ROUNDS = 5, 100
local CALLS, AT_A_TIME = 5000, 5 -- on real sockets
local BURSTS, PACKETS = 500, 20 -- of one call with media: packets each way at a time

local function lab_call(net, from, to, uri, options)
    from:invite(uri, options)
    local invite = to:receive "INVITE"
    to:reply(invite, 180)
    from:receive(180)
    to:reply(invite, 200, options)
    from:receive(200)
    if options.sdp then
        from:send_rtp(50)
        to:send_rtp(50)
        net:advance(1)
    end
end

local function hang_up(from, to)
    from:hangup()
    to:reply(to:receive "BYE", 200)
    from:receive(200)
end

local function carry_calls(seed)
    local net = lab.new { conf = "conf/sbc.lua", seed = seed }
    local phone = net:agent { name = "phone", address = "127.0.0.12", side = "public" }
    local gateway = net:agent { name = "gateway", address = "127.0.0.21", side = "private", auto_options = true }
    local outside = net:agent { name = "outside", address = "127.0.0.11", side = "public", auto_options = true }
    for _ = 1, ROUNDS do
        for _, options in ipairs { { sdp = true }, {} } do
            lab_call(net, phone, gateway, "sip:4711@127.0.0.10", options)
            hang_up(phone, gateway)
            lab_call(net, gateway, outside, "sip:0815@127.0.0.20", options)
            hang_up(outside, gateway)
        end
    end
    phone:invite "sip:4711@127.0.0.10"
    gateway:reply(gateway:receive "INVITE", 486)
    phone:receive(486)
    net:close()
end

-- What the gateway sends to a request.
local function serve(ends, message)
    if message:find "^ACK" then return end
    if message:find "^INVITE" then
        ends.gateway.send(ends.private, 5060, raw.answer(message, "g", ends.gateway.host, nil, "180 Ringing"))
    end
    local tag = message:find "^INVITE" and "g" or nil
    ends.gateway.send(ends.private, 5060, raw.answer(message, tag, ends.gateway.host))
end

local function invite(ends, number)
    ends.calls[tostring(number)] = {
        id = tostring(number), host = ends.caller.host, port = ends.caller.port,
        target = ("sip:1001@%s:5060"):format(ends.public),
    }
    ends.caller.send(ends.public, 5060, raw.request(ends.calls[tostring(number)], "INVITE", 1))
end

-- The caller hears a response. @return true when a call is over
local function hear(ends, message)
    if not message:find "^SIP/2.0 200 " then return false end
    local call = ends.calls[raw.header(message, "Call-ID"):match "%d+"]
    if message:find "\nCSeq: 2 BYE" then return true end
    call.to_tag, call.target, call.routes = "g", raw.contact_of(message), raw.route_of(message)
    ends.caller.send(ends.public, 5060, raw.request(call, "ACK", 1))
    ends.caller.send(ends.public, 5060, raw.request(call, "BYE", 2))
    return false
end

local function carry_real_calls(ends)
    local begun, ended = 0, 0
    local function begin()
        begun = begun + 1
        if begun <= CALLS then invite(ends, begun) end
    end
    for _ = 1, AT_A_TIME do begin() end
    assert(posix.wait_until(function()
        for message in ends.gateway.receive do serve(ends, message) end
        for message in ends.caller.receive do
            if hear(ends, message) then
                ended = ended + 1
                begin()
            end
        end
        return ended == CALLS
    end, 120, 0.0002), "calls were lost")
end

local function carry_real_media(ends, near, far)
    ends.id, ends.near_port, ends.far_port = "media", near.port, far.port
    local call = raw.call(ends)
    for burst = 1, BURSTS do
        for number = 1, PACKETS do
            local sequence = burst * PACKETS + number
            local packet = ("\128\8%s%s\0\0\0\0\1\2\3\4"):format(string.char(math.floor(sequence / 256)),
                string.char(sequence % 256)) .. ("\213"):rep(160)
            near.send(call.near[1], call.near[2], packet)
            far.send(call.far[1], call.far[2], packet)
        end
        for _, socket in ipairs { near, far } do
            for _ = 1, PACKETS do
                assert(posix.wait_until(socket.receive, 30, 0.0002), "a packet was lost")
            end
        end
    end
    raw.hang_up(ends, call)
end

describe("the usual way", function()
    it("is a call", function()
        for seed = 1, NETWORKS do carry_calls(seed) end
    end)

    it("is a call on real sockets", function()
        local at = network.block()
        local engine = lunasip.start {
            public = { ("udp:%s:5060"):format(at(10)) }, private = { ("udp:%s:5060"):format(at(20)) }, workers = 1,
            media = { public = at(10), private = at(20), ports = { 30000, 30999 } },
            sets = { [2] = { ("sip:%s:5060"):format(at(21)) } },
            blocks = { threads = {}, log = { level = "error" } },
        }
        local ends = {
            caller = posix.udp(at(12), 5060), gateway = posix.udp(at(21), 5060), public = at(10), private = at(20),
            calls = {},
        }
        carry_real_calls(ends)
        carry_real_media(ends, posix.udp(at(12), 20000), posix.udp(at(21), 20000))
        assert.are.equal(lunasip.nothing, engine:settle())
        assert.are.equal(0, (engine:stop()))
        process.clean()
    end)
end)
