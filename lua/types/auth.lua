---@meta
-- Annotations for the Lua language server: sip.auth. Nothing here is ever run.
-- luacheck: ignore

---@alias lunasip.Secrets
---| string                                                                        # everybody's
---| table<string, string>                                                         # HA1s by algorithm
---| fun(user: string, realm: string, algorithm: string): string|table|nil         # nil: no such user

---@class lunasip.CheckOptions
---@field password? lunasip.Secrets the user's password
---@field ha1? lunasip.Secrets or H(user:realm:password) in hexadecimal digits, of the algorithm that is asked for
---@field database? lunasip.Database or Kamailio's table of users in it: username, domain, ha1, ha1b, password
---@field table? string its name, default "subscriber"
---@field use_domain? boolean false: the user name alone counts, not the domain
---@field cache_s? number 0.001 to CACHE: how long what was right is remembered
---@field code? 401|407 look only at the credentials for that; default: at both

---@class lunasip.ChallengeOptions
---@field algorithms? string[] "SHA-512-256", "SHA-256", "MD5", with -sess too; preferred first. Default SHA-256, MD5
---@field qop? "auth"|"auth-int"|"auth,auth-int"|"none" default "auth"
---@field code? 401|407 default 401 for REGISTER, 407 for all else

---@class lunasip.AnswerOptions
---@field username string
---@field password string

---Digest authentication (RFC 3261 s22, RFC 7616, RFC 8760).
---@class lunasip.Auth
local Auth = {}

---Whose request is it? Answers nothing. Yields when the function given does.
---@param request Request
---@param realm string
---@param options? lunasip.CheckOptions without password, ha1 and database: the configuration's database { url = ... }
---@return string? user
---@return string? reason "no credentials", "wrong", "stale", "replayed", "foreign nonce", "malformed", "not supported",
---"unavailable": the database could not tell
function Auth.check(request, realm, options) end

---Answer 401 or 407 with a challenge for each algorithm; nothing is kept for it. Request and failure routes; ACK and
---CANCEL cannot be challenged.
---@param request Request
---@param realm string
---@param options? lunasip.ChallengeOptions
---@return boolean? ok, string? err
function Auth.challenge(request, realm, options) end

---Take the credentials for a realm out of a request that goes on.
---@param request Request
---@param realm string
---@return integer? removed, string? err
function Auth.consume(request, realm) end

---A user's password has changed: what cache_s keeps of it is forgotten.
---@param user string
---@param realm string
function Auth.forget(user, realm) end

---Answer a gateway's 401 or 407, so that another relay carries our credentials. Failure routes.
---@param request Request
---@param reply Reply
---@param options lunasip.AnswerOptions
---@return boolean? ok, string? reason
function Auth.answer(request, reply, options) end
