-- Examples in the comments of lua/ run: each @usage of what scripts see, and the one of lua/lunasip/lab.lua.
local lunasip = require "support.lunasip"
local process = require "support.process"
local text_file = require "support.text_file"

local read, write = text_file.read, text_file.write

local function run_in(folder, words)
    return process.run({ lunasip.build .. "/lunasip", unpack(words) }, 60, { directory = folder })
end

-- Every @usage in lua/, as a statement of request_route.
local usages = {}
local files = io.popen "grep -rln '@usage' lua"
for path in files:lines() do
    if not path:match "^lua/lunasip/lab" then
        for line in read(path):gmatch "%-%- @usage ([^\n]+)" do usages[#usages + 1] = { path = path, code = line } end
    end
end
files:close()

describe("@usage in lua/", function()
    after_each(process.clean)

    local CONF = [[
listen { public = { "udp:127.0.0.10:5060" }, private = { "udp:127.0.0.20:5060" } }
media { public = "127.0.0.10", private = "127.0.0.20" }
dispatcher { sets = { [1] = { "sip:127.0.0.11" }, [2] = { "sip:127.0.0.21" } } }
address { trunks = { "127.0.0.12" } }
shared { "counters", "blocked" }
route "route.lua"
]]
    -- One call that the route answers itself; nothing of the script may fail.
    local SPEC = [[
local lab = require "lunasip.lab"
it("runs", function()
    local net = lab.new { conf = "conf.lua" }
    local phone = net:agent { name = "phone", address = "127.0.0.12", side = "public" }
    phone:invite("sip:4711@127.0.0.10", { sdp = true })
    phone:receive(486)
    assert.equal(0, net:status().counters["script.error"])
    net:close()
end)
]]

    it("is found", function()
        assert.is_true(#usages >= 4)
    end)

    local function run_usage(code)
        local folder = process.folder()
        write(folder .. "/conf.lua", CONF)
        write(folder .. "/usage_spec.lua", SPEC)
        write(folder .. "/route.lua", ('local sip = require "lunasip"\nfunction request_route(req)\n  do\n%s\n  end\n'
            .. "  req:reply(486)\nend\n"):format(code))
        return run_in(folder, { "test", "usage_spec.lua" })
    end

    for _, usage in ipairs(usages) do
        it("runs: " .. usage.path .. ": " .. usage.code:sub(1, 60), function()
            local code, output = run_usage(usage.code)
            assert.equal(0, code, output)
        end)
    end

    it("would be told when it were wrong", function()
        assert.equal(1, (run_usage 'sip.media.mange(req, { from = "public" })'))
        assert.equal(1, (run_usage "local x = nosuch"))
    end)
end)

describe("the example of lua/lunasip/lab.lua", function()
    after_each(process.clean)

    it("runs", function()
        local head, lines = read("lua/lunasip/lab.lua"):match "^(.-\n)%-%- Everything", {}
        for line in head:gmatch "%-%-     ([^\n]+)" do lines[#lines + 1] = line end
        assert.is_true(#lines >= 8)
        local folder = process.folder()
        write(folder .. "/example_spec.lua", ('it("runs", function()\n%s\nend)\n'):format(table.concat(lines, "\n")))
        local code, output = run_in(".", { "test", folder .. "/example_spec.lua" })
        assert.equal(0, code, output)
        assert.matches("1 success", output)
    end)
end)
