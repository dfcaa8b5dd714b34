local fake = require "spec.lua.fake_core"
local runtime = require "lunasip.runtime"

local PATH = "scripts/test.lua"

local function load(source)
    local env = runtime.new_environment(PATH)
    local chunk, err = runtime.load(PATH, env, source)
    if not chunk then
        return nil, err
    end
    chunk()
    return runtime.handlers(env)
end

describe("a script", function()
    before_each(fake.reset)

    it("gives its handlers", function()
        local seen = {}
        fake.seen = seen
        local handlers = load [[
            function request_route(req) req["$var(a)"] = "request" route.NEXT(req) end
            function route.NEXT(req) req["$var(b)"] = "next" end
            function onreply_route(reply) reply["$var(a)"] = "default" end
            function onreply_route.NAMED(reply) onreply_route(reply) end
            function branch_route.B(req) end
            function failure_route.F(req, reply) req["$var(a)"] = reply.status end
            event_route["dialog:end"] = function(event) event.seen = true end
        ]]
        local m = fake.invite()
        handlers.request_route(m)
        assert.same({ "request", "next" }, { m["$var(a)"], m["$var(b)"] })
        handlers.onreply.NAMED(m)
        assert.equal("default", m["$var(a)"])
        handlers.onreply_default(m)
        handlers.failure.F(m, { status = 486 })
        assert.equal(486, m["$var(a)"])
        local event = {}
        handlers.event["dialog:end"](event)
        assert.is_true(event.seen)
        assert.equal("function", type(handlers.branch.B))
        assert.is_nil(handlers.onreply[1])
    end)

    it("may leave everything out but request_route", function()
        local handlers = load "function request_route(req) end"
        handlers.request_route = nil
        assert.same({ branch = {}, failure = {}, onreply = {}, event = {} }, handlers)
    end)

    it("may change a handler until it has run", function()
        local handlers = load "function route.A() end route.A = nil function request_route(req) req['$var(a)'] = 1 end"
        assert.equal("function", type(handlers.request_route))
    end)

    local faults = {
        { "function request_route(req)\n  return +\nend", "^scripts/test%.lua:2: unexpected symbol near" },
        { "x =", "^scripts/test%.lua:1: " },
        { "\nfunction f(req) return req['$Rii'] end", "^scripts/test%.lua:2: unknown variable %$Rii; did you mean" },
        { "function f(req) return req[ [[$(ru{s.lem})]] ] end", "^scripts/test%.lua:1: .*mean 'len'" },
        { "function route.A(m) return m['$Rii'] end", "^scripts/test%.lua:1: unknown variable %$Rii" },
        { "failure_route['A'] = function(m, r)\n return r['$rrr'] end", "^scripts/test%.lua:2: unknown variable" },
        { "function f(req) media.manage(req, 'no-such-flag') end", "^scripts/test%.lua:1: unknown flag" },
        { "function f(req) media.manage(req,\n  [[trust-address no-such-flag]]) end",
            "^scripts/test%.lua:2: unknown flag" },
        { "function f(req) media.manage(req, {\n  from = 'a', ['x'] = g({ y = true }), z = 1,\n"
            .. "  ['no-such-flag'] = true }) end",
            "^scripts/test%.lua:3: unknown flag" },
        { "function f(req) media.manage(req, { no = 'such', ['no-such-flag'] = false }) end", "unknown flag" },
        { "\27LJ", "bytecode" },
    }
    for _, fault in ipairs(faults) do
        it("is refused before it runs: " .. fault[1]:gsub("%s+", " "), function()
            local handlers, err = load(fault[1])
            assert.is_nil(handlers)
            assert.matches(fault[2], err)
        end)
    end

    local late = {
        { "function f(req) req:relay{ on_failure = 'NOWHERE' } end",
            "^scripts/test%.lua:1: there is no failure_route%.NOWHERE" },
        { "function branch_route.ABC() end\nfunction f(req) req:relay{ on_branch = 'ABD', to = x } end",
            "^scripts/test%.lua:2: there is no branch_route%.ABD; did you mean 'ABC'" },
        { "function f(req) req:relay{ on_reply = \"R\" } end", "there is no onreply_route%.R" },
        { "route = {}", "^scripts/test%.lua:1: 'route' is a table that is there already" },
        { "function failure_route() end", "'failure_route' is a table" },
        { "request_route = 5", "'request_route' must be a function" },
        { "route.A = 5", "^scripts/test%.lua:1: route%.A: a function is needed, not a number" },
        { "local x = onreply_route()", "no default function was assigned" },
        { "function f(req)\n  lgo.info('x')\nend", "^scripts/test%.lua:2: there is no global 'lgo'; define it" },
        { "function f(req) return function()\n  return tostrin(req) end end",
            "^scripts/test%.lua:2: there is no global 'tostrin'; did you mean 'tostring'" },
        { "x = 5\nfunction f(req) return x + y end", "^scripts/test%.lua:2: there is no global 'y'" },
        { "function f(req) route.NEXT(req) end", "^scripts/test%.lua:1: there is no route%.NEXT; define function" },
        { "function route.NEXT() end\nfunction f(req) return route.NXET(req) end",
            "^scripts/test%.lua:2: there is no route%.NXET; did you mean 'NEXT'" },
        { "function reqest_route() end", "^scripts/test%.lua:1: there is no request_route; is 'reqest_route' meant" },
        { "local x", "^scripts/test%.lua:1: there is no request_route; define" },
    }
    for _, fault in ipairs(late) do
        it("is refused once it has run: " .. fault[1]:gsub("%s+", " "):sub(1, 60), function()
            local ok, err = pcall(load, fault[1])
            assert.is_false(ok)
            assert.matches(fault[2], err)
        end)
    end

    it("may name handlers and variables in comments, texts and expressions", function()
        assert.is_truthy(load [==[
            local media, flags
            -- req["$nosuch"] relay{ on_failure = "NOWHERE" }
            --[[ media.manage(req, "no-such-flag") ]]
            local text = 'req["$nosuch"]'
            local name = "X"
            function f(req) req:relay{ on_failure = "X" .. name, on_reply = name } return req["$" .. name] end
            function g(req) media.manage(req, flags .. "no-such-flag") media.manage(req, { from = "no-such-flag" }) end
            -- tostrin(lgo)
            function late() defined_late = true return defined_late, req_or_nil and req_or_nil.lgo end
            req_or_nil = false
            if route.OPTIONAL then route.OPTIONAL() end
            route.COMPUTED = late
            function request_route(req) route.COMPUTED(req) local t = { route = {} } t.route.NOWHERE() end
        ]==])
    end)

    it("may have tables of its own that look like the API", function()
        for _, body in ipairs {
            "function route.ACK() end local work = route[req.method] return work and route[req.method](req)",
            "local stats = { manage = tostring } stats.manage(req, 'hello world')",
            "local media = { manage = tostring } media.manage(req, 'hello world')",
            "local answers = { on_reply = 'some text' } return answers",
            "local prices = { ['$five'] = 5 } prices['$six'] = 6 return prices['$five']",
            "local state = { req = {} } return state.req['$mine']",
        } do
            assert.is_truthy(load(("function request_route(req) %s end"):format(body)))
        end
    end)

    it("may use the name route for something else", function()
        assert.is_truthy(load "function request_route(req) local route = req.routes route.ANY(req) end")
    end)

    it("is told when it cannot be read", function()
        local chunk, err = runtime.load("scripts/nowhere.lua", runtime.new_environment "scripts/nowhere.lua")
        assert.is_nil(chunk)
        assert.matches("^scripts/nowhere%.lua:1: cannot be read %(No such file or directory%);", err)
        chunk, err = runtime.load("scripts", runtime.new_environment "scripts")
        assert.is_nil(chunk)
        assert.matches("^scripts:1: cannot be read", err)
    end)

    it("keeps line numbers under a #! line", function()
        local _, err = load "#!/usr/bin/lunasip\nx = +"
        assert.matches("^scripts/test%.lua:2: ", err)
    end)
end)
