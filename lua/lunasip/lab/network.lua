--- The network between agents and engines (half of lunasip.lab's net): impairments, partitions, names.
local options_of = require "lunasip.lab.options"
local suggest = require "lunasip.suggest"

local Net = {}

local function add_host(hosts, address)
    local host = address:gsub(":%d+$", ""):gsub("[%[%]]", "")
    for _, known in ipairs(hosts) do
        if known == host then
            return
        end
    end
    hosts[#hosts + 1] = host
end

local function is_address(text)
    return text:find "^%d+%.%d+%.%d+%.%d+:?%d*$" or text:find "^%[?%x*:[%x:.]*%]?:?%d*$"
end

local function no_such(self, what)
    local known = {}
    for _, one in ipairs(self.agents) do
        known[one.name] = true
    end
    for _, engine in ipairs(self.engines) do
        known[engine.name or ""] = true
        for interface in pairs(engine.interfaces) do
            known[interface], known[engine:label(interface)] = true, true
        end
    end
    options_of.misuse("no agent, engine or interface '%s'%s", tostring(what), suggest.hint(tostring(what), known))
end

--- The hosts behind a name: an agent, its name or address, an engine or its name (all its interfaces), an interface
-- ("public", "registrar.public"), or an address itself.
function Net:hosts(what)
    local hosts = {}
    for _, one in ipairs(self.agents) do
        if what == one or what == one.name then
            add_host(hosts, one.address)
        end
    end
    for _, engine in ipairs(self.engines) do
        for interface, addresses in pairs(engine.interfaces) do
            if what == engine or what == engine.name or what == interface or what == engine:label(interface) then
                for _, address in ipairs(addresses) do
                    add_host(hosts, address)
                end
            end
        end
    end
    if not hosts[1] and type(what) == "string" and is_address(what) then
        add_host(hosts, what)
    end
    if not hosts[1] then
        no_such(self, what)
    end
    table.sort(hosts)
    return hosts
end

local function each_pair(self, a, b, action)
    local others = b and self:hosts(b)
    for _, one in ipairs(self:hosts(a)) do
        for _, other in ipairs(others or { false }) do
            action(one, other or nil)
        end
    end
end

--- Make the network bad: { loss, duplicate, reorder } as probabilities 0-1, { delay, jitter } in seconds; {} makes it
-- good again. With `between = { A, B }` (or one name: between it and everybody) only this link, in both directions;
-- what is said last about a link counts. Names are those of `net:hosts`.
function Net:impair(given)
    options_of.check("net:impair", given)
    local between = given.between
    if not between then
        return self.stage:impair(given)
    end
    local names = type(between) == "table" and between[1] and between or { between }
    each_pair(self, names[1], names[2], function(a, b) self.stage:impair_link(a, b, given) end)
end

--- Cut the link between two names, or between one and everybody. What is on its way arrives.
function Net:partition(a, b)
    each_pair(self, a, b, function(one, other) self.stage:impair_link(one, other, { loss = 1 }) end)
end

--- Forget every partition and everything said with `between`.
function Net:heal()
    self.stage:heal_links()
end

--- A record of the virtual name server, as `net:name("gw.example", "SRV", "1 0 5060 a.example")`.
function Net:name(name, kind, value, ttl_s)
    self.stage:name(name, kind, value, ttl_s)
end

local function add_records(self, name, records)
    for _, kind in ipairs { "A", "AAAA", "SRV", "NAPTR" } do
        local values = records[kind]
        for _, value in ipairs(type(values) == "table" and values or { values }) do
            self.stage:name(name, kind, value, records.ttl)
        end
    end
end

--- Fill the virtual name server; a name that it knew is replaced.
--
--     net:dns {
--         ["_sip._udp.gw.example"] = { SRV = { "1 0 5060 a.example", "2 0 5060 b.example" }, ttl = 60 },
--         ["a.example"] = "10.0.0.20", -- A or AAAA
--         ["b.example"] = { A = { "10.0.0.21", "10.0.0.22" } },
--         ["old.example"] = false,     -- no such name
--     }
--
-- @tparam table names name -> address, or { A =, AAAA =, SRV =, NAPTR =, ttl = (seconds) }, or false
-- @tparam[opt] table options delay: answers take so many seconds from now on
function Net:dns(names, options)
    options_of.need("net:dns", "the list of names", names, "table")
    options_of.check("net:dns", options)
    local order = {}
    for name in pairs(names) do
        order[#order + 1] = name
    end
    table.sort(order)
    for _, name in ipairs(order) do
        local records = names[name]
        if type(records) == "table" then
            options_of.check("net:dns record", records)
        end
        self.stage:remove_name(name)
        if type(records) == "string" then
            records = { [records:find(":", 1, true) and "AAAA" or "A"] = records }
        end
        add_records(self, name, records or {})
    end
    if options and options.delay then
        self.stage:delay_names(options.delay)
    end
end

return Net
