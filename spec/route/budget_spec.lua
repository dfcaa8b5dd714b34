-- A script that does not end costs its own call: 500, one line with its trace, and the next call is routed. Whatever
-- it loops in: the clock of the lab stands still during a handler, so that here the count of instructions ends it.
local world = require "route.world"

local LOOPS = {
    ["a loop"] = "while true do end",
    ["a loop within pcall, again and again"] = "while true do pcall(function() while true do end end) end",
    ["an error handler that loops"] = "xpcall(function() error 'x' end, function() while true do end end)",
    ["recursion without end"] = "local function f() return 1 + f() end f()",
    ["recursion without end that is caught"] =
        "local function f() pcall(f) pcall(f) return f() end while true do pcall(f) end",
    ["recursion through a metamethod"] =
        "local t = setmetatable({}, { __index = function(self, k) return self[k .. 'x'] end }) local _ = t.a",
    ["a comparator that loops"] = "table.sort({ 3, 2, 1 }, function() while true do end end)",
    ["a comparator that catches its own end"] =
        "table.sort({ 3, 2, 1 }, function() while true do pcall(function() while true do end end) end end)",
    ["sorting all the time"] =
        "local t = {} for i = 1, 1000 do t[i] = -i end "
        .. "while true do table.sort(t, function(a, b) return a > b end) end",
    ["a replacement that loops"] = "(('x'):rep(10)):gsub('x', function() while true do end end)",
    ["a metamethod of tostring that loops"] =
        "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
    ["a metamethod of concatenation that loops"] =
        "local _ = 'a' .. setmetatable({}, { __concat = function() while true do end end })",
    ["a metamethod of comparison that loops"] = [[
        local m = { __lt = function() while true do end end }
        table.sort { setmetatable({}, m), setmetatable({}, m) }]],
    ["an iterator without end"] = "for _ in function() return 1 end do end",
    ["pairs all the time"] =
        "local t = {} for i = 1, 500 do t['k' .. i] = i end while true do for _ in pairs(t) do break end end",
    ["a text that doubles"] = "local s = 'x' while true do s = s .. s end",
    ["a text that grows"] = "local s = '' while true do s = s .. 'xxxxxxxxxxxxxxxx' end",
    ["a table that grows"] = "local t = {} while true do t[#t + 1] = { #t } end",
    ["large texts again and again"] = "while true do local _ = ('x'):rep(1048576) end",
    ["changing the case of a large text"] = "local s = ('x'):rep(1048576) while true do s:upper() end",
    ["putting a large text together"] =
        "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1000) end while true do table.concat(t) end",
    ["a search for what is not there"] = "local s = ('a'):rep(900) while true do s:find 'a*b' end",
    ["a search of a large text"] = "local s = ('a'):rep(1000000) while true do s:find('b', 1, true) end",
    ["inserting at the front"] = "local t = {} while true do table.insert(t, 1, 0) end",
    ["formatting"] = "while true do local _ = ('%99.99f'):format(1e308) end",
    ["log lines"] = "while true do local _ = sip.format(req, '$fU@$fd') end",
    ["variables"] = "while true do req['$var(x)'] = req['$ru'] end",
    ["headers"] = "while true do req:set_header('X-A', 'b') req:remove_header 'X-A' end",
    ["dictionaries"] = "while true do sip.shared.d:set('k', 'v') sip.shared.d:incr 'n' end",
}

local ROUTE = [[
local sip = require "lunasip"
local function bad(req, sip)
    %s
end
function request_route(req)
    if req["$rU"] == "bad" then bad(req, sip) end
    req:reply(486)
end
]]

local CONF = { script = { budget_instructions = 50000 } } -- so that the specs are quick

local names = {}
for name in pairs(LOOPS) do names[#names + 1] = name end
table.sort(names)

describe("a script that does not end costs its own call alone:", function()
    for _, name in ipairs(names) do
        it(name, function()
            local net, alice = world.open { route = ROUTE:format(LOOPS[name]), conf = CONF }
            alice:invite "sip:bad@example.net"
            assert.equal(500, alice:receive(500).status)
            assert.is_truthy(net:logged "^request_route: .*%.lua:%d+: in function 'bad' < .*%.lua:%d+: in function ")
            alice:invite "sip:good@example.net"
            assert.equal(486, alice:receive(486).status)
            local counters = net:status().counters
            assert.equal(1, counters["script.budget"] + counters["script.error"])
            net:close()
        end)
    end

    it("in an onreply route and an event route, too", function()
        local net, alice, callees = world.open {
            conf = CONF,
            body = [[req:record_route()
                req:relay { to = "sip:10.0.0.20", interface = "private", on_reply = "R" }]],
            more = [[
                function onreply_route.R() while true do end end
                event_route["dialog:start"] = function() while true do end end]],
        }
        alice:invite "sip:bob@example.net"
        callees.bob:reply(callees.bob:receive "INVITE", 486)
        alice:receive(486)
        assert.is_true(net:status().counters["script.budget"] >= 2)
        net:close()
    end)
end)
