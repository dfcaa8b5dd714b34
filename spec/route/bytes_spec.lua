local world = require "route.world"

local ROUNDS = 150

-- A small generator of its own: what it draws depends on the seed alone, whatever else uses math.random.
local function generator(seed)
    local state = seed
    return function(least, most)
        state = (state * 16807) % 2147483647
        return least + state % (most - least + 1)
    end
end

local function pick(draw, list)
    return list[draw(1, #list)]
end

local function odd_case(draw, name)
    return (name:gsub("%a", function(c) return draw(0, 1) == 0 and c:lower() or c:upper() end))
end

local ODD_HEADERS = {
    "X-Unknown: anything at all", "x-empty:", "X-Folded: first\r\n second\r\n\tthird", "X-Spaces:   much   space  ",
    "X-Utf8: gr\195\188\195\159e", 'X-Quoted: "a, \\"b\\"; c" <sip:x@y>', "X-Colon: a:b:c", "X-Comma: a,b , c",
    "k: 100rel, timer", "Supported: path", "s: a subject", "Subject: another", "Allow: INVITE,ACK\r\n ,BYE",
    "u: presence", "Accept: application/sdp;level=1, application/x-private, text/html", "Require: \t",
    "Priority: non-urgent", "Date: Sat, 13 Nov 2010 23:29:00 GMT", "P-Asserted-Identity: <tel:+4930123>",
    "Record-Route: <sip:far.example;lr>", "Session-Expires: 1800;refresher=uac", "x-token!%*_+`'~.-: odd name",
    "Unsupported: a", "Privacy: id", "History-Info: <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1",
}

local function separator(draw)
    return pick(draw, { ": ", ":", " : ", ":  ", ":\t", ":\r\n " })
end

local function shuffle(draw, list)
    for i = #list, 2, -1 do
        local j = draw(1, i)
        list[i], list[j] = list[j], list[i]
    end
    return list
end

local function random_body(draw)
    local bytes = {}
    for i = 1, draw(0, 60) do
        bytes[i] = string.char(draw(0, 255))
    end
    return table.concat(bytes)
end

local function some_odd(draw, lines)
    for _ = 1, draw(0, 8) do
        lines[#lines + 1] = pick(draw, ODD_HEADERS)
    end
end

-- A request with everything that a sender may do. Via stays first of its kind: its order means something.
local function random_request(draw, index)
    local body = random_body(draw)
    local lines = {
        odd_case(draw, pick(draw, { "Via", "v" })) .. separator(draw) .. ("SIP/2.0/UDP %s;branch=z9hG4bKq%d"):format(
            world.ALICE, index),
        odd_case(draw, pick(draw, { "From", "f" })) .. separator(draw)
            .. '"A. \\"B\\" C" <sip:alice@example.net>;tag=t1',
        odd_case(draw, pick(draw, { "To", "t" })) .. separator(draw) .. "sip:bob@example.net",
        odd_case(draw, pick(draw, { "Call-ID", "i" })) .. separator(draw) .. ("q%d@host"):format(index),
        odd_case(draw, "CSeq") .. separator(draw) .. "0042   OPTIONS",
        odd_case(draw, pick(draw, { "Contact", "m" })) .. separator(draw) .. "<sip:alice@192.0.2.10>",
        odd_case(draw, "Max-Forwards") .. separator(draw) .. "70",
        odd_case(draw, pick(draw, { "Content-Length", "l" })) .. separator(draw) .. #body,
        odd_case(draw, pick(draw, { "Content-Type", "c" })) .. separator(draw) .. "application/octet-stream",
    }
    some_odd(draw, lines)
    return "OPTIONS sip:bob@example.net;x=y SIP/2.0\r\n" .. table.concat(shuffle(draw, lines), "\r\n")
        .. "\r\n\r\n" .. body
end

local function last_bytes(net, agent)
    for i = #net.journal, 1, -1 do
        if net.journal[i].agent == agent and net.journal[i].direction == "in" then
            return net.journal[i].message.bytes
        end
    end
end

-- Cut out exactly one piece.
local function without(text, pattern)
    local first, last = text:find(pattern)
    assert.is_not_nil(first, "nothing like " .. pattern .. " in:\n" .. text)
    return text:sub(1, first - 1) .. text:sub(last + 1)
end

describe("a forwarded message is the received bytes plus the edits of a hop (RFC 3261 §16.6)", function()
    local net, alice, callees, bob

    before_each(function()
        net, alice, callees = world.open { body = 'req:relay { to = "sip:10.0.0.20", interface = "private" }' }
        bob = callees.bob
    end)

    after_each(function()
        net:close()
    end)

    it("requests: our Via, and one taken off Max-Forwards", function()
        local draw = generator(20261)
        for index = 1, ROUNDS do
            local sent = random_request(draw, index)
            alice:send(sent)
            local options = bob:receive "OPTIONS"
            local got = without(options.bytes, "Via: SIP/2%.0/UDP 10%.0%.0%.1:5060;[^\r\n]*\r\n")
            -- A line that is edited is written anew, with the name that it had.
            local expected = sent:gsub("([Mm][Aa][Xx]%-[Ff][Oo][Rr][Ww][Aa][Rr][Dd][Ss])%s*:%s*70", "%1: 69")
            assert.equal(expected, got)
            bob:reply(options, 200)
            alice:receive(200)
        end
    end)

    it("responses: our Via taken off", function()
        local draw = generator(20262)
        for index = 1, ROUNDS do
            alice:send(world.raw { method = "OPTIONS", branch = "r" .. index, call_id = "Call-ID: r" .. index })
            local options = bob:receive "OPTIONS"
            local vias = options:values "Via"
            local body = random_body(draw)
            local lines = {
                odd_case(draw, pick(draw, { "From", "f" })) .. separator(draw) .. options:header "From",
                odd_case(draw, pick(draw, { "To", "t" })) .. separator(draw) .. options:header "To" .. ";tag=z",
                odd_case(draw, pick(draw, { "Call-ID", "i" })) .. separator(draw) .. options:header "Call-ID",
                odd_case(draw, "CSeq") .. separator(draw) .. options:header "CSeq",
                odd_case(draw, pick(draw, { "Content-Length", "l" })) .. separator(draw) .. #body,
            }
            some_odd(draw, lines)
            shuffle(draw, lines)
            local at, name, gap = draw(1, #lines + 1), odd_case(draw, "Via"), separator(draw)
            local function print_with(...)
                local all = { unpack(lines) }
                for i, line in ipairs { ... } do
                    table.insert(all, at + i - 1, line)
                end
                return "SIP/2.0 200 O  K: all fine\r\n" .. table.concat(all, "\r\n") .. "\r\n\r\n" .. body
            end
            local sent, expected
            if draw(0, 1) == 0 then
                sent = print_with(odd_case(draw, pick(draw, { "Via", "v" })) .. separator(draw) .. vias[1],
                    name .. gap .. vias[2])
                expected = print_with(name .. gap .. vias[2])
            else -- a line that is edited itself is written anew
                sent = print_with(name .. gap .. vias[1] .. " , " .. vias[2])
                expected = print_with(name .. ": " .. vias[2])
            end
            bob:send(sent, world.US_PRIVATE)
            alice:receive(200)
            assert.equal(expected, last_bytes(net, "alice"))
        end
    end)

    it("an edit of the script changes its header only", function()
        net.has_failed = true
        net:close()
        net, alice, callees = world.open {
            body = [[
                req:set_header("Subject", "changed")
                req:remove_header("X-Empty")
                req:add_header("X-New", "value")
                req:relay { to = "sip:10.0.0.20", interface = "private" }]],
        }
        bob = callees.bob
        alice:send(world.raw {
            method = "OPTIONS", body = "\0body",
            headers = { "x-before:  1", "s:  old", "X-eMPTY:", "x-AFTER :2\r\n 3" },
        })
        local options = bob:receive "OPTIONS"
        assert.is_truthy(options.bytes:find("\r\nx-before:  1\r\n", 1, true))
        assert.is_truthy(options.bytes:find("\r\nx-AFTER :2\r\n 3\r\n", 1, true))
        assert.equal("changed", options:header "Subject")
        assert.is_nil(options:header "X-Empty")
        assert.equal("value", options:header "X-New")
        assert.equal("\0body", options.body)
        bob:reply(options, 200)
        alice:receive(200)
    end)
end)
