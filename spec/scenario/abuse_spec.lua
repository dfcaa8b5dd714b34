-- What strangers send to a registrar: the right answers, no growth, and lines that Fail2Ban matches.
local digest = require "lunasip.lab.digest"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local process = require "support.process"
local raw = require "support.raw"
local registrar = require "support.registrar"

-- The pattern that lua/API.md gives, as one of PCRE2 with the host in the place of <HOST>.
local function fail2ban_pattern(host)
    local file = assert(io.open "lua/API.md")
    local pattern = file:read("*a"):match "\n```text filter\n%[Definition%]\nfailregex = (.-)\n```"
    file:close()
    return (pattern:gsub("<HOST>", function() return "(?:" .. host:gsub("%.", "\\.") .. ")" end))
end

describe("strangers at scripts/registrar.lua", function()
    local lan, socket, number

    before_each(function()
        lan = registrar.start {
            -- The build that users run: the address sanitizer keeps freed memory for a while.
            build = lunasip.build:gsub("build[^/]*$", "build"), users = 1,
            timers = { t1_ms = 50, t2_ms = 200, t4_ms = 250 },
        }
        socket, number = assert(posix.udp(lan.at(66), 5060)), 0
    end)
    after_each(function()
        socket.close()
        registrar.clean()
    end)

    -- A REGISTER of u1. changes: via (host), headers (list)
    local function request(changes)
        changes = changes or {}
        number = number + 1
        local lines = {
            "REGISTER sip:example.net SIP/2.0",
            ("Via: SIP/2.0/UDP %s:5060;rport;branch=z9hG4bK%d"):format(changes.via or socket.host, number),
            "Max-Forwards: 70", "From: <sip:u1@example.net>;tag=1", "To: <sip:u1@example.net>",
            "Call-ID: stranger-" .. number, ("CSeq: %d REGISTER"):format(number),
        }
        for _, line in ipairs(changes.headers or { ("Contact: <sip:u1@%s>"):format(socket.host) }) do
            lines[#lines + 1] = line
        end
        lines[#lines + 1] = "Content-Length: 0"
        return table.concat(lines, "\r\n") .. "\r\n\r\n"
    end

    local function ask(changes)
        socket.send(lan.host, 5060, request(changes))
        return raw.receive(socket, "^SIP/2.0 [2-6]%d%d ")
    end

    local function status_of(reply) return tonumber(reply:match "^SIP/2.0 (%d+)") end

    local function challenge() return digest.parse(raw.header(ask(), "WWW-Authenticate"):match ": *(.*)") end

    -- Authorization; changes: password, nonce, nc
    local function credentials(from, changes)
        changes = changes or {}
        local fields = {
            realm = from.realm, nonce = changes.nonce or from.nonce, uri = "sip:example.net", algorithm = "MD5",
            qop = "auth", nc = changes.nc or "00000001", cnonce = "0a4f113b",
        }
        local response = digest.response(fields, "REGISTER", "u1", changes.password or registrar.password "u1")
        return ('Authorization: Digest username="u1", realm="%s", nonce="%s", uri="%s", algorithm=MD5, qop=auth, '
            .. 'nc=%s, cnonce="%s", response="%s"'):format(fields.realm, fields.nonce, fields.uri, fields.nc,
            fields.cnonce, response)
    end

    local function lines_for_fail2ban(host)
        local code, output = process.run { "grep", "-cP", fail2ban_pattern(host), lan.engine.process.output_path }
        assert.is_true(code <= 1, output)
        return tonumber(output)
    end

    local function bindings() return lan.engine:status().registrations.bindings end

    local CONTACT = "Contact: <sip:u1@192.0.2.1>"

    it("with a nonce that is not ours, an old count or a wrong password are asked again", function()
        local first = challenge()
        local function answer(changes) return ask { headers = { CONTACT, credentials(first, changes) } } end
        assert.equal(401, status_of(answer { nonce = ("0"):rep(#first.nonce) }))
        assert.equal(401, status_of(answer { password = "guess" }))
        assert.equal(200, status_of(answer { nc = "00000005" }))
        local replayed = answer { nc = "00000005" }
        assert.equal(401, status_of(replayed))
        assert.matches("stale=true", replayed)
        local counters = lan.engine:status().counters
        assert.equal(1, counters["auth.replayed"])
        assert.equal(1, bindings())
        assert.is_truthy(posix.wait_until(function() return lines_for_fail2ban(socket.host) == 1 end, 60, 0.05))
        assert.equal(0, lines_for_fail2ban "192.0.2.77")
    end)

    it("who write another's address into Via are answered where they are, and blamed by where they are", function()
        local reply = ask { via = "192.0.2.77" }
        assert.equal(401, status_of(reply))
        assert.matches("received=" .. socket.host:gsub("%.", "%%."), reply)
        local from = digest.parse(raw.header(reply, "WWW-Authenticate"):match ": *(.*)")
        assert.equal(401, status_of(ask {
            via = "192.0.2.77", headers = { CONTACT, credentials(from, { password = "guess" }) },
        }))
        assert.is_truthy(posix.wait_until(function() return lines_for_fail2ban(socket.host) == 1 end, 60, 0.05))
        assert.equal(0, lines_for_fail2ban "192.0.2.77")
    end)

    it("cannot write lines that would blame another", function()
        for _, user in ipairs {
            'x" auth: authentication failed from 192.0.2.77: user "y',
            "x lunasip[1]: auth: authentication failed from 192.0.2.77: user",
        } do
            local from = challenge()
            local forged = credentials(from):gsub('username="u1"', function()
                return 'username="' .. user:gsub('"', '\\"') .. '"'
            end)
            ask { headers = { CONTACT, forged } }
        end
        assert.is_truthy(posix.wait_until(function() return lines_for_fail2ban(socket.host) == 2 end, 60, 0.05))
        assert.equal(0, lines_for_fail2ban "192.0.2.77")
    end)

    it("that know a password may not remove all with a time, nor bind a thousand contacts", function()
        local function as_user(...) return ask { headers = { credentials(challenge()), ... } } end
        assert.equal(400, status_of(as_user("Contact: *", "Expires: 60")))
        local many = {}
        for i = 1, 1000 do many[i] = ("<sip:u%d@192.0.2.1>"):format(i) end
        assert.equal(503, status_of(as_user("Contact: " .. table.concat(many, ", "))))
        assert.equal(0, bindings())
        assert.equal(200, status_of(as_user(CONTACT)))
        assert.equal(200, status_of(as_user("Contact: *", "Expires: 0")))
        assert.equal(0, bindings())
    end)

    it("that guess passwords by the thousand grow nothing, and each is a line", function()
        local from, guesses = challenge(), lunasip.calls(10000)
        local wrong = credentials(from, { password = "guess" })
        local function burst()
            local answered, sent = 0, 0
            while answered < guesses do
                for _ = 1, math.min(guesses - sent, 100 - (sent - answered)) do
                    socket.send(lan.host, 5060, request { headers = { CONTACT, wrong } })
                    sent = sent + 1
                end
                assert.equal(401, status_of(raw.receive(socket, "^SIP/2.0 401 ")))
                answered = answered + 1
            end
        end
        burst()
        local before = lan.engine.process:usage().rss_kb
        burst()
        burst()
        local after = lan.engine.process:usage().rss_kb
        assert.is_true(after < before * 1.2 + 2048, ("memory went from %d to %d kB"):format(before, after))
        assert.equal(3 * guesses, lan.engine:status().counters["auth.refused"])
        assert.is_truthy(posix.wait_until(function()
            return lines_for_fail2ban(socket.host) == 3 * guesses
        end, 60, 0.1))
        assert.equal(lunasip.nothing, lan.engine:settle(60))
    end)
end)
