--- An incident as a regression test: everybody's messages of a captured call go into the engine again, at their
-- times, and what the engine sends is compared with what it sent then.
--
--     net:replay("spec/vectors/call.pcap")
--     net:replay("incident.pcap", { engine = { ["198.51.100.7:5060"] = "public", ["10.1.1.1"] = "private" } })
--
-- Compared modulo what differs from run to run: our branches, tags, Call-IDs and media ports are learned where they
-- first appear and must then stay the same; times and repeated messages are not compared, 100 is not, and neither
-- are the engine's own pings, which are answered. Media is not played.
local difference = require "lunasip.lab.difference"
local message = require "lunasip.lab.message"
local options_of = require "lunasip.lab.options"
local pcap = require "lunasip.lab.pcap"
local suggest = require "lunasip.suggest"

local AFTER_S = 1 -- time for the engine's answer to the last message
local LATE_S = 0.5 -- so much later than then may come what the next message answers

local M = {}

-- ---- text ----

local TOKEN = "[%w%-%.!%%%*_%+`'~]" -- RFC 3261 s25.1

-- Replace every occurrence that is not a part of a longer token.
local function replace(text, from, to)
    local out, at = {}, 1
    while true do
        local first, last = text:find(from, at, true)
        if not first then
            out[#out + 1] = text:sub(at)
            return table.concat(out)
        end
        local is_whole = not text:sub(first - 1, first - 1):find(TOKEN) or first == 1
        is_whole = is_whole and not text:sub(last + 1, last + 1):find(TOKEN)
        out[#out + 1] = text:sub(at, first - 1) .. (is_whole and to or from)
        at = last + 1
    end
end

local function replace_all(text, list)
    for _, entry in ipairs(list) do
        text = replace(text, entry[1], entry[2])
    end
    return text
end

local function split_message(bytes)
    local head, body = bytes:match "^(.-\r\n\r\n)(.*)$"
    return head or bytes, body or ""
end

-- A captured message in the terms of this run.
local function translate(self, bytes)
    local head, body = split_message(bytes)
    local new_body = replace_all(replace_all(body, self.addresses), self.body_aliases)
    head = replace_all(replace_all(head, self.addresses), self.aliases)
    if #new_body ~= #body then
        head = head:gsub("(\r\n[Cc]ontent%-[Ll]ength%s*:%s*)%d+", "%1" .. #new_body)
            :gsub("(\r\nl%s*:%s*)%d+", "%1" .. #new_body)
    end
    return head .. new_body
end

-- ---- what the capture says ----

local function host_of(address)
    return (address:gsub(":%d+$", ""))
end

-- Interface name of a captured address of the engine; nil: it is somebody else.
local function interface_of(self, address)
    return self.engine[address] or self.engine[host_of(address)]
end

local function engine_of(listeners, options)
    if options.engine then
        for address, interface in pairs(options.engine) do
            if not listeners[interface] then
                options_of.misuse("net:replay: engine[%q]: no interface %q%s", address, tostring(interface),
                    suggest.hint(tostring(interface), listeners))
            end
        end
        return options.engine
    end
    local engine = {}
    for interface, addresses in pairs(listeners) do
        for _, address in ipairs(addresses) do
            engine[address] = interface
        end
    end
    return engine
end

-- Captured addresses of the engine -> those that it has now; with port first, then the host alone.
local function address_list(listeners, engine)
    local list, names = {}, {}
    for address in pairs(engine) do
        names[#names + 1] = address
    end
    table.sort(names, function(a, b) return #a > #b or (#a == #b and a < b) end)
    for _, address in ipairs(names) do
        local now = listeners[engine[address]][1]
        if address ~= now and address:find ":%d+$" then
            list[#list + 1] = { address, now }
        end
        if host_of(address) ~= host_of(now) then
            list[#list + 1] = { host_of(address), host_of(now) }
        end
    end
    return list
end

local function is_near(options, address)
    if not options.near then
        return true
    end
    for _, near in ipairs(options.near) do
        if near == address or near == host_of(address) then
            return true
        end
    end
    return false
end

-- Pings of the engine are nobody's call.
local function is_ping(self, msg, is_ours)
    local id = msg:header "Call-ID" or ""
    if self.pings[id] == nil then
        self.pings[id] = is_ours and msg.method == "OPTIONS"
    end
    return self.pings[id]
end

-- The messages that count: { number, time, peer, interface, is_input, message, bytes }.
local function read_events(self, path, options)
    local events, repeated = {}, {}
    local ok, packets = pcall(pcap.read, path)
    if not ok then
        options_of.misuse("net:replay: %s", packets)
    end
    for _, packet in ipairs(packets) do
        local msg = message.parse(packet.bytes)
        local from, to = interface_of(self, packet.source), interface_of(self, packet.destination)
        if msg and (from or to) and not (from and to) then
            local peer = from and packet.destination or packet.source
            local key = packet.source .. packet.destination .. packet.bytes
            local is_wanted = is_near(options, peer) and not is_ping(self, msg, from ~= nil)
            -- What the engine repeated then, it need not repeat now.
            if is_wanted and not (from and (repeated[key] or msg.status == 100)) then
                table.insert(events, {
                    number = packet.number, time = packet.time, peer = peer, is_input = to ~= nil, message = msg,
                    bytes = packet.bytes, interface = from or to,
                })
            end
            repeated[key] = true
        end
    end
    if #events == 0 then
        options_of.misuse("%s: no SIP message of it is to or from the engine; say engine = { [\"HOST:PORT\"] = "
            .. "\"INTERFACE\" } for the addresses that the engine had", path)
    end
    return events
end

-- ---- learning ----

local function learn(self, list, was, now)
    if not was or not now or was == now then
        return
    end
    for _, entry in ipairs(list) do
        if entry[1] == was then
            return
        end
    end
    if not self.given:find(was, 1, true) then -- what others chose must pass as it is
        table.insert(list, { was, now })
    end
end

local function media_ports(body)
    local ports = {}
    for line in body:gmatch "[^\r\n]+" do
        ports[#ports + 1] = line:match "^m=%S+ (%d+)" or line:match "^a=rtcp:(%d+)"
    end
    return ports
end

local function learn_from(self, was, now)
    local was_via, now_via = was:values "Via"[1], now:values "Via"[1]
    if was_via and now_via then
        learn(self, self.aliases, message.via_param(was_via, "branch"), message.via_param(now_via, "branch"))
    end
    learn(self, self.aliases, was:tag "From", now:tag "From")
    learn(self, self.aliases, was:tag "To", now:tag "To")
    learn(self, self.aliases, was:header "Call-ID", now:header "Call-ID")
    local now_ports = media_ports(now.body)
    for i, port in ipairs(media_ports(was.body)) do
        learn(self, self.body_aliases, port, now_ports[i])
    end
end

-- ---- comparing ----

local function is_same_message(was, now)
    return was.method == now.method and was.status == now.status and was:header "CSeq" == now:header "CSeq"
end

-- The first message of this run that can be the one that was expected: of the same Call-ID, else of one that is
-- not known yet; a response with another status in its place is better than none.
local function find_answer(self, event)
    local function look(is_it)
        for i, sent in ipairs(self.sent) do
            if sent.peer == event.peer and is_it(sent.message) then
                return table.remove(self.sent, i)
            end
        end
    end
    local was = event.message
    local id = replace_all(was:header "Call-ID" or "", self.aliases)
    return look(function(now) return is_same_message(was, now) and now:header "Call-ID" == id end)
        or look(function(now)
            return is_same_message(was, now) and not self.given:find(now:header "Call-ID" or "", 1, true)
        end)
        or look(function(now)
            return was.status and now.status and (was.status >= 200) == (now.status >= 200)
                and was:header "CSeq" == now:header "CSeq" and now:header "Call-ID" == id
        end)
end

local function heading(event)
    return ("--- captured: packet %d, %.3f s, to %s: %s\n"):format(event.number, event.time, event.peer,
        event.message:title())
end

local function report(self, text)
    table.insert(self.differences, text)
end

local function compare(self, event)
    local sent = find_answer(self, event)
    if not sent then
        return false
    end
    learn_from(self, event.message, sent.message)
    local lines = {}
    for _, entry in ipairs(difference.of(message.parse(translate(self, event.bytes)), sent.message)) do
        if not self.ignored[entry.name:lower()] then
            lines[#lines + 1] = entry.before and ("-%s: %s"):format(entry.name, entry.before) or nil
            lines[#lines + 1] = entry.after and ("+%s: %s"):format(entry.name, entry.after) or nil
        end
    end
    if #lines > 0 then
        report(self, heading(event) .. ("+++ replayed: %.3f s: %s\n"):format(sent.time, sent.message:title())
            .. table.concat(lines, "\n"))
    end
    return true
end

-- Compare what has been sent up to here. @return true when nothing is missing that was not waited for before
local function compare_waiting(self)
    local is_complete = true
    local still = {}
    for _, event in ipairs(self.waiting) do
        if not compare(self, event) then
            still[#still + 1] = event
            is_complete = is_complete and event.is_late
        end
    end
    self.waiting = still
    return is_complete
end

-- The next message may answer what the engine is to send first.
local function wait_for_engine(self)
    self.net.stage:run(LATE_S, function() return compare_waiting(self) end)
    for _, event in ipairs(self.waiting) do
        event.is_late = true
    end
end

-- ---- playing ----

local function answer_ping(self, peer, ping, source)
    local headers = {}
    for _, name in ipairs { "Via", "From", "To", "Call-ID", "CSeq" } do
        for _, value in ipairs(ping:values(name)) do
            headers[#headers + 1] = { name, name == "To" and value .. ";tag=replay" or value }
        end
    end
    self.sockets[peer]:send(source, message.print("SIP/2.0 200 OK", headers))
end

local function on_datagram(self, peer, bytes, source)
    local msg = message.parse(bytes)
    local key = peer .. bytes
    if not msg or msg.status == 100 or self.seen[key] then
        return
    end
    if is_ping(self, msg, true) then
        return msg.method and answer_ping(self, peer, msg, source)
    end
    self.seen[key] = true
    table.insert(self.sent, { peer = peer, message = msg, time = self.net:now() - self.start })
end

-- Who is played has its address to itself.
local function check_free(self, peer)
    for _, one in ipairs(self.net.agents) do
        if one.address == peer then
            options_of.misuse("net:replay: %s is the address of the agent '%s', and the capture has a party of that "
                .. "address, whom the replay plays; leave the agent out, or name those to play: "
                .. "near = { \"HOST:PORT\" }", peer, one.name)
        end
    end
end

local function open_sockets(self, events)
    for _, event in ipairs(events) do
        check_free(self, event.peer)
    end
    for _, event in ipairs(events) do
        local peer = event.peer
        if not self.sockets[peer] then
            self.sockets[peer] = assert(self.net.stage:socket(peer, function(bytes, source)
                on_datagram(self, peer, bytes, source)
            end))
        end
    end
end

local function play(self, events)
    local first = events[1].time
    for _, event in ipairs(events) do
        event.time = event.time - first
        self.net:advance(math.max(0, self.start + event.time - self.net:now()))
        if event.is_input then
            wait_for_engine(self)
            self.given = self.given .. event.bytes
            self.sockets[event.peer]:send(self.listeners[event.interface][1], translate(self, event.bytes))
        else
            table.insert(self.waiting, event)
        end
    end
    self.net:advance(AFTER_S)
    compare_waiting(self)
end

-- What went to somebody whom the capture does not know: each message once, repeated ones not.
local function report_strangers(self, options)
    local packets, seen = self.net:packets(), {}
    for i = self.first_packet, #packets do
        local packet = packets[i]
        local to = packet.destination
        local is_strange = packet.bytes and self.net:is_engine(packet.source) and not self.net:is_engine(to)
            and not self.sockets[to] and is_near(options, to) and not seen[to .. packet.bytes]
        local msg = is_strange and message.parse(packet.bytes)
        if msg and msg.status ~= 100 and not is_ping(self, msg, true) then
            seen[to .. packet.bytes] = true
            report(self, ("--- captured: nothing goes to %s\n+++ replayed: %.3f s, to %s: %s"):format(to,
                packet.time - self.start, to, msg:title()))
        end
    end
end

local function report_rest(self)
    for _, event in ipairs(self.waiting) do
        report(self, heading(event) .. "+++ replayed: never sent")
    end
    for _, sent in ipairs(self.sent) do
        report(self, ("--- captured: nothing\n+++ replayed: %.3f s, to %s: %s"):format(sent.time, sent.peer,
            sent.message:title()))
    end
end

--- Play a capture.
-- @tparam table net of lunasip.lab
-- @string path pcap or pcapng
-- @tparam table options engine: captured "HOST:PORT" or "HOST" of the engine -> interface (default: the addresses
-- that it has now); near: list of "HOST:PORT" or "HOST" that are played and compared (default: everybody but the
-- engine); ignore: names of headers that may differ
-- @return list of differences, each some lines like those of diff
function M.run(net, path, options)
    local listeners = net:listeners()
    local self = {
        net = net, listeners = listeners, engine = engine_of(listeners, options), start = net:now(), aliases = {},
        body_aliases = {}, given = "", first_packet = #net:packets() + 1,
        pings = {}, sent = {}, seen = {}, sockets = {}, waiting = {}, differences = {}, ignored = {},
    }
    self.addresses = address_list(listeners, self.engine)
    for _, name in ipairs(options.ignore or {}) do
        self.ignored[name:lower()] = true
    end
    local events = read_events(self, path, options)
    open_sockets(self, events)
    play(self, events)
    report_rest(self)
    report_strangers(self, options)
    for _, socket in pairs(self.sockets) do
        socket:close()
    end
    return self.differences
end

return M
