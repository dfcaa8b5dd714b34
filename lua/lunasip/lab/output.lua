--- busted's output handler for `lunasip test --junit FILE`: the one that was asked for on the terminal, and
-- busted's own JUnit writer beside it.
local report = require "lunasip.lab.report"

return function(options)
    local shown = require("busted.outputHandlers." .. (report.settings.output or options.defaultOutput))(options)
    local written = require "busted.outputHandlers.junit" { arguments = { report.settings.junit } }
    return {
        subscribe = function(_, given)
            shown:subscribe(given)
            written:subscribe(given)
        end,
    }
end
