--- What may be said to the lab: the options of each call, checked where a spec says them.
--
-- A misspelt option that nobody reads makes a spec pass for nothing, so that every table of options is compared
-- with this list, and a fault is raised at the spec's own line, however deep in the library it is found.
local suggest = require "lunasip.suggest"

local M = {}

local HERE = debug.getinfo(1, "S").source:match "^(@.*)/lab/[^/]+$" .. "/"

-- ---- kinds of values ----

local function is_seconds(value)
    return type(value) == "number" and value >= 0 and value < math.huge
end

local function one_of(type_name, ...)
    local types = { type_name, ... }
    return { name = "a " .. table.concat(types, " or a "), fits = function(value)
        for _, wanted in ipairs(types) do
            if type(value) == wanted then
                return true
            end
        end
    end }
end

local TEXT, TABLE, FLAG, CALL = one_of "string", one_of "table", one_of "boolean", one_of "function"
local TEXT_OR_TABLE, NUMBER, BODY = one_of("string", "table"), one_of "number", one_of("boolean", "string", "table")
local ANYTHING = { fits = function() return true end }
local CHANCE = { name = "a chance from 0 to 1", fits = function(value)
    return type(value) == "number" and value >= 0 and value <= 1
end }
local Q = { name = "a number from 0 to 1", fits = CHANCE.fits }
local SECONDS = { name = "a number of seconds, 0 or more", fits = is_seconds }
local COUNT = { name = "a whole number, 0 or more", fits = function(value)
    return is_seconds(value) and value % 1 == 0
end }
local LEVEL = { name = "\"error\", \"warning\", \"info\" or \"debug\"", fits = function(value)
    return value == "error" or value == "warning" or value == "info" or value == "debug"
end }

-- ---- calls ----

local function with(base, more)
    local all = {}
    for _, part in ipairs { base, more } do
        for name, kind in pairs(part) do
            all[name] = kind
        end
    end
    return all
end

local ENGINE = {
    conf = TEXT_OR_TABLE, route = TEXT, workers = COUNT, log_level = LEVEL, name = TEXT, lua_dir = TEXT,
    check = FLAG, users = TABLE,
}
local REQUEST = {
    sdp = BODY, body = TEXT, content_type = TEXT, headers = TABLE, max_forwards = COUNT, to = TEXT, dialog = TABLE,
    cseq = COUNT, request_uri = TEXT, once = FLAG,
}
local SDP_STREAM = {
    kind = TEXT, codecs = TABLE, direction = TEXT, port = COUNT, host = TEXT, profile = TEXT, formats = TEXT,
    lines = TABLE,
}
local HTTP_ANSWER = {
    status = COUNT, headers = TABLE, body = TEXT, delay = SECONDS, fail = one_of("boolean", "string"),
}
local HTTP = with(HTTP_ANSWER, { url = TEXT })
-- Of a pattern: what is wanted, or a function that is asked.
local SDP_FOUND = {
    kind = ANYTHING, port = ANYTHING, host = ANYTHING, profile = ANYTHING, formats = ANYTHING, codecs = ANYTHING,
    direction = ANYTHING, rtcp = ANYTHING, mux = ANYTHING, attributes = ANYTHING,
}

