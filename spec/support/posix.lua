--- The few system calls that tests need: child processes, sockets, the clock.
local ffi = require "ffi"
local bit = require "bit"

ffi.cdef [[
typedef int pid_t;
typedef struct { char opaque[512]; } spawn_actions_t;
int posix_spawn_file_actions_init(spawn_actions_t *);
int posix_spawn_file_actions_destroy(spawn_actions_t *);
int posix_spawn_file_actions_addopen(spawn_actions_t *, int, const char *, int, unsigned);
int posix_spawn_file_actions_adddup2(spawn_actions_t *, int, int);
int posix_spawn_file_actions_addchdir_np(spawn_actions_t *, const char *);
int posix_spawnp(pid_t *, const char *, const spawn_actions_t *, const void *, char *const[], char *const[]);
pid_t waitpid(pid_t, int *, int);
pid_t getpid(void);
int kill(pid_t, int);
extern char **environ;
typedef struct { long s, ns; } test_timespec;
int nanosleep(const test_timespec *, test_timespec *);
int clock_gettime(int, test_timespec *);
long sysconf(int);
int socket(int, int, int);
int bind(int, const void *, unsigned);
int listen(int, int);
int connect(int, const void *, unsigned);
int accept(int, void *, unsigned *);
int getsockname(int, void *, unsigned *);
long recv(int, void *, size_t, int);
struct test_iovec { void *base; size_t length; };
struct test_msghdr {
    void *name; unsigned name_length; struct test_iovec *iov; size_t iov_length; void *control; size_t control_length;
    int flags;
};
struct test_cmsg { size_t length; int level, type; uint8_t value; };
long recvmsg(int, struct test_msghdr *, int);
int setsockopt(int, int, int, const void *, unsigned);
long sendto(int, const void *, size_t, int, const void *, unsigned);
int close(int);
struct test_pollfd { int fd; short events, revents; };
int poll(struct test_pollfd *, unsigned long, int);
int inet_pton(int, const char *, void *);
char *strerror(int);
]]

local M = {}
local C = ffi.C
local AF_UNIX, AF_INET, AF_INET6, MSG_DONTWAIT, MSG_NOSIGNAL = 1, 2, 10, 0x40, 0x4000
local SOCK_DGRAM_CLOEXEC, SOCK_STREAM_CLOEXEC_NONBLOCK = 0x80002, 0x80801
local IPPROTO_IP, IP_TOS, IP_RECVTOS = 0, 1, 13
local O_WRONLY, O_CREAT, O_TRUNC = 1, 0x40, 0x200
local CLOCK_MONOTONIC, WNOHANG = 1, 1

--- Monotonic time in seconds.
function M.now()
    local t = ffi.new "test_timespec"
    C.clock_gettime(CLOCK_MONOTONIC, t)
    return tonumber(t.s) + tonumber(t.ns) / 1e9
end

local function nap(seconds)
    C.nanosleep(ffi.new("test_timespec", math.floor(seconds), (seconds % 1) * 1e9), nil)
end

--- Wait until `condition()` is true (its value is returned), looking often; nil after `seconds`.
function M.wait_until(condition, seconds, pause)
    local deadline = M.now() + seconds
    repeat
        local value = condition()
        if value then return value end
        nap(pause or 0.005)
    until M.now() > deadline
    return condition() or nil
end

