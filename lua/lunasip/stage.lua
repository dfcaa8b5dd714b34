--- The stage (engine/stage/stage.h) for Lua: engines, sockets of agents, time, and what happened.
--
-- Two worlds, one interface: `stage.open { seed = 7 }` is the lab's virtual network and clock,
-- `stage.open { real = true }` real sockets. Nothing here calls back from C: Lua runs the world
-- until an agent has a datagram or a timer of its own is due.
local ffi = require "ffi"

ffi.cdef [[
struct stage;
struct stage_datagram { int socket; const char *bytes; size_t size_bytes; const char *source; uint64_t time_us; };
struct stage_packet {
    uint64_t time_us; const char *source, *destination, *bytes; size_t size_bytes; bool lost; uint64_t arrival_us[2];
    const char *cause;
};
struct stage_file { const char *path; const uint32_t *count; size_t lines; };
struct stage_line { int engine, level; const char *group, *call_id, *text; uint64_t time_us; };
struct stage *stage_create(bool is_real, uint64_t seed);
void stage_release(struct stage *stage);
int stage_engine(struct stage *stage, const char *conf_path, const char *lua_dir, const char *route_path,
                 unsigned workers, int log_level, char *fault, size_t fault_bytes);
int stage_check(const char *conf_path, const char *lua_dir, const char *route_path, char *fault, size_t fault_bytes);
void stage_engine_stop(struct stage *stage, int engine);
int stage_reload(struct stage *stage, int engine, const char *route_path, char *fault, size_t fault_bytes);
void stage_held(struct stage *stage, int engine, uint64_t counts[5]);
const char *stage_command(struct stage *stage, int engine, const char *words);
int stage_socket_open(struct stage *stage, const char *address);
void stage_socket_close(struct stage *stage, int socket);
const char *stage_socket_address(struct stage *stage, int socket);
int stage_socket_send(struct stage *stage, int socket, const char *address, const char *bytes, size_t size_bytes);
bool stage_receive(struct stage *stage, struct stage_datagram *datagram);
uint64_t stage_now_us(const struct stage *stage);
bool stage_run(struct stage *stage, uint64_t until_us);
bool stage_packet(struct stage *stage, struct stage_packet *packet);
bool stage_log(struct stage *stage, struct stage_line *line);
const char *stage_record(struct stage *stage, int *engine);
void stage_impair(struct stage *stage, uint32_t loss, uint32_t duplicate, uint32_t reorder,
                  uint32_t delay_us, uint32_t jitter_us);
int stage_impair_link(struct stage *stage, const char *a, const char *b, uint32_t loss, uint32_t duplicate,
                      uint32_t reorder, uint32_t delay_us, uint32_t jitter_us);
void stage_heal_links(struct stage *stage);
int stage_name(struct stage *stage, const char *name, const char *type, const char *value, uint32_t ttl_s);
void stage_name_remove(struct stage *stage, const char *name);
void stage_name_delay(struct stage *stage, uint32_t delay_ms);
int stage_database(struct stage *stage, const char *url);
int stage_database_load(struct stage *stage, int database, const char *sql, char *fault, size_t fault_bytes);
const char *stage_database_rows(struct stage *stage, int database, const char *sql, char *fault, size_t fault_bytes);
void stage_database_impair(struct stage *stage, int database, uint32_t delay_ms, int error);
struct stage_http_answer {
    const char *url; unsigned status; const char *head, *body; size_t body_bytes; uint32_t delay_ms; int error;
};
int stage_http_set(struct stage *stage, const struct stage_http_answer *answer);
struct stage_http_request {
    const char *method, *url, *head, *body; size_t method_bytes, url_bytes, head_bytes, body_bytes;
};
bool stage_http_request(const struct stage *stage, size_t i, struct stage_http_request *request);
int stage_cover(struct stage *stage);
bool stage_covered(const struct stage *stage, size_t i, struct stage_file *file);
uint64_t stage_live_objects(void);
const char *error_text(int error);
]]

-- Inside the command its own symbols serve; in plain busted the shared library does.
local function load_engine()
    if pcall(function() return ffi.C.stage_create end) then
        return ffi.C
    end
    local build = os.getenv "LUNASIP_BUILD" or "build"
    return ffi.load(build .. "/liblunasip.so")
end

local engine = load_engine()
local FAULT_BYTES = 65536 -- a line for each fault of a script
local NEVER_US = 0xffffffffffffffffULL
local NAME_TTL_S = 300
local LEVELS = { [0] = "error", "warning", "info", "debug" }

