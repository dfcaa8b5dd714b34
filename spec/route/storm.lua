--- Random calls over a bad network: callers that cancel, callees that ring, answer, refuse, keep silent, ask within
-- the call or hang up first, scripts that fork, fail over and sleep. What happens depends on the seed alone.
--
-- Run by itself it prints the trace:  luajit spec/route/storm.lua SEED WORKERS
local ffi = require "ffi"
local lab = require "lunasip.lab"
local library = require "lunasip.stage".library
local wire = require "route.wire"

local M = {}

pcall(ffi.cdef, "void memory_fail_after(uint64_t n); void memory_fail_never(void);")

local STEP_S = 0.05
local BUSY_S = 90 -- everything that an agent does of itself happens within

local ROUTE = [[
local sip = require "lunasip"
local ALL = { "sip:b@10.0.0.20:5060", "sip:c@10.0.0.21:5060", "sip:d@10.0.0.22:5060" }

function request_route(req)
    if req:in_dialog() then
        if not req:loose_route() then
            return req.method ~= "ACK" and req:reply(481, "Call/Transaction Does Not Exist") or req:drop()
        end
        local wait_s = req.method == "INVITE" and 0.05 or tonumber(req:header "X-Wait" or "0")
        if wait_s > 0 then
            sip.sleep(wait_s)
        end
        if not req:relay() and req.method ~= "ACK" then
            req:reply(500)
        end
        return
    end
    local plan = req:header "X-Plan" or "one"
    local call = sip.dialog.track(req, { max_duration_s = 4 })
    if call then
        call:set_profile("plan", plan, { limit = 3 })
        call:set_profile("all")
    end
    sip.media.manage(req, { from = "public", to = "private" })
    req:record_route()
    if plan == "one" then
        req:relay { to = "sip:10.0.0.20", interface = "private", on_failure = "NEXT" }
    elseif plan == "parallel" then
        req:fork { ALL[1], ALL[2], ALL[3], interface = "private", on_branch = "MARK" }
    elseif plan == "serial" then
        req:fork { { uri = ALL[1], q = 0.9 }, { uri = ALL[2], q = 0.9 }, { uri = ALL[3], q = 0.5 },
            interface = "private", on_failure = "NEXT", ringing_timeout_ms = 6000, timeout_ms = 3000 }
    elseif plan == "sleepy" then
        sip.sleep(0.3)
        req:relay { to = "sip:10.0.0.21", interface = "private", on_reply = "SLOW" }
    elseif plan == "name" then
        req:relay { to = "sip:gw.example", interface = "private", on_failure = "NEXT" }
    elseif plan == "lazy" then
        sip.sleep(1)
    else
        error "no such plan"
    end
end

function branch_route.MARK(req) req:set_header("X-Branch", req["$T_branch_idx"]) end
function onreply_route(reply) reply:set_header("X-Passed", "1") end
function onreply_route.SLOW(reply) sip.sleep(0.1) end
function failure_route.NEXT(req, reply)
    if reply.status == 486 then
        return
    end
    sip.sleep(0.1)
    req:relay { to = "sip:10.0.0.22", interface = "private" }
end
]]

-- Whom a call is for, by what its caller asks.
local WHOM = [[
local sip = require "lunasip"
local PLANS = { b = "sip:b@10.0.0.20:5060", c = "sip:c@10.0.0.21:5060", name = "sip:d@gw.example" }
]]

-- Calls of two legs: whatever either party says ends at the engine.
local TWO_LEGS = WHOM .. [[

function request_route(req)
    if req:in_dialog() or req.method ~= "INVITE" then
        return req.method ~= "ACK" and req:reply(481) or req:drop()
    end
    local plan = req:header "X-Plan"
    sip.dialog.track(req, { max_duration_s = 25 })
    local call = sip.call.bridge(req, {
        to = PLANS[plan] or PLANS.b, interface = "private", media = { from = "public", to = "private" },
        refer = "handle", redirect = "follow", prack = plan ~= "plain",
        session_timer = plan == "c" and { expires_s = 90 } or nil,
        keepalive = plan == "b" and { interval_s = 3 } or nil,
    })
    if not call then
        return req:reply(503)
    end
    call:on("answer", function(event)
        sip.sleep(0.5)
        if plan == "script" then
            event.call:hangup()
        elseif plan == "transfer" then
            event.call:transfer "sip:d@10.0.0.22:5060"
        end
    end)
end
]]

