-- The architecture as a test: who may include whom, where a library may be touched, how long things may get.
local floors = require "support.floors"

describe("the floors of engine/", function()
    it("include only lower floors, and touch a library in one place only", function()
        local complaints, soft = floors.check(floors.read("engine", "%.[ch]$"))
        for _, line in ipairs(soft) do io.stderr:write("long function: ", line, "\n") end
        assert.equal("", table.concat(complaints, "\n"))
    end)

    it("explain themselves in a README.md each", function()
        assert.equal("", table.concat(floors.without_readme(floors.read("engine", ".")), "\n"))
    end)

    it("name each of their files there, and none that is not there", function()
        assert.equal("", table.concat(floors.unnamed_files(floors.read("engine", ".")), "\n"))
    end)

    it("and those of lua/ are named in lua/README.md", function()
        local files = floors.read("lua/lunasip", "^lua/lunasip/[^/]+%.lua$")
        for path, source in pairs(floors.read("lua/lunasip/check", "^lua/lunasip/check/[^/]+%.lua$")) do
            files[path] = source
        end
        for path, source in pairs(floors.read("lua/lunasip/config", "%.lua$")) do files[path] = source end
        files["lua/README.md"] = floors.read("lua", "^lua/README%.md$")["lua/README.md"]
        assert.equal("", table.concat(floors.unnamed_lua_files(files), "\n"))
    end)

    it("name no module", function()
        local complaints = {}
        for name in io.popen("ls modules 2>/dev/null"):lines() do
            for path, source in pairs(floors.read("engine", "%.[ch]$")) do
                if source:find("modules/" .. name, 1, true) then complaints[#complaints + 1] = path .. ": " .. name end
            end
        end
        assert.equal("", table.concat(complaints, "\n"))
    end)
end)

describe("the samples in scripts/", function()
    it("have at most 150 lines each", function()
        local samples = floors.read("scripts", "%.lua$")
        for path in pairs(samples) do
            if path:match "_spec%.lua$" then samples[path] = nil end
        end
        assert.equal("", table.concat(floors.check_scripts(samples), "\n"))
    end)
end)

describe("the floors check itself", function()
    local function complaints_of(path, source) return (floors.check { [path] = source }) end

    it("refuses an include of a higher floor", function()
        assert.same({ "engine/sip/via.c:1: floor sip must not include transport/flow.h" },
            complaints_of("engine/sip/via.c", '#include "transport/flow.h"\n'))
        assert.same({ "engine/dialog/dialog.c:1: floor dialog must not include location/location.h" },
            complaints_of("engine/dialog/dialog.c", '#include "location/location.h"\n'))
        assert.same({ "engine/media/sdp.c:1: floor media must not include sip/message.h" },
            complaints_of("engine/media/sdp.c", '#include "sip/message.h"\n'))
        assert.same({ "engine/route/proxy.c:1: floor route must not include script/script.h" },
            complaints_of("engine/route/proxy.c", '#include "script/script.h"\n'))
    end)

    it("allows what the design allows", function()
        assert.same({}, complaints_of("engine/script/api.c", '#include "route/proxy.h"\n#include <lua.h>\n'))
        assert.same({}, complaints_of("engine/sip/parse_osip.c", '#include <osipparser2/osip_parser.h>\n'))
        assert.same({}, complaints_of("engine/io/uv.c", '#include "base/list.h"\n#include <uv.h>\n'))
        assert.same({}, complaints_of("engine/main.c", '#include "worker/worker.h"\n'))
    end)

    it("refuses a README.md that leaves out a file, or names one that is not there", function()
        assert.same({
            "engine/sip/README.md does not name edit_print.c", "engine/sip/README.md names gone.h, which is not there",
        }, floors.unnamed_files {
            ["engine/sip/README.md"] = "| `edit` | edits | `sip/message.h` | `gone.h`",
            ["engine/sip/edit.c"] = "", ["engine/sip/edit.h"] = "", ["engine/sip/edit_print.c"] = "",
            ["engine/sip/message.h"] = "", ["engine/main.c"] = "",
        })
    end)

    it("refuses a library outside its place", function()
        assert.equal(1, #complaints_of("engine/worker/worker.c", "#include <uv.h>\n"))
        assert.equal(1, #complaints_of("engine/route/proxy.c", "#include <lauxlib.h>\n"))
        assert.equal(1, #complaints_of("engine/sip/via.c", "#include <osipparser2/osip_via.h>\n"))
    end)

    it("refuses long files, long functions and headers without #pragma once", function()
        assert.equal(1, #complaints_of("engine/base/text.c", ("int x;\n"):rep(601)))
        assert.equal(1, #complaints_of("engine/base/text.c", "int f(void)\n{\n" .. ("    x++;\n"):rep(81) .. "}\n"))
        assert.equal(1, #complaints_of("engine/base/text.h", "int x;\n"))
        assert.equal(1, #floors.check_scripts { ["scripts/a.lua"] = ("x()\n"):rep(151) })
    end)
end)