local M = {}
local Stage = {}
Stage.__index = Stage

--- The engine's symbols, as they were found: for specs that reach deeper.
M.library = engine

--- Open a world.
-- @tparam table options real = true, or seed = number
function M.open(options)
    local handle = engine.stage_create(options.real or false, options.seed or 1)
    if handle == nil then
        error("no memory for a stage", 2)
    end
    ffi.gc(handle, engine.stage_release) -- a test that failed may never close it
    return setmetatable({ handle = handle, handlers = {}, timers = {}, order = 0, is_real = options.real }, Stage)
end

--- Objects of the engine alive in this process: for leak checks.
function M.live_objects()
    return tonumber(engine.stage_live_objects())
end

--- Start an engine.
-- @string conf_path configuration file
-- @tparam table options lua_dir, route, workers, log_level ("info")
-- @return its number, or nil and one line
function Stage:engine(conf_path, options)
    options = options or {}
    local fault = ffi.new("char[?]", FAULT_BYTES)
    local levels = { error = 0, warning = 1, info = 2, debug = 3 }
    local number = engine.stage_engine(self.handle, conf_path, options.lua_dir or M.lua_dir(), options.route,
        options.workers or 0, levels[options.log_level or "info"], fault, FAULT_BYTES)
    if number < 0 then
        return nil, ffi.string(fault)
    end
    return number
end

--- What `lunasip check` says of a configuration and its script.
-- @string conf_path configuration file
-- @tparam table options route, lua_dir
-- @return true, or nil and its words
function M.check(conf_path, options)
    local fault = ffi.new("char[?]", FAULT_BYTES)
    if engine.stage_check(conf_path, options.lua_dir or M.lua_dir(), options.route, fault, FAULT_BYTES) ~= 0 then
        return nil, ffi.string(fault)
    end
    return true
end

--- Where lua/ is: this file's own place.
function M.lua_dir()
    return debug.getinfo(1, "S").source:match "^@(.*)/lunasip/stage%.lua$"
end

function Stage:stop_engine(number)
    engine.stage_engine_stop(self.handle, number)
end

--- @return true, or nil and one line
function Stage:reload(number, route)
    local fault = ffi.new("char[?]", FAULT_BYTES)
    if engine.stage_reload(self.handle, number, route, fault, FAULT_BYTES) ~= 0 then
        return nil, ffi.string(fault)
    end
    return true
end

--- A verb of `lunasip ctl`; the answer as JSON text {code, text, data}.
function Stage:command(number, ...)
    local words = {}
    for i, word in ipairs { ... } do
        words[i] = '"' .. tostring(word):gsub('[\\"]', "\\%0") .. '"'
    end
    local answer = engine.stage_command(self.handle, number, "[" .. table.concat(words, ",") .. "]")
    return answer ~= nil and ffi.string(answer) or nil
end

--- What the calls of an engine hold.
-- @return transactions, dialogs, calls with media, ports, ports that none has and that cannot be taken either
function Stage:held(number)
    local counts = ffi.new "uint64_t[5]"
    engine.stage_held(self.handle, number, counts)
    return tonumber(counts[0]), tonumber(counts[1]), tonumber(counts[2]), tonumber(counts[3]),
        tonumber(counts[4])
end

local Socket = {}
Socket.__index = Socket

--- Bind a datagram socket; `handler(bytes, source, time_s)` gets what arrives.
-- @return socket with `address` ("HOST:PORT"), or nil and a text
function Stage:socket(address, handler)
    local number = engine.stage_socket_open(self.handle, address)
    if number < 0 then
        return nil, address .. ": cannot be bound"
    end
    self.handlers[number] = handler
    return setmetatable({
        stage = self, number = number,
        address = ffi.string(engine.stage_socket_address(self.handle, number)),
    }, Socket)
end

