-- Every example of lua/lunasip/lab/README.md runs, and its tables name what there is.
local text_file = require "support.text_file"

local read = text_file.read

local readme = read "lua/lunasip/lab/README.md"
local setup = assert(readme:match "\n```lua setup\n(.-\n)```")

describe("an example of the lab's README.md", function()
    local count = 0
    for code in readme:gmatch "\n```lua\n(.-\n)```" do
        count = count + 1
        it(("runs (%d: %s)"):format(count, code:match "^[^\n]*"), function()
            local run = assert(loadstring(setup .. code .. "return net\n", "=example"))
            setfenv(run, getfenv(1))
            run():close()
        end)
    end

    it("is found", function()
        assert.is_true(count >= 8)
    end)
end)

-- Public functions of a file: "function Net:advance(" -> advance.
local function methods_in(class, ...)
    local out = {}
    for _, path in ipairs { ... } do
        for name in read("lua/lunasip/" .. path):gmatch("\nfunction " .. class .. "[:.]([%l_]+)%(") do
            out[#out + 1] = name
        end
    end
    return out
end

describe("the annotations of the lab", function()
    local types = read "lua/types/lab.lua"

    it("are Lua", function()
        assert.is_truthy(loadstring(types))
    end)

    -- What files of the lab say to each other.
    local inner = {
        temporary = true, add_engine = true, failed = true, note = true, resend = true, take_sdp = true, body = true,
        on_datagram = true, on_request = true, on_response = true, on_invite_response = true, answer_challenge = true,
        answer_cancel = true, fail = true, unique = true, close = true, label = true, remains = true, end_pings = true,
    }

    local function check(class, methods)
        for _, name in ipairs(methods) do
            if not inner[name] then
                local is_inherited = class == "Net" and types:find("function Engine:" .. name .. "(", 1, true)
                assert.is_truthy(is_inherited or types:find("function " .. class .. ":" .. name .. "(", 1, true),
                    class .. ":" .. name)
            end
        end
        -- And nothing that is not there.
        local known = {}
        for _, name in ipairs(methods) do known[name] = true end
        for name in types:gmatch("\nfunction " .. class .. ":([%l_]+)%(") do
            assert.is_true(known[name], class .. ":" .. name .. " does not exist")
        end
    end

    it("know every method of a network", function()
        local names = methods_in("Net", "lab.lua", "lab/network.lua", "lab/database.lua", "lab/http.lua")
        for _, more in ipairs { methods_in("M", "lab/tools.lua"), methods_in("Engine", "lab/engine.lua") } do
            for _, name in ipairs(more) do
                names[#names + 1] = name
            end
        end
        check("Net", names)
    end)

    it("know every method of an engine, an agent and a message", function()
        check("Engine", methods_in("Engine", "lab/engine.lua"))
        check("Database", methods_in("Database", "lab/database.lua"))
        check("Server", methods_in("Server", "lab/http.lua"))
        check("Agent", methods_in("Agent", "lab/agent.lua", "lab/uac.lua", "lab/uas.lua"))
        check("Message", methods_in("Message", "lab/message.lua"))
    end)

    it("and README.md know every matcher", function()
        for name in read("lua/lunasip/lab/matchers.lua"):match("local matchers = {(.-)}"):gmatch "([%l_]+) =" do
            assert.is_truthy(types:find("luassert." .. name .. "(", 1, true), name)
            assert.is_truthy(readme:find("`assert." .. name .. "(", 1, true), name)
        end
    end)
end)
