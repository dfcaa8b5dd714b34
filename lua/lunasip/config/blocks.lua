--- The blocks of a configuration: each checks what was written and adds to the result.
--
-- A block is function (check, value, result, folder); check knows the line, folder ends with '/'.
local address = require "lunasip.config.address"
local checks = require "lunasip.config.check"

local M = {}

-- A path relative to the configuration's folder, without "a/../" and "./".
local function resolve_path(folder, path)
    if path:sub(1, 1) ~= "/" then
        path = folder .. path
    end
    local absolute, parts = path:sub(1, 1) == "/", {}
    for part in path:gmatch "[^/]+" do
        if part == ".." and #parts > 0 and parts[#parts] ~= ".." then
            parts[#parts] = nil
        elseif part ~= "." then
            parts[#parts + 1] = part
        end
    end
    return (absolute and "/" or "") .. table.concat(parts, "/")
end

-- A file that can be read now, so that the fault is said before anything starts.
local function readable(check, folder, path, what)
    local full = resolve_path(folder, path)
    local file, err = io.open(full, "rb")
    if not file or not file:read(0) and file:seek "end" ~= 0 then
        if file then
            file:close()
        end
        local why = file and "it is not a file" or err:match ": ([^:]*)$" or err
        check:fail(("%s '%s' cannot be read (%s); paths are relative to this file"):format(what, path, why), path)
    end
    file:close()
    check.files[#check.files + 1] = full
    return full
end

local function interface_name(check, name, block)
    if type(name) ~= "string" or not name:match "^%a[%w_]*$" or #name > 31 then
        check:fail(("'%s' is not a name; write %s { public = … }, of at most 31 letters"):format(tostring(name), block),
            name)
    end
    return name
end

-- One entry stands for a list of one; a table with named fields is an entry.
local function as_list(entries)
    if type(entries) == "table" then
        for key in pairs(entries) do
            if type(key) == "string" then
                return { entries }
            end
        end
    end
    return type(entries) == "string" and { entries } or entries
end

local function advertised(check, text, default_port)
    check:type(text, "string", "advertise", "advertise = \"HOST:PORT\"")
    local host, port = address.host_port(text)
    port = port or default_port
    local ok, err = address.port(port, "'" .. text .. "'")
    if not ok then
        check:fail(err, text)
    end
    if not address.family(host) and not host:match "^[%w][%w.-]*$" then
        check:fail("'" .. text .. "' is not an address to advertise; write advertise = \"HOST:PORT\"", text)
    end
    return host, port
end

local function add_listener(check, name, entry, result, seen)
    local text, advertise = entry, nil
    if type(entry) == "table" then
        check:keys(entry, { advertise = true }, "a listen entry")
        text, advertise = entry[1], entry.advertise
    end
    if type(text) ~= "string" then
        check:fail(("listen %s: an entry must be a text; write \"udp:HOST:PORT\""):format(name), name)
    end
    local listener, err = address.listener(text)
    if not listener then
        check:fail(err, text)
    end
    local identity = listener.proto .. ":" .. listener.host .. ":" .. listener.port
    if seen[identity] then
        check:fail(("'%s' is listed twice, in '%s' and '%s'; keep one"):format(text, seen[identity], name), text)
    end
    seen[identity] = name
    listener.interface = name
    if advertise ~= nil then
        listener.advertise_host, listener.advertise_port = advertised(check, advertise, listener.port)
    end
    result.listeners[#result.listeners + 1] = listener
end

local function add_listeners(check, name, entries, result, seen)
    interface_name(check, name, "listen")
    check:type(entries, "table", "listen " .. name, "{ \"udp:HOST:PORT\" }")
    if #entries == 0 then
        check:fail(("listen %s has no address; write %s = { \"udp:HOST:PORT\" }"):format(name, name), name)
    end
    for _, entry in ipairs(entries) do
        check:try(add_listener, check, name, entry, result, seen)
    end
end

-- "udp:…", { "udp:…", advertise = … } or a list of these.
function M.listen(check, value, result)
    check:type(value, "table", "listen", "listen { public = { \"udp:HOST:PORT\" } }")
    local seen = {}
    for _, name in ipairs(checks.sorted(value)) do
        check:try(add_listeners, check, name, as_list(value[name]), result, seen)
    end
    if next(value) == nil then
        check:fail "listen names no interface; write listen { public = { \"udp:HOST:PORT\" } }"
    end
end

local function media_address(check, interface, entry)
    local text, advertise = entry, nil
    if type(entry) == "table" then
        check:keys(entry, { advertise = true }, "a media address")
        text, advertise = entry[1], entry.advertise
    end
    if type(text) ~= "string" then
        check:fail(("media %s: an address must be a text; write \"192.0.2.1\""):format(interface.name), interface.name)
    end
    local host = text:match "^%[(.*)%]$" or text
    local family = address.family(host)
    if not family then
        check:fail(("'%s' is not an IP address; write an address of this machine"):format(text), text)
    end
    if address.is_wildcard(host) then
        check:fail(("'%s' means every address; name the address that goes into the SDP"):format(text), text)
    end
    local key = family == 4 and "v4" or "v6"
    if interface[key] then
        check:fail(("media %s has two IPv%d addresses; keep one"):format(interface.name, family), text)
    end
    interface[key] = host
    if advertise ~= nil then
        check:type(advertise, "string", "advertise", "advertise = \"192.0.2.1\"")
        local shown = advertise:match "^%[(.*)%]$" or advertise
        if address.family(shown) ~= family then
            check:fail(("'%s' is not an IPv%d address; advertise one of the same family"):format(advertise, family),
                advertise)
        end
        interface[key .. "_advertise"] = shown
    end
end

local LEAST_PORTS = 4 -- one stream: RTP and RTCP on both sides

local function media_ports(check, ports, media)
    if type(ports) ~= "table" or #ports ~= 2 then
        check:fail("media ports must be two numbers; write ports = { 30000, 39999 }", "ports")
    end
    check:keys(ports, {}, "media ports")
    media.port_least = check:number(ports[1], 1024, 65535, "media ports: the first", "ports")
    media.port_most = check:number(ports[2], 1024, 65535, "media ports: the last", "ports")
    if media.port_most - media.port_least + 1 < LEAST_PORTS then
        check:fail(("media ports %d to %d are too few; a stream needs %d, write ports = { 30000, 39999 }"):format(
            media.port_least, media.port_most, LEAST_PORTS), "ports")
    end
end

local function add_media_interface(check, name, entries, media)
    interface_name(check, name, "media")
    check:type(entries, "table", "media " .. name, name .. " = \"192.0.2.1\"")
    if #entries == 0 then
        check:fail(("media %s has no address; write %s = \"192.0.2.1\""):format(name, name), name)
    end
    local interface = { name = name }
    media.interfaces[#media.interfaces + 1] = interface
    for _, entry in ipairs(entries) do
        check:try(media_address, check, interface, entry)
    end
end

-- One entry per interface: an address, { address, advertise = … }, or a list of one per family.
function M.media(check, value, result)
    check:type(value, "table", "media", "media { public = \"192.0.2.1\", ports = { 30000, 39999 } }")
    local media = { interfaces = {}, port_least = 30000, port_most = 39999 }
    local is_empty = true
    for _, name in ipairs(checks.sorted(value)) do
        if name ~= "ports" then
            is_empty = false
            check:try(add_media_interface, check, name, as_list(value[name]), media)
        end
    end
    if is_empty then
        check:note "media names no interface; write media { public = \"192.0.2.1\" }"
    end
    if value.ports ~= nil then
        check:try(media_ports, check, value.ports, media)
    end
    result.media = media
end

function M.route(check, value, result, folder)
    check:type(value, "string", "route", "route \"sbc.lua\"")
    result.route = readable(check, folder, value, "route")
end

function M.control(check, value, result, folder)
    check:type(value, "table", "control", "control { socket = \"../run/lunasip.sock\" }")
    if not check:keys(value, { socket = true }, "control") and value.socket == nil then
        return
    end
    local path = check:type(value.socket, "string", "control socket", "socket = \"../run/lunasip.sock\"")
    local full = resolve_path(folder, path)
    if #full > 107 then
        check:fail("control socket '" .. path .. "' is longer than 107 bytes; choose a shorter path", "socket")
    end
    result.control = { socket = full }
end

local LEVELS = { error = true, warning = true, info = true, debug = true }
local TARGETS = { stderr = true, syslog = true }

local function one_of(check, value, known, name)
    if value ~= nil and not (type(value) == "string" and known[value]) then
        local names = checks.sorted(known)
        check:fail(("%s must be one of %s"):format(name, table.concat(names, ", ")), name:match "[%w_]+$")
    end
    return value
end

function M.log(check, value, result)
    check:type(value, "table", "log", "log { level = \"info\" }")
    check:keys(value, { level = true, to = true }, "log")
    result.log = {
        level = check:try(one_of, check, value.level, LEVELS, "log level") or "info",
        to = check:try(one_of, check, value.to, TARGETS, "log to") or "stderr",
    }
end

local function add_network(result, name, network)
    local group = result.addresses[name] or {}
    result.addresses[name] = group
    group[#group + 1] = network
end

-- One line "1 10.0.0.0 8 0 tag" -> group, network; or nil, err.
local function address_line(text)
    local group, host, mask, port = text:match "^%s*(%d+)%s+([%x.:/]+)%s*(%d*)%s*(%d*)%s*%S*%s*$"
    if not group then
        return nil, "'" .. text:match "^%s*(.-)%s*$" .. "' is not understood; write: group address mask port tag"
    end
    if port ~= "" and tonumber(port) ~= 0 then
        return nil, "port " .. port .. " would not be looked at; write 0"
    end
    if mask ~= "" and not host:find("/", 1, true) then
        host = host .. "/" .. mask
    end
    local network, err = address.network(host)
    return network and group, network or err
end

local function read_address_file(check, full, path, result)
    local number = 0
    for line in io.lines(full) do
        number = number + 1
        local text = line:gsub("#.*$", "")
        if text:find "%S" then
            local group, network = address_line(text)
            if not group then
                check:note(("%s line %d: %s"):format(path, number, network), path)
            else
                add_network(result, group, network)
            end
        end
    end
end

local function add_file(check, folder, path, result)
    check:type(path, "string", "address file", "file = \"address.list\"")
    read_address_file(check, readable(check, folder, path, "address file"), path, result)
end

local function add_group(check, name, entries, result)
    interface_name(check, name, "address")
    check:type(entries, "table", "address " .. name, name .. " = { \"10.0.0.0/8\" }")
    check:keys(entries, {}, "address " .. name)
    for _, text in ipairs(entries) do
        local network, err = address.network(tostring(text))
        if network then
            add_network(result, name, network)
        else
            check:note(err, text)
        end
    end
end

-- Networks by name, and files in the shape of Kamailio's address table: group address mask port tag.
function M.address(check, value, result, folder)
    check:type(value, "table", "address", "address { trusted = { \"10.0.0.0/8\" } }")
    for _, name in ipairs(checks.sorted(value)) do
        local entries = type(value[name]) == "string" and { value[name] } or value[name]
        if name ~= "file" then
            check:try(add_group, check, name, entries, result)
        elseif check:try(check.type, check, entries, "table", "address file", "file = \"address.list\"") then
            for _, path in ipairs(entries) do
                check:try(add_file, check, folder, path, result)
            end
        end
    end
end

M.readable = readable
M.resolve_path = resolve_path

return M
