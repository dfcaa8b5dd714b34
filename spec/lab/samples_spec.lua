-- Every sample of scripts/ has a spec beside it that runs each of its lines: it is what users copy.
local lunasip = require "support.lunasip"
local process = require "support.process"

describe("a sample", function()
    after_each(process.clean)

    for path in io.popen("ls scripts/*.lua"):lines() do
        local name = path:match "^scripts/([%w_]+)%.lua$"
        if not name:find "_spec$" then
            it("has a spec that runs all of its lines: " .. path, function()
                local spec = ("scripts/%s_spec.lua"):format(name)
                local code, output = process.run({ lunasip.build .. "/lunasip", "test", "--coverage", spec }, 300,
                    { env = { ASAN_OPTIONS = "detect_leaks=0" } })
                assert.equal(0, code, output)
                local percent, not_run = output:match(("([%%d.]+) %%%%  %%S*scripts/%s%%.lua %%b()(.*)"):format(name))
                assert.equal("100.0", percent, not_run or output)
            end)
        end
    end
end)
