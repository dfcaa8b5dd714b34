--- The servers that are measured, each behind one interface: `start(at, options)` returns { name, processes, public }.
-- `at(10)` is the public address, `at(20)` the private one, `at(21):5060` the gateway, `at(12)` the caller.
local hiding = require "bench.hiding"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"
local sipp = require "support.sipp"
local text_file = require "support.text_file"

local M = {}

-- The body of the calls of uac.xml and uas.xml.
sipp.parts.bench_sdp = [[v=0
      o=user1 53655765 2353687637 IN IP4 [media_ip]
      s=-
      c=IN IP4 [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 8 0 101
      a=rtpmap:8 PCMA/8000
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000]]

--- Wait until it listens there.
function M.wait_bound(child, host, port)
    posix.wait_until(function() return network.is_bound(host, port) or child:poll() end, 10)
    if child:poll() then error(child.name .. " did not start:\n" .. child:output(), 2) end
end

--- Every process of a tree, as process ids.
local function tree(pid)
    local list, found = { pid }, io.popen "ps -e -o pid=,ppid="
    local children = {}
    for line in found:lines() do
        local child, parent = line:match "(%d+)%s+(%d+)"
        parent = tonumber(parent)
        children[parent] = children[parent] or {}
        table.insert(children[parent], tonumber(child))
    end
    found:close()
    local i = 1
    while list[i] do
        for _, child in ipairs(children[list[i]] or {}) do list[#list + 1] = child end
        i = i + 1
    end
    return list
end

local function proc_cpu_s(pid)
    local file = io.open(("/proc/%d/stat"):format(pid))
    if not file then return 0 end
    local fields = {}
    for field in file:read("*a"):match "%) (.*)":gmatch "%S+" do fields[#fields + 1] = tonumber(field) or field end
    file:close()
    return (fields[12] + fields[13]) / posix.ticks_per_second
end

local function proc_memory_kb(pid)
    local file = io.open(("/proc/%d/smaps_rollup"):format(pid))
    if not file then return 0 end
    local kb = file:read("*a"):match "\nPss:%s+(%d+)"
    file:close()
    return tonumber(kb) or 0
end

local function sum(peer, measure)
    local total = 0
    for _, child in ipairs(peer.processes) do
        for _, pid in ipairs(tree(child.pid)) do total = total + measure(pid) end
    end
    return total
end

--- CPU seconds (user + system) of all processes of a peer.
function M.usage(peer) return sum(peer, proc_cpu_s) end

--- Resident memory in kB of all processes of a peer; what processes share is counted once (Pss).
function M.memory_kb(peer) return sum(peer, proc_memory_kb) end

-- What the kernel keeps for a socket and its place in an epoll set, by the names of /proc/slabinfo.
local SLABS = {
    UDP = true, UDPv6 = true, sock_inode_cache = true, filp = true, eventpoll_epi = true, eventpoll_pwq = true,
}

--- Kernel memory of all sockets of the machine in kB, what waits in them included; nil where it may not be read.
function M.socket_memory_kb()
    local slabs = io.open "/proc/slabinfo"
    if not slabs then return nil end
    local bytes = 0
    for line in slabs:lines() do
        local name, active, size = line:match "^(%S+)%s+(%d+)%s+%d+%s+(%d+)"
        if SLABS[name] then bytes = bytes + active * size end
    end
    slabs:close()
    local pages = text_file.read("/proc/net/sockstat"):match "UDP: inuse %d+ mem (%d+)"
    return (bytes + pages * posix.page_bytes) / 1024
end

function M.stop(peer)
    for _, child in ipairs(peer.processes) do child:stop(10) end
    if peer.server then M.stop(peer.server) end
end

--- One recvfrom and one sendto per message. @param patient  under SCHED_BATCH, as lunasip's workers run
function M.null_sip(at, patient)
    local command = {
        lunasip.build .. "/bench/null_sip_relay", at(10) .. ":5060", at(20) .. ":5060", at(21) .. ":5060",
    }
    if patient then
        for i, word in ipairs { "chrt", "--batch", "0" } do table.insert(command, i, word) end
    end
    local child = process.start { command = command }
    M.wait_bound(child, at(20), 5060)
    return { processes = { child } }
end

function M.null_rtp(at, count)
    local child = process.start { command = {
        lunasip.build .. "/bench/null_rtp_relay", at(10), at(20), "30000", tostring(count),
    } }
    child:wait_for_output("ready", 10)
    return { processes = { child } }
end

function M.rtpengine(at)
    local ng_port = network.free_port "127.0.0.1"
    local child = process.start { command = {
        "rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1", "--interface=public/" .. at(10),
        "--interface=private/" .. at(20), "--listen-ng=127.0.0.1:" .. ng_port, "--port-min=30000",
        "--port-max=49999", "--num-threads=2",
    } }
    M.wait_bound(child, "127.0.0.1", ng_port)
    return { processes = { child }, ng_port = ng_port }
end

--- options: language ("native" or "lua"), relay (true: with rtpengine), hides (true: with dialog and topos), children.
-- The peer's `server` is the one behind topos.
function M.kamailio(at, options)
    local folder = process.folder()
    local relay = options.relay and M.rtpengine(at) or nil
    local storage = options.hides and hiding.start() or nil
    local values = {
        public = at(10), private = at(20), folder = folder, children = options.children or 1, extra = "",
        topos = storage and storage.config or "",
        define_lua = options.language == "lua" and "#!define WITH_LUA" or "",
        define_dialog = storage and "#!define WITH_DIALOG" or "", with_dialog = tostring(storage ~= nil),
        define_relay = relay and "#!define WITH_RELAY" or "", ng_port = relay and relay.ng_port or 0,
        with_relay = tostring(relay ~= nil), routing = options.language,
    }
    local line = "%d sip:%s:5060 0 0 socket=udp:%s:5060\n"
    text_file.write(folder .. "/dispatcher.list", line:format(1, at(11), at(10)) .. line:format(2, at(21), at(20)))
    for _, name in ipairs { "kamailio.cfg", "kamailio.lua" } do
        text_file.write(folder .. "/" .. name, sipp.fill(text_file.read("spec/bench/" .. name), values))
    end
    local child = process.start { command = {
        "kamailio", "-DD", "-E", "-m", "512", "-M", "32", "-f", folder .. "/kamailio.cfg", "-w", folder, "-Y", folder,
    } }
    M.wait_bound(child, at(20), 5060)
    local processes = { child }
    if relay then processes[2] = relay.processes[1] end
    return { processes = processes, server = storage }
end

--- options: workers, media_threads (1), route (scripts/sbc.lua), log_level (error, as Kamailio's debug=-1)
function M.lunasip(at, options)
    local engine = lunasip.start {
        public = { ("udp:%s:5060"):format(at(10)) }, private = { ("udp:%s:5060"):format(at(20)) },
        media = { public = at(10), private = at(20), ports = { 30000, 49999 } },
        sets = { [1] = { ("sip:%s:5060"):format(at(11)) }, [2] = { ("sip:%s:5060"):format(at(21)) } },
        route = options.route, workers = options.workers, timers = { t1_ms = 500, t2_ms = 4000, t4_ms = 5000 },
        blocks = {
            media_threads = options.media_threads or 1, log = { level = options.log_level or "error" },
            threads = {}, -- as it is by default
        },
    }
    return { processes = { engine.process }, engine = engine }
end

--- Is a program of this name there?
function M.has(program)
    return os.execute("command -v " .. program .. " >/dev/null 2>&1") == 0 or io.open(program) ~= nil
end

return M
