--- Methods of a network that tell what happened in it: ladders, captures, replays (tools.md).
local ladder = require "lunasip.lab.ladder"
local options_of = require "lunasip.lab.options"
local pcap = require "lunasip.lab.pcap"
local replay = require "lunasip.lab.replay"
local report = require "lunasip.lab.report"

local M = {}

--- Is it the address of an engine?
function M:is_engine(address)
    for _, one in ipairs(self.agents) do
        if one.address == address then
            return false
        end
    end
    return self.names[address] ~= nil
end

--- Where the engines listen: name on ladders ("public") -> list of "HOST:PORT".
function M:listeners()
    local out = {}
    for _, one in ipairs(self.engines) do
        for interface, addresses in pairs(one.interfaces) do
            out[one:label(interface)] = addresses
        end
    end
    return out
end

--- Is it a file that holds a route given as text?
function M:is_temporary(path)
    for _, temporary in ipairs(self.temporary_files) do
        if path == temporary then
            return true
        end
    end
    return false
end

--- A text of the engine with "route", "route 2" and "conf" where it names a file that holds what the spec gave as
-- text.
function M:told(text)
    for _, temporary in ipairs(self.temporary_files) do
        local word, from = self.words[temporary], 1
        local first, last = text:find(temporary, from, true)
        while first do
            text = text:sub(1, first - 1) .. word .. text:sub(last + 1)
            from = first + #word
            first, last = text:find(temporary, from, true)
        end
    end
    return text
end

--- Every SIP message that crossed the network, as text: one line each, with what caused it.
-- @tparam[opt] table options changes = true (also what the engine changed in each message), most (only the
-- last so many), colour
function M:ladder(options)
    options_of.check("net:ladder", options)
    local given = {
        names = self.names,
        is_engine = function(address) return self:is_engine(address) end,
        place = function(place)
            local path, line = place:match "^(.*):(%d+)$"
            return self:is_temporary(path) and self.words[path] .. ":" .. line or place
        end,
    }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    return ladder.packets(self:packets(), given)
end

--- Write everything that crossed the network so far as a capture file for Wireshark: virtual times from 0,
-- lost packets included (it is what the senders' side saw).
function M:pcap(path)
    options_of.need("net:pcap", "the path", path, "string")
    local ok, fault = pcap.write(path, self:packets())
    if not ok then
        error(fault, 2)
    end
end

--- Play the one side of a captured call again and compare what the engine sends with the other side
-- (lunasip.lab.replay); fails with the differences.
-- @return list of differences when options.is_reported, else nothing
function M:replay(path, options)
    options_of.need("net:replay", "the path", path, "string")
    options = options_of.check("net:replay", options)
    local differences = replay.run(self, path, options)
    if options.is_reported then
        return differences
    elseif #differences > 0 then
        report.fail(self:failed(("%s: the engine behaves differently\n\n%s"):format(path,
            table.concat(differences, "\n\n"))), 2)
    end
end

return M
