-- What no parser here may do, whatever it is given: raise, loop, or take back its word.
local fake = require "spec.lua.fake_core"
require "lunasip.runtime"
local config = require "lunasip.config"
local format = require "lunasip.format"
local lint = require "lunasip.lint"
local lists = require "lunasip.lists"
local pv = require "lunasip.pv"
local uri = require "lunasip.uri"

describe("any text at all", function()
    local state = 20240601

    local function chance(n)
        state = (state * 16807) % 2147483647
        return state % n + 1
    end

    -- Pieces that a parser knows, in an order that it does not.
    local pieces = {
        "$", "$$", "$(", "$ru", "$(ru{", "$hdr(", "$(hdr(X-Foo)[", "{s.select,", "{s.substr,1", "{uri.param,", "{", "}",
        "[", "]", "(", ")", ",", ";", "\\", "\\,", "-1", "*", "\0", "\255", "\n", " ", '"', "<", ">", "@", "sip:", "=",
        "var(x)", "$var(i)", "avp(x)", "%s", "%", "--[[", "]]", "manage(", "req[", "listen {", "timers { t1_ms = ", "x",
    }

    local function text()
        local out = {}
        for i = 1, chance(12) do
            out[i] = pieces[chance(#pieces)]
        end
        return table.concat(out)
    end

    local function each(check)
        for _ = 1, 5000 do
            check(text())
        end
    end

    it("is a variable, or is refused with a reason", function()
        local m = fake.invite()
        each(function(garbage)
            local compiled, err = pv.compile(garbage)
            if compiled then
                local kind = type(compiled.get(m))
                assert.is_true(kind == "string" or kind == "number" or kind == "nil", garbage)
            else
                assert.equal("string", type(err))
            end
        end)
    end)

    it("can be logged", function()
        each(function(garbage)
            local texts, variables = format.split(garbage)
            assert.equal(garbage, table.concat(texts))
            assert.equal(#texts, #variables)
        end)
    end)

    it("is a list of header values and parameters", function()
        each(function(garbage)
            lists.split(garbage)
            uri.param(garbage, "x")
            uri.parse(garbage)
            uri.name_addr(garbage)
        end)
    end)

    it("can be looked through for names", function()
        each(function(garbage)
            local references, err = lint.check(garbage, "x.lua")
            assert.is_truthy(references or err:match "^x%.lua:%d+: ")
        end)
    end)

    it("is a configuration, or is refused in a line for each fault", function()
        each(function(garbage)
            local result, err = config.check(garbage, "conf/x.lua")
            for line in (result and "" or err .. "\n"):gmatch "(.-)\n" do
                assert.matches("^conf/x%.lua:%d+: ", line)
            end
        end)
    end)
end)
