-- sip.auth on the engine: agents that know digest, and some that cheat.
local ffi = require "ffi"

local digest = require "lunasip.lab.digest"
local lab = require "lunasip.lab"

local HEAD = [[
local sip = require "lunasip"
local PASSWORDS = { alice = "secret", bob = "other" }
local function password(user) return PASSWORDS[user] end
]]

-- Registers whoever knows the password; `options` are those of check, `challenge` those of challenge.
local function registrar(options, challenge)
    return HEAD .. ([[
function request_route(req)
    local user, why = sip.auth.check(req, "example.com", { %s })
    if not user then
        sip.log.info("refused: " .. why)
        return sip.auth.challenge(req, "example.com", { %s })
    end
    req:reply(200, "OK", { headers = { ["X-User"] = user } })
end]]):format(options or "password = password", challenge or "")
end

describe("digest authentication (RFC 3261 s22)", function()
    local net, phone

    local function open(route, options)
        options = options or {}
        net = lab.new { route = route, conf = options.conf, workers = options.workers, seed = options.seed }
        phone = net:agent {
            name = "phone", address = "192.0.2.10", credentials = options.credentials,
        }
    end

    after_each(function()
        if net then
            net:close()
        end
        net = nil
    end)

    local function register(headers, options)
        options = options or {}
        options.headers, options.uri = headers, "sip:example.com"
        phone:register(options)
        return phone:receive(function(msg) return msg.status and msg.status >= 200 end)
    end

    -- Challenges of a response by algorithm, and in their order.
    local function challenges_of(reply)
        local list = {}
        for i, value in ipairs(reply:values "WWW-Authenticate") do
            list[i] = digest.parse(value)
            list[list[i].algorithm] = list[i]
        end
        return list
    end

    -- The value of an Authorization header, with whatever a spec wants to be different.
    local function credentials(challenge, changes)
        local fields = {
            username = "alice", password = "secret", realm = challenge.realm, nonce = challenge.nonce,
            uri = "sip:example.com", algorithm = challenge.algorithm, qop = "auth", nc = "00000001",
            cnonce = "0a4f113b",
        }
        for name, value in pairs(changes or {}) do
            fields[name] = value or nil
        end
        local response = digest.response(fields, "REGISTER", fields.username, fields.password)
        local tail = fields.qop and ('qop=%s, nc=%s, cnonce="%s", '):format(fields.qop, fields.nc, fields.cnonce) or ""
        local value = ('Digest username="%s", realm="%s", nonce="%s", uri="%s", %salgorithm=%s, response="%s"'):format(
            fields.username, fields.realm, fields.nonce, fields.uri, tail, fields.algorithm, response)
        return { { "Authorization", value } }
    end

    local function count(name)
        return net:status().counters[name]
    end

    it("challenges strongest first, and takes the answer to either (RFC 8760 s2.3)", function()
        open(registrar(nil, [[algorithms = { "SHA-512-256", "SHA-256", "MD5" }]]))
        local list = challenges_of(register())
        assert.same({ "SHA-512-256", "SHA-256", "MD5" }, { list[1].algorithm, list[2].algorithm, list[3].algorithm })
        for _, challenge in ipairs(list) do
            assert.equal("example.com", challenge.realm)
            assert.equal("auth", challenge.qop)
            assert.is_nil(challenge.stale)
            assert.header(register(credentials(challenge)), "X-User", "alice")
        end
        assert.equal(3, count "auth.good")
        assert.equal(1, count "auth.challenged")
        assert.equal(0, count "auth.refused")
    end)

    it("lets agents in by themselves", function()
        open(registrar(), { credentials = { username = "bob", password = "other" } })
        phone:register()
        assert.header(phone:receive(200), "X-User", "bob")
        phone:register { expires = 0 }
        phone:receive(200)
    end)

    it("says the same of a wrong password and an unknown user", function()
        open(registrar())
        local challenge = challenges_of(register()).MD5
        local function shape(changes)
            local reply = register(credentials(challenge, changes))
            assert.equal(401, reply.status)
            local bytes = reply.bytes:gsub('nonce="%x+"', "nonce"):gsub("branch=[^;\r]*", ""):gsub("CSeq: %d+", "")
                :gsub(";tag=[^;\r]*", "")
            return bytes
        end
        assert.equal(shape { password = "wrong" }, shape { username = "nobody", password = "wrong" })
        assert.equal(2, count "auth.refused")
        assert.is_truthy(net:logged '^authentication failed from 192%.0%.2%.10: user "alice", realm "example%.com"')
        assert.is_truthy(net:logged '^authentication failed from 192%.0%.2%.10: user "nobody"')
        assert.is_nil(net:logged "stale")
    end)

    it("refuses a count that was used, and asks for a new nonce (RFC 7616 s3.4)", function()
        open(registrar())
        local challenge = challenges_of(register()).MD5
        assert.equal(200, register(credentials(challenge, { nc = "00000002" })).status)
        local reply = register(credentials(challenge, { nc = "00000002" }))
        assert.equal("true", challenges_of(reply).MD5.stale)
        assert.equal(200, register(credentials(challenge, { nc = "00000001" })).status)
        assert.equal(200, register(credentials(challenges_of(reply).MD5)).status)
        assert.equal(1, count "auth.replayed")
        assert.is_truthy(net:logged "refused: replayed")
    end)

    it("says stale when only the nonce is old", function()
        open(registrar(), { conf = { auth = { nonce_s = 60 } } })
        local challenge = challenges_of(register()).MD5
        net:advance(60)
        assert.equal("true", challenges_of(register(credentials(challenge))).MD5.stale)
        assert.is_nil(challenges_of(register(credentials(challenge, { password = "x" }))).MD5.stale)
        assert.equal(1, count "auth.stale")
    end)

    it("takes a nonce once where that is set, and always from answers without qop (RFC 2069)", function()
        open(registrar(), { conf = { auth = { one_time_nonce = 1 } } })
        local challenge = challenges_of(register()).MD5
        assert.equal(200, register(credentials(challenge)).status)
        local again = challenges_of(register(credentials(challenge, { nc = "00000002" }))).MD5
        assert.equal("true", again.stale)
        assert.equal(200, register(credentials(again, { qop = false })).status)
        assert.equal("true", challenges_of(register(credentials(again, { qop = false }))).MD5.stale)
    end)

    it("refuses the nonce of another server", function()
        open(registrar(), { seed = 5 })
        local challenge = challenges_of(register()).MD5
        net:close()
        open(registrar(), { seed = 6 })
        assert.is_nil(challenges_of(register(credentials(challenge))).MD5.stale)
        assert.is_truthy(net:logged "refused: foreign nonce")
    end)

    it("takes the nonces of servers that share its secret", function()
        local conf = { auth = { secret = "sixteen characters" } }
        open(registrar(), { seed = 5, conf = conf })
        local challenge = challenges_of(register()).MD5
        net:close()
        open(registrar(), { seed = 6, conf = conf })
        assert.equal(200, register(credentials(challenge)).status)
    end)

    it("takes on every worker what any of them asked for, once", function()
        open(registrar(), { workers = 4 })
        local challenge = challenges_of(register()).MD5
        for i = 1, 16 do
            phone.registration = nil -- another Call-ID: another worker
            assert.equal(200, register(credentials(challenge, { nc = ("%08x"):format(i) })).status)
            phone.registration = nil
            assert.equal(401, register(credentials(challenge, { nc = ("%08x"):format(i) })).status)
        end
        assert.equal(16, count "auth.replayed")
    end)

    it("checks HA1s as texts, by algorithm, and from functions that wait", function()
        local md5 = digest.hash("MD5", "alice:example.com:secret")
        local sha = digest.hash("SHA-256", "alice:example.com:secret")
        for _, options in ipairs {
            ("ha1 = %q"):format(md5), ("ha1 = { MD5 = %q, ['SHA-256'] = %q }"):format(md5, sha),
            ("ha1 = function(user, realm, algorithm) sip.sleep(2) return algorithm == 'MD5' and %q or %q end")
                :format(md5, sha),
        } do
            open(registrar(options))
            local list = challenges_of(register())
            assert.header(register(credentials(list.MD5)), "X-User", "alice")
            local is_one = options:match "^ha1 = \""
            assert.equal(is_one and 401 or 200, register(credentials(list["SHA-256"])).status)
            assert.equal(is_one ~= nil, net:logged "HA1 given for user \"alice\" is none of SHA%-256" ~= nil)
            net:close()
        end
        net = nil
    end)

    it("remembers what was looked up until it is forgotten, or wrong", function()
        open(HEAD .. [[
function request_route(req)
    if req.method == "OPTIONS" then
        PASSWORDS.alice = "changed"
        sip.auth.forget("alice", "example.com")
        return req:reply(200)
    end
    local user = sip.auth.check(req, "example.com", { cache_s = 30, password = function(name)
        sip.log.info("looking up " .. name)
        return PASSWORDS[name]
    end })
    if not user then
        return sip.auth.challenge(req, "example.com")
    end
    req:reply(200)
end]])
        local nc, challenge = 0, challenges_of(register()).MD5
        local function try(password)
            nc = nc + 1
            return register(credentials(challenge, { nc = ("%08x"):format(nc), password = password })).status
        end
        local function lookups()
            local found = 0
            for _, line in ipairs(net:log()) do
                found = found + (line.text:match "^looking up" and 1 or 0)
            end
            return found
        end
        assert.same({ 200, 200, 1 }, { try "secret", try "secret", lookups() })
        assert.same({ 401, 2 }, { try "wrong", lookups() })
        net:advance(30)
        assert.same({ 200, 3 }, { try "secret", lookups() })
        phone:request(phone:new_call "sip:example.com", "OPTIONS", {})
        phone:receive(200)
        assert.same({ 401, 4 }, { try "secret", lookups() })
        assert.same({ 200, 5 }, { try "changed", lookups() })
        assert.equal(1 + 1, count "auth.refused")
    end)

    it("keeps nothing of a challenged request, and absorbs the ACK", function()
        open(HEAD .. [[
function request_route(req)
    if req.method == "ACK" then sip.log.error("a stray ACK") return req:drop() end
    sip.auth.challenge(req, "example.com", { qop = "none" })
end]])
        phone:invite "sip:bob@example.com"
        local reply = phone:receive(407)
        assert.equal(2, #reply:values "Proxy-Authenticate")
        assert.no_match("qop", reply:header "Proxy-Authenticate")
        net:advance(0.01)
        assert.equal(0, net:status().transactions)
        net:advance(40)
        assert.is_nil(net:logged "stray")
        assert.equal(1, count "auth.challenged")
    end)

    it("challenges within a dialog through the transaction, whose ACK ends there", function()
        open(HEAD .. [[
function request_route(req)
    if req.method == "ACK" then sip.log.error("a stray ACK") return req:drop() end
    sip.auth.challenge(req, "example.com")
end]])
        phone:invite("sip:bob@example.com", { headers = {} })
        phone:receive(407)
        phone.call.remote_tag = "dialog1"
        phone:request(phone.call, "INVITE", {})
        phone:receive(407)
        net:advance(40)
        assert.is_nil(net:logged "stray")
    end)

    it("takes its own credentials out, and leaves those of others", function()
        open(HEAD .. [[
function request_route(req)
    local user = sip.auth.check(req, "example.com", { password = password, code = 401 })
    sip.log.info("removed " .. sip.auth.consume(req, "example.com"))
    sip.log.info("left " .. (req:header "Authorization" or "none"))
    if not user then return sip.auth.challenge(req, "example.com", { code = 401 }) end
    req:reply(200)
end]])
        local challenge = challenges_of(register()).MD5
        local headers = credentials(challenge)
        local others = 'Digest username="u", realm="else", nonce="n", uri="x", response="0"'
        table.insert(headers, 1, { "Authorization", others })
        table.insert(headers, 2, { "Authorization", "Basic eDp5" })
        assert.equal(200, register(headers).status)
        assert.is_truthy(net:logged "removed 1")
        assert.is_truthy(net:logged 'left Digest username="u"')
    end)

    it("refuses hashed user names and what cannot be read", function()
        open(registrar())
        for reason, value in pairs {
            ["not supported"] = 'Digest username="0", realm="example.com", nonce="n", uri="x", response="0",'
                .. " userhash=true",
            ["malformed"] = 'Digest username="alice", realm="example.com"',
            ["no credentials"] = "Basic YWxpY2U6c2VjcmV0",
        } do
            assert.equal(401, register({ { "Authorization", value } }).status)
            assert.is_truthy(net:logged("refused: " .. reason))
        end
        assert.equal(2, count "auth.refused")
    end)

    it("survives without memory, wherever it runs out", function()
        ffi.cdef "void memory_fail_after(uint64_t n); void memory_fail_never(void);"
        local engine = require("lunasip.stage").library
        open(registrar "password = password, cache_s = 10")
        local challenge = challenges_of(register()).MD5
        local nc, reply = 0, nil
        for n = 0, 500 do
            nc = nc + 1
            phone:register { uri = "sip:example.com", headers = credentials(challenge, { nc = ("%08x"):format(nc) }) }
            engine.memory_fail_after(n)
            net:advance(0.001)
            engine.memory_fail_never()
            reply = table.remove(phone.queue)
            phone.queue, phone.resending, phone.registration = {}, {}, nil
            if reply and reply.status == 200 then
                break
            end
        end
        assert.equal(200, reply and reply.status)
        assert.equal(200, register(credentials(challenge, { nc = "0000ffff" })).status)
    end)

    it("says what is wrong with its options at the script's line", function()
        for _, case in ipairs {
            { [[sip.auth.check(req, "r", {})]], "either password, ha1 or database" },
            { [[sip.auth.check(req, "r", { pasword = "x" })]], "did you mean 'password'" },
            { [[sip.auth.check(req, "r", { password = "x", cache_s = 0 })]], "cache_s is a number" },
            { [[sip.auth.check(req, "r\r\nX: y", { password = "x" })]], "no line ends" },
            { [[sip.auth.challenge(req, "r", { algorithms = { "SHA-1" } })]], "no algorithm 'SHA%-1'" },
            { [[sip.auth.challenge(req, "r", { algorithms = {} })]], "algorithms are a list" },
            { [[sip.auth.challenge(req, "r", { qop = "auth-conf" })]], "qop is auth" },
            { [[sip.auth.challenge(req, "r", { code = 403 })]], "code is 401 or 407" },
            { [[sip.auth.answer(req, req, { username = "u", password = "p" })]], "failure route" },
        } do
            local body, text = case[1], case[2]
            open("local sip = require 'lunasip'\nfunction request_route(req)\n" .. body .. "\nend",
                { conf = { database = false } })
            assert.equal(500, register().status)
            assert.is_truthy(net:logged(text), body)
            assert.is_truthy(net:logged ":3: ", body)
            net:close()
        end
        net = nil
    end)
end)

describe("sip.auth.answer (RFC 3261 s22.3)", function()
    local net, alice, gateway

    before_each(function()
        net = lab.new { route = [[
local sip = require "lunasip"
function request_route(req)
    if req:in_dialog() then return req:loose_route() and req:relay() end
    req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "CHALLENGED" }
end
function failure_route.CHALLENGED(req, reply)
    local ok, why = sip.auth.answer(req, reply, { username = "trunk", password = "secret" })
    if ok then
        return req:relay { to = "sip:10.0.0.20:5060", interface = "private", on_failure = "CHALLENGED" }
    end
    sip.log.info("gave up: " .. why)
end]] }
        alice = net:agent { name = "alice", address = "192.0.2.10" }
        gateway = net:agent { name = "gateway", address = "10.0.0.20", side = "private" }
    end)

    after_each(function() net:close() end)

    for _, algorithm in ipairs { "MD5", "SHA-256", "SHA-512-256" } do
        it("answers a gateway's challenge with " .. algorithm, function()
            alice:invite "sip:bob@example.net"
            local challenge = ('Digest realm="gw \\"1\\"", nonce="n1", opaque="o", qop="auth", algorithm=%s')
                :format(algorithm)
            gateway:reply(gateway:receive "INVITE", 407, { headers = { ["Proxy-Authenticate"] = challenge } })
            local invite = gateway:receive "INVITE"
            local fields = digest.parse(invite:header("Proxy-Authorization"):gsub('realm="gw \\"1\\""', 'realm="gw 1"'))
            assert.same({ "trunk", "n1", "o", "auth", "00000001", algorithm, "sip:bob@example.net" }, {
                fields.username, fields.nonce, fields.opaque, fields.qop, fields.nc, fields.algorithm, fields.uri,
            })
            fields.realm = 'gw "1"'
            assert.equal(digest.response(fields, "INVITE", "trunk", "secret"), fields.response)
            gateway:reply(invite, 486)
            alice:receive(486)
        end)
    end

    it("tries again when only the nonce was old, and gives up when the password is wrong", function()
        alice:invite "sip:bob@example.net"
        local function refuse(nonce, stale)
            local value = ('Digest realm="gw", nonce="%s"%s'):format(nonce, stale and ", stale=true" or "")
            local invite = gateway:receive "INVITE"
            gateway:reply(invite, 401, { headers = { ["WWW-Authenticate"] = value } })
            return invite
        end
        refuse "n1"
        refuse("n2", true)
        local third = refuse "n3"
        assert.equal(1, #third:values "Authorization")
        assert.equal("n2", digest.parse(third:header "Authorization").nonce)
        alice:receive(401)
        assert.is_truthy(net:logged "gave up: the credentials were refused")
    end)

    it("gives up at what it cannot answer", function()
        alice:invite "sip:bob@example.net"
        gateway:reply(gateway:receive "INVITE", 401, { headers = { ["WWW-Authenticate"] = "Basic realm=x" } })
        alice:receive(401)
        assert.is_truthy(net:logged "gave up: no challenge that can be answered")
    end)
end)
