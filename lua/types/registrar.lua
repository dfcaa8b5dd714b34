---@meta
-- Annotations for the Lua language server: sip.registrar. Nothing here is ever run.
-- luacheck: ignore

---Each instead of the setting of the configuration's location block.
---@class lunasip.SaveOptions
---@field aor? string URI instead of To's
---@field expires_default_s? integer from 0, for a contact that asks for no time
---@field expires_least_s? integer from 0
---@field expires_most_s? integer from 0; 0: as asked
---@field refuse_brief? boolean below the least: 423, else the least
---@field max_contacts? integer from 0, of one address of record: 503 beyond
---@field match? "uri"|"uri+call-id"|"uri+path"|"call-id" which contact is the same binding
---@field path? "lazy"|"strict"|"off" RFC 3327: kept and told to who supports it (default); 420 to who does not; ignored
---@field received? boolean|string true: calls go to where this came from; or a URI
---@field flags? integer 0 to 4294967295, kept with the contacts
---@field reply? boolean false: the script answers

---@class lunasip.LookupOptions
---@field aor? string URI instead of the Request-URI
---@field filter_methods? boolean only devices whose Allow names the request's method

---@class lunasip.RegisteredContact
---@field contact string URI
---@field expires_s integer
---@field q? number
---@field received? string
---@field path? string
---@field user_agent? string
---@field socket? string
---@field ruid string
---@field flags integer

---Where users are (RFC 3261 s10).
---@class lunasip.Registrar
local Registrar = {}

---Process a REGISTER and answer it: 200 with all contacts, or the error that is due. Request route; yields where the
---configuration's location block has a database.
---@param req Request
---@param options? lunasip.SaveOptions
---@return integer? contacts bound now, string? reason, integer? status
function Registrar.save(req, options) end

---Give the next relay all contacts of whom the Request-URI names: those of one q at once, then lower ones.
---Request and failure routes; yields with location { db_mode = 3 }, as those below do.
---@param req Request
---@param options? lunasip.LookupOptions
---@return boolean? ok
---@return string? reason "not registered", "method not supported", "no address of record"; db_mode 3: "unavailable", when
---the database cannot tell and none is known
function Registrar.lookup(req, options) end

---End bindings of an address of record.
---@param uri string
---@param contact? string URI or ruid of one; all when left out
---@return integer? ended, string? err
function Registrar.unregister(uri, contact) end

---What is bound to an address of record; empty when nothing is.
---@param uri string
---@return lunasip.RegisteredContact[]? contacts, string? err
function Registrar.contacts(uri) end

---Has an address of record a binding?
---@param uri string
---@return boolean
function Registrar.registered(uri) end
