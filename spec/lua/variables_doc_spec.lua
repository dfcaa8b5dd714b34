-- lua/VARIABLES.md must say what there is.
require "spec.lua.fake_core"
local pv = require "lunasip.pv"
local pv_names = require "lunasip.pv_names"
local transformations = require "lunasip.transformations"

describe("lua/VARIABLES.md", function()
    local file = assert(io.open "lua/VARIABLES.md")
    local text = file:read "*a"
    file:close()
    local here, refused, functions = text:match "^(.-)\n## Not here\n(.-)\n## Transformations\n(.*)$"

    -- Rows of tables whose first column begins with a code: first column, the others.
    local function rows(part)
        return part:gmatch "\n| (`[^|]+`) |([^\n]*)|"
    end

    it("lists every variable, with its marks", function()
        local known, seen = pv_names.all(), {}
        for column, rest in rows(here) do
            local marks = rest:match "^([^|]*)|"
            for variable in column:gmatch "`([^`]+)`" do
                local compiled, err = pv.compile(variable)
                assert.is_truthy(compiled, tostring(err))
                local name = compiled.name
                seen[name] = true
                local definition = known[name]
                assert.equal(definition.set ~= nil, marks:find "w" ~= nil, variable .. " can be written?")
                if name ~= "hflc" then -- shares a row with $hfl
                    assert.equal(definition.index == true, marks:find "i" ~= nil, variable .. " takes an index?")
                end
                assert.equal(definition.argument == "required", variable:find "%(" ~= nil, variable)
            end
        end
        for name in pairs(known) do
            assert.is_true(seen[name], "$" .. name .. " is missing")
        end
    end)

    it("lists every variable that is refused, in the words of the error", function()
        local words, seen = pv_names.refused(), {}
        for column, rest in rows(refused) do
            for name in column:gmatch "`%$([^`]+)`" do
                assert.equal(words[name], rest:match "^ (.-) $", name)
                assert.is_nil(pv_names.all()[name], name)
                seen[name] = true
            end
        end
        for name in pairs(words) do
            assert.is_true(seen[name], "$" .. name .. " is missing")
        end
    end)

    it("lists every transformation", function()
        local seen = {}
        for column in rows(functions) do
            for code in column:gmatch "`({[^`]+})`" do
                local class, call, parameters = code:match "^{(%a+)%.([%w.]+),?(.*)}$"
                local example = parameters ~= "" and parameters:gsub("INDEX", "0"):gsub("SEPARATOR", ";") or nil
                assert.is_truthy(transformations.compile(class, call, example), code)
                seen[class .. "." .. call] = true
            end
        end
        for class, calls in pairs(transformations.all()) do
            for call in pairs(calls) do
                assert.is_true(seen[class .. "." .. call], class .. "." .. call .. " is missing")
            end
        end
    end)
end)
