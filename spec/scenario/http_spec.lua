-- HTTP for real: a server that does not answer delays no other call, in its answer or in its TLS handshake; a
-- certificate that nobody vouches for ends a request before anything is sent, in clear words.
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local process = require "support.process"

local SIGSTOP, SIGCONT = 19, 18
local TLS_PORT = 8443
local OTHERS = 200
local ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfar\n"

-- INFO asks the server and says what came of it; all else is answered at once.
local ROUTE = [[
local sip = require "lunasip"
function request_route(req)
    if req.method ~= "INFO" then
        return req:reply(200)
    end
    local answer, problem, reason = sip.http.get { url = "%s", timeout_ms = %d }
    if answer then
        return req:reply(200, answer.body:match "%%w+")
    end
    req:reply(500, reason .. " " .. problem)
end
]]

describe("HTTP servers", function()
    local at, folder, engine, phone

    local function write(name, text)
        local file = assert(io.open(folder .. "/" .. name, "w"))
        file:write(text)
        file:close()
    end

    local function start(url, timeout_ms, env)
        write("route.lua", ROUTE:format(url, timeout_ms or 60000))
        engine = lunasip.start {
            public = { "udp:" .. at(10) .. ":5060" }, route = folder .. "/route.lua", workers = 1, env = env,
        }
    end

    -- A server with a certificate of its own for these names and addresses, and what it answers to GET /answer.
    local function start_tls(names)
        local code, output = process.run({
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=api.example.net", "-addext", "subjectAltName=" .. names,
            "-keyout", folder .. "/key.pem", "-out", folder .. "/certificate.pem",
        }, 60)
        assert(code == 0, output)
        write("answer", ANSWER)
        local server = process.start {
            command = {
                "openssl", "s_server", "-accept", at(30) .. ":" .. TLS_PORT, "-cert", folder .. "/certificate.pem",
                "-key", folder .. "/key.pem", "-HTTP",
            },
            directory = folder,
        }
        server:wait_for_output("ACCEPT", 60)
        return server, ("https://%s:%d/answer"):format(at(30), TLS_PORT)
    end

    before_each(function()
        at, folder = network.block(), process.folder()
        phone = assert(posix.udp(at(20), 0))
    end)

    after_each(function()
        phone.close()
        process.clean()
    end)

    local function send(method, number)
        assert(phone.send(at(10), 5060, table.concat({
            method .. " sip:a@example.net SIP/2.0",
            ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%d"):format(phone.host, phone.port, method, number),
            "Max-Forwards: 70", "From: <sip:b@example.net>;tag=1", "To: <sip:a@example.net>",
            ("Call-ID: %s-%d"):format(method, number), "CSeq: 1 " .. method, "", "",
        }, "\r\n")))
    end

    -- The status line of the next final response to a method; nil: none came.
    local function answer_to(method, seconds)
        return posix.wait_until(function()
            for message in phone.receive do
                if message:find("Call-ID: " .. method, 1, true) and not message:find "^SIP/2%.0 1" then
                    return message:match "^SIP/2%.0 ([^\r]*)"
                end
            end
        end, seconds or 60, 0.001)
    end

    local function expect_others_answered()
        for i = 1, OTHERS do
            send("OPTIONS", i)
            assert.equal("200 OK", answer_to "OPTIONS")
        end
        assert.equal(1, engine:status().waiting)
    end

    local function expect_clean_stop()
        local code, complaint = engine:stop()
        assert.equal("", complaint)
        assert.equal(0, code)
    end

    it("that do not answer delay no other call", function()
        local server = assert(posix.tcp(at(30)))
        start(("http://%s:%d/far"):format(at(30), server.port))
        send("INFO", 1)
        local connection = posix.wait_until(server.accept, 60, 0.001)
        assert.matches("^GET /far HTTP/1.1\r\n", posix.wait_until(connection.receive, 60, 0.001))
        expect_others_answered()
        assert.is_true(connection.send(ANSWER))
        assert.equal("200 far", answer_to "INFO")
        expect_clean_stop()
        connection.close()
        server.close()
    end)

    it("that do not answer delay no other call, in a TLS handshake", function()
        local server, url = start_tls("IP:" .. at(30))
        start(url, nil, { SSL_CERT_FILE = folder .. "/certificate.pem" })
        server:signal(SIGSTOP)
        send("INFO", 1)
        expect_others_answered()
        server:signal(SIGCONT)
        assert.equal("200 far", answer_to "INFO")
        expect_clean_stop()
    end)

    it("that never answer end a request at its deadline", function()
        local server = assert(posix.tcp(at(30)))
        start(("http://%s:%d/far"):format(at(30), server.port), 500)
        send("INFO", 1)
        assert.equal("500 timeout no answer within the deadline", answer_to "INFO")
        assert.equal(1, engine:status().counters["http.late"])
        expect_clean_stop()
        server.close()
    end)

    it("whose certificate nobody vouches for are refused in clear words", function()
        local server, url = start_tls("IP:" .. at(30))
        start(url)
        send("INFO", 1)
        assert.matches("^500 unavailable .*self%-signed certificate", answer_to "INFO")
        assert.is_nil(server:output():match "FILE:")
        expect_clean_stop()
    end)

    it("whose certificate is for another name are refused in clear words", function()
        local _, url = start_tls "DNS:api.example.net"
        start(url, nil, { SSL_CERT_FILE = folder .. "/certificate.pem" })
        send("INFO", 1)
        assert.matches("^500 unavailable .*no alternative certificate subject name matches", answer_to "INFO")
        expect_clean_stop()
    end)
end)
