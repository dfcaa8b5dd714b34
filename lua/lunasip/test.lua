--- `lunasip test [SPEC...]`: busted inside the command, so that specs find the lab without any setting.
-- Words are those of busted: spec files or folders (default: what .busted says; without such a file, every
-- *_spec.lua below the working directory), options such as --filter=PATTERN. Our own: see USAGE.
-- @tparam table words
-- @return exit code: 0 fine, 1 a spec failed or could not be read, 2 bad usage, 3 busted is not installed
local USAGE = [[
usage: lunasip test [OPTION...] [SPEC...]

Runs busted specs with the lab loaded. SPEC is a file or a folder; without one, what .busted says, or all
*_spec.lua below the working directory.

  --pcap DIR       write what crossed each network of each test to DIR/TEST.pcap
  --coverage       print which lines of route scripts the specs ran
  --lcov FILE      write the same as lcov tracefile
  --junit FILE     write results as JUnit XML, besides what is printed
  --tap            print results as TAP
  --help           this text

Everything else is busted's: --filter=PATTERN, --tags=TAGS, --verbose, --repeat=N, --shuffle, -o HANDLER ...
(busted --help lists them). In plain busted, LUNASIP_PCAP=DIR writes the captures.

Exit code: 0 all passed, 1 a test failed or a spec could not be read, 2 bad usage, 3 busted is missing.
]]

local VALUES = { ["--pcap"] = "pcap", ["--lcov"] = "lcov", ["--junit"] = "junit" }
local FLAGS = { ["--coverage"] = "coverage", ["--tap"] = "tap", ["--help"] = "help", ["-h"] = "help" }

-- Take our own options out. @return them, busted's words; or nil and a text
local function read(words)
    local ours, rest, i = {}, {}, 1
    while words[i] do
        local word = words[i]
        local name, value = word:match "^(%-%-%a+)=(.+)$"
        name = name or word
        if VALUES[name] then
            if not value then
                i = i + 1
                value = words[i]
            end
            if not value or value:sub(1, 1) == "-" then
                return nil, name .. " needs a value"
            end
            ours[VALUES[name]] = value
        elseif FLAGS[word] then
            ours[FLAGS[word]] = true
        elseif word == "-o" then
            i = i + 1
            ours.output = words[i]
            if not ours.output then
                return nil, "-o needs a value"
            end
        elseif name == "--output" then
            ours.output = value
        else
            rest[#rest + 1] = word
        end
        i = i + 1
    end
    return ours, rest
end

-- @return nil, or what is wrong
local function prepare(ours, report)
    local settings = report.settings
    settings.is_covered = ours.coverage or ours.lcov ~= nil
    settings.junit = ours.junit
    settings.output = ours.tap and "TAP" or ours.output
    if ours.junit and not ours.tap and ours.output == "junit" then
        return "--junit and -o junit are the same"
    end
    if ours.pcap then
        settings.pcap = ours.pcap
        os.execute("mkdir -p '" .. ours.pcap:gsub("'", "'\\''") .. "'")
    end
    for _, path in pairs { ours.junit or nil, ours.lcov or nil, ours.pcap and ours.pcap .. "/.write" or nil } do
        local file, fault = io.open(path, "a")
        if not file then
            return fault
        end
        file:close()
    end
    if ours.pcap then
        os.remove(ours.pcap .. "/.write")
    end
end

local function print_coverage(ours, coverage)
    if ours.coverage then
        local text = coverage.text()
        io.stdout:write(ours.tap and text:gsub("[^\n]*\n", "# %0") or text) -- TAP: a line of no test is a comment
    end
    if ours.lcov then
        local ok, fault = coverage.write_lcov(ours.lcov)
        if not ok then
            io.stderr:write("lunasip test: ", fault, "\n")
        end
    end
end

local function bad_usage(text)
    io.stderr:write("lunasip test: ", text, "\n", USAGE)
    return 2
end

local function names_a_place(words)
    for _, word in ipairs(words) do
        if word:sub(1, 1) ~= "-" then
            return true
        end
    end
    local settings = io.open ".busted"
    return settings and settings:close()
end

-- The words for busted. The interpreter that .busted may name is this one already.
local function command_line(ours, rest, report)
    local line = { [0] = "lunasip test", "--ignore-lua", unpack(rest) }
    if ours.junit then
        table.insert(line, "--output=lunasip.lab.output")
    elseif report.settings.output then
        table.insert(line, "--output=" .. report.settings.output)
    end
    if not names_a_place(rest) then
        line[#line + 1] = "."
    end
    return line
end

-- What busted would not take: it ends the process with 1 then. @return nil, or what is wrong
local function busted_fault(line)
    local cli = require "busted.modules.cli" {}
    cli:set_name "lunasip test"
    local parsed, fault = cli:parse(line)
    return not parsed and fault:gsub("^lunasip test: error: ", ""):gsub("; re%-run with .*$", "") or nil
end

return function(words)
    local ours, rest = read(words)
    if not ours then
        return bad_usage(rest)
    elseif ours.help then
        io.stdout:write(USAGE)
        return 0
    end
    local found, runner = pcall(require, "busted.runner")
    if not found then
        io.stderr:write "lunasip test: busted is not installed; on Debian: apt-get install lua-busted\n"
        return 3
    end
    -- Loaded before the specs, these two stay the same for all of them: busted insulates files.
    local report, coverage = require "lunasip.lab.report", require "lunasip.lab.coverage"
    local fault = prepare(ours, report)
    if fault then
        return bad_usage(fault)
    end
    local term = require "term" -- a part of busted
    report.settings.colour = not ours.junit and not report.settings.output and term.isatty(io.stdout)
    report.settings.at_end = function()
        print_coverage(ours, coverage)
    end
    local line = command_line(ours, rest, report)
    fault = busted_fault(line)
    if fault then
        return bad_usage(fault)
    end
    rawset(_G, "arg", line) -- which busted reads
    -- After failures busted raises an error without a text, for a launcher of its own to end with.
    local ok
    ok, fault = pcall(runner, { standalone = false })
    if fault then
        io.stderr:write("lunasip test: ", tostring(fault), "\n")
    end
    return ok and 0 or 1
end
