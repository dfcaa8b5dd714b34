-- How long specs take: 500 of them, each with a network of its own and a whole call through scripts/sbc.lua, in one
-- process and in one per core. Times are printed, never asserted: those of the clock, which depend on what else runs,
-- and those of the processors. usage: luajit spec/bench/lab.lua [COUNT]
package.path = "spec/?.lua;" .. package.path
local posix = require "support.posix"
local process = require "support.process"

local build = os.getenv "LUNASIP_BUILD" or "build"
local count = tonumber(arg[1]) or 500
local cores = tonumber(io.popen("nproc"):read "*l")

local SPEC = [[
local lab = require "lunasip.lab"
describe("a call", function()
    for seed = %d, %d do
        it("goes through, seed " .. seed, function()
            local net = lab.new { conf = "conf/sbc.lua", seed = seed }
            local phone = net:agent { name = "phone", address = "127.0.0.12", side = "public" }
            local gateway = net:agent {
                name = "gateway", address = "127.0.0.21", side = "private", auto_options = true,
            }
            phone:invite("sip:4711@127.0.0.10", { sdp = true })
            local invite = gateway:receive "INVITE"
            gateway:reply(invite, 180)
            phone:receive(180)
            gateway:reply(invite, 200, { sdp = true })
            assert.sdp(phone:receive(200), { host = "127.0.0.10" })
            phone:send_rtp(10)
            net:advance(1)
            assert.equal(10, gateway:received_rtp()[1].packets)
            phone:hangup()
            gateway:reply(gateway:receive "BYE", 200)
            phone:receive(200)
            net:close()
        end)
    end
end)
]]

local function write_spec(folder, first, last)
    local path = ("%s/calls_%d_spec.lua"):format(folder, first)
    local file = assert(io.open(path, "w"))
    file:write(SPEC:format(first, last))
    file:close()
    return path
end

-- Seconds of the processors that processes of ours which have ended took.
local function used_s()
    local file = assert(io.open "/proc/self/stat")
    local fields = {}
    for field in file:read("*a"):match("^.*%) (.*)$"):gmatch "%S+" do
        fields[#fields + 1] = tonumber(field) or field
    end
    file:close()
    return (fields[14] + fields[15]) / posix.ticks_per_second
end

-- Runs `count` specs in so many processes at once. @return seconds, seconds of the processors
local function measure(processes)
    local folder, running = process.folder(), {}
    local begin, used_before = posix.now(), used_s()
    for i = 1, processes do
        local first, last = math.floor((i - 1) * count / processes) + 1, math.floor(i * count / processes)
        running[i] = process.start { command = { build .. "/lunasip", "test", write_spec(folder, first, last) } }
    end
    for _, one in ipairs(running) do
        if one:wait(600) ~= 0 then
            error(one:output())
        end
    end
    return posix.now() - begin, used_s() - used_before
end

for _, processes in ipairs(cores > 1 and { 1, cores } or { 1 }) do
    local seconds, used = measure(processes)
    print(("%d specs in %d process%s: %.1f s, %.1f ms each; %.1f s of CPU, %.1f ms each"):format(count, processes,
        processes > 1 and "es" or "", seconds, seconds * 1000 / count, used, used * 1000 / count))
end
process.clean()
