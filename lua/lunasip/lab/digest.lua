--- Digest answers of agents (RFC 7616, RFC 8760): MD5, SHA-256 and SHA-512-256, without qop and with
-- qop=auth. Not the engine's own sums, so that each can find a mistake of the other.
local ffi = require "ffi"

-- OpenSSL's, which the engine is linked with.
pcall(ffi.cdef, [[
const void *EVP_md5(void);
const void *EVP_sha256(void);
const void *EVP_sha512_256(void);
int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned *size, const void *type, void *engine);
]])

-- Inside the command its own symbols serve; plain Lua loads the library, and nothing else of the engine.
local library = pcall(function() return ffi.C.EVP_Digest end) and ffi.C or ffi.load "libcrypto.so.3"

local M = {}

local FUNCTIONS = { MD5 = "EVP_md5", ["SHA-256"] = "EVP_sha256", ["SHA-512-256"] = "EVP_sha512_256" }
local STRENGTH = { MD5 = 1, ["SHA-256"] = 2, ["SHA-512-256"] = 3 }

--- Hexadecimal digest of a text. @string algorithm "MD5", "SHA-256" or "SHA-512-256"
function M.hash(algorithm, text)
    local bytes, size = ffi.new "unsigned char[64]", ffi.new "unsigned[1]"
    if library.EVP_Digest(text, #text, bytes, size, library[FUNCTIONS[algorithm]](), nil) ~= 1 then
        error(algorithm .. " is not to be had", 2)
    end
    local out = {}
    for i = 0, size[0] - 1 do
        out[#out + 1] = ("%02x"):format(bytes[i])
    end
    return table.concat(out)
end

--- Read a challenge or an answer: `Digest realm="x", nonce="y"` -> { realm = "x", nonce = "y" }; nil when it is none.
function M.parse(value)
    local rest = value and value:match "^%s*[Dd]igest%s+(.*)$"
    if not rest then
        return nil
    end
    local fields = {}
    for name, quoted in rest:gmatch '([%w-]+)%s*=%s*"(.-)"' do
        fields[name:lower()] = quoted
    end
    for name, plain in rest:gmatch '([%w-]+)%s*=%s*([^%s,"]+)' do
        fields[name:lower()] = fields[name:lower()] or plain
    end
    return fields
end

-- The strongest challenge that we can answer.
local function choose(challenges)
    local best, best_strength = nil, 0
    for _, value in ipairs(challenges) do
        local challenge = M.parse(value)
        local strength = challenge and STRENGTH[(challenge.algorithm or "MD5"):upper()] or 0
        if strength > best_strength then
            best, best_strength = challenge, strength
        end
    end
    return best
end

local function has_auth(qop)
    for word in (qop or ""):gmatch "[^%s,]+" do
        if word == "auth" then
            return true
        end
    end
end

--- The response of a digest (RFC 7616 s3.4.1). @tparam table fields realm, nonce, uri, algorithm, qop, nc, cnonce
function M.response(fields, method, username, password)
    local algorithm = (fields.algorithm or "MD5"):upper()
    local a1 = M.hash(algorithm, ("%s:%s:%s"):format(username, fields.realm, password))
    local a2 = M.hash(algorithm, ("%s:%s"):format(method, fields.uri))
    if fields.qop then
        return M.hash(algorithm, table.concat({ a1, fields.nonce, fields.nc, fields.cnonce, fields.qop, a2 }, ":"))
    end
    return M.hash(algorithm, ("%s:%s:%s"):format(a1, fields.nonce, a2))
end

--- Answer a challenge.
-- @tparam {string,...} challenges values of WWW-Authenticate or Proxy-Authenticate
-- @string method
-- @string uri Request-URI
-- @tparam table credentials username, password
-- @string cnonce
-- @return value of Authorization or Proxy-Authorization; nil when no challenge can be answered
function M.answer(challenges, method, uri, credentials, cnonce)
    local challenge = choose(challenges)
    if not challenge then
        return nil
    end
    local fields = {
        realm = challenge.realm or "", nonce = challenge.nonce or "", uri = uri, algorithm = challenge.algorithm,
    }
    if has_auth(challenge.qop) then
        fields.qop, fields.nc, fields.cnonce = "auth", "00000001", cnonce
    end
    local parts = {
        ('username="%s"'):format(credentials.username), ('realm="%s"'):format(fields.realm),
        ('nonce="%s"'):format(fields.nonce), ('uri="%s"'):format(uri),
        ('response="%s"'):format(M.response(fields, method, credentials.username, credentials.password)),
    }
    parts[#parts + 1] = fields.algorithm and "algorithm=" .. fields.algorithm
    parts[#parts + 1] = challenge.opaque and ('opaque="%s"'):format(challenge.opaque)
    if fields.qop then
        parts[#parts + 1] = ('qop=auth, nc=%s, cnonce="%s"'):format(fields.nc, cnonce)
    end
    return "Digest " .. table.concat(parts, ", ")
end

return M