-- Calls that begin here, when a caller asks for one: both parties are called.
local ORIGINATED = WHOM .. [[

function request_route(req)
    if req:in_dialog() or req.method ~= "OPTIONS" then
        return req.method ~= "ACK" and req:reply(481) or req:drop()
    end
    local plan = req:header "X-Plan"
    local call = sip.call.originate {
        from = "sip:a@" .. req["$si"], from_interface = "public", to = PLANS[plan] or PLANS.b, interface = "private",
        media = plan ~= "plain" and { from = "public", to = "private" }, refer = "handle", redirect = "follow",
        timeout_ms = 5000, ringing_timeout_ms = 6000,
    }
    if not call then
        return req:reply(503)
    end
    req:reply(200)
    sip.dialog.track(call, { max_duration_s = 25 })
    call:on("answer", function(event)
        sip.sleep(0.5)
        if plan == "script" then
            event.call:hangup()
        elseif plan == "transfer" then
            event.call:transfer "sip:d@10.0.0.22:5060"
        end
    end)
end
]]

local FINALS_OF_TWO_LEGS = { 200, 200, 200, 200, 200, 200, 486, 503, 302, false }
local PLANS_OF_TWO_LEGS = { "b", "c", "name", "plain", "script", "transfer" }
local PLANS = { "one", "parallel", "serial", "sleepy", "name", "lazy", "error" }
local FINALS = { 200, 200, 200, 486, 404, 500, 503, 603, 302, 401, false }

local PLANS_OF_CALLEE = { "BURST", "INFO", "INVITE", "BYE" }
local PLANS_OF_CALLEE_OF_TWO = { "BURST", "INFO", "INVITE", "BYE", "REFER", "UPDATE" }

local function generator(seed)
    local state = seed * 7919 % 2147483646 + 1
    return function(least, most)
        state = (state * 16807) % 2147483647
        return least + state % (most - least + 1)
    end
end

-- Calls tracked with other options. A CANCEL that matches nothing is of no call: its path would be seen.
local function route_with(track)
    return (ROUTE:gsub("{ max_duration_s = 4 }", track):gsub("local plan",
        'if req.method == "CANCEL" then return req:reply(481) end\n    %0', 1))
end

local function route_of(options)
    local track = options.track
    if options.calls then
        return options.calls == "originated" and ORIGINATED or TWO_LEGS
    end
    return track and route_with(track) or ROUTE
end

local function open_world(seed, options)
    local is_two_legs = options.calls ~= nil
    local net = lab.new {
        -- A BYE that was lost for want of memory leaves its dialog to this.
        conf = { limits = { dialog_idle_s = 120 } },
        route = route_of(options),
        seed = seed, workers = options.workers or (seed % 3 == 0 and 4 or 1), log_level = "info",
    }
    local storm = {
        net = net, is_two_legs = is_two_legs, is_originated = options.calls == "originated",
        draw = generator(seed), agendas = {}, order = 0,
    }
    storm.callers, storm.callees = {}, {}
    for i = 1, 2 do
        storm.callers[i] = net:agent {
            name = "caller" .. i, address = "192.0.2." .. 9 + i, auto_prack = is_two_legs,
            auto_cancel = storm.is_originated,
        }
    end
    for i = 1, 3 do
        storm.callees[i] = net:agent {
            name = "callee" .. i, address = "10.0.0." .. 19 + i, side = "private", auto_cancel = true,
        }
    end
    net:name("_sip._udp.gw.example", "SRV", "1 0 5060 dead.example")
    net:name("_sip._udp.gw.example", "SRV", "2 0 5060 live.example")
    net:name("dead.example", "A", "10.0.0.77")
    net:name("live.example", "A", "10.0.0.20")
    return storm
end

local function after(storm, seconds, action)
    storm.order = storm.order + 1
    table.insert(storm.agendas, { due = storm.net:now() + seconds, order = storm.order, action = action })
end

local function run_agenda(storm)
    table.sort(storm.agendas, function(a, b)
        return a.due < b.due or a.due == b.due and a.order < b.order
    end)
    while storm.agendas[1] and storm.agendas[1].due <= storm.net:now() do
        table.remove(storm.agendas, 1).action()
    end
end

local function tenths(storm, least, most)
    return storm.draw(least * 10, most * 10) / 10
end

-- Requests of one party in a row, and the route waits in some of them: the others queue behind.
local function burst(storm, agent, call, dialog)
    for i = 1, storm.draw(2, 5) do
        agent:request(call, "INFO", {
            dialog = dialog, body = ("%d of a row"):format(i), content_type = "text/plain",
            headers = { ["X-Wait"] = tostring(tenths(storm, 0, 0.3)) },
        })
    end
end