local KNOWN = {
    ["lab.new"] = with(ENGINE, { seed = NUMBER, databases = TABLE }),
    ["net:engine"] = ENGINE,
    ["net:agent"] = {
        name = TEXT, user = TEXT, address = TEXT, side = TEXT, engine = TEXT, proxy = TEXT, auto_ack = FLAG,
        auto_options = FLAG, auto_cancel = FLAG, auto_prack = FLAG, credentials = TABLE, advertise = TEXT,
    },
    ["credentials"] = { username = TEXT, password = TEXT },
    ["net:impair"] = {
        loss = CHANCE, duplicate = CHANCE, reorder = CHANCE, delay = SECONDS, jitter = SECONDS,
        between = TEXT_OR_TABLE,
    },
    ["net:dns"] = { delay = SECONDS },
    ["net:dns record"] = {
        A = TEXT_OR_TABLE, AAAA = TEXT_OR_TABLE, SRV = TEXT_OR_TABLE, NAPTR = TEXT_OR_TABLE, ttl = COUNT,
    },
    ["net:database"] = { url = TEXT, sql = TEXT },
    ["net:http"] = HTTP,
    ["server:answer"] = HTTP_ANSWER,
    ["db:impair"] = { delay = SECONDS, fail = one_of("boolean", "string") },
    ["net:reload"] = { source = TEXT },
    ["net:replay"] = { engine = TABLE, near = TABLE, ignore = TABLE, is_reported = FLAG },
    ["net:ladder"] = {
        changes = FLAG, most = COUNT, colour = FLAG, names = TABLE, is_engine = CALL, place = CALL,
    },
    ["agent:request"] = REQUEST,
    ["agent:ask"] = with(REQUEST, { uri = TEXT }),
    ["agent:register"] = {
        uri = TEXT, aor = TEXT, expires = COUNT, contact = TEXT_OR_TABLE, q = Q, refresh = FLAG, headers = TABLE,
    },
    ["agent:ack"] = { cseq = COUNT, sdp = BODY, dialog = TABLE },
    ["agent:reply"] = {
        reason = TEXT, sdp = BODY, body = TEXT, content_type = TEXT, headers = TABLE, to_tag = TEXT, reliable = FLAG,
        quietly = FLAG,
    },
    ["agent:receive"] = { status = COUNT, method = TEXT },
    ["sdp"] = SDP_STREAM,
    ["assert.sdp"] = with(SDP_FOUND, {
        streams = TABLE, origin = ANYTHING, version = ANYTHING, connection = ANYTHING, lines = ANYTHING,
    }),
    ["assert.sdp stream"] = SDP_FOUND,
    ["assert.no_address"] = { where = TEXT_OR_TABLE, except = TEXT_OR_TABLE, net = TABLE },
}

-- ---- faults ----

local function is_ours(source)
    return source:sub(1, #HERE) == HERE or source:find("/luassert/", 1, true) or source:sub(1, 1) == "="
end

--- Fail at the line of the spec: the nearest caller that is not a part of the lab.
function M.misuse(text, ...)
    local level = 2
    local caller = debug.getinfo(level, "S")
    while caller and is_ours(caller.source) do
        level = level + 1
        caller = debug.getinfo(level, "S")
    end
    error(select("#", ...) > 0 and text:format(...) or text, caller and level or 0)
end

local function told(value)
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function check_value(call, name, kind, value)
    if not kind.fits(value) then
        M.misuse("%s: %s is %s, not %s", call, name, told(value), kind.name)
    end
end

--- Compare the options of a call with those that it has.
-- @string call as in the list above; told in the fault
-- @param given a table, or nil for none
-- @return given, or an empty table
function M.check(call, given)
    if given == nil then
        return {}
    elseif type(given) ~= "table" then
        M.misuse("%s: options are a table, not %s", call, told(given))
    end
    local known = KNOWN[call]
    for name, value in pairs(given) do
        if not known[name] and type(name) == "string" then
            M.misuse("%s: unknown option '%s'%s", call, name, suggest.hint(name, known))
        elseif not known[name] then
            M.misuse("%s: options have names; %s has none", call, told(value))
        end
        check_value(call, name, known[name], value)
    end
    return given
end

--- A value that must be there and of a type: `need("agent:reply", "status", status, "number")`.
-- @return the value
function M.need(call, name, value, type_name)
    if type(value) ~= type_name then
        M.misuse("%s: %s is %s, not a %s", call, name, told(value), type_name)
    end
    return value
end

--- A time to wait, or nil. @return it
function M.seconds(call, value)
    if value ~= nil then
        check_value(call, "the time", SECONDS, value)
    end
    return value
end

--- A message that was received or sent. @return it
function M.message(call, value)
    if type(value) ~= "table" or type(value.header) ~= "function" or type(value.values) ~= "function" then
        M.misuse("%s: a message is wanted, not %s", call, told(value))
    end
    return value
end

--- The current call of an agent, which a method is about. @return it
function M.call(agent, method)
    return agent.call or M.misuse("agent:%s: %s has no call", method, agent.name)
end

--- What an SDP is to be made from: true, false or nil, a text, or a list of streams.
function M.check_sdp(wanted)
    if type(wanted) ~= "table" then
        return
    end
    local names = {}
    for name, value in pairs(wanted) do
        if type(name) ~= "number" then
            names[name] = value
        elseif type(value) == "table" then
            M.check("sdp", value)
        end
    end
    M.check("sdp", names)
end

--- A pattern of assert.sdp. @return it, or an empty one
function M.check_pattern(pattern)
    M.check("assert.sdp", pattern)
    for _, stream in pairs(pattern and pattern.streams or {}) do
        if type(stream) == "table" then
            M.check("assert.sdp stream", stream)
        end
    end
    return pattern or {}
end

return M
