--- The dispatcher block: list files, sets written down here, and how destinations are probed.
local blocks = require "lunasip.config.blocks"
local checks = require "lunasip.config.check"
local core = require "lunasip.core"

local KEYS = {
    file = true, sets = true, ping_interval = true, ping_method = true, ping_from = true, ping_reply_codes = true,
    probing_threshold = true, inactive_threshold = true, probing_mode = true,
}

local DESTINATION_KEYS = { uri = true, flags = true, priority = true, attrs = true }

local function uri_text(check, text, name)
    if type(text) ~= "string" or not text:match "^sips?:[^%s]+$" or not core.uri_parse(text) then
        check:fail(("%s: '%s' is not a SIP URI; write \"sip:HOST:PORT\""):format(name, tostring(text)), text)
    end
    return text
end

-- A destination is a URI or { uri =, flags =, priority =, attrs = "weight=50;duid=a" }.
local function destination(check, set, entry)
    local name = "dispatcher set " .. set
    if type(entry) == "string" then
        return { set = set, uri = uri_text(check, entry, name), flags = 0, priority = 0, attrs = "" }
    end
    if type(entry) ~= "table" then
        check:fail(name .. ": a destination is a URI; write \"sip:HOST:PORT\"", "sets")
    end
    check:keys(entry, DESTINATION_KEYS, name)
    local attrs = entry.attrs or ""
    check:type(attrs, "string", name .. " attrs", "attrs = \"weight=50\"")
    if attrs:find "[%s\"]" then
        check:fail(name .. ": attrs hold no spaces and quotes; write attrs = \"weight=50;duid=a\"", attrs)
    end
    return {
        set = set,
        uri = uri_text(check, entry.uri or entry[1], name),
        flags = check:number(entry.flags or 0, 0, 63, name .. " flags"),
        priority = check:number(entry.priority or 0, 0, 1000000, name .. " priority"),
        attrs = attrs,
    }
end

local function read_set(check, set, entries, out)
    if type(set) ~= "number" or set % 1 ~= 0 or set < 0 then
        check:fail(("dispatcher set '%s' is no number; write sets = { [1] = { … } }"):format(tostring(set)), set)
    end
    check:type(entries, "table", "dispatcher set " .. set, "[" .. set .. "] = { \"sip:192.0.2.1:5060\" }")
    for _, entry in ipairs(entries) do
        out[#out + 1] = check:try(destination, check, set, entry)
    end
end

local function read_sets(check, sets, out)
    check:type(sets, "table", "dispatcher sets", "sets = { [1] = { \"sip:192.0.2.1:5060\" } }")
    for _, set in ipairs(checks.sorted(sets)) do
        check:try(read_set, check, set, sets[set], out)
    end
end

-- { 403, 488 } or Kamailio's "class=2;code=403".
local function reply_codes(check, codes)
    local example = "ping_reply_codes = { 403, 488 }"
    if type(codes) == "table" then
        local out = { "class=2" }
        for _, code in ipairs(codes) do
            out[#out + 1] = "code=" .. check:number(code, 100, 699, "ping_reply_codes")
        end
        return table.concat(out, ";")
    end
    check:type(codes, "string", "ping_reply_codes", example)
    for item in codes:gmatch "[^;]+" do
        if not item:match "^%s*class=[1-6]%s*$" and not item:match "^%s*code=[1-6]%d%d%s*$" then
            check:fail(("ping_reply_codes: '%s' is not understood; write %s"):format(item, example), "ping_reply_codes")
        end
    end
    return codes
end

local function ping_method(check, method)
    if type(method) ~= "string" or not method:match "^%u+$" then
        check:fail("ping_method must be a method in capitals; write ping_method = \"OPTIONS\"", "ping_method")
    end
    return method
end

local function file(check, folder, path)
    check:type(path, "string", "dispatcher file", "file = \"dispatcher.list\"")
    return blocks.readable(check, folder, path, "dispatcher file")
end

local function files(check, folder, paths)
    local out = {}
    check:type(paths, "table", "dispatcher file", "file = \"dispatcher.list\"")
    for _, path in ipairs(paths) do
        out[#out + 1] = check:try(file, check, folder, path)
    end
    return out
end

return function(check, value, result, folder)
    check:type(value, "table", "dispatcher", "dispatcher { file = \"dispatcher.list\" }")
    check:keys(value, KEYS, "dispatcher")
    local paths = type(value.file) == "string" and { value.file } or value.file or {}
    local dispatcher = { files = check:try(files, check, folder, paths), sets = {} }
    if value.sets ~= nil then
        check:try(read_sets, check, value.sets, dispatcher.sets)
    end
    local function number(name, default, least, most)
        local given = value[name]
        dispatcher[name] = check:try(check.number, check, given == nil and default or given, least, most,
            "dispatcher " .. name)
    end
    number("ping_interval", 0, 0, 86400)
    number("probing_threshold", 1, 1, 1000)
    number("inactive_threshold", 1, 1, 1000)
    number("probing_mode", 1, 0, 3)
    dispatcher.ping_method = check:try(ping_method, check, value.ping_method == nil and "OPTIONS" or value.ping_method)
    dispatcher.ping_from = check:try(uri_text, check, value.ping_from or "sip:dispatcher@localhost", "ping_from")
    dispatcher.ping_reply_codes = check:try(reply_codes, check, value.ping_reply_codes or "class=2")
    result.dispatcher = dispatcher
end
