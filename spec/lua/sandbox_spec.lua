local fake = require "spec.lua.fake_core"
local runtime = require "lunasip.runtime"
local bounded = require "lunasip.bounded"

-- Run a text as a script; returns what it returns.
local function run(source, path)
    path = path or "scripts/test.lua"
    local env = runtime.new_environment(path)
    local chunk, err = runtime.load(path, env, source)
    if not chunk then
        return nil, err
    end
    local results = { pcall(chunk) }
    if not results[1] then
        return nil, results[2]
    end
    return unpack(results, 2)
end

local function value(expression)
    local result, err = run("local result = " .. expression .. "\nreturn result")
    assert.is_nil(err)
    return result
end

describe("the sandbox of scripts", function()
    local metatable = debug.getmetatable ""
    local saved_index, saved_protection = metatable.__index, metatable.__metatable

    before_each(fake.reset)
    teardown(function()
        metatable.__index, metatable.__metatable = saved_index, saved_protection
    end)

    for _, name in ipairs {
        "io", "ffi", "debug", "package", "load", "loadstring", "loadfile", "dofile", "coroutine", "getfenv", "setfenv",
        "newproxy", "module", "jit", "gcinfo", "arg",
    } do
        it("has no " .. name, function()
            local _, err = run("return " .. name)
            assert.matches("scripts/test%.lua:1: undefined variable '" .. name .. "'", err)
        end)
    end

    it("has no string.dump, and no os that reaches the machine", function()
        assert.equal("nil", value "type(string.dump)")
        for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "setlocale", "tmpname" } do
            assert.equal("nil", value("type(os." .. name .. ")"))
        end
    end)

    it("hides the metatables of texts and of its own tables", function()
        assert.is_nil((value "getmetatable('')"))
        assert.is_false(value "getmetatable(_G)")
        assert.is_false(value "getmetatable(string)")
        assert.is_false(value "getmetatable(require('lunasip'))")
        assert.is_false((value "pcall(function() setmetatable(_G, {}) end)"))
        assert.is_false((value "pcall(function() setmetatable('', {}) end)"))
    end)

    it("gives methods of texts that are bounded too", function()
        local _, err = run "local x = ('x'):rep(1e9)"
        assert.matches("test%.lua:1: string.rep", err)
        _, err = run "local x = (('a'):rep(5000)):find(('a*'):rep(9) .. 'b')"
        assert.matches("test%.lua:1: pattern is too expensive", err)
        assert.equal("nil", value "type((('')).dump)")
    end)

    it("keeps its libraries as they are", function()
        for _, change in ipairs {
            "string.find = nil", "rawset(string, 'find', print)", "table.sort = nil", "math.random = nil",
            "require('lunasip').log = nil", "require('lunasip').log.info = nil",
            "require('lunasip').dispatcher.select = nil",
            "rawset(require('lunasip'), 'log', {})", "rawset(_G, 'request_route', 5)", "rawset(route, 'X', 5)",
            "setmetatable(route, nil)", "require('lunasip').shared.x = 5", "require('lunasip').interface.x = 5",
        } do
            local _, err = run(change)
            assert.is_truthy(err, change)
        end
        assert.equal("function", value "type(string.find)")
    end)

    it("does not reach other tables through the function environment of its helpers", function()
        -- No getfenv, no debug: the only way to a global is its name.
        assert.is_true(value "_G._G == _G")
        assert.equal("nil", value "type(rawget(_G, 'io'))")
    end)

    it("refuses bytecode", function()
        local dumped = string.dump(function() return 1 end)
        local _, err = run(dumped)
        assert.matches("bytecode", err)
    end)

    it("compiles scripts with the JIT off", function()
        local env = runtime.new_environment "scripts/test.lua"
        local source = "function f() local x = 0 while true do x = x + 1 end end"
        local chunk = assert(runtime.load("scripts/test.lua", env, source))
        chunk()
        -- A count hook fires in interpreted code only: it ends a loop that would have been compiled.
        debug.sethook(function() error("budget", 0) end, "", 100000)
        local ok, err = pcall(rawget(env, "f"))
        debug.sethook()
        assert.is_false(ok)
        assert.equal("budget", err)
        assert.equal("@scripts/test.lua", debug.getinfo(chunk, "S").source)
    end)

    describe("require", function()
        it("gives the public parts of lunasip", function()
            for _, name in ipairs { "lunasip", "lunasip.log", "lunasip.dispatcher", "lunasip.media", "lunasip.shared",
                "lunasip.timer" } do
                assert.equal("table", value(("type(require %q)"):format(name)))
            end
            assert.is_true(value "require('lunasip') == require('lunasip')")
        end)

        it("gives nothing else", function()
            for _, name in ipairs {
                "lunasip.core", "lunasip.runtime", "lunasip.sandbox", "ffi", "io", "os", "lpeg", "jit.util", "debug",
                "../conf/sbc", "..conf", "/etc/passwd", "a/b", "a..b", "x.", "",
            } do
                local _, err = run(("local x = require %q"):format(name))
                assert.is_truthy(err, name)
                assert.matches("test%.lua:1: require: ", err)
            end
        end)

        it("loads files below the script's folder, once per generation, in the same sandbox", function()
            local folder = os.tmpname()
            os.remove(folder)
            os.execute("mkdir -p " .. folder .. "/lib/deep")
            local function write(name, text)
                local file = assert(io.open(folder .. "/" .. name, "w"))
                file:write(text)
                file:close()
            end
            write("lib/numbers.lua", "loaded = (rawget(_G, 'loaded') or 0) + 1\n"
                .. "return { io = rawget(_G, 'io'), n = loaded }")
            write("lib/deep/init.lua", "return require 'lib.numbers'")
            write("broken.lua", "return +")
            local path = folder .. "/route.lua"
            assert.equal(1, (run("return require('lib.numbers').n + require('lib.deep').n - 1", path)))
            assert.is_true((run("return require('lib.numbers') == require('lib.deep')", path)))
            assert.equal("nil", (run("return type(require('lib.numbers').io)", path)))
            local _, err = run("return require 'broken'", path)
            assert.matches("broken%.lua:1: unexpected symbol", err)
            os.execute("rm -r " .. folder)
        end)
    end)

    it("walks tables in one order", function()
        local keys = value [[(function()
            local t, out = { zeta = 1, alpha = 2, [3] = 3, [1] = 1, mid = 0 }, {}
            for key in pairs(t) do out[#out + 1] = tostring(key) end
            return table.concat(out, " ")
        end)()]]
        assert.equal("1 3 alpha mid zeta", keys)
        assert.equal("alpha", value "(next({ zeta = 1, alpha = 2 }))")
        assert.is_nil((value "next({})"))
        local _, err = run "local x = next({ 1 }, 1)"
        assert.matches("test%.lua:1: next: ", err)
        _, err = run "for _ in pairs(nil) do end"
        assert.matches("test%.lua:1: pairs: ", err)
        assert.equal("a", value [[(function()
            local t, out = { a = 1, b = 2 }, {}
            for key in pairs(t) do t.b = nil out[#out + 1] = key end
            return table.concat(out, " ")
        end)()]])
        assert.equal("find", value "(function() for k in pairs(string) do if k == 'find' then return k end end end)()")
    end)

    it("has the engine's time and chance", function()
        assert.equal(1000000000, value "os.time()")
        assert.equal("2001-09-09", value "os.date('!%Y-%m-%d')")
        assert.equal(1e9, value "os.clock()")
        assert.equal(978307200 > 0, value "os.time{ year = 2001, month = 1, day = 1 } > 0")
        fake.random_state = 42
        local first = value "math.random(1, 1000)"
        fake.random_state = 42
        assert.equal(first, value "math.random(1000)")
        assert.is_true(value "math.random() < 1")
        assert.is_true((value "math.randomseed(5) == nil"))
    end)

    it("ends no garbage collection but counts it", function()
        assert.equal("number", value "type(collectgarbage('count'))")
        assert.is_truthy(select(2, run "collectgarbage('stop')"))
    end)

    it("logs what a script prints", function()
        run "print('a', 5, nil)"
        assert.equal("a\t5\tnil", fake.logged[1].text)
    end)

    it("names undefined variables, and takes new ones", function()
        local _, err = run "return undefined_name"
        assert.matches("test%.lua:1: undefined variable 'undefined_name'", err)
        assert.equal(5, (run "x = 5 return x"))
    end)
end)

describe("bounded string functions", function()
    -- subject, pattern; both roads must agree with the native function.
    local matcher = require "lunasip.bounded_match"
    local patterns = require "lunasip.bounded_pattern"
    local cases = {
        { "hello world", "o" }, { "hello world", "l+" }, { "hello world", "(h)(.)(%l+)" }, { "hello", "^h(.-)o$" },
        { "hello", "x*" }, { "key = value", "^(%w+)%s*=%s*(%w+)$" }, { "a(b(c)d)e", "%b()" },
        { "THE (quick) fox", "%f[%a]%a+" },
        { "abcabc", "(abc)%1" }, { "aXb", "a[%u]b" }, { "a-b", "a%-b" }, { "a]b", "a[]]b" }, { "a^b", "[%^]" },
        { "x", "()" }, { "", "" }, { "", "^$" }, { "abc", "b()" }, { "a.b.c", "%." }, { "aaa", "a-b" },
        { "aab", "a-b" },
        { "sip:alice@example.com", "^sip:([^@]+)@(.+)$" }, { "  trim  ", "^%s*(.-)%s*$" }, { "a\0b", "%z" },
        { "2024-01-02", "(%d+)-(%d+)-(%d+)" }, { "abc", "a?b?c?d?" }, { "b", "a?b" }, { "$100", "^%$(%d+)$" },
        { "a$", "a$$" },
    }
    for _, case in ipairs(cases) do
        it(("agree with the native ones: %q %q"):format(case[1], case[2]), function()
            local subject, pattern = case[1], case[2]
            local compiled = assert(patterns.compile(pattern))
            for init = 1, #subject + 1 do
                assert.same({ string.find(subject, pattern, init) }, { matcher.find(subject, compiled, init) })
                assert.same({ string.match(subject, pattern, init) }, { matcher.match(subject, compiled, init) })
            end
            assert.same({ string.gsub(subject, pattern, "<%0>") }, { matcher.gsub(subject, compiled, "<%0>") })
            assert.same({ string.gsub(subject, pattern, string.upper, 1) },
                { matcher.gsub(subject, compiled, string.upper, 1) })
            assert.same({ string.find(subject, pattern) }, { bounded.find(subject, pattern) })
            if pattern:sub(1, 1) ~= "^" then
                local native, slow = {}, {}
                for a, b in string.gmatch(subject, pattern) do native[#native + 1] = { a, b } end
                for a, b in matcher.gmatch(subject, compiled) do slow[#slow + 1] = { a, b } end
                assert.same(native, slow)
            end
        end)
    end

    it("take tables and functions as replacements", function()
        local subject = ("k"):rep(2000)
        local pattern = "(k*)(k*)(k*)x?$"
        local compiled = patterns.compile(pattern)
        local words = { k = "key" }
        assert.same({ string.gsub("k v", "%w", words) }, { matcher.gsub("k v", patterns.compile "%w", words) })
        assert.same({ string.gsub(subject, pattern, "%1") }, { matcher.gsub(subject, compiled, "%1") })
    end)

    it("run innocent patterns on big texts", function()
        local body = ("a=x:y\r\n"):rep(5000) .. "m=audio 4000 RTP/AVP 0\r\n"
        assert.equal("4000", bounded.match(body, "m=audio (%d+)"))
        assert.equal("RTP/AVP", bounded.match(body, "m=%a+ %d+ (%S+)"))
        assert.equal(5000, select(2, bounded.gsub(body, "a=x", "b=x")))
    end)

    it("give up on patterns that would not end, at the caller's line", function()
        local subject = ("a"):rep(30000)
        for _, pattern in ipairs { "a*a*a*a*a*b", "(a*)*b*c", ".-.-.-.-b", "%b()a*a*b" } do
            for _, name in ipairs { "find", "match", "gsub" } do
                local ok, err = pcall(function()
                    local result = bounded[name](subject, pattern, "")
                    return result
                end)
                if not ok then
                    assert.matches("sandbox_spec%.lua:%d+: pattern is too expensive", err)
                end
            end
        end
        assert.has_error(function() bounded.find(subject, "a*a*a*a*b") end)
        assert.has_error(function() bounded.gmatch(subject, "a-a-a-b")() end)
    end)

    it("bound plain searches and repetitions", function()
        local long = ("a"):rep(1000000)
        assert.has_error(function() bounded.find(long, long:sub(1, 500000) .. "b", 1, true) end)
        assert.equal(1000000, #bounded.rep("a", 1000000))
        assert.has_error(function() bounded.rep("ab", 1000000) end)
        assert.has_error(function() bounded.rep("", 1e9, "xx") end)
        assert.equal("", bounded.rep("x", -1))
    end)

    it("refuse what is no pattern", function()
        for _, pattern in ipairs { "[a", "%", "(a", "%f", "%b(", "%1" } do
            assert.has_error(function() bounded.find("aaa", pattern) end)
        end
        assert.has_error(function() bounded.find(nil, "a") end)
        assert.has_error(function() bounded.find("a", {}) end)
        assert.equal(1, (bounded.find(123, "1")))
    end)
end)
