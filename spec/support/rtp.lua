--- Audio for scenarios: the bench's RTP generator, sending on streams that are set up already and counting what comes
-- back. In C, since a script that does something else meanwhile could not keep the beat.
local process = require "support.process"

local M = {}
local Audio = {}
Audio.__index = Audio

local SOURCE = "spec/bench/rtp_generator.c"

--- Build the generator into a folder of the test. @return its path
function M.build()
    local path = process.folder() .. "/rtp_generator"
    local code, output = process.run({ "cc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-o", path, SOURCE }, 60)
    assert(code == 0, output)
    return path
end

--- Send on all streams (lines of rtp_generator) for so many seconds.
function M.start(generator, streams, seconds)
    local list = process.folder() .. "/streams"
    local file = assert(io.open(list, "w"))
    file:write(table.concat(streams, "\n"), "\n")
    file:close()
    local command = { "sh", "-c", ("exec %s %d <%s"):format(generator, seconds, list) }
    return setmetatable({ process = process.start { command = command }, streams = #streams, seconds = seconds }, Audio)
end

--- Wait for the end.
-- @return packets lost, p99 of their way in us; raises when far fewer were sent than should have been
function Audio:lost()
    assert(self.process:wait(self.seconds + 60) == 0, "the RTP generator failed: " .. self.process:output())
    local output = self.process:output()
    local sent, received, p99_us = output:match "sent (%d+) received (%d+) .* p99_us (%d+)"
    if tonumber(sent) < 45 * self.streams * self.seconds then
        error("the RTP generator could not keep up: " .. output)
    end
    return sent - received, tonumber(p99_us)
end

return M
