-- The annotations must know everything that a script can call.
require "spec.lua.fake_core"

describe("lua/types/lunasip.lua", function()
    local file = assert(io.open "lua/types/lunasip.lua")
    local text = file:read "*a"
    file:close()

    it("is Lua", function()
        assert.is_truthy(loadstring(text))
    end)

    local parts = { log = "Log", dispatcher = "Dispatcher", media = "Media", timer = "Timer" }

    it("knows every function of sip", function()
        local sip = require "lunasip"
        for name, value in pairs(sip) do
            if type(value) == "function" then
                assert.is_truthy(text:find("function lunasip." .. name .. "(", 1, true), name)
            else
                assert.is_truthy(text:find("---@field " .. name .. " ", 1, true), name)
            end
        end
        for part, class in pairs(parts) do
            for name, value in pairs(sip[part]) do
                if type(value) == "function" then
                    assert.is_truthy(text:find("function " .. class .. "." .. name .. "(", 1, true), name)
                end
            end
        end
    end)

    it("knows every algorithm of the dispatcher", function()
        for name, number in pairs(require("lunasip").dispatcher.algorithms) do
            local found = text:match('| "' .. name:gsub("%-", "%%-") .. '" *# (%d+)')
            assert.equal(number, tonumber(found), name)
        end
    end)

    -- The engine's tables of words and methods, read from their C files.
    local function names_in(path, pattern)
        local out = {}
        local source = assert(io.open(path))
        for line in source:lines() do
            for name in line:gmatch(pattern) do
                out[#out + 1] = name
            end
        end
        source:close()
        return out
    end

    it("knows every word and method of a message", function()
        for _, path in ipairs { "message", "address", "network" } do
            for _, word in ipairs(names_in("engine/script/api_" .. path .. ".c", '{"([%w_]+)", read_')) do
                assert.is_truthy(text:find("%-%-%-@field " .. word .. "%?? "), word)
            end
        end
        for _, path in ipairs { "header", "request" } do
            for _, method in ipairs(names_in("engine/script/api_" .. path .. ".c", '{"([%w_]+)", [%w]+_[%w_]+}')) do
                assert.is_truthy(text:find(":" .. method .. "(", 1, true), method)
            end
        end
    end)
end)

describe("lua/types/lab.lua", function()
    it("is Lua, and knows what a network tells", function()
        local file = assert(io.open "lua/types/lab.lua")
        local text = file:read "*a"
        file:close()
        assert.is_truthy(loadstring(text))
        for name in pairs(require "lunasip.lab.tools") do
            assert.is_truthy(text:find("function LabNetwork:" .. name .. "(", 1, true), name)
        end
    end)
end)