local function c_strings(list)
    local array = ffi.new("char *[?]", #list + 1)
    local keep = {}
    for i, text in ipairs(list) do
        local copy = ffi.new("char[?]", #text + 1, text)
        keep[i], array[i - 1] = copy, copy
    end
    return array, keep
end

local function environment(extra)
    local list, i = {}, 0
    while C.environ[i] ~= nil do
        local entry = ffi.string(C.environ[i])
        if not (extra and extra[entry:match "^[^=]+"] ~= nil) then list[#list + 1] = entry end
        i = i + 1
    end
    for name, value in pairs(extra or {}) do
        if value then list[#list + 1] = name .. "=" .. value end
    end
    return list
end

--- Start a program. `options`: directory, env (false removes a variable), output (file for stdout and stderr).
-- @return pid, or nil and why
function M.spawn(command, options)
    local actions, pid = ffi.new "spawn_actions_t", ffi.new "pid_t[1]"
    C.posix_spawn_file_actions_init(actions)
    C.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0)
    C.posix_spawn_file_actions_addopen(actions, 1, options.output, bit.bor(O_WRONLY, O_CREAT, O_TRUNC), 420)
    C.posix_spawn_file_actions_adddup2(actions, 1, 2)
    if options.directory then C.posix_spawn_file_actions_addchdir_np(actions, options.directory) end
    local argv, keep_argv = c_strings(command)
    local envp, keep_envp = c_strings(environment(options.env))
    local fault = C.posix_spawnp(pid, command[1], actions, nil, argv, envp)
    C.posix_spawn_file_actions_destroy(actions)
    assert(#keep_argv == #command and keep_envp)
    if fault ~= 0 then return nil, command[1] .. ": " .. ffi.string(C.strerror(fault)) end
    return pid[0]
end

--- Has a child ended? @return nil while it runs, else its exit code (128 + signal when killed)
function M.reap(pid)
    local status = ffi.new "int[1]"
    if C.waitpid(pid, status, WNOHANG) ~= pid then return nil end
    local signal = bit.band(status[0], 0x7f)
    if signal ~= 0 then return 128 + signal end
    return bit.band(bit.rshift(status[0], 8), 0xff)
end

function M.kill(pid, signal) return C.kill(pid, signal) end

function M.pid() return C.getpid() end

local function socket_address(host, port)
    local is_v6 = host:find ":" ~= nil
    local size = is_v6 and 28 or 16
    local raw = ffi.new("uint8_t[28]")
    raw[0] = is_v6 and AF_INET6 or AF_INET
    raw[2], raw[3] = bit.rshift(port, 8), bit.band(port, 0xff)
    if C.inet_pton(raw[0], host, raw + (is_v6 and 8 or 4)) ~= 1 then error("not an address: " .. host, 3) end
    return raw, size, raw[0]
end

--- The 4 or 16 bytes of an address, as they travel.
function M.address_bytes(host)
    local raw, _, family = socket_address(host, 0)
    return ffi.string(raw + (family == AF_INET6 and 8 or 4), family == AF_INET6 and 16 or 4)
end

--- A UDP socket bound to an address; port 0 takes a free one.
-- @return socket with `port`, `close()`, `receive()` (nil when nothing is there), `wait(seconds)` until something is,
-- `send(host, port, bytes)`, `receive_marked()` (bytes and the DSCP of the IPv4 header, RFC 2474); or nil
function M.udp(host, port)
    local raw, size, family = socket_address(host, port or 0)
    local fd = C.socket(family, SOCK_DGRAM_CLOEXEC, 0)
    if fd < 0 then return nil, "socket" end
    if C.bind(fd, raw, size) ~= 0 then
        local why = ffi.string(C.strerror(ffi.errno()))
        C.close(fd)
        return nil, why
    end
    local length = ffi.new("unsigned[1]", 28)
    C.getsockname(fd, raw, length)
    C.setsockopt(fd, IPPROTO_IP, IP_RECVTOS, ffi.new("int[1]", 1), 4)
    local self = { host = host, port = raw[2] * 256 + raw[3] }
    local buffer = ffi.new "char[65536]"
    function self.receive()
        local n = C.recv(fd, buffer, 65536, MSG_DONTWAIT)
        return n >= 0 and ffi.string(buffer, n) or nil
    end
    function self.receive_marked()
        local control = ffi.new "struct test_cmsg[2]"
        local iov = ffi.new("struct test_iovec[1]", { { buffer, 65536 } })
        local header = ffi.new("struct test_msghdr", {
            iov = iov, iov_length = 1, control = control, control_length = ffi.sizeof(control),
        })
        local n = C.recvmsg(fd, header, MSG_DONTWAIT)
        if n < 0 then return nil end
        assert(header.control_length > 0 and control[0].type == IP_TOS)
        return ffi.string(buffer, n), bit.rshift(control[0].value, 2)
    end
    function self.wait(seconds)
        local one = ffi.new("struct test_pollfd[1]", { { fd, 1, 0 } })
        C.poll(one, 1, math.max(1, math.ceil(seconds * 1000)))
    end
    function self.send(to_host, to_port, bytes)
        local to, to_size = socket_address(to_host, to_port)
        return C.sendto(fd, bytes, #bytes, 0, to, to_size) == #bytes
    end
    function self.close()
        if fd >= 0 then C.close(fd) end
        fd = -1
    end
    return self
end

local function stream(fd)
    local buffer = ffi.new "char[65536]"
    local self = {}
    function self.receive()
        local n = C.recv(fd, buffer, 65536, MSG_DONTWAIT)
        return n > 0 and ffi.string(buffer, n) or nil
    end
    function self.send(bytes) return C.sendto(fd, bytes, #bytes, MSG_NOSIGNAL, nil, 0) == #bytes end
    function self.close() C.close(fd) end
    return self
end

--- A connection to a Unix stream socket, as `accept()` below gives it; or nil and why.
function M.unix(path)
    local raw = ffi.new("struct { unsigned short family; char path[108]; }", AF_UNIX, path)
    local fd = C.socket(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0)
    if fd < 0 or C.connect(fd, raw, ffi.sizeof(raw)) ~= 0 then return nil, ffi.string(C.strerror(ffi.errno())) end
    return stream(fd)
end

--- A TCP socket that listens on an address, on a free port.
-- @return socket with `port`, `close()`, `accept()` (a connection with `receive()`, `send(bytes)` and `close()`; nil
-- when nobody came); or nil and why
function M.tcp(host)
    local raw, size, family = socket_address(host, 0)
    local fd = C.socket(family, SOCK_STREAM_CLOEXEC_NONBLOCK, 0)
    if fd < 0 or C.bind(fd, raw, size) ~= 0 or C.listen(fd, 64) ~= 0 then
        return nil, ffi.string(C.strerror(ffi.errno()))
    end
    local length = ffi.new("unsigned[1]", 28)
    C.getsockname(fd, raw, length)
    local self = { host = host, port = raw[2] * 256 + raw[3] }
    function self.accept()
        local peer = C.accept(fd, nil, nil)
        return peer >= 0 and stream(peer) or nil
    end
    function self.close() C.close(fd) end
    return self
end

M.ticks_per_second = tonumber(C.sysconf(2))
M.page_bytes = tonumber(C.sysconf(30))

return M
