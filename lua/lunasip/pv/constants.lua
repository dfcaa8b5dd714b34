--- What does not come from a message: $null $env(x) $RANDOM $HN(x) $K(x) $C(xy) $Eb ….
local core = require "lunasip.core"

local M = {}

local function constant(value)
    return {
        get = function()
            return value
        end,
    }
end

M.null = constant(nil)
M["$"] = constant "$"

for letter, character in pairs {
    b = "\\", n = "\n", r = "\r", t = "\t", s = " ", c = ",", q = '"', k = "'", i = ":", j = ";", v = "`",
} do
    M["E" .. letter] = constant(character)
end

M["true"] = constant(1)

local function choice(choices, name)
    return {
        argument = "required",
        prepare = function(argument)
            local value = choices[argument]
            if value == nil then
                return nil, "$" .. name .. "(" .. argument .. ") does not exist"
            end
            return value
        end,
        get = function(_, value)
            return value
        end,
    }
end

M.version = choice({ num = core.version, full = "lunasip " .. core.version, hash = core.version }, "version")

-- Unique over workers and restarts: when the state was first asked, a random number, a count. Nothing is drawn before,
-- so that a trace of the lab does not depend on how many workers load a script.
local began
local given = 0

M.sruid = {
    get = function()
        began = began
            or ("%x-%x"):format(math.floor(core.wall_us() / 1000000) % 4294967296, core.random(2147483647))
        given = given + 1
        return ("srid-%s-%x"):format(began, given)
    end,
}

-- $cfg(line), $cfg(name): where the script is.
local PLACES = {
    line = function()
        return (select(2, core.where()))
    end,
    name = function()
        return (core.where())
    end,
}
PLACES.file = PLACES.name

M.cfg = {
    argument = "required",
    prepare = function(argument)
        return PLACES[argument], "$cfg(" .. argument .. "): line, name or file; a script error names its function"
    end,
    get = function(_, read)
        return read()
    end,
}

-- $lsock(n/NAME/field), $lsock(l/proto:host:port/field): our listeners by name or address.
local FIELDS = {
    n = function(listener)
        return listener.name
    end,
    l = function(listener)
        return listener.proto .. ":" .. listener.address .. ":" .. listener.port
    end,
    a = function(listener)
        return listener.proto .. ":" .. listener.advertised_address .. ":" .. listener.advertised_port
    end,
    i = function(_, index)
        return index - 1
    end,
}

M.lsock = {
    argument = "required",
    get = function(_, expression)
        local by, value, field = expression:match "^([nl])/(.-)/(%a)%a*$"
        local read = FIELDS[field]
        if not by or not read then
            return nil
        end
        for index, listener in ipairs(core.listeners()) do
            if FIELDS[by](listener) == value then
                return read(listener, index)
            end
        end
        return nil
    end,
}

-- $_s(format): the argument is a format already.
M._s = {
    argument = "required",
    get = function(_, text)
        return text
    end,
}

M.env = {
    argument = "required",
    get = function(_, name)
        return os.getenv(name)
    end,
}
M.envn = {
    argument = "required",
    get = function(_, name)
        return tonumber(os.getenv(name) or "")
    end,
}

M.RANDOM = {
    get = function()
        return core.random(2147483647)
    end,
}

local function process_id()
    local file = io.open "/proc/self/stat"
    local pid = file and file:read "*n"
    if file then
        file:close()
    end
    return pid
end

M.pp = { get = process_id }

M.sid = constant(0)

M.K = choice({
    IPv4 = 2, IPv6 = 10, UDP = 1, TCP = 2, TLS = 3, SCTP = 4, WS = 5, WSS = 6,
}, "K")

-- Host name, from the kernel; domain and full name as far as the name itself has them.
local function host_name()
    local file = io.open "/proc/sys/kernel/hostname"
    local name = file and file:read "*l" or ""
    if file then
        file:close()
    end
    return name
end

M.HN = {
    argument = "required",
    prepare = function(argument)
        local name = host_name()
        local parts = { n = name:match "^[^.]*", f = name, d = name:match "^[^.]*%.(.*)$" or "" }
        return parts[argument], "$HN(n), $HN(f) or $HN(d)"
    end,
    get = function(_, value)
        return value
    end,
}

local COLOUR = { x = 9, s = 0, r = 1, g = 2, y = 3, b = 4, p = 5, c = 6, w = 7 }

M.C = {
    argument = "required",
    prepare = function(argument)
        local front, back = argument:match "^(%a)(%a)$"
        front, back = front and COLOUR[front:lower()], back and COLOUR[back:lower()]
        if not front or not back then
            return nil, "$C(xy): two letters of x s r g y b p c w"
        end
        local bold = argument:sub(1, 1):match "%u" and "1;" or "0;"
        return "\27[" .. bold .. (30 + front) .. ";" .. (40 + back) .. "m"
    end,
    get = function(_, sequence)
        return sequence
    end,
}

return M
