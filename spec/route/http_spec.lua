--- sip.http on the real engine and servers of the lab: requests that look sequential, and what goes on meanwhile.
local world = require "route.world"

local URL = "https://api.example.com/"

describe("sip.http", function()
    local net, alice, bob, api

    -- The body of request_route. What it answers with is what a spec looks at.
    local function open(body, options)
        options = options or {}
        net, alice, bob = world.open_asking {
            before = ("local http, URL = sip.http, %q"):format(URL), body = body, more = options.more,
            route = options.route, workers = options.workers,
            conf = { script = options.script, http = options.http },
        }
        api = net:http { url = URL, body = "hello" }
    end

    after_each(function() net:close() end)

    local function is_final(msg)
        return msg.status
    end

    -- The reason phrase of the answer to an OPTIONS.
    local function said(agent)
        return world.said(agent or alice)
    end

    local function counter(name)
        return net:status().counters[name]
    end

    describe("an answer", function()
        it("has status, body, and header fields by name in any case", function()
            open [[
                local a = http.get(URL)
                answer(req, a.status, a.body, a.headers["X-Number"], a.headers["x-number"], a.headers.none,
                    a.headers["Set-Cookie"])
            ]]
            api:answer { body = "hello", headers = { ["X-Number"] = "7", ["Set-Cookie"] = { "a=1", "b=2" } } }
            assert.equal("200 hello 7 7 nil a=1, b=2", said())
        end)

        it("is one whatever its status", function()
            open [[local a = http.get(URL) answer(req, a.status, a.body)]]
            api:answer { status = 503, body = "busy" }
            assert.equal("503 busy", said())
            assert.equal(0, counter "http.failed")
        end)

        it("to HEAD has no body", function()
            open [[local a = http.request { method = "HEAD", url = URL } answer(req, a.status, #a.body)]]
            assert.equal("200 0", said())
        end)

        it("keeps every byte of a body", function()
            open [[local a = http.get(URL) answer(req, #a.body, a.body:byte(1, -1))]]
            api:answer { body = "a\0\r\n\255" }
            assert.equal("5 97 0 13 10 255", said())
        end)
    end)

    describe("a request", function()
        it("says what it was told, and escapes its query", function()
            open [[
                http.get { url = URL .. "a?x=1", query = { b = "1 & 2", a = 7 },
                    headers = { ["X-B"] = 2, ["X-A"] = true } }
                http.post { url = URL .. http.escape "a/b", body = "text",
                    headers = { ["Content-Type"] = "text/plain" } }
                http.request { method = "DELETE", url = URL, query = {} }
                req:reply(200)
            ]]
            said()
            local first, second, third = unpack(api:requests())
            assert.equal("GET https://api.example.com/a?x=1&a=7&b=1%20%26%202", first.method .. " " .. first.url)
            assert.same({ ["x-a"] = "true", ["x-b"] = "2" }, first.headers)
            assert.is_nil(first.body)
            assert.equal("POST https://api.example.com/a%2fb text",
                second.method .. " " .. second.url .. " " .. second.body)
            assert.equal("text/plain", second.headers["content-type"])
            assert.equal("DELETE " .. URL, third.method .. " " .. third.url)
            assert.equal(3, counter "http.asked")
        end)

        it("that came out of what a caller wrote is refused, not sent", function()
            open [[
                local words = {}
                for _, options in ipairs {
                    { url = URL .. "a b" }, { url = "file:///etc/passwd" }, { url = "numbers" }, { url = URL .. "\0" },
                    { url = URL, headers = { ["X-A"] = "1\r\nX-B: 2" } }, { url = URL, headers = { ["X A"] = "1" } },
                } do
                    local a, problem, reason = http.get(options)
                    words[#words + 1] = a == nil and #problem > 0 and reason
                end
                answer(req, unpack(words))
            ]]
            assert.equal(("refused "):rep(6):sub(1, -2), said())
            assert.same({}, api:requests())
        end)

        it("runs within pcall, in timers and event routes", function()
            open([[local ok, a = pcall(http.get, URL .. "p") answer(req, ok, a.status)]], { more = [[
                sip.timer.every(1, function() http.get(URL .. "timer") end)
            ]] })
            assert.equal("true 200", said())
            net:advance(2.5)
            assert.equal(URL .. "timer", api:requests()[3].url)
        end)
    end)

    describe("while a request takes two seconds", function()
        it("no other call is delayed", function()
            open [[
                if req.method == "OPTIONS" then
                    return answer(req, http.get({ url = URL, timeout_ms = 5000 }).body)
                end
                return req:reply(200)
            ]]
            api:answer { body = "late", delay = 2 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            local before = net:now()
            bob:ask("MESSAGE", { uri = "sip:bob@10.0.0.1" })
            bob:receive(200)
            assert.is_true(net:now() - before < 0.01)
            assert.equal(1, net:status().waiting)
            assert.equal(1, net:status().http_requests)
            assert.equal("late", alice:receive(is_final).reason)
            assert.is_true(net:now() - before > 1.8)
        end)

        it("its deadline holds: that of the setting and its own", function()
            open([[
                local function reason(timeout_ms)
                    return (select(3, http.get { url = URL, timeout_ms = timeout_ms }))
                end
                answer(req, reason(), reason(300), reason(20000))
            ]], { http = { timeout_ms = 1000 } })
            api:answer { delay = 10 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(12)
            assert.equal("timeout timeout nil", alice:receive(is_final).reason)
            assert.equal(2, counter "http.late")
        end)

        it("what a caller who gave up has asked for is done, and its result is known", function()
            open [[
                sip.log.info("status %s", tostring(http.post({ url = URL }).status))
                req:reply(200)
            ]]
            api:answer { status = 201, delay = 1 }
            alice:invite "sip:bob@10.0.0.1"
            net:advance(0.5)
            alice:hangup()
            net:advance(1)
            assert.is_truthy(net:logged "status 201")
        end)
    end)

    it("tells why there is no answer", function()
        open [[
            local _, problem, reason = http.get(req:header "X-Url" or URL)
            answer(req, reason, problem)
        ]]
        api:answer { fail = true }
        assert.matches("^unavailable ", (said()))
        api:answer { fail = "limit" }
        assert.matches("^limit ", (said()))
        alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1", headers = { ["X-Url"] = "http://other.example/" } })
        assert.equal("unavailable nothing in the lab answers this URL", alice:receive(is_final).reason)
        assert.equal(3, counter "http.failed")
    end)

    it("says so where a handler cannot wait", function()
        open [[
            local ok, problem = pcall(string.gsub, "abc", "b", function() return http.get(URL) end)
            answer(req, ok, (problem:gsub("^.*: http", "http")))
        ]]
        assert.equal("false http: cannot wait inside a callback of a library function", said())
    end)

    it("is misused at the script's own line", function()
        open "req:reply(200)"
        local function fault_of(call)
            local ok, fault = net:reload { source = "local sip = require 'lunasip'\nlocal f = sip.http\n" .. call
                .. "\nfunction request_route(req) req:reply(200) end" }
            assert.is_nil(ok)
            -- The line and the words; check adds the column and shows the line.
            return (fault:gsub("^[^:]*:(%d+)[^ ]*(: [^\n]*).*", "%1%2"))
        end
        assert.equal("3: http: only a handler can wait", fault_of("f.get '" .. URL .. "'"))
        assert.matches("^3: .*no option 'timeout'", fault_of "local o = { url = 'x', timeout = 1 } f.get(o)")
        assert.matches("^3: http.get: a url is needed", fault_of "local o = {} f.get(o)")
        assert.matches("^3: http.get: timeout_ms is a whole number",
            fault_of "local o = { url = 'x', timeout_ms = tonumber '0' } f.get(o)")
        assert.matches("^3: http.post: redirects is a whole number",
            fault_of "local o = { url = 'x', redirects = tonumber '51' } f.post(o)")
        assert.matches("^3: http.get: headers has texts by name, not a table",
            fault_of "local h = rawset({}, 'A', {}) f.get { url = 'x', headers = h }")
        assert.matches("^3: .*url", fault_of "local n = tonumber '5' f.get { url = n }")
    end)

    describe("limits", function()
        it("http.requests: more are refused", function()
            open([[local a, problem, reason = http.get(URL) answer(req, reason, problem)]], { http = { requests = 1 } })
            api:answer { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            assert.equal("limit too many requests are under way (http.requests)", said(bob))
            assert.equal(1, counter "http.refused")
            alice:receive(299)
        end)

        it("http.body_bytes and http.head_bytes: a larger answer is none", function()
            open([[local a, problem, reason = http.get(URL) answer(req, reason, problem)]],
                { http = { body_bytes = 4, head_bytes = 1024 } })
            assert.equal("limit the answer's body is larger than http.body_bytes", said())
            api:answer { headers = { A = ("x"):rep(1024) } }
            assert.equal("limit the answer's head is larger than http.head_bytes", said())
            assert.equal(2, counter "http.too_large")
        end)

        it("script.waiting: the handler ends, and its answer is nobody's", function()
            open([[http.get(URL) req:reply(200)]], { script = { waiting = 1 } })
            api:answer { delay = 1 }
            alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            net:advance(0.1)
            bob:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
            bob:receive(500)
            alice:receive(200)
        end)
    end)

    it("is answered in the generation that asked", function()
        local function route(code)
            return ([[
                local sip = require "lunasip"
                function request_route(req)
                    req:reply(%d, sip.http.get("%s").body)
                end]]):format(code, URL)
        end
        open(nil, { route = route(298) })
        api:answer { body = "late", delay = 1 }
        alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
        net:advance(0.1)
        assert(net:reload { source = route(299) })
        assert.equal(298, alice:receive(is_final).status)
        assert.equal(299, select(2, said()))
    end)

    it("wakes those who wait when lunasip stops, and what they decide still leaves", function()
        open [[
            local _, _, reason = http.get(URL)
            sip.log.info("reason %s", reason)
            req:reply(503)
        ]]
        api:answer { delay = 1 }
        alice:ask("OPTIONS", { uri = "sip:bob@10.0.0.1" })
        net:advance(0.1)
        net.stage:stop_engine(0)
        assert.is_truthy(net:logged "reason cancelled")
        net.has_failed = true -- the engine is gone: only clean up
    end)

    it("answers every worker", function()
        open([[local a = http.get(URL) answer(req, a.status)]], { workers = 4 })
        for _ = 1, 8 do
            assert.equal("200", (said()))
        end
        assert.equal(8, #api:requests())
    end)

    it("has a lab that notices slips", function()
        open "req:reply(200)"
        assert.error_matches(function() api:answer { state = 200 } end, "unknown option 'state'")
        assert.error_matches(function() api:answer { fail = "gone" } end, "no reason 'gone'")
        assert.error_matches(function() net:http { status = 200 } end, "url")
    end)
end)
