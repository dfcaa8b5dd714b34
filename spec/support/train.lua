-- Calls that show the compiler the usual way through the engine (`make release`): through scripts/sbc.lua, from both
-- sides, with media and without, hung up by either party, and one refused. Run by `lunasip test`, so that it is the
-- command itself whose ways are counted.
local lab = require "lunasip.lab"

local NETWORKS, ROUNDS = 5, 100

local function call(net, from, to, uri, options)
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
            call(net, phone, gateway, "sip:4711@127.0.0.10", options)
            hang_up(phone, gateway)
            call(net, gateway, outside, "sip:0815@127.0.0.20", options)
            hang_up(outside, gateway)
        end
    end
    phone:invite "sip:4711@127.0.0.10"
    gateway:reply(gateway:receive "INVITE", 486)
    phone:receive(486)
    net:close()
end

describe("the usual way", function()
    it("is a call", function()
        for seed = 1, NETWORKS do carry_calls(seed) end
    end)
end)
