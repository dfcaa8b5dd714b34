--- What the lab adds to a busted run: a test that fails tells the ladder of its networks, `--pcap` writes them,
-- `--coverage` counts the lines of their scripts. Works in `lunasip test` and in plain busted.
local coverage = require "lunasip.lab.coverage"
local pcap = require "lunasip.lab.pcap"

local M = {}

--- What `lunasip test` was told: pcap (folder), is_covered, junit (file), output (name of busted's handler),
-- colour, at_end (called when all tests are over; busted may end the process behind it).
M.settings = { pcap = os.getenv "LUNASIP_PCAP" }

local LADDER_MOST = 200

local nets = {} -- of the test that runs, in the order of their making
local test_name = "lab"
local is_in_test = false
local written = {} -- names of capture files
local busted -- whose events we hear

-- Networks that were closed belong to a test that is over.
local function forget_closed()
    for i = #nets, 1, -1 do
        if not nets[i].stage.handle then
            table.remove(nets, i)
        end
    end
end

--- The ladder of a network as it is told after a failure, with the script's own log lines.
function M.story(net)
    local out = { net:ladder { changes = true, most = LADDER_MOST, colour = M.settings.colour } }
    for _, line in ipairs(net:log()) do
        if line.level ~= "debug" then
            local engine = line.engine and line.engine .. " " or ""
            out[#out + 1] = ("log %s%s %s: %s"):format(engine, line.level, line.group, net:told(line.text))
        end
    end
    return table.concat(out, "\n")
end

-- An error of a test in words: what busted says, then what happened on the network. A network that has failed
-- by itself has said so already; one that hears of it here lets what is left over at its end pass.
local function tell(text)
    for _, net in ipairs(nets) do
        if not net.has_failed then
            net.has_failed = true
            text = text .. "\n\n" .. M.story(net)
        end
    end
    return text
end

local function file_of(element)
    while element and element.descriptor ~= "file" do
        element = busted.parent(element)
    end
    return element
end

local function full_name(element)
    local names = {}
    while element and element.descriptor ~= "file" do
        table.insert(names, 1, element.name or "")
        element = busted.parent(element)
    end
    local file = element and (element.name or ""):match "([^/]*)_spec%.lua$"
    return (file and file .. " " or "") .. table.concat(names, " ")
end

-- busted asks the file's loader how a message is to be told.
local function on_test_start(element)
    forget_closed()
    test_name = full_name(element)
    for _, net in ipairs(nets) do
        net.test_name = net.test_name or test_name -- of before_each
    end
    local file = file_of(element)
    local loader = file and file.run
    if type(loader) == "table" and not rawget(loader, "lunasip_tells") then
        local before = loader.rewriteMessage
        rawset(loader, "lunasip_tells", true)
        loader.rewriteMessage = function(name, text)
            return tell(before and before(name, text) or text)
        end
    end
    is_in_test = true
    return nil, true
end

local function on_test_end()
    is_in_test = false
    return nil, true
end

-- A test that failed may leave its networks open: they are the most wanted.
local function on_exit()
    forget_closed()
    for _, net in ipairs(nets) do
        M.closing(net)
    end
    if M.settings.at_end then
        M.settings.at_end()
    end
    return nil, true
end

--- Raise what a spec expected and did not get. To busted it is a failure of the test, as an assertion is, and no error;
-- without a busted it is a plain error.
-- @string text
-- @int level as for error()
function M.fail(text, level)
    if busted then
        busted.fail(text, level + 1)
    end
    error(text, level + 1)
end

--- Hear busted's events, when there is a busted.
function M.attach()
    local loaded = package.loaded.busted
    if busted or not loaded or not loaded.subscribe then
        return
    end
    busted = loaded
    busted.subscribe({ "test", "start" }, on_test_start)
    busted.subscribe({ "test", "end" }, on_test_end)
    busted.subscribe({ "exit" }, on_exit, { priority = 1 })
end

-- "calls: hangs up" -> DIR/calls-hangs-up.pcap; -2 for the second network of a test.
local function capture_path(net)
    local base = (net.test_name or test_name):lower():gsub("[^%w_]+", "-"):gsub("^%-", ""):gsub("%-$", ""):sub(1, 120)
    local name, n = base, 1
    while written[name] do
        n = n + 1
        name = base .. "-" .. n
    end
    written[name] = true
    return M.settings.pcap .. "/" .. name .. ".pcap"
end

--- A network is about to get its engine.
function M.opening(net)
    M.attach()
    net.test_name = is_in_test and test_name or nil
    table.insert(nets, net)
    if M.settings.is_covered then
        net.stage:cover()
    end
end

--- A network is about to be closed: its packets and log lines are kept, files are written.
function M.closing(net)
    net:packets()
    net:log()
    if M.settings.is_covered then
        local library = net.lua_dir .. "/"
        coverage.add(net.stage:covered(), function(path)
            return net:is_temporary(path) or path:sub(1, #library) == library
        end)
    end
    if M.settings.pcap then
        local ok, fault = pcap.write(capture_path(net), net:packets())
        if not ok then
            io.stderr:write("lunasip test: ", fault, "\n")
        end
    end
end

return M
