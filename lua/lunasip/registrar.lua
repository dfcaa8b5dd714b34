--- sip.registrar: where users are (RFC 3261 s10): REGISTER in, targets out.
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"

local M = {}

local SAVE = {
    aor = "string", expires_default_s = "number", expires_least_s = "number", expires_most_s = "number",
    refuse_brief = "boolean", max_contacts = "number", match = "string", path = "string", received = true,
    flags = "number", reply = "boolean",
}
local LOOKUP = { aor = "string", filter_methods = "boolean" }
local PATH_MODES = { off = 0, lazy = 1, strict = 2 }
local MATCHES = { uri = 0, ["uri+call-id"] = 1, ["uri+path"] = 2, ["call-id"] = 3 }

local function check_options(options, known, what)
    if options == nil then
        return
    end
    if type(options) ~= "table" then
        error(what .. ": options are a table, not a " .. type(options), 3)
    end
    for name, value in pairs(options) do
        local wanted = known[name]
        if not wanted then
            error(what .. ": no option '" .. tostring(name) .. "'" .. suggest.hint(tostring(name), known), 3)
        elseif wanted ~= true and type(value) ~= wanted then
            error(("%s: %s is a %s, not a %s"):format(what, name, wanted, type(value)), 3)
        end
    end
end

-- The number of a word among the words of an option.
local function word_number(options, option, words)
    local word = options[option]
    if word ~= nil and not words[word] then
        error("registrar.save: " .. option .. " cannot be '" .. word .. "'" .. suggest.hint(word, words), 4)
    end
    return word and words[word]
end

local function received_of(req, received)
    if received == true then
        return req.source_uri
    elseif received and type(received) ~= "string" then
        error("registrar.save: received is true or a URI", 4)
    end
    return received or nil
end

-- Where the database alone counts (db_mode 3), what it has of an address of record comes first. The handler waits.
-- @return true, or false: it cannot tell, and what is known may be old
local function refresh(what, req, uri)
    local is_there = core.registrar_fetch(req, uri, what)
    if is_there == nil then
        is_there = core.registrar_fetched()
    end
    return is_there
end

-- The options of save() as the engine takes them.
local function given_of(req, options)
    return {
        aor = options.aor,
        expires_default_s = options.expires_default_s,
        expires_least_s = options.expires_least_s,
        expires_most_s = options.expires_most_s,
        refuse_brief = options.refuse_brief,
        max_contacts = options.max_contacts,
        match = word_number(options, "match", MATCHES),
        path_mode = word_number(options, "path", PATH_MODES),
        received = received_of(req, options.received),
        flags = options.flags,
        reply = options.reply,
    }
end

--- Process a REGISTER and answer it: 200 with all contacts, or the error that is due (400, 403, 420, 423, 439, 500,
-- 503). 403: a contact that leads back to the address of record (RFC 5627 s5.1).
-- Request route; yields where the location block of the configuration has a database (db_mode 1, 3): what is answered
-- 200 is durable then, and a database that is away makes it a 503.
-- @param req REGISTER
-- @tparam[opt] table options each instead of the configuration's setting in block location:
--   expires_default_s, expires_least_s, expires_most_s, refuse_brief (423 below the least),
--   max_contacts (contacts_per_aor), match ("uri", "uri+call-id", "uri+path", "call-id");
--   aor = URI instead of To's; path = "lazy" (kept, and told to who supports it; default), "strict" (420 to who does
--   not support it) or "off" (RFC 3327); received = true (calls go to where this came from) or a URI;
--   flags = a number kept with the contacts; reply = false: the script answers
-- @treturn integer contacts that are bound now, or nil, reason, status
-- @usage if req.method == "REGISTER" then return sip.registrar.save(req, { received = true, max_contacts = 3 }) end
function M.save(req, options)
    check_options(options, SAVE, "registrar.save")
    local given = options and given_of(req, options)
    refresh("registrar.save", req, given and given.aor)
    local count, reason, status = core.registrar_save(req, given)
    if count == nil and reason == nil then
        return core.registrar_save(req, given, true)
    end
    return count, reason, status
end

--- Where is the one that the Request-URI names? The next relay tries all contacts: one q at once, then lower ones.
-- Sets Request-URI and next hop ($du) to the first; each contact keeps its Path, its address behind a NAT and our
-- socket that it registered at. A GRUU reaches one device (RFC 5627). Request and failure routes; yields with
-- db_mode 3.
-- @param req
-- @tparam[opt] table options aor = URI instead of the Request-URI; filter_methods = true: only devices whose Allow
--   names the request's method
-- @treturn boolean true, or nil, reason: "not registered", "method not supported", "no address of record",
--   "unavailable" (db_mode 3: the database cannot tell, and none is known)
-- @usage local ok, why = sip.registrar.lookup(req)
--   if not ok then return req:reply(480, "Temporarily Unavailable") end
function M.lookup(req, options)
    check_options(options, LOOKUP, "registrar.lookup")
    local aor = options and options.aor
    local is_sure = refresh("registrar.lookup", req, aor)
    local ok, reason = core.registrar_lookup(req, aor, options and options.filter_methods)
    if reason == "not registered" and not is_sure then
        return nil, "unavailable"
    end
    return ok, reason
end

--- End bindings of an address of record. Every handler; yields with db_mode 3.
-- @string uri "sip:2001@example.com"
-- @string[opt] contact URI of one of them, or its ruid; all when left out
-- @treturn integer how many ended, or nil, err
function M.unregister(uri, contact)
    if not refresh("registrar.unregister", nil, uri) then
        return nil, "unavailable"
    end
    return core.registrar_remove(uri, contact)
end

--- What is bound to an address of record. Every handler; yields with db_mode 3, and gives nil, "unavailable" when the
-- database cannot tell and none is known.
-- @treturn table array of { contact, expires_s, q, received, path, user_agent, socket, ruid, flags }, or nil, err
function M.contacts(uri)
    local is_sure = refresh("registrar.contacts", nil, uri)
    local contacts, err = core.registrar_contacts(uri)
    if contacts and #contacts == 0 and not is_sure then
        return nil, "unavailable"
    end
    return contacts, err
end

--- Has it a binding? Every handler; yields with db_mode 3.
function M.registered(uri)
    local contacts = M.contacts(uri)
    return contacts ~= nil and #contacts > 0
end

return M
