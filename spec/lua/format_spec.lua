local fake = require "spec.lua.fake_core"
require "lunasip.runtime"
local format = require "lunasip.format"
local sip = require "lunasip"

describe("format strings", function()
    before_each(fake.reset)

    it("fill in variables", function()
        assert.equal("INVITE from 127.0.0.1:5070", format.expand(fake.invite(), "$rm from $si:$sp"))
        assert.equal("<ALICE>", format.expand(fake.invite(), "<$(fU{s.toupper})>"))
    end)

    it("print nothing as <null>", function()
        assert.equal("du=<null>.", format.expand(fake.invite(), "du=$du."))
    end)

    it("never look at data for variables again", function()
        local m = fake.invite { user_agent = "$rU $(ru{s.len}) %s" }
        assert.equal("ua $rU $(ru{s.len}) %s", format.expand(m, "ua $ua"))
        assert.equal("ua $rU $(ru{s.len}) %s and $ru", format.expand(m, "ua $ua and %s", "$ru"))
    end)

    it("leave what is no variable as it stands", function()
        assert.equal("5$ and $(x and $nosuch 100", format.expand(fake.invite(), "5$ and $(x and $nosuch $rU"))
        assert.equal("$", format.expand(fake.invite(), "$$"))
    end)

    it("do not fail on nesting that no parser would take", function()
        local deep = ("$("):rep(3000)
        assert.equal(deep, format.expand(fake.invite(), deep))
    end)

    it("take string.format values", function()
        assert.equal("100: 3 of 5", format.expand(fake.invite(), "$rU: %d of %s", 3, "5"))
        assert.equal("%d of 100", format.expand(fake.invite(), "%d of $rU", "not a number"))
    end)

    it("raise in sip.format when a variable does not exist", function()
        assert.equal("alice@example.com", sip.format(fake.invite(), "$fU@$fd"))
        assert.has_error(function() sip.format(fake.invite(), "$nosuch") end)
    end)

    it("stay bounded in number", function()
        for i = 1, 3000 do
            format.expand(fake.invite(), "line " .. i .. " $rU")
        end
        assert.equal("line 1 100", format.expand(fake.invite(), "line 1 $rU"))
    end)
end)

describe("sip.log", function()
    before_each(fake.reset)

    it("tags lines with the call of the message given", function()
        sip.log.warning(fake.invite(), "from $fU")
        assert.same({ level = "warning", call_id = "call-1@127.0.0.1", text = "from alice" }, fake.logged[1])
    end)

    it("knows the message of the handler that runs, per coroutine", function()
        local current = require "lunasip.current"
        local function handler(m)
            sip.log.info "start $ci"
            coroutine.yield()
            sip.log.info("end $ci of " .. m.call_id)
        end
        local runs = {}
        for i = 1, 2 do
            runs[i] = coroutine.create(current.wrap(handler))
            assert(coroutine.resume(runs[i], fake.invite { call_id = "c" .. i }))
        end
        for i = 1, 2 do
            assert(coroutine.resume(runs[i]))
        end
        sip.log.info "$ci"
        local texts = {}
        for i, line in ipairs(fake.logged) do
            texts[i] = line.text
        end
        assert.same({ "start c1", "start c2", "end c1 of c1", "end c2 of c2", "$ci" }, texts)
    end)

    it("takes an event, which has a Call-ID but no variables", function()
        sip.log.info({ call_id = "c9", reason = "bye" }, "ended $rm")
        assert.same({ level = "info", call_id = "c9", text = "ended $rm" }, fake.logged[1])
    end)

    it("prints nothing for a level that is off", function()
        fake.levels_off = { debug = true }
        sip.log.debug(fake.invite(), "$rm")
        sip.log.info(fake.invite(), "$rm")
        assert.equal(1, #fake.logged)
    end)

    it("raises when there is no format", function()
        assert.has_error(function() sip.log.info(fake.invite()) end)
    end)
end)
