--- A stand-in for the engine's C functions, and messages made of plain tables.
--
-- Plain busted has no engine. The parsers here are small and strict enough for the specs; the real
-- ones are tested beside their C code. Time stands still unless a spec moves fake.now_us.
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local fake = {
    now_us = 1000000000000000, -- 2001-09-09 01:46:40 UTC
    logged = {},
    stored = {},
    calls = {},
    interfaces_table = {
        public = { name = "public", proto = "udp", address = "127.0.0.10", port = 5060,
            advertised_address = "192.0.2.7", advertised_port = 5062,
            listens = { ["127.0.0.10"] = { [5060] = true } } },
        private = { name = "private", proto = "udp", address = "127.0.0.20", port = 5060,
            advertised_address = "127.0.0.20", advertised_port = 5060,
            listens = { ["127.0.0.20"] = { [5060] = true } } },
    },
}

local core = {}

function core.uri_parse(text)
    local scheme, rest = text:match "^(%a[%w+.-]*):(.+)$"
    if not scheme then
        return nil, "no scheme"
    end
    local parsed = { scheme = scheme:lower(), whole = text }
    local before, headers = rest:match "^([^?]*)%?(.*)$"
    parsed.headers, rest = headers, before or rest
    local userinfo, host_part = rest:match "^([^@]*)@(.*)$"
    if userinfo then
        parsed.user, parsed.password = userinfo:match "^([^:]*):(.*)$"
        parsed.user = parsed.user or userinfo
    end
    host_part = host_part or rest
    local host, params = host_part:match "^([^;]*);(.*)$"
    host, parsed.params = host or host_part, params
    if parsed.scheme == "tel" or parsed.scheme == "urn" then
        parsed.user = host
        return parsed
    end
    local name, port = host:match "^(%[[^%]]+%]):?(%d*)$"
    if not name then
        name, port = host:match "^([%w.-]+):?(%d*)$"
    end
    if not name then
        return nil, "bad host"
    end
    parsed.host, parsed.port = name, tonumber(port)
    return parsed
end

function core.name_addr_parse(text)
    local display, uri, rest = text:match "^%s*(.-)%s*<([^>]*)>(.*)$"
    if not uri then
        uri, rest = text:match "^%s*([^;%s]+)(.*)$"
    end
    if not uri or not uri:find ":" then
        return nil, "no address"
    end
    local params = rest:match "^%s*;(.*)$"
    return {
        display = display ~= "" and display or nil,
        uri = uri,
        params = params,
        tag = params and (";" .. params):match ";tag=([^;]*)",
    }
end

