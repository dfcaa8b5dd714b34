--- `lunasip demo`: the border controller of conf/sbc.lua on real sockets, a caller and a gateway on
-- each side, one call each way with audio, video and RTCP. Then it stays up for your own phone.
local agent = require "lunasip.lab.agent"
local ladder = require "lunasip.lab.ladder"
local stage = require "lunasip.stage"

local PACKETS = 50 -- one second of audio and video
local ANSWER_S = 0.2
local ARRIVE_S = 0.3
local MOST_S = 15 -- a busy machine sends its packets late

local SIDES = {
    { name = "public", gateway = "127.0.0.11:5060", border = "127.0.0.10:5060" },
    { name = "private", gateway = "127.0.0.21:5060", border = "127.0.0.20:5060" },
}

local function conf_path()
    return os.getenv "LUNASIP_CONF" or stage.lua_dir():gsub("/lua$", "") .. "/conf/sbc.lua"
end

local function print_log(world)
    for line in world:log() do
        io.stderr:write(("    %s: %s: %s\n"):format(line.level, line.group, line.text))
    end
end

local function describe_sdp(name, description)
    for i, stream in ipairs(description.streams) do
        print(("  %-8s is told to send %s to %s port %d, RTCP to port %d%s"):format(i == 1 and name or "",
            stream.kind, stream.host, stream.port, stream.rtcp, i == 1 and "  (o= " .. description.origin .. ")" or ""))
    end
end

local function print_streams(near, far)
    print(("  %-10s %-6s %8s %8s %6s %10s %6s"):format("received by", "stream", "sent", "received", "lost",
        "jitter ms", "RTCP"))
    local is_complete = true
    for _, pair in ipairs { { near, far }, { far, near } } do
        local sent = pair[2]:received_rtp()
        for i, stream in ipairs(pair[1]:received_rtp()) do
            local lost = sent[i].sent - stream.packets
            print(("  %-11s %-6s %8d %8d %6d %10.2f %6d"):format(pair[1].name, stream.kind, sent[i].sent,
                stream.packets, lost, stream.jitter_ms, stream.rtcp))
            is_complete = is_complete and lost == 0 and stream.rtcp > 0
        end
    end
    return is_complete
end

-- Both send a second of media; returns when the last packet had time to arrive.
local function talk(world, near, far)
    near:send_rtp(PACKETS)
    far:send_rtp(PACKETS)
    local deadline = world:now() + MOST_S
    local function all_sent()
        for _, one in ipairs { near, far } do
            for _, stream in ipairs(one:received_rtp()) do
                if stream.sent < PACKETS then
                    return false
                end
            end
        end
        return true
    end
    while not all_sent() and world:now() < deadline do
        world:run(0.02)
    end
    world:run(ARRIVE_S)
end

-- One call from `near` through the border to `far`. @return true when every packet arrived
local function call(world, journal, near, far, side)
    print(("\nA call from the %s side to the %s gateway:\n"):format(near.name, far.name))
    for i = #journal, 1, -1 do
        journal[i] = nil
    end
    near:invite("sip:4711@" .. side.border, { sdp = { "audio", "video" } })
    local invite = far:receive "INVITE"
    far:reply(invite, 180)
    near:receive(180)
    world:run(ANSWER_S)
    far:reply(invite, 200, { sdp = { "audio", "video" } })
    near:receive(200)
    far:receive "ACK"
    talk(world, near, far)
    near:hangup()
    far:reply(far:receive "BYE", 200)
    near:receive(200)
    print(ladder.print(journal, near.name, far.name, "lunasip"))
    print ""
    describe_sdp(near.name, near.call.remote_sdp)
    describe_sdp(far.name, far.call.remote_sdp)
    print ""
    return print_streams(near, far)
end

local function both_calls(world, agents, journal)
    local is_complete = call(world, journal, agents[1], agents[2], SIDES[1])
    return call(world, journal, agents[2], agents[1], SIDES[2]) and is_complete
end

-- Answer whoever calls, until Ctrl-C.
local function stay(world, agents)
    print [[

The border controller stays up; Ctrl-C ends it. Call it with your own phone or with SIPp:
  from the public side:   sip:anything@127.0.0.10:5060   answered by the gateway 127.0.0.21:5060
  lunasip's log follows.
]]
    for _, one in ipairs(agents) do
        local take = one.on_datagram
        one.on_datagram = function(self, bytes, source)
            take(self, bytes, source)
            local msg = table.remove(self.queue, 1)
            if msg and msg.method and msg.method ~= "ACK" then
                self:reply(msg, 200, { sdp = msg.method == "INVITE" })
            end
        end
    end
    while true do
        world:run(0.5)
        print_log(world)
    end
end

--- @tparam table words "--once": end after the two calls
-- @return exit code
return function(words)
    io.stdout:setvbuf "line" -- through a pipe, too, as in `make run | tee demo.log`
    local world = stage.open { real = true }
    local journal, agents = {}, {}
    local number, fault = world:engine(conf_path())
    if not number then
        io.stderr:write(fault, "\n")
        world:close()
        return 3
    end
    for i, side in ipairs(SIDES) do
        agents[i] = agent.new(world, {
            name = side.name, address = side.gateway, proxy = side.border, journal = journal, auto_options = true,
        })
    end
    print "lunasip: a border controller on 127.0.0.10 (public) and 127.0.0.20 (private)"
    local ok, result = pcall(both_calls, world, agents, journal)
    if not ok then
        print(ladder.print(journal, agents[1].name, agents[2].name, "lunasip"))
        io.stderr:write("lunasip: the demo's call failed: ", tostring(result), "\n")
        print_log(world)
    else
        print(result and "\nEvery packet arrived." or "\nNot every packet arrived.")
    end
    if words[1] ~= "--once" then
        stay(world, agents)
    end
    for _, one in ipairs(agents) do
        one:close()
    end
    world:close()
    return ok and result and 0 or 1
end
