--- luassert matchers for SIP; `require "lunasip.lab"` registers them.
--
--     assert.relayed_to(bob)                  -- the last request of an agent went to bob
--     assert.relayed_to("sip:4711@10.0.0.20", message) -- that very request; the user is that of the Request-URI
--     assert.replied(503)                     -- a response to the last request of an agent
--     assert.replied(503, alice)              -- to the last one of alice, or to that request
--     assert.sdp(message, { host = "10.0.0.1", direction = "sendonly", codecs = { "PCMA" } })
--     assert.header(message, "X-Foo")         -- is there; with a value: one of that name is equal to it
--     assert.header(message, "Call-ID", "^%w+$") -- a value that begins with ^ is a Lua pattern
--     assert.no_address("10.0.0.", "public")  -- no engine sent such an address to that side, so far
--
-- `assert.is_not` and `assert.has_no` turn each round. `replied` and `relayed_to` let the network run as `receive`
-- does; what came stays queued. `relayed_to` takes an agent, a URI, or a name of `net:hosts`. `no_address` takes an
-- interface, "NAME.INTERFACE", or an agent; options: `net` (default: the one opened last), `where` and `except`: lists
-- of header names, "SDP" for the body, "Request-URI".
local message = require "lunasip.lab.message"
local options_of = require "lunasip.lab.options"
local suggest = require "lunasip.suggest"

local M = {}

local WAIT_S = 5
local SHOWN_MOST = 8

-- A text that is made when it is needed.
local function lazily(make)
    return setmetatable({}, { __tostring = make })
end

-- Sets both texts; luassert asks for one of them only when the assertion fails.
local function result(state, net, is_true, otherwise, instead)
    state.failure_message = lazily(function()
        local text = (is_true and instead or otherwise)()
        return net and net:failed(text) or text
    end)
    return is_true
end

local function is_agent(value)
    return type(value) == "table" and value.socket and value.journal and true or false
end

local function key_of(msg)
    return ("%s %s %s"):format(msg:header "Call-ID" or "", msg.cseq or "", msg.cseq_method or "")
end

-- The last request that an agent began a transaction with; ACK and CANCEL belong to an INVITE.
local function last_request(net, agent)
    for i = #net.journal, 1, -1 do
        local entry = net.journal[i]
        local method = entry.message.method
        if entry.direction == "out" and method and method ~= "ACK" and method ~= "CANCEL"
            and (not agent or entry.agent == agent.name) then
            return entry.message, entry.agent
        end
    end
end

