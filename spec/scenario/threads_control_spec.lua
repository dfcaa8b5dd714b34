-- The questions and orders of `ctl` that go to every worker, under the thread sanitizer with four of them: calls are
-- ended from here and registrations listed and removed while phones call and register.
local json = require "dkjson"

local border = require "support.border"
local lunasip = require "support.lunasip"
local posix = require "support.posix"
local raw = require "support.raw"
local registrar = require "support.registrar"
local sipp = require "support.sipp"

local OPTIONS = {
    workers = 4, build = lunasip.build:gsub("build[^/]*$", "build-tsan"),
    timers = { t1_ms = 1000 },
}

local function with(options)
    for name, value in pairs(OPTIONS) do options[name] = value end
    return options
end

local function expect_ctl(engine, ...)
    local code, output = engine:ctl(...)
    if code ~= 0 then error(table.concat({ ... }, " ") .. ": " .. output, 2) end
    return output
end

describe("ctl with four workers under the thread sanitizer", function()
    after_each(border.clean)

    it("ends calls while others come and go", function()
        local sbc = border.start(with { private_hosts = { 22 }, blocks = { media_threads = 2 } })
        local ends = {
            caller = assert(posix.udp(sbc.public_caller, 5060)), gateway = assert(posix.udp(sbc.private_gateway, 5060)),
            public = sbc.public, private = sbc.private, near_port = 10000, far_port = 10000,
        }
        local held = {}
        for i = 1, 12 do
            ends.id = "held-" .. i
            held[i] = raw.call(ends)
        end
        local function end_call(call)
            expect_ctl(sbc.engine, "calls", "end", call.id)
            for _, one in ipairs { { ends.caller, sbc.public }, { ends.gateway, sbc.private } } do
                local socket, relay = unpack(one)
                socket.send(relay, 5060, raw.answer(raw.receive(socket, "^BYE ", nil, call.id), nil, socket.host))
            end
        end
        sbc:expect_calls {
            from = "private", caller = "uac", gateway = "uas", calls = lunasip.calls(1000), rate = 25,
            caller_host = sbc.at(22), gateway_host = sbc.public_gateway,
            while_running = function()
                for i = 1, 8 do
                    end_call(held[i])
                    expect_ctl(sbc.engine, "calls", "--json")
                    expect_ctl(sbc.engine, "profiles")
                end
            end,
        }
        expect_ctl(sbc.engine, "calls", "end", "--all")
        for i = 9, 12 do
            for _, socket in ipairs { ends.caller, ends.gateway } do
                raw.receive(socket, "^BYE ", nil, held[i].id)
            end
        end
        ends.caller.close()
        ends.gateway.close()
        sbc:expect_nothing_left()
    end)

    it("lists, adds and removes registrations while phones register", function()
        local users, list = lunasip.calls(4000), {}
        local lan = registrar.start(with { users = users })
        for i = 1, users do
            local user = "u" .. i
            list[i] = ("%s;[authentication username=%s password=%s];u1"):format(user, user, registrar.password(user))
        end
        local phones = sipp.start {
            scenario = "register", host = lan.at(11), remote = lan.host .. ":5060", users = list, calls = users,
            rate = 100, values = { refresh_ms = 500 }, seconds = 180, simultaneous = users,
        }
        local rounds = 0
        repeat
            rounds = rounds + 1
            local aor = ("sip:other%d@example.net"):format(rounds)
            expect_ctl(lan.engine, "registrations", "add", aor, "sip:other@192.0.2.1")
            expect_ctl(lan.engine, "registrations", "show", aor)
            expect_ctl(lan.engine, "registrations", "list", "--json")
            expect_ctl(lan.engine, "registrations", "rm", aor)
            expect_ctl(lan.engine, "status")
        until phones.process:poll() and rounds > 1
        local result = phones:wait()
        assert.equal(border.perfect(users), border.summary(result))
        assert.same({ aors = users, bindings = users }, lan.engine:status().registrations)
        assert.is_table(json.decode((expect_ctl(lan.engine, "registrations", "list", "--json"):match "[%[{].*[%]}]")))
        expect_ctl(lan.engine, "registrations", "flush")
        assert.equal(lunasip.nothing, lan.engine:settle(120))
        local code, complaint = lan.engine:stop()
        assert.same({ 0, "" }, { code, complaint })
    end)
end)