local function note(level, message, text)
    fake.logged[#fake.logged + 1] = { level = level, call_id = message and message.call_id, text = text }
end

function core.log(text)
    note("info", fake.current, text)
end

function core.log_program(texts, variables)
    return { texts = texts, variables = variables }
end

-- As spec/script/log_test.c finds the engine's, for the simple cases. fake.current is the message of the handler.
function core.log_writer(level, programs, add)
    return function(first, ...)
        if type(first) ~= "string" then
            local current = fake.current
            fake.current = first
            core.log_writer(level, programs, add)(...)
            fake.current = current
            return
        end
        local program, out, message = programs[first] or add(first), {}, fake.current
        for i, text in ipairs(program.texts) do
            local variable = message and message.is_request ~= nil and program.variables[i]
            if variable then
                local value = variable.get(message)
                text = value == nil and "<null>" or tostring(value):gsub("%%", "%%%%")
            end
            out[i] = text
        end
        local text = table.concat(out)
        note(level, message, select("#", ...) > 0 and text:format(...) or text)
    end
end

function core.look() end

function core.note_file() end

function core.clock_ms()
    return math.floor(fake.now_us / 1000)
end

function core.wall_us()
    return fake.now_us
end

-- Digests of the specs' texts come from coreutils.
function core.hash(algorithm, bytes)
    local name = os.tmpname()
    local file = assert(io.open(name, "wb"))
    file:write(bytes)
    file:close()
    local pipe = assert(io.popen(algorithm .. "sum < " .. name))
    local digest = pipe:read "*l":match "^%x+"
    pipe:close()
    os.remove(name)
    return digest
end

-- Regular expressions are the engine's: spec/route/variables_spec.lua.
function core.regex(pattern)
    return pattern
end

function core.random(bound)
    fake.random_state = ((fake.random_state or 42) * 16807) % 2147483647
    return fake.random_state % bound
end

local function dictionary(name)
    fake.stored[name] = fake.stored[name] or {}
    return fake.stored[name]
end

function core.shared_get(name, key)
    return dictionary(name)[key]
end

function core.shared_set(name, key, value)
    dictionary(name)[key] = value
    return true
end

function core.shared_add(name, key, value)
    if dictionary(name)[key] ~= nil then
        return nil, "exists"
    end
    dictionary(name)[key] = value
    return true
end

function core.shared_incr(name, key, amount)
    local value = (dictionary(name)[key] or 0) + amount
    dictionary(name)[key] = value
    return value
end

function core.shared_delete(name, key)
    dictionary(name)[key] = nil
    return true
end

-- What the primitives were called with.
for _, name in ipairs {
    "timer", "sleep", "dispatcher_select", "dispatcher_next", "dispatcher_mark", "dispatcher_list",
    "dispatcher_is_from", "media_manage", "call_bridge", "call_hang_up",
} do
    core[name] = function(...)
        fake.calls[#fake.calls + 1] = { name, ... }
        return fake.answers and fake.answers[name] or true
    end
end

function core.media_flags_check(flags)
    for flag in flags:gmatch "%S+" do
        if flag:match "^[^=]*" == "no-such-flag" then
            return nil, "unknown flag '" .. flag .. "'"
        end
    end
    return true
end

core.version = "0.1.0"

function core.listeners()
    return { fake.interfaces_table.public, fake.interfaces_table.private }
end

function core.where()
    return "route.lua", 12
end

-- Messages of plain tables: other_request, other_reply, branches, direction_list as a spec gives them.
function core.request_of(m)
    return m.other_request
end

function core.reply_of(m)
    return m.other_reply
end

function core.branch_count(m)
    return m.branches_made
end

function core.branch_ruri(m)
    return m.branch_uri
end

function core.branch_address(m)
    return m.branch_host, m.branch_port
end

function core.direction(m)
    return unpack(m.direction_list or {})
end

-- A tracked call is its table of variables here.
function core.dialog_of(m)
    return m.tracked
end

function core.dialog_get(tracked, name)
    return tracked[name]
end

function core.dialog_set(tracked, name, value)
    tracked[name] = value
    return true
end

function core.record_get(tracked, name)
    return tracked[name]
end

function core.record_set(tracked, name, value)
    tracked[name] = value
    return true
end

function core.connection(m)
    return m.connection_id
end

function core.current_bytes(m)
    return m.bytes
end

function core.sql_check_url(url)
    return not url:find "^%l+:" and "a URL begins with sqlite:, postgres:// or mysql://" or nil
end

-- Databases are the engine's: spec/route/sql_spec.lua.
function core.sql_open()
    return 0
end

-- So are HTTP servers: spec/route/http_spec.lua.
function core.http_ask()
    return nil, "there is no server", "unavailable"
end

function core.interfaces()
    return fake.interfaces_table
end

-- The engine's list of numbers, read from its header.
function core.settings()
    if not fake.settings_list then
        fake.settings_list = {}
        local file = assert(io.open "engine/base/settings.h")
        local text = file:read("*a"):gsub("\\\n%s*", "")
        file:close()
        for block, name, value, least, most, help in
            text:gmatch 'XX%(([%w_]+), ([%w_]+), (%d+), (%d+), (%d+),%s*"([^"]*)"%)'
        do
            fake.settings_list[#fake.settings_list + 1] = {
                block = block, name = name, help = help,
                value = tonumber(value), least = tonumber(least), most = tonumber(most),
            }
        end
    end
    return fake.settings_list
end

local vars, avps = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

function core.vars(m)
    vars[m] = vars[m] or {}
    return vars[m]
end

function core.avps(m)
    avps[m] = avps[m] or {}
    return avps[m]
end

function core.set_pv(get, set)
    fake.pv_get, fake.pv_set = get, set
end

package.preload["lunasip.core"] = function()
    return core
end

local methods = {}

-- Words that are parts of other words.
local PARTS = {
    from_user = { "from_uri", "user" }, from_domain = { "from_uri", "host" },
    to_user = { "to_uri", "user" }, to_domain = { "to_uri", "host" },
}

local function part_of(m, name)
    local whole = rawget(m, PARTS[name][1])
    local parsed = whole and core.uri_parse(whole)
    return parsed and parsed[PARTS[name][2]] or nil
end

function methods:headers(name)
    local out = {}
    for _, header in ipairs(rawget(self, "header_list")) do
        if header[1]:lower() == name:lower() then
            out[#out + 1] = header[2]
        end
    end
    return out
end

function methods:header(name)
    return self:headers(name)[1]
end

--- A message: words as fields, header_list = { {"Name", "value"}, … }; m["$ru"] as in the engine.
function fake.message(words)
    local message = {}
    for key, value in pairs(words or {}) do
        message[key] = value
    end
    message.header_list = message.header_list or {}
    return setmetatable(message, {
        __index = function(m, key)
            if type(key) == "string" and key:sub(1, 1) == "$" then
                return (fake.pv_get(m, key))
            end
            if PARTS[key] then
                return part_of(m, key)
            end
            return methods[key]
        end,
        __newindex = function(m, key, value)
            if type(key) == "string" and key:sub(1, 1) == "$" then
                fake.pv_set(m, key, value)
            else
                rawset(m, key, value)
            end
        end,
    })
end

--- An INVITE as it comes in on the public interface.
function fake.invite(changes)
    local words = {
        is_request = true,
        method = "INVITE",
        ruri = "sip:100@127.0.0.10:5060;transport=udp",
        original_ruri = "sip:100@127.0.0.10:5060;transport=udp",
        source_ip = "127.0.0.1",
        source_port = 5070,
        received_ip = "127.0.0.10",
        received_port = 5060,
        advertised_ip = "192.0.2.7",
        advertised_port = 5062,
        interface = "public",
        proto = "udp",
        call_id = "call-1@127.0.0.1",
        cseq = 1,
        from_uri = "sip:alice@example.com",
        from_display = '"Alice A"',
        from_tag = "a1",
        to_uri = "sip:100@example.com",
        contact = "<sip:alice@127.0.0.1:5070>;expires=60",
        contact_uri = "sip:alice@127.0.0.1:5070",
        user_agent = "phone/1",
        content_type = "application/sdp",
        content_length = 5,
        body = "v=0\r\n",
        bytes = "INVITE sip:100@127.0.0.10 SIP/2.0\r\nVia: x\r\nFrom: y\r\n\r\nv=0\r\n",
        length = 60,
        id = 12,
        flags = 0,
        branch_flags = 0,
        script_flags = 0,
        header_list = {
            { "Via", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport=5070, SIP/2.0/TCP [::1]:5080;branch=z9hG4bK0" },
            { "Via", "SIP/2.0/UDP last.example.com;branch=z9hG4bK9" },
            { "Contact", "<sip:alice@127.0.0.1:5070>;expires=60" },
            { "CSeq", "1 INVITE" },
            { "X-Foo", "one" },
            { "X-Foo", "two" },
            { "Diversion", '"Bob, B" <sip:bob@example.com>;reason=busy;counter=2;privacy=off' },
            { "P-Asserted-Identity", "<sip:+4912@example.com>, <tel:+4912>" },
            { "Authorization", 'Digest username="alice@home.example", realm="example.com", uri="sip:example.com",'
                .. ' algorithm=MD5, nonce="a,b"' },
        },
    }
    for key, value in pairs(changes or {}) do
        words[key] = value
    end
    return fake.message(words)
end

function fake.reset()
    fake.logged, fake.stored, fake.calls, fake.answers, fake.current = {}, {}, {}, nil, nil
end

fake.core = core
return fake
