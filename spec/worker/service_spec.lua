-- The command as a service: the account that it runs as, what it says to the service manager, where it logs.
local ffi = require "ffi"
local posix = require "support.posix"
local running = require "worker.running"

ffi.cdef [[
int geteuid(void);
int setenv(const char *, const char *, int);
int unsetenv(const char *);
]]
local AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT = 1, 2, 0x40
local SIGHUP, SIGTERM = 1, 15
local is_root = ffi.C.geteuid() == 0

-- A service manager's socket in the abstract name space.
local function listen(name)
    local address = ffi.new "uint8_t[110]"
    address[0] = AF_UNIX
    ffi.copy(address + 3, name, #name) -- family, then a NUL
    local fd = ffi.C.socket(AF_UNIX, SOCK_DGRAM, 0)
    assert.equal(0, ffi.C.bind(fd, address, 3 + #name))
    return fd
end

local function hear(fd)
    local buffer = ffi.new "char[256]"
    return posix.wait_until(function()
        local n = ffi.C.recv(fd, buffer, 256, MSG_DONTWAIT)
        return n > 0 and ffi.string(buffer, n)
    end, 60)
end

describe("the command as a service", function()
    local it_runs

    after_each(function()
        if it_runs then
            it_runs:close()
        end
        it_runs = nil
    end)

    local function status_field(name)
        for line in io.lines(("/proc/%d/status"):format(it_runs.engine.process.pid)) do
            local value = line:match("^" .. name .. ":%s*(.*)$")
            if value then
                return value
            end
        end
    end

    it("keeps its account and can gain no privileges when no other is configured", function()
        it_runs = running.start { blocks = { user = io.popen("id -un"):read "*l" } }
        assert.equal("1", status_field "NoNewPrivs")
        it_runs:call()
        it_runs:hang_up()
    end)

    if is_root then
        it("becomes the configured account once its sockets are bound", function()
            it_runs = running.start { blocks = { user = "nobody" } }
            local uid = posix.wait_until(function()
                local ids = status_field "Uid"
                return ids ~= "0\t0\t0\t0" and ids
            end, 60)
            assert.equal("65534\t65534\t65534\t65534", uid)
            assert.equal("65534\t65534\t65534\t65534", status_field "Gid")
            assert.equal("65534", (status_field "Groups":gsub("%s+$", "")))
            assert.equal("nobody", io.popen("stat -c %U " .. it_runs.engine.socket):read "*l")
            it_runs:call()
            it_runs:hang_up()
        end)
    end

    it("does not start as an account that does not exist", function()
        local ok, fault = pcall(running.start, { blocks = { user = "no-such-user" } })
        assert.is_false(ok)
        assert.matches("user 'no%-such%-user' does not exist; make the account", fault)
    end)

    it("logs at the configured level", function()
        it_runs = running.start { blocks = { log = { level = "error" } } }
        it_runs.engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
        assert.not_matches("info: ", it_runs.engine.process:output())
    end)

    it("logs nothing to stderr when it logs to syslog", function()
        it_runs = running.start { blocks = { log = { to = "syslog", level = "debug" } } }
        it_runs.engine.process:signal(SIGTERM)
        assert.equal(0, it_runs:wait_for_end())
        assert.not_matches("info: ", it_runs.engine.process:output())
    end)

    it("tells the service manager when it is ready, reloads and stops (Type=notify)", function()
        local name = "lunasip-spec-" .. posix.pid()
        local manager = listen(name)
        ffi.C.setenv("NOTIFY_SOCKET", "@" .. name, 1)
        local ok, started = pcall(running.start)
        ffi.C.unsetenv "NOTIFY_SOCKET"
        it_runs = assert(ok and started, started)
        assert.equal("READY=1", hear(manager))
        it_runs.engine.process:signal(SIGHUP)
        assert.matches("^RELOADING=1\nMONOTONIC_USEC=%d+$", hear(manager))
        assert.equal("READY=1", hear(manager))
        it_runs.engine.process:signal(SIGTERM)
        -- 30 s for calls, 64 T1 for BYEs, 2 s for trunks, 5 s for the rest
        local most_us = hear(manager):match "^STOPPING=1\nEXTEND_TIMEOUT_USEC=(%d+)$"
        assert.is_true(tonumber(most_us) > 37e6 and tonumber(most_us) <= 69e6, most_us)
        assert.equal(0, it_runs:wait_for_end())
        ffi.C.close(manager)
    end)

    it("reads its script again on SIGHUP", function()
        it_runs = running.start()
        it_runs.engine.process:signal(SIGHUP)
        it_runs:wait_for_log "generation 2 serves new calls"
    end)
end)
