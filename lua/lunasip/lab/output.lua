--- busted's output handler for `lunasip test --junit FILE`: the one that was asked for on the terminal, and
-- busted's own JUnit writer beside it.
--
-- busted runs before_each and after_each outside of the test, so its writer makes of what fails there an error of the
-- whole suite, which no CI shows at a test. Most leaks are found in after_each, by net:close(): here they are failures
-- of the test that leaked; what fails in before_each is a test of that name that failed.
local report = require "lunasip.lab.report"

-- The writer, and what it heard as { "error" } and { "failure" }, which is then left to us.
local function writer_without_errors(busted, path)
    local subscribe, held = busted.subscribe, nil
    -- busted refuses assignments to itself.
    rawset(busted, "subscribe", function(channels, heard, ...)
        if channels[2] == nil and (channels[1] == "error" or channels[1] == "failure") then
            held = heard
            return nil
        end
        return subscribe(channels, heard, ...)
    end)
    local ok, writer = pcall(require "busted.outputHandlers.junit", { arguments = { path } })
    rawset(busted, "subscribe", nil)
    return ok and writer or error(writer, 0), held
end

return function(options)
    local busted = require "busted"
    local shown = require("busted.outputHandlers." .. (report.settings.output or options.defaultOutput))(options)
    local writer, suite_error = writer_without_errors(busted, report.settings.junit)

    local function heard(element, parent, message, trace)
        if element.descriptor == "before_each" then
            element.duration = element.duration or 0
            writer.testStart(element, parent)
            writer.testEnd(element, parent, "failure")
        end
        if element.descriptor == "before_each" or element.descriptor == "after_each" then
            return writer.failureTest(element, parent, message, trace)
        end
        return suite_error(element, parent, message, trace)
    end
    busted.subscribe({ "error" }, heard)
    busted.subscribe({ "failure" }, heard)
    return {
        subscribe = function(_, given)
            shown:subscribe(given)
            writer:subscribe(given)
        end,
    }
end
