-- {re.subst} and {json.…} on the engine: PCRE2 and jansson are not there in plain busted.
local ffi = require "ffi"
local stage = require "lunasip.stage"
local world = require "route.world"
local evaluate = require "script.evaluate"

describe("{re.subst}", function()
    -- value, expression, result: those of Kamailio 5.6 where it has the same
    local examples = {
        { "aAbAA", "/A/x/g", "axbxx" }, { "aAbAA", "/A/x/", "axbAA" }, { "aAbAA", "/a/x/ig", "xxbxx" },
        { "aAbAA", "/z/x/", "aAbAA" }, { "", "/z*/x/", "x" }, { "abc", "/x*/-/g", "-a-b-c-" },
        { "sip:100@h;lr", [[/^sip:(.*)@(.*)/\1/]], "100" }, { "sip:100@h;lr", [[/^sip:(.*)@(.*)/\2-\1/g]], "h;lr-100" },
        { "sip:100@h", "/^sip:[0-9]{2}/x/", "x0@h" }, { "sip:100@h", [[#^sip:(.*)@#\1$$#]], "100$h" },
        { "sip:100@h", [[/^sip:(.*)@(.*)/$rm-\1/]], "INVITE-100" }, { "100@h", [[/^(sip:)?(.*)@/\1\2\3/]], "100h" },
        { "a/b/c", [[/\//-/g]], "a-b-c" }, { "a.b", [[/\./\\/]], "a\\b" }, { "ab", [[/(a)(b)/[\0|\2\1]/]], "[ab|ba]" },
        { "a\nb", "/^b/x/", "a\nx" }, { "a\nb", "/^b/x/s", "a\nb" }, { "a\nb", "/a.b/x/", "a\nb" },
        { "a\nb", "/a.b/x/s", "x" }, { "\255\0z", "/z/y/", "\255\0y" },
    }
    for _, example in ipairs(examples) do
        it(("%q %s"):format(example[1], example[2]), function()
            local text = ("$(var(x){re.subst,%s})"):format(example[2])
            assert.equal(example[3], evaluate.one(("req['$var(x)'] = %q out(req[%q])"):format(example[1], text)))
        end)
    end

    it("is nothing for nothing, and goes on in a chain", function()
        assert.same({ "nil", "2" }, evaluate.all [[
            out(req["$(vn(none){re.subst,/a/b/})"]) req["$var(x)"] = "aXa" out(req["$(var(x){re.subst,/X//}{s.len})"])
        ]])
    end)

    it("ends what would never end, and counts it", function()
        local net, alice = world.open {
            conf = { script = { regex_steps = 10000 } },
            route = [[function request_route(req)
                req["$var(x)"] = ("a"):rep(60) .. "!"
                local bad = req["$(var(x){re.subst,/^(a+)+$/x/})"]
                local many = req["$(var(x){re.subst,/(a?){20}[bc]/x/g})"]
                req["$var(x)"] = "good"
                req:reply(200, tostring(bad) .. " " .. tostring(many) .. " " .. req["$(var(x){re.subst,/o/0/g})"])
            end]],
        }
        alice:send(world.raw {})
        assert.equal("nil nil g00d", alice:receive(200).reason)
        assert.equal(2, net:status().counters["script.regex_limit"])
        net:close()
    end)

    it("refuses what is no expression at load", function()
        for expression, problem in pairs {
            ["/a/b"] = "an expression like",
            ["/a/b/q"] = "the flags g, i and s", ["/(a/b/"] = "at character 2 of '(a'",
            ["/a/$nope/"] = "unknown variable $nope",
        } do
            local ok, err = pcall(world.open, {
                route = ("function request_route(req) print(req['$(ru{re.subst,%s})']) end"):format(expression),
            })
            assert.is_false(ok)
            assert.is_truthy(tostring(err):find(problem, 1, true), tostring(err))
        end
    end)
end)

describe("{json}", function()
    it("gives a field as a text", function()
        local json = [[{"name":"Bo\"b","n":5,"ok":true,"none":null,"list":[1,{"a":2}],"a.b":1.5}]]
        assert.same({ '"Bo\\"b"', "5", "true", "nil", '[1,{"a":2}]', "1.5", "nil", "nil" }, evaluate.all(([[
            req["$var(x)"] = %q
            out(("%%q"):format(req["$(var(x){json.parse,name})"]))
            for _, name in ipairs { "n", "ok", "none", "list", "a.b", "zz" } do
                req["$var(n)"] = name
                out(req["$(var(x){json.parse,$var(n)})"])
            end
            req["$var(x)"] = "no json"
            out(req["$(var(x){json.parse,n})"])
        ]]):format(json)))
    end)

    it("and expressions survive that memory runs out, at each allocation", function()
        ffi.cdef "void memory_fail_after(uint64_t n); void memory_fail_never(void);"
        local net, alice = world.open { route = [[function request_route(req)
            local name = "$(ci{re.subst,/^(.).*$/\\1" .. req["$cs"] .. "/})" -- compiled anew for each request
            req["$xavp(a=>b)"] = req[name] .. req["$(mbu{s.len})"]
            req["$var(x)"] = '{"list":[1,2,3]}'
            req:reply(200, req["$xavp(a=>b)"] .. req["$(var(x){json.parse,list})"])
        end]] }
        local n = 0
        local reply
        repeat
            alice:send(world.raw { cseq = 1000 + n, branch = "n" .. n, call_id = "Call-ID: x", method = "OPTIONS" })
            stage.library.memory_fail_after(n)
            local _, answer = pcall(alice.receive, alice, function(msg) return msg.status end, 0.1)
            stage.library.memory_fail_never()
            reply = type(answer) == "table" and answer
            net:advance(64)
            alice.queue = {}
            n = n + 1
        until reply and reply.status == 200 or n == 1000
        assert.is_true(n > 10)
        assert.matches("^x%d+%[1,2,3%]$", reply.reason)
        net:close()
    end)

    it("encodes keys", function()
        assert.equal("a%2Eb+c-%40", evaluate.one [[req["$var(x)"] = "a.b c-@" out(req["$(var(x){json.encode})"])]])
    end)
end)
