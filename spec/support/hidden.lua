--- The border with a script that hides the calls it relays (sip.dialog.track), and what SIPp got of any hidden call.
local border = require "support.border"

local M = {}

local ROUTE = [[
local sip = require "lunasip"
local FAR = { public = "private", private = "public" }
local GATEWAY = { public = %q, private = %q }
function request_route(req)
    if req:in_dialog() then
        if req:loose_route() or req.method == "ACK" then
            req:relay()
        else
            req:reply(481)
        end
        return
    end
    local to = FAR[req.interface]
    sip.media.manage(req, { from = req.interface, to = to })
    assert(sip.dialog.track(req, { hide = true, hide_call_id = true }))
    req["$fu"], req["$tu"] = "sip:caller@example.net", "sip:called@example.net"
    req["$ru"] = ("sip:%%s@%%s:5060"):format(req["$rU"], GATEWAY[to])
    req:relay { interface = to }
end
]]

--- @tparam[opt] table timers of the engine and of SIPp @return as border.start()
function M.start(timers)
    return border.start { source = ROUTE, timers = timers }
end

-- Scenarios that remember an INVITE: the one of a hidden call has one Via.
local ONE_VIA = {
    remember_invite = [[
      <ereg regexp=".*" search_in="hdr" header="Via:" check_it="true" assign_to="via1"/>
      <ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="caller"/>
      <ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="called"/>]],
    copied_invite = [[Via:[$via1]
      From:[$caller]
      To:[$called];tag=[pid]g[call_number]
      Call-ID: [call_id]
      CSeq: 1 INVITE
      Contact: <sip:gateway@[local_ip]:[local_port]>]],
}

-- What happens in a call, whoever hides it: scenarios of SIPp.
local CASES = {
    { name = "are ended by the caller", caller = "uac", gateway = "uas" },
    { name = "are ended by the gateway", caller = "uac_waits", gateway = "uas_hangs_up" },
    { name = "renegotiate by re-INVITE", caller = "uac_reinvite", gateway = "uas_reinvite" },
    { name = "are held and resumed by the caller", caller = "uac_holds", gateway = "uas_held" },
    { name = "are held and resumed by the gateway", caller = "uac_held", gateway = "uas_holds" },
    { name = "renegotiate by UPDATE (RFC 3311)", caller = "uac_update", gateway = "uas_update" },
    { name = "have early media, made reliable by PRACK (RFC 3262)", caller = "uac_prack", gateway = "uas_prack" },
    { name = "pass INFO (RFC 6086)", caller = "uac_info", gateway = "uas_info" },
    { name = "are given up by the caller", caller = "uac_cancel", gateway = "uas_cancel" },
    {
        name = "are refused by the gateway", caller = "uac_refused", gateway = "uas_refuses",
        values = { status = 486, reason = "Busy Here" },
    },
}

--- Each of these cases and of those given, from either side: `for name, options in …`, options of `M.expect_calls`.
function M.cases(more)
    return coroutine.wrap(function()
        for _, list in ipairs { CASES, more } do
            for _, case in ipairs(list) do
                for _, from in ipairs { "public", "private" } do
                    coroutine.yield(case.name .. ", from the " .. from .. " side", {
                        from = from, caller = case.caller, gateway = case.gateway, values = case.values,
                    })
                end
            end
        end
    end)
end

-- Addresses of the other side in what this SIPp received. Public hosts of a border are at(10) and on, private ones
-- at(20) and on.
local function leaks(at, run, is_public)
    local found, count = {}, 0
    for _, message in ipairs(run:received()) do
        count = count + 1
        for host in message:gmatch(at "(%d+)") do
            if (tonumber(host) < 20) ~= is_public then found[#found + 1] = message end
        end
    end
    if count == 0 then error("SIPp wrote down nothing that it received", 3) end
    return found
end

--- As `sbc:expect_calls`, and no message that either SIPp received names a host of the other side.
function M.expect_calls(sbc, options)
    local values = {}
    for _, list in ipairs { ONE_VIA, options.values or {} } do
        for name, value in pairs(list) do values[name] = value end
    end
    options.values, options.traced = values, true
    local caller, gateway = sbc:expect_calls(options)
    local is_public = options.from == "public"
    for _, pair in ipairs { { caller, is_public }, { gateway, not is_public } } do
        local found = leaks(sbc.at, pair[1], pair[2])
        if found[1] then error(#found .. " messages show the other side, such as this:\n" .. found[1], 2) end
    end
end

return M
