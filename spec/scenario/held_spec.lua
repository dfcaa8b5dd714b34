-- Many calls at once that the engine ends by itself, and many that it loses to kill -9: nothing may be left, counted
-- wrongly, or go on as if it were known.
local border = require "support.border"
local json = require "dkjson"
local lunasip = require "support.lunasip"
local network = require "support.network"
local posix = require "support.posix"
local sipp = require "support.sipp"

local SIGKILL = 9

local function script(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

-- Calls of the profile "held", of all workers.
local function profile_count(engine)
    local _, output = engine:ctl("profiles", "--json")
    local held = 0
    for _, one in ipairs(json.decode(output:match "[%[{].*[%]}]") or {}) do
        if one.profile == "held" and not one.value then held = held + one.calls end
    end
    return held
end

local function wait_for_calls(engine, calls, seconds)
    local seen
    posix.wait_until(function()
        seen = (engine:status() or {}).dialogs
        return seen == calls or engine.process:poll()
    end, seconds, 0.2)
    assert.equal(calls, seen)
end

local HOLD = [[
local sip = require "lunasip"
local held = {}

-- Once it is said, their longest duration comes: some in each tenth of a second on each worker, so not all at once.
sip.timer.every(0.1, function()
    for _ = 1, sip.shared.test:get "end" and {{each}} or 0 do
        local call = table.remove(held)
        if call then call:set_max_duration(0.001) end
    end
end, { each_worker = true })

function request_route(req)
    if req.method == "MESSAGE" then
        sip.shared.test:set("end", true)
        return req:reply(200)
    elseif req:in_dialog() then
        return req:loose_route() and req:relay() or req.method ~= "ACK" and req:reply(481)
    end
    local call = assert(sip.dialog.track(req, { max_duration_s = 3600 }))
    call:set_profile("held")
    held[#held + 1] = call
    assert(req:relay { to = "sip:{{gateway}}", interface = "private" })
end
]]

local function message_to(host, from, number, method, lines)
    local text = {
        method .. " sip:gw@" .. host .. " SIP/2.0",
        ("Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s"):format(from.host, from.port, method, number),
        "Max-Forwards: 70",
    }
    for _, line in ipairs(lines) do text[#text + 1] = line end
    return table.concat(text, "\r\n") .. "\r\nContent-Length: 0\r\n\r\n"
end

-- Send until `is_wanted` takes an answer: datagrams may be lost.
local function ask(socket, host, bytes, is_wanted)
    for _ = 1, 60 do
        socket.send(host, 5060, bytes)
        local deadline = posix.now() + 1
        while posix.now() < deadline do
            local answer = socket.receive()
            if answer and is_wanted(answer) then return answer end
            if not answer then socket.wait(0.1) end
        end
    end
    error("no answer to:\n" .. bytes, 2)
end

describe("calls held until their longest duration", function()
    after_each(border.clean)

    it("end one by one, every BYE is answered, and nothing is left", function()
        local calls = lunasip.calls(20000)
        local at = network.block()
        local sbc = border.start {
            at = at, route = script(sipp.fill(HOLD, { gateway = at(21), each = math.max(5, math.floor(calls / 500)) })),
            blocks = { shared = { "test" }, timers = { t1_ms = 500, t2_ms = 4000, t4_ms = 5000 } },
        }
        local caller, gateway = sbc:run {
            from = "public", caller = "uac_waits", gateway = "uas", calls = calls, rate = math.max(100, calls / 50),
            simultaneous = calls, seconds = 220, values = { relay = ".*" },
            while_running = function()
                wait_for_calls(sbc.engine, calls, 150)
                assert.equal(calls, profile_count(sbc.engine))
                local socket = assert(posix.udp(sbc.at(13), 5060))
                ask(socket, sbc.public, message_to(sbc.public, socket, 1, "MESSAGE", {
                    "From: <sip:operator@example.net>;tag=1", "To: <sip:all@example.net>", "Call-ID: end",
                    "CSeq: 1 MESSAGE",
                }), function(answer) return answer:match "^SIP/2.0 200" end)
                socket.close()
            end,
        }
        for _, result in ipairs { caller, gateway } do
            assert.same({ 0, calls, 0 }, { result.exit, result.ok, result.failed }, result.errors:sub(1, 1000))
        end
        assert.equal(0, profile_count(sbc.engine))
        sbc:expect_counters { ["dialog.duration"] = calls, ["script.error"] = 0 }
        sbc:expect_nothing_left()
    end)
end)

describe("calls that kill -9 took", function()
    after_each(border.clean)

    local ROUTE = [[
        local sip = require "lunasip"
        function request_route(req)
            if req:in_dialog() then
                return req:loose_route() and req:relay() or req.method ~= "ACK" and req:reply(500)
            end
            assert(sip.dialog.track(req)):set_profile("held")
            assert(sip.media.manage(req, { from = "public", to = "private" }))
            assert(req:relay { to = "sip:%s", interface = "private" })
        end
    ]]

    it("are unknown afterwards: 481 to either side, ports and profiles as new", function()
        local calls = lunasip.calls(1000)
        local at = network.block()
        local options = {
            at = at, route = script((ROUTE:gsub("%%s", at(21)))), blocks = { dialog = { refuse_unknown = 1 } },
        }
        local function lose_calls(sbc)
            local values = { relay = ".*", talk_ms = 0 }
            local gateway = sipp.gateway {
                scenario = "uas", host = sbc.private_gateway, calls = calls, values = values, seconds = 200,
            }
            local caller = sipp.start {
                scenario = "uac_waits", host = sbc.public_caller, remote = sbc.public .. ":5060", calls = calls,
                rate = 100, simultaneous = calls, values = values, seconds = 200,
            }
            wait_for_calls(sbc.engine, calls, 120)
            assert.equal(calls, profile_count(sbc.engine))
            sbc.engine.process:signal(SIGKILL)
            assert.is_truthy(sbc.engine.process:wait(30))
            caller.process:stop(1)
            gateway.process:stop(1)
        end
        local sbc = border.start(options)
        lose_calls(sbc)
        sbc = border.start(options)
        assert.equal(lunasip.nothing, sbc.engine:remains())
        assert.equal(0, profile_count(sbc.engine))
        for _, side in ipairs { { sbc.public_caller, sbc.public }, { sbc.private_gateway, sbc.private } } do
            local socket = assert(posix.udp(side[1], 5060))
            for i = 1, calls do
                local id = ("Call-ID: %d-lost@%s"):format(i, side[1])
                ask(socket, side[2], message_to(side[2], socket, i, "BYE", {
                    "From: <sip:a@example.net>;tag=a" .. i, "To: <sip:b@example.net>;tag=b" .. i, id, "CSeq: 2 BYE",
                    ("Route: <sip:%s;lr;r2=on>, <sip:%s;lr;r2=on>"):format(side[2], sbc.private),
                }), function(answer)
                    return answer:match "^SIP/2.0 481" and answer:find(id .. "\r\n", 1, true)
                end)
            end
            socket.close()
        end
        sbc:expect_counters { ["dialog.unknown"] = 2 * calls }
        sbc:expect_calls { from = "public", caller = "uac", gateway = "uas", calls = 20, rate = 20 }
        sbc:expect_nothing_left()
    end)
end)
