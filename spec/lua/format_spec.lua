local fake = require "spec.lua.fake_core"
require "lunasip.runtime"
local format = require "lunasip.format"
local sip = require "lunasip"

-- Log lines are printed by the engine: spec/script/log_test.c.
describe("format strings", function()
    before_each(fake.reset)

    local function expand(m, text)
        return assert(format.compile(text))(m)
    end

    it("fill in variables", function()
        assert.equal("INVITE from 127.0.0.1:5070", expand(fake.invite(), "$rm from $si:$sp"))
        assert.equal("<ALICE>", expand(fake.invite(), "<$(fU{s.toupper})>"))
    end)

    it("print nothing as <null>", function()
        assert.equal("du=<null>.", expand(fake.invite(), "du=$du."))
    end)

    it("never look at data for variables again", function()
        local m = fake.invite { user_agent = "$rU $(ru{s.len}) %s" }
        assert.equal("ua $rU $(ru{s.len}) %s", expand(m, "ua $ua"))
    end)

    it("split into what is a variable and what stands as it is written", function()
        local texts, variables, bad = format.split("5$ and $(x and $nosuch 100$rU")
        assert.equal("5$ and $(x and $nosuch 100$rU", table.concat(texts))
        assert.equal("$rU", texts[#texts])
        for i = 1, #texts - 1 do
            assert.is_false(variables[i])
        end
        assert.equal("function", type(variables[#texts].get))
        assert.matches("unknown variable %$nosuch", bad)
        assert.equal("$", expand(fake.invite(), "$$"))
    end)

    it("name the word that a variable is, if it is no more than that", function()
        local _, variables = format.split("$si$rU$(si{s.len})")
        assert.same({ "source_ip" }, { variables[1].word, variables[2].word, variables[3].word })
    end)

    it("do not fail on nesting that no parser would take", function()
        local deep = ("$("):rep(3000)
        assert.equal(deep, table.concat((format.split(deep))))
    end)

    it("raise in sip.format when a variable does not exist", function()
        assert.equal("alice@example.com", sip.format(fake.invite(), "$fU@$fd"))
        assert.has_error(function() sip.format(fake.invite(), "$nosuch") end)
    end)

    it("stay bounded in number", function()
        for i = 1, 3000 do
            expand(fake.invite(), "line " .. i .. " $rU")
            sip.log.info(fake.invite(), "line " .. i .. " $rU")
        end
        assert.equal("line 1 100", expand(fake.invite(), "line 1 $rU"))
        sip.log.info(fake.invite(), "line 1 $rU")
        assert.equal("line 1 100", fake.logged[#fake.logged].text)
    end)
end)
