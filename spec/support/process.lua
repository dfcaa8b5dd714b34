--- Child processes of a test: started, watched, and always ended, by process id.
local posix = require "support.posix"

local M = {}
local Process = {}
Process.__index = Process
local running = {}
local SIGTERM, SIGKILL = 15, 9

--- A new folder for what a test writes; removed by `M.clean`.
local folders = {}
function M.folder()
    local pipe = assert(io.popen "mktemp -d -t lunasip.XXXXXX")
    local path = pipe:read "*l"
    pipe:close()
    folders[#folders + 1] = path
    return path
end

--- Start a program. options: command (list), name, directory, env, folder (where its output file goes).
function M.start(options)
    -- A sanitizer that was loaded into busted is not for its children: those that want it are linked with it, and
    -- others may hang in it.
    local env = { LD_PRELOAD = false }
    for name, value in pairs(options.env or {}) do env[name] = value end
    local self = setmetatable({
        name = options.name or options.command[1]:match "[^/]+$",
        command = options.command,
    }, Process)
    self.output_path = os.tmpname()
    self.pid = assert(posix.spawn(options.command, {
        directory = options.directory, env = env, output = self.output_path,
    }))
    running[self] = true
    return self
end

--- Run a program to its end. @return exit code, output
function M.run(command, seconds, options)
    options = options or {}
    options.command = command
    local child = M.start(options)
    local code = child:wait(seconds or 10)
    local output = child:output()
    child:stop()
    return code, output
end

--- Exit code once it has ended, else nil.
function Process:poll()
    if not self.exit then
        self.exit = posix.reap(self.pid)
        if self.exit then running[self] = nil end
    end
    return self.exit
end

--- Wait for the end. @return exit code, or nil when it still runs after `seconds`
function Process:wait(seconds)
    return posix.wait_until(function() return self:poll() end, seconds)
end

--- Everything it printed so far.
function Process:output()
    local file = io.open(self.output_path)
    if not file then return self.saved_output or "" end
    local text = file:read "*a"
    file:close()
    return text
end

--- Wait for a line of output that matches. Fails with the output when the program ends or `seconds` pass.
function Process:wait_for_output(pattern, seconds)
    local found = posix.wait_until(function() return self:output():match(pattern) or self:poll() end, seconds)
    local match = self:output():match(pattern)
    if found and match then return match end
    error(("%s did not print %q:\n%s"):format(self.name, pattern, self:output()), 2)
end

function Process:signal(number)
    if not self:poll() then posix.kill(self.pid, number) end
end

--- End it: SIGTERM, and SIGKILL when it does not listen within `seconds`. @return exit code
function Process:stop(seconds)
    if not self:poll() then
        posix.kill(self.pid, SIGTERM)
        if not self:wait(seconds or 5) then
            posix.kill(self.pid, SIGKILL)
            self:wait(5)
        end
    end
    self.saved_output = self.saved_output or self:output()
    os.remove(self.output_path)
    return self.exit
end

--- Figures of /proc: `cpu_s` (user + system) and `rss_kb`.
function Process:usage()
    local stat = io.open(("/proc/%d/stat"):format(self.pid))
    if not stat then return nil end
    local fields = {}
    for field in stat:read("*a"):match "%) (.*)":gmatch "%S+" do fields[#fields + 1] = tonumber(field) or field end
    stat:close()
    return {
        cpu_s = (fields[12] + fields[13]) / posix.ticks_per_second,
        rss_kb = fields[22] * posix.page_bytes / 1024,
    }
end

--- End everything still running and remove the folders of this test file; for `after_each`.
function M.clean()
    for child in pairs(running) do child:stop(1) end
    for _, path in ipairs(folders) do os.execute("rm -rf " .. path) end
    folders = {}
end

return M