-- The responses that agents got to a request, in order.
local function responses_to(net, request, agent_name)
    local list, key = {}, key_of(request)
    for _, entry in ipairs(net.journal) do
        if entry.direction == "in" and entry.message.status and entry.agent == agent_name
            and key_of(entry.message) == key then
            list[#list + 1] = entry.message
        end
    end
    return list
end

local function sender_of(net, request)
    for _, entry in ipairs(net.journal) do
        if entry.direction == "out" and entry.message.method and key_of(entry.message) == key_of(request) then
            return entry.agent
        end
    end
end

local function has_final(net, request, agent_name)
    local list = responses_to(net, request, agent_name)
    return list[#list] and list[#list].status >= 200
end

local function titles(list)
    local out = {}
    for i, msg in ipairs(list) do
        out[i] = msg:title()
    end
    return out[1] and table.concat(out, ", ") or "nothing"
end

local misuse = options_of.misuse

-- ---- replied ----

local function replied(current)
    return function(state, arguments)
        local status, whom = arguments[1], arguments[2]
        options_of.need("assert.replied", "the status", status, "number")
        local net = current() or misuse "assert.replied: no net is open"
        local request, name
        if is_agent(whom) then
            request, name = last_request(net, whom)
        elseif whom then
            request, name = options_of.message("assert.replied", whom), sender_of(net, whom)
            if not name then
                misuse("assert.replied: no agent has sent that %s", whom:title())
            end
        else
            request, name = last_request(net)
        end
        if not request then
            misuse "assert.replied: no agent has sent a request"
        end
        local function is_there()
            for _, msg in ipairs(responses_to(net, request, name)) do
                if msg.status == status then
                    return true
                end
            end
        end
        net.stage:run(WAIT_S, function() return is_there() or has_final(net, request, name) end)
        local function tell(wish)
            return ("the %s of %s was answered: %s; %s %s"):format(request:title(), name,
                titles(responses_to(net, request, name)), wish, tostring(status))
        end
        return result(state, net, is_there() or false, function() return tell "not" end,
            function() return tell "it should not be" end)
    end
end

-- ---- relayed_to ----

-- Requests that an engine sent because of this one: { destination, message }.
local function relayed(net, request)
    local key, list = key_of(request), {}
    for _, packet in ipairs(net:packets()) do
        local msg = packet.bytes and net:is_engine(packet.source) and message.parse(packet.bytes)
        if msg and msg.method and key_of(msg) == key then
            list[#list + 1] = { destination = packet.destination, message = msg }
        end
    end
    return list
end

local function goes_to(net, one, target)
    if is_agent(target) then
        return one.destination == target.address
    elseif type(target) == "table" or not target:find "^sips?:" then
        local host = one.destination:gsub(":%d+$", ""):gsub("[%[%]]", "")
        for _, known in ipairs(net:hosts(target)) do
            if host == known then
                return true
            end
        end
        return false
    end
    local user = target:match "^sips?:([^@]+)@"
    return one.destination == message.host_of(target)
        and (not user or one.message.uri:match "^sips?:([^@]+)@" == user)
end

local function describe_relayed(net, list)
    local out = {}
    for _, one in ipairs(list) do
        local text = ("%s (%s, %s)"):format(net.names[one.destination] or "nobody", one.destination, one.message.uri)
        if out[#out] ~= text then
            out[#out + 1] = text
        end
    end
    return out[1] and table.concat(out, ", ") or "nobody"
end

local function relayed_to(current)
    return function(state, arguments)
        local target, request = arguments[1], arguments[2]
        local net = current() or misuse "assert.relayed_to: no net is open"
        request = request or last_request(net) or misuse "assert.relayed_to: no agent has sent a request"
        options_of.message("assert.relayed_to", request)
        if not is_agent(target) and not (type(target) == "string" and target:find "^sips?:") then
            net:hosts(target) -- complains of a name that is none
        end
        local name = sender_of(net, request) or "?"
        local list
        local function is_there()
            list = relayed(net, request)
            for _, one in ipairs(list) do
                if goes_to(net, one, target) then
                    return true
                end
            end
        end
        net.stage:run(WAIT_S, function() return is_there() or has_final(net, request, name) end)
        local wanted = type(target) == "table" and target.name or tostring(target)
        local function tell(wish)
            return ("the %s of %s was relayed to: %s; %s %s. It was answered: %s"):format(request:title(), name,
                describe_relayed(net, list), wish, wanted, titles(responses_to(net, request, name)))
        end
        return result(state, net, is_there() or false, function() return tell "not to" end,
            function() return tell "it should not go to" end)
    end
end

-- ---- sdp and header ----

local function sdp_of(msg)
    local found = msg:sdp()
    return found, found and table.concat(found.lines, "\n    ") or "none"
end

local function sdp(current)
    local parser = require "lunasip.lab.sdp"
    return function(state, arguments)
        local msg, pattern = options_of.message("assert.sdp", arguments[1]), options_of.check_pattern(arguments[2])
        local found, text = sdp_of(msg)
        local fault
        if found then
            fault = parser.difference(found, pattern)
        else
            fault = "it has no SDP"
        end
        return result(state, current(), not fault,
            function() return ("the SDP of %s: %s\n    %s"):format(msg:title(), fault, text) end,
            function() return ("the SDP of %s should be another:\n    %s"):format(msg:title(), text) end)
    end
end

local function fits(value, wanted)
    if wanted == nil then
        return true
    elseif type(wanted) == "function" then
        return wanted(value) and true or false
    elseif type(wanted) == "string" and wanted:sub(1, 1) == "^" then
        return value:find(wanted) ~= nil
    end
    return value == tostring(wanted)
end

local function header(current)
    return function(state, arguments)
        local msg, name, wanted = options_of.message("assert.header", arguments[1]), arguments[2], arguments[3]
        options_of.need("assert.header", "the name", name, "string")
        local values, is_there = msg:values(name), false
        for _, value in ipairs(values) do
            is_there = is_there or fits(value, wanted)
        end
        local function tell(wish)
            return ("%s of %s is %s; %s%s"):format(name, msg:title(),
                values[1] and '"' .. table.concat(values, '", "') .. '"' or "not there", wish,
                wanted ~= nil and " " .. tostring(wanted) or "")
        end
        return result(state, current(), is_there, function() return tell(wanted ~= nil and "not" or "it should be") end,
            function() return tell "it should not be" end)
    end
end

-- ---- no_address ----

local function contains(text, address)
    text = text:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
    local at = 1
    while true do
        local from, to = text:find(address, at, true)
        if not from then
            return false
        end
        -- "10.0.0." is not in 110.0.0.1, and "10.0.0.1" not in 10.0.0.12.
        local before, after = text:sub(from - 1, from - 1), text:sub(to + 1, to + 1)
        if not before:find "[%w.:]" or before == ":" then
            local ends_open = address:find "[.:]$"
            if ends_open or not after:find "[%w]" then
                return true
            end
        end
        at = from + 1
    end
end

local function name_set(list)
    local set = {}
    for _, name in ipairs(type(list) == "table" and list or { list }) do
        set[name:lower()] = true
    end
    return set
end

-- Calls see(part, text) for everything of a message that may hold an address.
local function each_part(msg, see)
    see(msg.uri and "Request-URI" or "Reason-Phrase", msg.uri or msg.reason)
    for _, one in ipairs(msg.headers) do
        see(one.name, one.value)
    end
    for line in msg.body:gmatch "[^\r\n]+" do
        see("SDP", line)
    end
end

-- An agent or an interface, by name or itself; of anything else nothing would be looked at.
local function side_of(net, side)
    for _, one in ipairs(net.agents) do
        if side == one.name or side == one then
            return one
        end
    end
    local sides = {}
    for _, engine in ipairs(net.engines) do
        for interface in pairs(engine.interfaces) do
            sides[interface], sides[engine:label(interface)] = true, true
        end
    end
    if sides[side] then
        return side
    end
    misuse("assert.no_address: no interface or agent '%s'%s", tostring(side), suggest.hint(tostring(side), sides))
end

local function sent_to(net, side, packet)
    if is_agent(side) then
        return net:is_engine(packet.source) and packet.destination == side.address
    end
    for _, engine in ipairs(net.engines) do
        for interface, addresses in pairs(engine.interfaces) do
            for _, address in ipairs((side == interface or side == engine:label(interface)) and addresses or {}) do
                if packet.source == address then
                    return true
                end
            end
        end
    end
    return false
end

local function leaks(net, prefix, side, options)
    local where, except = options.where and name_set(options.where), name_set(options.except)
    local list, checked = {}, 0
    for _, packet in ipairs(net:packets()) do
        local msg = packet.bytes and sent_to(net, side, packet) and message.parse(packet.bytes)
        if msg then
            checked = checked + 1
            each_part(msg, function(part, text)
                local is_meant = not except[part:lower()] and (not where or where[part:lower()])
                if is_meant and contains(text, prefix) then
                    list[#list + 1] = ("%10.3f  %s to %s: %s: %s"):format(packet.time, msg:title(),
                        net.names[packet.destination] or packet.destination, part, text)
                end
            end)
        end
    end
    return list, checked
end

local function no_address(current)
    return function(state, arguments)
        local prefix, side, options = arguments[1], arguments[2], arguments[3] or {}
        if options.stage then
            options = { net = options }
        end
        options_of.check("assert.no_address", options)
        options_of.need("assert.no_address", "the address", prefix, "string")
        local net = options.net or current() or misuse "assert.no_address: no net is open"
        side = side_of(net, side)
        local list, checked = leaks(net, prefix, side, options)
        local name = is_agent(side) and side.name or side
        return result(state, net, #list == 0, function()
            local shown = { unpack(list, 1, SHOWN_MOST) }
            if #list > SHOWN_MOST then
                shown[#shown + 1] = ("… and %d more"):format(#list - SHOWN_MOST)
            end
            return ("%s was seen on the %s side:\n%s"):format(prefix, name, table.concat(shown, "\n"))
        end, function()
            return ("%s was never seen on the %s side, in %d messages"):format(prefix, name, checked)
        end)
    end
end

--- Make the matchers known to luassert; nothing happens where there is none.
-- @tparam function current returns the net that is open, or nil
function M.register(current)
    local found, luassert = pcall(require, "luassert")
    if not found then
        return
    end
    local matchers = {
        replied = replied, relayed_to = relayed_to, sdp = sdp, header = header, no_address = no_address,
    }
    for name, make in pairs(matchers) do
        luassert:register("assertion", name, make(current))
    end
end

return M
