-- What goes from one generation to the next as a text.
require "lua.fake_core"
local leave = require "lunasip.leave"

local function copy(value, most)
    return leave.unpack(assert(leave.pack(value, most or 65536)))
end

describe("plain data", function()
    it("comes back as it went", function()
        local given = {
            1, 2.5, -0.1, 1e300, 2 ^ 53 + 1, "", "text", "a:b;{}s3:\0\r\n", true, false,
            name = { nested = { [true] = "yes", [0.5] = "half" }, empty = {} },
        }
        assert.same(given, copy(given))
        for _, value in ipairs { "x", 7, true, false, {} } do
            assert.same(value, copy(value))
        end
        assert.equal(math.huge, copy(math.huge))
        assert.equal(-math.huge, copy(-math.huge))
        local nan = copy { 0 / 0 }
        assert.is_true(nan[1] ~= nan[1])
    end)

    it("is a copy: what stood in two places are two", function()
        local shared = { 1 }
        local out = copy { shared, shared }
        assert.same({ { 1 }, { 1 } }, out)
        assert.are_not.equal(out[1], out[2])
    end)

    it("may be as long as the setting says and no longer", function()
        assert.equal("s5:abcde", leave.pack("abcde", 8))
        local packed, err = leave.pack("abcde", 7)
        assert.is_nil(packed)
        assert.equal("it is longer than 7 bytes (script.leave_bytes)", err)
        local long = {}
        for i = 1, 1000 do long[i] = i end
        assert.is_nil((leave.pack(long, 1000)))
        assert.is_nil((leave.pack({}, 0)))
    end)

    it("is refused when it is not plain", function()
        local circle = {}
        circle.again = circle
        for what, value in pairs {
            ["a function is not plain data"] = { f = print },
            ["a thread is not plain data"] = { [coroutine.create(print)] = 1 },
            ["a userdata is not plain data"] = { io.stdout },
            ["nested deeper than 32, or in a circle"] = circle,
            ["a table with a metatable is not plain data"] = { setmetatable({}, {}) },
        } do
            local packed, err = leave.pack(value, 65536)
            assert.is_nil(packed)
            assert.is_truthy(err:find(what, 1, true), err)
        end
    end)
end)
