-- The annotations must know everything that a script can call.
require "spec.lua.fake_core"
local ffi = require "ffi"

describe("lua/types", function()
    local annotations = require "lunasip.check.annotations"
    local text = annotations.read "lua"

    it("is Lua, and the check reads each of its files", function()
        local found = {}
        for path in io.popen("ls lua/types/*.lua"):lines() do
            assert.is_truthy(loadfile(path))
            found[#found + 1] = path:match "([^/]+)%.lua$"
        end
        local known = { "lab", unpack(annotations.FILES) }
        table.sort(known)
        assert.same(known, found)
    end)

    local parts = {
        auth = "Auth", call = "CallMaker", log = "Log", dispatcher = "Dispatcher", media = "Media", nat = "Nat",
        registrar = "Registrar", sql = "Sql", http = "Http", timer = "Timer", trunk = "Trunk",
    }

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

    it("knows every method of a message", function()
        for _, path in ipairs { "header", "request" } do
            local methods = names_in("engine/script/api_" .. path .. ".c", '{"([%w_]+)", [%w]+_[%w_]+}')
            assert.is_true(#methods > 3, path)
            for _, method in ipairs(methods) do
                assert.is_truthy(text:find(":" .. method .. "(", 1, true), method)
            end
        end
    end)

    -- The other way round, and what `lunasip check` reads out of this file.
    describe("as the table of the API", function()
        local api = require("lunasip.check.api").parse(text)
        local engine = require("lunasip.stage").library
        ffi.cdef [[
        struct word { const char *name; void *literal, *text, *print, *number, *push, *write; };
        extern const struct word words_message[], words_address[], words_network[], words_flags[];
        ]]

        local words = {} -- of the engine: name -> can it be written?
        for _, list in ipairs { "words_message", "words_address", "words_network", "words_flags" } do
            local i = 0
            while engine[list][i].name ~= nil do
                words[ffi.string(engine[list][i].name)] = engine[list][i].write ~= nil
                i = i + 1
            end
        end

        it("has the engine's words of messages, and says which can be written", function()
            for word, is_written in pairs(words) do
                local field = api:field("Message", word)
                assert.is_truthy(field, word .. " is not annotated")
                assert.equal(is_written, field.is_written, word)
            end
        end)

        it("has no word or method of a message that the engine has not", function()
            local methods = {}
            for _, path in ipairs { "header", "request", "record" } do
                for _, method in ipairs(names_in("engine/script/api_" .. path .. ".c", '{"([%w_]+)", [%w]+_[%w_]+}')) do
                    methods[method] = true
                end
            end
            for _, class in ipairs { "Message", "Request", "Reply" } do
                for name, field in pairs(api.classes[class].fields) do
                    assert.is_truthy(field.declared and methods[name] or words[name] ~= nil, name)
                end
            end
        end)

        it("has no function of sip that the library has not", function()
            local sip = require "lunasip"
            for name, field in pairs(api.classes.lunasip.fields) do
                assert.is_truthy(sip[name], name)
                local class = not parts[name] and {} or api.classes["lunasip." .. parts[name]].fields
                for inner in pairs(class) do
                    assert.is_truthy(sip[name][inner], name .. "." .. inner)
                end
                assert.equal(field.declared ~= nil, type(sip[name]) == "function", name)
            end
            for name in pairs(api.classes["lunasip.Dictionary"].fields) do
                assert.is_truthy(sip.shared.any[name], name)
            end
            for name in pairs(api.classes["lunasip.Database"].fields) do
                assert.is_truthy(sip.sql.open("sqlite:x")[name], name)
            end
        end)

        it("has the engine's events", function()
            local events = names_in("engine/script/script.c", 'TEXT%("(%l+:%l+)"%)')
            for _, name in ipairs(names_in("engine/script/leave.c", '{"(reload:%l+)", %d+}')) do
                events[#events + 1] = name
            end
            for _, list in ipairs(names_in("engine/location/location.c", 'const names%[%] = {(.-)}')) do
                for name in list:gmatch '"(%l+)"' do
                    events[#events + 1] = "registration:" .. name
                end
            end
            for _, name in ipairs(names_in("engine/script/api_trunk.c", 'TEXT%("(trunk:%l+)"%)')) do
                events[#events + 1] = name
            end
            table.sort(events)
            local known = {}
            for name in pairs(api.classes.EventRoute.fields) do
                known[#known + 1] = name
            end
            table.sort(known)
            assert.same(events, known)
        end)
    end)
end)

describe("lua/types/lab.lua", function()
    it("is Lua, and knows what a network tells", function()
        local file = assert(io.open "lua/types/lab.lua")
        local text = file:read "*a"
        file:close()
        assert.is_truthy(loadstring(text))
        for name in pairs(require "lunasip.lab.tools") do
            assert.is_truthy(text:find("function Net:" .. name .. "(", 1, true), name)
        end
    end)
end)
