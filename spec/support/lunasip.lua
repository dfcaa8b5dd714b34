--- The real command, run for a scenario: writes its configuration, waits until it answers, reads its status, and on
-- stop looks for what a sanitizer said.
local json = require "dkjson"
local namespaces = require "support.namespaces"
local posix = require "support.posix"
local process = require "support.process"
local text_file = require "support.text_file"

local M = {}
local Engine = {}
Engine.__index = Engine

local here = io.popen("pwd"):read "*l"
M.build = here .. "/" .. (os.getenv "LUNASIP_BUILD" or "build")

--- Calls per load scenario: a tenth of the figures of a soak, unless LUNASIP_SCALE says otherwise.
function M.calls(soak_calls)
    return math.max(1, math.floor(soak_calls * (tonumber(os.getenv "LUNASIP_SCALE") or 0.1)))
end

local sanitizer_env = {
    ASAN_OPTIONS = "halt_on_error=1:exitcode=99:detect_leaks=1",
    UBSAN_OPTIONS = "print_stacktrace=1:halt_on_error=1",
    TSAN_OPTIONS = "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}

-- A Lua value as configuration text.
local function literal(value)
    if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
    local parts = {}
    for i, item in ipairs(value) do parts[i] = literal(item) end
    local names = {}
    for name in pairs(value) do if type(name) == "string" then names[#names + 1] = name end end
    table.sort(names)
    for _, name in ipairs(names) do parts[#parts + 1] = ("%s = %s"):format(name, literal(value[name])) end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

--- The text of a configuration file: blocks in a fixed order, then assignments.
function M.configuration(blocks)
    local lines, names = {}, {}
    for name in pairs(blocks) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        local value = blocks[name]
        if type(value) == "table" then
            lines[#lines + 1] = ("%s %s"):format(name, literal(value))
        elseif name == "route" then
            lines[#lines + 1] = ("route %s"):format(literal(value))
        else
            lines[#lines + 1] = ("%s = %s"):format(name, literal(value))
        end
    end
    return table.concat(lines, "\n") .. "\n"
end

local write = text_file.write

--- Start lunasip and wait until its control socket answers.
-- options: public, private (lists of "udp:HOST:PORT"), sets (set number -> list of lines of the dispatcher list),
-- blocks (more configuration, or other values), route (script; default scripts/sbc.lua), build, on (a host of
-- support.namespaces), env (variables by name)
function M.start(options)
    local folder = process.folder()
    local list = {}
    for set, lines in pairs(options.sets or {}) do
        for _, line in ipairs(lines) do list[#list + 1] = set .. " " .. line end
    end
    write(folder .. "/dispatcher.list", table.concat(list, "\n") .. "\n")
    local blocks = {
        listen = { public = options.public, private = options.private },
        media = options.media,
        dispatcher = { file = "dispatcher.list", ping_interval = 0 },
        route = options.route or (here .. "/scripts/sbc.lua"),
        control = { socket = folder .. "/control.sock" },
        timers = options.timers or { t1_ms = 100, t2_ms = 400, t4_ms = 500 },
        workers = options.workers or 2,
    }
    for name, value in pairs(options.blocks or {}) do blocks[name] = value end
    -- A test machine may be busy with others: new calls are not refused for that, unless a test is about it.
    blocks.limits = blocks.limits or {}
    blocks.limits.shed_lag_ms = blocks.limits.shed_lag_ms or 60000
    -- And several scenarios share its cores, with a T1 of 100 ms: workers do not wait for each other's programs.
    blocks.threads = blocks.threads or { patient = 0 }
    write(folder .. "/lunasip.lua", M.configuration(blocks))
    local self = setmetatable({ folder = folder, socket = folder .. "/control.sock" }, Engine)
    self.binary = (options.build or M.build) .. "/lunasip"
    local command = { self.binary, "run", folder .. "/lunasip.lua" }
    local env = {}
    for _, variables in ipairs { sanitizer_env, options.env or {} } do
        for name, value in pairs(variables) do env[name] = value end
    end
    self.process = process.start {
        command = options.on and namespaces.command(options.on, command) or command, directory = folder,
        env = env,
    }
    local ready = posix.wait_until(function() return self.process:poll() or self:status() end, 60, 0.05)
    if not ready or self.process.exit then
        local output = self.process:output()
        self.process:stop(1)
        error("lunasip did not come up:\n" .. output, 2)
    end
    return self
end

--- Run `lunasip demo --once`. Its addresses are fixed: one at a time on a machine, and whoever has them is waited for.
-- @return exit code, output
function M.demo()
    local lock = { "flock", "-w", "100", "/tmp/lunasip-demo.lock", M.build .. "/lunasip", "demo", "--once" }
    local code, output
    posix.wait_until(function()
        code, output = process.run(lock, 110, { env = sanitizer_env })
        return not output:find("address in use", 1, true)
    end, 60, 1)
    return code, output
end

--- Run `lunasip ctl …`. @return exit code, output
function Engine:ctl(...)
    return process.run({ self.binary, "ctl", "--socket", self.socket, ... }, 60, { env = sanitizer_env })
end

--- What `ctl status --json` says, as a table; nil when nobody answers.
function Engine:status()
    local code, output = self:ctl("status", "--json")
    if code ~= 0 then return nil end
    return json.decode(output:match "{.*}" or "")
end

--- Everything that a call can leave behind, in one line: "0 transactions, 0 dialogs, 0 media calls, 0 ports".
function Engine:remains()
    local s = self:status()
    if not s then return "no answer: " .. self.process:output():sub(-2000) end
    return ("%d transactions, %d dialogs, %d media calls, %d ports"):format(
        s.transactions, s.dialogs, s.media.calls, s.media.ports)
end

M.nothing = "0 transactions, 0 dialogs, 0 media calls, 0 ports"

--- Wait until nothing of any call is left (timers included). @return `remains()` at the end of the wait
function Engine:settle(seconds)
    local last
    posix.wait_until(function()
        last = self:remains()
        return last == M.nothing or self.process:poll()
    end, seconds or 60, 0.1)
    return last
end

--- Stop it. @return exit code, and what a sanitizer complained of (empty when nothing)
function Engine:stop()
    local code = self.process:stop(60)
    local output = self.process:output()
    local at = output:find "ERROR: %a+Sanitizer" or output:find "WARNING: ThreadSanitizer" or
        output:find "runtime error:"
    return code, at and output:sub(at, at + 6000) or ""
end

return M
