-- Calls that a proxy hides (sip.dialog.track) on real sockets, both ways over the border: SIPp on both sides, and no
-- message that either received names a host of the other side.
local border = require "support.border"
local hidden = require "support.hidden"
local lunasip = require "support.lunasip"

describe("hidden calls", function()
    local sbc
    local calls, run = lunasip.calls(100), 0

    setup(function() sbc = hidden.start { t1_ms = 1000 } end)
    teardown(border.clean)

    for name, options in hidden.cases {
        { name = "pass REFER, and NOTIFY back (RFC 3515)", caller = "uac_refer", gateway = "uas_refer" },
    } do
        it(name, function()
            run = run + 1
            options.calls, options.rate = calls, 100
            hidden.expect_calls(sbc, options)
        end)
    end

    it("are all over, and nothing went wrong in the script", function()
        sbc:expect_counters { ["dialog.created"] = run * calls, ["script.error"] = 0, ["script.unanswered"] = 0 }
        local code, complaint = sbc.engine:stop()
        assert.equal("", complaint)
        assert.equal(0, code)
    end)
end)