function Socket:send(address, bytes)
    return engine.stage_socket_send(self.stage.handle, self.number, address, bytes, #bytes) == 0
end

function Socket:close()
    if self.stage.handle then
        engine.stage_socket_close(self.stage.handle, self.number)
    end
    self.stage.handlers[self.number] = nil
end

--- Seconds since the world began (lab) or monotonic (real).
function Stage:now()
    return tonumber(engine.stage_now_us(self.handle)) / 1e6
end

--- Call `action` once, `delay_s` from now. @return timer, for `stage:cancel`
function Stage:after(delay_s, action)
    self.order = self.order + 1
    local timer = { due = self:now() + delay_s, order = self.order, action = action }
    table.insert(self.timers, timer)
    return timer
end

function Stage.cancel(_, timer)
    if timer then
        timer.action = nil
    end
end

-- Earliest timer that was not cancelled; first come first served within the same instant.
local function next_timer(self)
    local best, at
    for i = #self.timers, 1, -1 do
        local timer = self.timers[i]
        if not timer.action then
            table.remove(self.timers, i)
            at = at and at - 1
        elseif not best or timer.due < best.due or (timer.due == best.due and timer.order < best.order) then
            best, at = timer, i
        end
    end
    return best, at
end

local function deliver(self)
    local datagram = ffi.new "struct stage_datagram"
    local any = false
    while engine.stage_receive(self.handle, datagram) do
        local handler = self.handlers[datagram.socket]
        local bytes, source = ffi.string(datagram.bytes, datagram.size_bytes), ffi.string(datagram.source)
        local time_s = tonumber(datagram.time_us) / 1e6
        any = true
        if handler then
            handler(bytes, source, time_s)
        end
    end
    return any
end

-- The clock counts whole microseconds: a time between two of them would never come.
local function whole_us(seconds)
    return math.floor(seconds * 1e6 + 0.5)
end

--- Let the world go on until `is_done()` is true or `seconds` have passed.
-- @return true when it is done
function Stage:run(seconds, is_done)
    local deadline_us = whole_us(self:now() + seconds)
    while true do
        if is_done and is_done() then
            return true
        end
        local timer, at = next_timer(self)
        local now_us = tonumber(engine.stage_now_us(self.handle))
        local due_us = timer and whole_us(timer.due) or math.huge
        if due_us <= now_us then
            table.remove(self.timers, at)
            timer.action()
        elseif now_us >= deadline_us then
            return false
        else
            engine.stage_run(self.handle, math.min(deadline_us, due_us))
            deliver(self)
        end
    end
end

-- Times at which a packet arrives: none when it was lost, two when it was duplicated.
local function arrivals_of(packet)
    local list = {}
    for i = 0, 1 do
        if packet.arrival_us[i] ~= NEVER_US then
            list[#list + 1] = tonumber(packet.arrival_us[i]) / 1e6
        end
    end
    return list
end

--- Iterate over datagrams that crossed the lab's network since the last call: { time, source, destination, lost,
-- bytes, arrivals, cause }. Cause is why the engine sent it: "route.lua:12", "timer A", or nil.
function Stage:packets()
    local packet = ffi.new "struct stage_packet"
    return function()
        if engine.stage_packet(self.handle, packet) then
            return {
                time = tonumber(packet.time_us) / 1e6, source = ffi.string(packet.source),
                destination = ffi.string(packet.destination), lost = packet.lost,
                bytes = ffi.string(packet.bytes, packet.size_bytes), arrivals = arrivals_of(packet),
                cause = packet.cause[0] ~= 0 and ffi.string(packet.cause) or nil,
            }
        end
    end
end

--- Lab: count the lines of scripts that run, in engines made from now on.
function Stage:cover()
    if engine.stage_cover(self.handle) ~= 0 then
        error("no memory for the coverage", 2)
    end
end

--- Lab: lines that ran so far, path -> { [line] = count }.
function Stage:covered()
    local files, file, i = {}, ffi.new "struct stage_file", 0
    while engine.stage_covered(self.handle, i, file) do
        local counts = {}
        for line = 1, tonumber(file.lines) - 1 do
            if file.count[line] > 0 then
                counts[line] = file.count[line]
            end
        end
        files[ffi.string(file.path)] = counts
        i = i + 1
    end
    return files
end

--- Iterate over log lines since the last call: { engine, level, group, call_id, text, time }.
function Stage:log()
    local line = ffi.new "struct stage_line"
    return function()
        if engine.stage_log(self.handle, line) then
            return {
                engine = line.engine, level = LEVELS[line.level], group = ffi.string(line.group),
                call_id = ffi.string(line.call_id), text = ffi.string(line.text), time = tonumber(line.time_us) / 1e6,
            }
        end
    end
end

--- Lab: iterate over the records of calls since the last call: number of the engine, line of JSON.
function Stage:records()
    local number = ffi.new "int[1]"
    return function()
        local line = engine.stage_record(self.handle, number)
        if line ~= nil then
            return number[0], ffi.string(line)
        end
    end
end

local function in_units_of_c(given)
    local function per_mille(value) return math.floor((value or 0) * 1000 + 0.5) end
    local function microseconds(value) return math.floor((value or 0) * 1e6 + 0.5) end
    return per_mille(given.loss), per_mille(given.duplicate), per_mille(given.reorder),
        microseconds(given.delay), microseconds(given.jitter)
end

--- Lab: { loss, duplicate, reorder } as probabilities 0-1, { delay, jitter } in seconds.
function Stage:impair(given)
    engine.stage_impair(self.handle, in_units_of_c(given))
end

--- Lab: the same between two hosts only, instead; without `b` between `a` and everybody.
function Stage:impair_link(a, b, given)
    if engine.stage_impair_link(self.handle, a, b, in_units_of_c(given)) ~= 0 then
        error(("not two hosts: %s, %s"):format(tostring(a), tostring(b)), 2)
    end
end

--- Lab: forget every impair_link().
function Stage:heal_links()
    engine.stage_heal_links(self.handle)
end

--- Lab: a record of the virtual name server, `stage:name("gw.example", "A", "192.0.2.1")`.
function Stage:name(name, kind, value, ttl_s)
    if engine.stage_name(self.handle, name, kind, value, ttl_s or NAME_TTL_S) ~= 0 then
        error("not a record: " .. kind .. " " .. value, 2)
    end
end

--- Lab: there is no such name any more.
function Stage:remove_name(name)
    engine.stage_name_remove(self.handle, name)
end

--- Lab: names are answered so many seconds later.
function Stage:delay_names(seconds)
    engine.stage_name_delay(self.handle, math.floor(seconds * 1000 + 0.5))
end

--- Lab: the database of a URL. @return its number, or nil and why
function Stage:database(url)
    local number = engine.stage_database(self.handle, url)
    if number < 0 then
        return nil, "no database '" .. url .. "': " .. ffi.string(engine.error_text(number))
    end
    return number
end

--- Lab: run statements separated by ';' in it. @return true, or nil and why
function Stage:load_database(number, sql)
    local fault = ffi.new("char[?]", FAULT_BYTES)
    if engine.stage_database_load(self.handle, number, sql, fault, FAULT_BYTES) ~= 0 then
        return nil, ffi.string(fault)
    end
    return true
end

--- Lab: the rows of one statement as JSON. @return text, or nil and why
function Stage:database_rows(number, sql)
    local fault = ffi.new("char[?]", FAULT_BYTES)
    local rows = engine.stage_database_rows(self.handle, number, sql, fault, FAULT_BYTES)
    if rows == nil then
        return nil, ffi.string(fault)
    end
    return ffi.string(rows)
end

-- Why a request can fail: the word of sip.http -> enum engine_error.
local HTTP_ERRORS = { unavailable = -5, timeout = -6, refused = -2, limit = -4 }
Stage.http_errors = HTTP_ERRORS

--- Lab: what is answered to URLs that begin with a text; delay in seconds; fail: a reason of http_errors, or nil.
-- @return true, or nil and why
function Stage:set_http(url, answer)
    local body = answer.body or ""
    local error = engine.stage_http_set(self.handle, ffi.new("struct stage_http_answer", {
        url = url, status = answer.status, head = answer.head, body = body, body_bytes = #body,
        delay_ms = math.floor((answer.delay or 0) * 1000 + 0.5), error = HTTP_ERRORS[answer.fail] or 0,
    }))
    if error ~= 0 then
        return nil, ffi.string(engine.error_text(error))
    end
    return true
end

--- Lab: the i-th request that arrived, from 1. @return method, URL, head, body (nil: none); nil when there are fewer
function Stage:http_request(i)
    local request = ffi.new "struct stage_http_request"
    if not engine.stage_http_request(self.handle, i - 1, request) then
        return nil
    end
    local function text(p, n)
        return p ~= nil and ffi.string(p, n) or nil
    end
    return text(request.method, request.method_bytes), text(request.url, request.url_bytes),
        text(request.head, request.head_bytes), text(request.body, request.body_bytes)
end

-- Why a query can fail: the word of sip.sql -> enum engine_error.
local DATABASE_ERRORS = { unavailable = -5, timeout = -6, refused = -2, exists = -3, limit = -4 }
Stage.database_errors = DATABASE_ERRORS

--- Lab: answers of it come so many seconds later; queries fail for a reason of database_errors, or not (nil).
function Stage:impair_database(number, delay, reason)
    engine.stage_database_impair(self.handle, number, math.floor((delay or 0) * 1000 + 0.5),
        DATABASE_ERRORS[reason] or 0)
end

function Stage:close()
    if self.handle then
        engine.stage_release(ffi.gc(self.handle, nil))
        self.handle = nil
    end
end

return M