local function on_callee_message(storm, agent, msg)
    local draw = storm.draw
    if msg.method == "INVITE" then
        local finals = storm.is_two_legs and FINALS_OF_TWO_LEGS or FINALS
        local final, ring_s = finals[draw(1, #finals)], tenths(storm, 0, 1)
        if draw(1, 3) > 1 then
            after(storm, ring_s, function()
                local is_reliable = storm.is_two_legs and draw(1, 2) == 1
                    and (msg:header "Supported" or ""):find "100rel" ~= nil
                if agent:is_pending(msg) then
                    agent:reply(msg, 180, { sdp = draw(1, 2) == 1, reliable = is_reliable or nil })
                end
            end)
        end
        if final or msg:tag "To" then
            after(storm, ring_s + tenths(storm, 0, 5), function()
                if agent:is_pending(msg) then agent:reply(msg, final or 200, { sdp = final == 200 }) end
            end)
        end
    elseif msg.method == "ACK" and (storm.is_two_legs or draw(1, 3) == 1) then
        local call = agent.calls[msg:header "Call-ID"]
        if call and call.is_answered then
            after(storm, tenths(storm, 0, 3), function()
                local plans = storm.is_two_legs and PLANS_OF_CALLEE_OF_TWO or PLANS_OF_CALLEE
                local plan = plans[draw(1, #plans)]
                if plan == "BURST" then
                    return burst(storm, agent, call)
                end
                agent:request(call, plan, plan == "REFER" and {
                    headers = { ["Refer-To"] = "<sip:x@10.0.0.2" .. draw(0, 2) .. ">" },
                } or plan == "UPDATE" and { sdp = true } or nil)
            end)
        end
    elseif msg.method and msg.method ~= "ACK" and msg.method ~= "CANCEL" then
        agent:reply(msg, 200)
    end
end

local function on_caller_message(storm, agent, msg)
    local call = agent.calls[msg:header "Call-ID"]
    if msg.status and msg.status >= 200 and msg.status < 300 and msg.cseq_method == "INVITE" then
        local dialog = call.dialogs[msg:tag "To"]
        if not dialog.is_ended then
            dialog.is_ended = true
            if storm.draw(1, 3) == 1 then
                after(storm, tenths(storm, 0, 1), function()
                    burst(storm, agent, call, dialog)
                end)
            end
            after(storm, storm.is_two_legs and tenths(storm, 2, 20) or tenths(storm, 1, 5), function()
                agent:request(call, "BYE", { dialog = dialog })
            end)
        end
    elseif msg.method and msg.method ~= "ACK" then
        agent:reply(msg, 200, { sdp = storm.is_two_legs and (msg.method == "INVITE" or msg.method == "UPDATE") })
    end
end

local function headers_of_call(storm)
    if not storm.is_two_legs then
        return { ["X-Plan"] = PLANS[storm.draw(1, #PLANS)] }
    end
    local known = ({ "Supported", "Require", "X-None" })[storm.draw(1, 3)]
    return { ["X-Plan"] = PLANS_OF_TWO_LEGS[storm.draw(1, #PLANS_OF_TWO_LEGS)], [known] = "100rel" }
end

local ASK = table.concat({
    "OPTIONS sip:click@192.0.2.1 SIP/2.0", "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKask%d", "Max-Forwards: 70",
    "From: <sip:ask@%s>;tag=ask%d", "To: <sip:click@192.0.2.1>", "Call-ID: ask-%d", "CSeq: 1 OPTIONS",
    "Contact: <sip:%s>", "X-Plan: %s", "Content-Length: 0",
}, "\r\n") .. "\r\n\r\n"

-- Who asks hears from the engine as a callee does.
local function ask_for_call(storm, agent)
    storm.asked = (storm.asked or 0) + 1
    agent:send(ASK:format(agent.host, storm.asked, agent.host, storm.asked, storm.asked, agent.host,
        PLANS_OF_TWO_LEGS[storm.draw(1, #PLANS_OF_TWO_LEGS)]))
end

local function start_call(storm, agent)
    if storm.is_originated then
        return ask_for_call(storm, agent)
    end
    local draw = storm.draw
    local call = agent:invite("sip:all@example.net", { sdp = draw(1, 4) > 1, headers = headers_of_call(storm) })
    if draw(1, 3) == 1 then
        after(storm, tenths(storm, 0, 6), function()
            if not call.is_answered and not call.is_refused then
                local current = agent.call
                agent.call = call
                agent:cancel()
                agent.call = current
            end
        end)
    end
end

local function take(storm, agents, handle)
    for _, agent in ipairs(agents) do
        while agent.queue[1] do
            handle(storm, agent, table.remove(agent.queue, 1))
        end
    end
end

-- One step of the network; now and then memory ends within it.
local function step(storm)
    if storm.fails_after then
        library.memory_fail_after(storm.fails_after)
        storm.fails_after = nil
    end
    storm.net:advance(STEP_S)
    library.memory_fail_never()
end

--- How many seeds a spec takes: LUNASIP_STORMS (a soak takes thousands), or so many.
function M.seeds(count)
    return tonumber(os.getenv "LUNASIP_STORMS") or count
end

--- Run one storm. options: `workers` (else 1 or 4, by the seed), `without_memory` (true: allocations fail now and
-- then), `watch(net)` (called after every step), `track` (options of sip.dialog.track, as Lua), `calls` ("two_legs":
-- calls of two legs, "originated": those that the engine begins; else relayed ones)
-- @return the network, still open
function M.run(seed, options)
    options = options or {}
    local storm = open_world(seed, options)
    local draw = storm.draw
    storm.net:impair {
        loss = draw(0, 20) / 100, duplicate = draw(0, 15) / 100, reorder = draw(0, 20) / 100,
        delay = draw(0, 30) / 1000, jitter = draw(0, 40) / 1000,
    }
    for i = 1, 4 do
        after(storm, tenths(storm, 0, 4), function() start_call(storm, storm.callers[i % 2 + 1]) end)
    end
    for _ = 1, options.without_memory and 30 or 0 do
        after(storm, tenths(storm, 0, 12), function() storm.fails_after = draw(0, 60) end)
    end
    local finish = storm.net:now() + BUSY_S
    while storm.net:now() < finish do
        step(storm)
        take(storm, storm.callees, on_callee_message)
        take(storm, storm.callers, storm.is_originated and on_callee_message or on_caller_message)
        run_agenda(storm)
        if options.watch then
            options.watch(storm.net)
        end
    end
    storm.net:impair {}
    storm.net:settle() -- what only rings ends with Timer C
    return storm.net
end

-- One final response of 300 and above, or 2xx: one per To tag, its repetitions the same bytes.
local function fault_of_finals(net)
    local calls = {}
    for _, entry in ipairs(net.journal) do
        local msg = entry.message
        local is_of_callee = msg.method and entry.direction == "in" or msg.status and entry.direction == "out"
        if entry.agent:match "^caller" and msg.cseq_method == "INVITE" and not is_of_callee then
            local id = msg:header "Call-ID"
            local call = calls[id] or { successes = {}, tags = 0 }
            calls[id] = call
            if msg.method == "INVITE" and entry.direction == "out" then
                call.is_sent = true
            elseif entry.direction == "in" and msg.status and msg.status >= 200 then
                local key = msg.status >= 300 and "refused" or msg:tag "To"
                local seen = call.successes[key]
                if seen and seen ~= msg.bytes then
                    return id .. ": two different final responses:\n" .. seen .. msg.bytes
                end
                if not seen then
                    call.successes[key] = msg.bytes
                    call.tags = call.tags + 1
                end
            end
        end
    end
    for id, call in pairs(calls) do
        if call.is_sent and call.tags == 0 then
            return id .. ": no final response"
        elseif call.successes.refused and call.tags > 1 then
            return id .. ": refused and answered"
        end
    end
end

--- What is wrong with what the callers saw; nil when nothing is.
-- @tparam[opt] boolean is_hidden the calls hide their topology
function M.faults(net, is_hidden)
    return fault_of_finals(net) or wire.invented_success(net) or wire.overtaking(net, is_hidden)
end

-- Of calls of two legs: whoever was answered, or answered, got or sent BYE. @return what is wrong; nil: nothing
local function without_bye(net)
    local talked, ended = {}, {}
    for _, entry in ipairs(net.journal) do
        local msg = entry.message
        local key = entry.agent .. " " .. msg:header "Call-ID"
        if msg.method == "BYE" then
            ended[key] = true
        elseif msg.cseq_method == "INVITE" and msg.status and msg.status >= 200 and msg.status < 300 then
            talked[key] = true
        end
    end
    for key in pairs(talked) do
        if not ended[key] then
            return key .. ": answered, and nobody said BYE"
        end
    end
end

--- What is wrong with calls of two legs; nil when nothing is.
function M.faults_of_two_legs(net)
    return fault_of_finals(net) or without_bye(net)
end

--- The same of calls that the engine begins.
function M.faults_of_originated(net)
    return without_bye(net)
end

--- Close a network; fail with its trace when there is a fault.
function M.close(net, fault)
    local text = fault and net:failed(fault)
    net:close()
    if text then
        error(text, 2)
    end
end

if arg and arg[0] and arg[0]:match "storm%.lua$" then
    local net = M.run(tonumber(arg[1]), { workers = tonumber(arg[2]) })
    io.write(net:trace())
    net:close()
end

return M
