-- threads { patient }: a SIP worker that wakes does not take the processor from a running program; a media thread does.
local lunasip = require "support.lunasip"
local network = require "support.network"
local process = require "support.process"
local text_file = require "support.text_file"

local NORMAL, BATCH = "0", "3" -- sched(7)
local POLICY = 39 -- a thread's scheduling policy in /proc/PID/task/TID/stat, counted from behind its name; proc(5)

-- Policies by thread name.
local function policies(pid)
    local found = {}
    local tasks = io.popen(("ls /proc/%d/task"):format(pid))
    for tid in tasks:lines() do
        local name, rest = text_file.read(("/proc/%d/task/%s/stat"):format(pid, tid)):match "%((.-)%) (.*)"
        local index = 0
        for word in rest:gmatch "%S+" do
            index = index + 1
            if index == POLICY then found[name] = word end
        end
    end
    tasks:close()
    return found
end

describe("threads { patient }", function()
    after_each(process.clean)

    it("is how workers run, and media threads do not; a reload changes it", function()
        local at = network.block()
        local engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, private = { "udp:" .. at(20) .. ":5060" }, workers = 2,
            media = { public = at(10), private = at(20), ports = { 30000, 30999 } },
            sets = { [1] = { ("sip:%s:5060"):format(at(11)) }, [2] = { ("sip:%s:5060"):format(at(21)) } },
            blocks = { threads = { patient = 1 } },
        }
        local before = policies(engine.process.pid)
        assert.same({ BATCH, BATCH, NORMAL }, { before["worker-0"], before["worker-1"], before["media-0"] })
        local path = engine.folder .. "/lunasip.lua"
        local text, count = text_file.read(path):gsub("patient = 1", "patient = 0")
        assert.equal(1, count)
        text_file.write(path, text)
        local exit, output = engine:ctl "reload"
        assert.equal(0, exit, output)
        local after = policies(engine.process.pid)
        assert.same({ NORMAL, NORMAL }, { after["worker-0"], after["worker-1"] })
        engine:stop()
    end)
end)
