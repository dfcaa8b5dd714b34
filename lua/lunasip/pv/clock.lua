--- Time: $Ts $TS $Tf $TV(x) $time(x) $timef(x) and their UTC twins. Virtual in the lab.
local core = require "lunasip.core"

local M = {}

local STARTED_S = math.floor(core.wall_us() / 1000000)

-- The cached variables give one moment per handler run.
local function run_us(m)
    local vars = m and core.vars(m)
    if not vars then
        return core.wall_us()
    end
    if not vars["clock:us"] then
        vars["clock:us"] = core.wall_us()
    end
    return vars["clock:us"]
end

local function seconds(us)
    return math.floor(us / 1000000)
end

local function now_s()
    return seconds(core.wall_us())
end

local function printed(s)
    return os.date("%a %b %d %H:%M:%S %Y", s)
end

M.Tb = {
    get = function()
        return STARTED_S
    end,
}
M.Ts = {
    get = function(m)
        return seconds(run_us(m))
    end,
}
M.TS = { get = now_s }
M.Tf = {
    get = function(m)
        return printed(seconds(run_us(m)))
    end,
}
M.TF = {
    get = function()
        return printed(now_s())
    end,
}

local function fraction(us)
    return us % 1000000
end

local MOMENTS = {
    s = function(m)
        return seconds(run_us(m))
    end,
    u = function(m)
        return fraction(run_us(m))
    end,
    sn = function(m)
        local us = core.wall_us()
        if m then
            core.vars(m)["clock:sn"] = us
        end
        return seconds(us)
    end,
    un = function(m)
        return fraction(m and core.vars(m)["clock:sn"] or core.wall_us())
    end,
    n = function()
        return core.wall_us() / 1000000
    end,
    Sn = function()
        local us = core.wall_us()
        return ("%d.%06d"):format(seconds(us), fraction(us))
    end,
    Sm = function()
        return ("%d.%03d000"):format(math.floor(core.clock_ms() / 1000), core.clock_ms() % 1000)
    end,
}

local FIELDS = {
    sec = function(t)
        return t.sec
    end,
    min = function(t)
        return t.min
    end,
    hour = function(t)
        return t.hour
    end,
    mday = function(t)
        return t.day
    end,
    mon = function(t)
        return t.month
    end,
    year = function(t)
        return t.year
    end,
    wday = function(t)
        return t.wday
    end,
    yday = function(t)
        return t.yday
    end,
    isdst = function(t)
        return t.isdst and 1 or 0
    end,
}

local function one_of(choices, name, get)
    return {
        argument = "required",
        prepare = function(argument)
            return choices[argument], "$" .. name .. "(" .. argument .. ") does not exist"
        end,
        get = get,
    }
end

M.TV = one_of(MOMENTS, "TV", function(m, read)
    return read(m)
end)
M.time = one_of(FIELDS, "time", function(_, read)
    return read(os.date("*t", now_s()))
end)
M.utime = one_of(FIELDS, "utime", function(_, read)
    return read(os.date("!*t", now_s()))
end)

local function formatted(mark)
    return {
        argument = "required",
        get = function(_, format)
            if format:find "^!?%*t" then
                return nil -- not a format of strftime: os.date would give a table
            end
            return os.date(mark .. format, now_s())
        end,
    }
end

M.timef = formatted ""
M.utimef = formatted "!"

return M
