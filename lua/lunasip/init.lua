--- The primitives that a routing script sees: local sip = require "lunasip".
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"

local M = {
    auth = require "lunasip.auth",
    dialog = require "lunasip.dialog",
    call = require "lunasip.call",
    dispatcher = require "lunasip.dispatcher",
    http = require "lunasip.http",
    log = require "lunasip.log",
    media = require "lunasip.media",
    nat = require "lunasip.nat",
    registrar = require "lunasip.registrar",
    shared = require "lunasip.shared",
    sql = require "lunasip.sql",
    timer = require "lunasip.timers",
    trunk = require "lunasip.trunk",
}

--- Wait; other calls go on meanwhile, later messages of this call queue up. Yields.
-- @number seconds
-- @treturn boolean true, or nil, err ("cancelled" when the caller gave up meanwhile)
function M.sleep(seconds)
    if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 3600) then
        error("sip.sleep: seconds from 0 to 3600 are needed, not " .. tostring(seconds), 2)
    end
    return core.sleep(math.floor(seconds * 1000 + 0.5))
end

--- Fill in a format: sip.format(req, "$fU@$fd"). An unknown variable raises.
function M.format(message, text)
    local print_format, err = require("lunasip.format").compile(text)
    if not print_format then
        error(err, 2)
    end
    return print_format(message)
end

--- Does the message come from one of the networks that the configuration's address block names?
-- @usage if not sip.source_in(req, "trunks") then return req:reply(403, "Forbidden") end
M.source_in = function(message, group)
    return core.source_in(message, group)
end

--- The listen interfaces by name: sip.interface.public.address == req["$Ri"].
-- Fields: name, proto, address, port, advertised_address, advertised_port (first listener of the name).
M.interface = setmetatable({}, {
    __metatable = false,
    __newindex = function()
        error("sip.interface: interfaces are named in the configuration's listen block", 2)
    end,
    __index = function(_, name)
        local interfaces = core.interfaces()
        local found = interfaces[name]
        if not found then
            error("no interface '" .. tostring(name) .. "' in the configuration's listen block"
                .. suggest.hint(tostring(name), interfaces), 2)
        end
        return found
    end,
})

return M
