--- Every limit is a setting with a counter, and a test reaches it: each setting of engine/base/settings.h is
-- here, with the counter that tells that it was reached, or with the reason why there is nothing to count.
local text_file = require "support.text_file"

local COUNTER_OF = {
    ["limits.message_bytes"] = "sip.too_large",
    ["limits.headers"] = "sip.too_large",
    ["limits.transactions"] = "transaction.limit",
    ["limits.dialogs"] = "dialog.limit",
    ["limits.dialog_legs"] = "dialog.leg_limit",
    ["limits.branches"] = "route.branch_limit",
    ["limits.max_breadth"] = "route.breadth_limit",
    ["limits.call_queue"] = "route.queue_full",
    ["limits.mailbox"] = "sip.mailbox_full",
    ["limits.cps_per_source"] = "sip.source_limited",
    ["limits.sources"] = "sip.source_forgotten",
    ["limits.shed_lag_ms"] = "sip.shed",
    ["limits.dialog_idle_s"] = "dialog.idle",
    ["limits.profile_values"] = "dialog.profile_limit",
    ["limits.control_ms"] = "control.cut_off",
    ["limits.control_bytes"] = "control.cut_off",
    ["script.budget_instructions"] = "script.budget",
    ["script.budget_ms"] = "script.budget",
    ["script.memory_mib"] = "script.memory_limit",
    ["script.generations"] = "script.generation_limit",
    ["script.leave_bytes"] = "script.leave_limit",
    ["script.waiting"] = "script.waiting_limit",
    ["script.regex_steps"] = "script.regex_limit",
    ["auth.nonce_s"] = "auth.stale",
    ["auth.nonces"] = "auth.nonce_forgotten",
    ["auth.credentials"] = "auth.credentials_forgotten",
    ["shared.bytes"] = "shared.full",
    ["media_limits.streams"] = "media.limit",
    ["media_limits.tags"] = "media.limit",
    ["media_limits.calls"] = "media.limit",
    ["media_limits.timeout_s"] = "media.timeout",
    ["media_limits.silent_timeout_s"] = "media.timeout",
    ["media_limits.offer_timeout_s"] = "media.timeout",
    ["location.aors"] = "location.aor_limit",
    ["location.contacts_per_aor"] = "location.contact_limit",
    ["location.request_contacts"] = "location.contact_limit",
    ["location.expires_least_s"] = "location.brief",
    ["location.uri_bytes"] = "location.too_long",
    ["location.path_bytes"] = "location.too_long",
    ["location.text_bytes"] = "location.too_long",
    ["location.store_queue"] = "location.store_queue_full",
    ["keepalive.failures"] = "keepalive.ended",
    ["resolve.timeout_ms"] = "resolve.failed",
    ["resolve.cache"] = "resolve.cache_full",
    ["database.queue"] = "database.queue_full",
    ["database.timeout_ms"] = "database.late",
    ["database.statements"] = "database.statement_forgotten",
    ["database.answer_bytes"] = "database.too_large",
    ["http.requests"] = "http.refused",
    ["http.timeout_ms"] = "http.late",
    ["http.body_bytes"] = "http.too_large",
    ["http.head_bytes"] = "http.too_large",
    ["timers.c_ms"] = "transaction.timeout",
    ["records.spool_mib"] = "records.spool_full",
    ["records.queue"] = "records.dropped",
    ["records.fields_bytes"] = "records.fields_limit",
    ["dialog.vars_bytes"] = "dialog.vars_limit",
}

-- Nothing is refused or forgotten because of these.
local NO_LIMIT = {
    ["trunk.retry_base_s"] = "a pace", ["trunk.retry_most_s"] = "a pace", ["trunk.leave_ms"] = "a wait",
    ["timers.t1_ms"] = "a pace", ["timers.t2_ms"] = "a pace", ["timers.t4_ms"] = "a pace",
    ["timers.trying_ms"] = "a pace",
    ["limits.max_forwards"] = "what is added; a request that is over it is counted as route.loop",
    ["auth.one_time_nonce"] = "a choice", ["auth.bind_source"] = "a choice",
    ["media_limits.learn_ms"] = "a window; what comes after it is counted as media.stranger",
    ["threads.patient"] = "a choice",
    ["dscp.sip"] = "a mark", ["dscp.rtp"] = "a mark",
    ["dialog.match_lost_route"] = "a choice",
    ["dialog.refuse_unknown"] = "a choice",
    ["dialog.recorder_mib"] = "a record: the oldest goes",
    ["dialog.recorder_message_bytes"] = "what is kept of a message; nothing is refused",
    ["location.expires_default_s"] = "a value", ["location.expires_most_s"] = "a value: a longer time becomes it",
    ["location.expires_refuse"] = "a choice", ["location.match"] = "a choice", ["location.use_domain"] = "a choice",
    ["location.case_sensitive"] = "a choice", ["location.q_default"] = "a value",
    ["location.expire_batch"] = "a pace",
    ["location.db_mode"] = "a choice", ["location.write_back_ms"] = "a pace", ["location.load_batch"] = "a pace",
    ["location.write_through_ms"] = "a pace",
    ["keepalive.interval_s"] = "a pace", ["keepalive.nat_only"] = "a choice", ["keepalive.options"] = "a choice",
    ["records.failed"] = "a choice", ["records.missed"] = "a choice",
    ["records.gather_ms"] = "a pace", ["records.sync_ms"] = "a pace",
    ["records.rotate_mib"] = "a size: the next file begins", ["records.rotate_s"] = "an age: the next file begins",
    ["records.keep"] = "what is put aside: the oldest goes",
    ["drain.deadline_s"] = "the end of the process, said in the log",
    ["reload.watch"] = "a choice", ["reload.settle_ms"] = "a pace",
    ["reload.test_s"] = "the reload is refused, said to who asked for it",
    ["resolve.negative_ttl_s"] = "a pace",
    ["http.host_connections"] = "what cannot be sent waits in http.requests",
    ["database.connections"] = "what cannot be sent waits in database.queue",
}

local read = text_file.read

-- Names of the settings, as block.name; or of the counters.
local function listed(path, pattern)
    local names = {}
    for first, second in read(path):gmatch(pattern) do
        names[second and first .. "." .. second or first] = true
    end
    return names
end

local function sorted(set)
    local names = {}
    for name in pairs(set) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

describe("every limit is a setting with a counter", function()
    local settings = listed("engine/base/settings.h", "XX%(([%l_]+), ([%l%d_]+), %d+, %d+, %d+,")
    local counters = listed("engine/base/counter.h", 'XX%(%u[%u%d_]*, "([%l%d_.]+)"')

    it("each setting is known here", function()
        assert.is_true(#sorted(settings) > 60)
        for _, name in ipairs(sorted(settings)) do
            assert.is_true((COUNTER_OF[name] ~= nil) ~= (NO_LIMIT[name] ~= nil), name)
        end
        for _, of in ipairs { COUNTER_OF, NO_LIMIT } do
            for _, name in ipairs(sorted(of)) do
                assert.is_true(settings[name], name .. " is no setting")
            end
        end
    end)

    it("each counter of a limit is there, and a test names it", function()
        local tests = assert(io.popen "find spec scripts -name '*_test.c' -o -name '*_spec.lua'")
        local named = {}
        for path in tests:lines() do
            local text = path == "spec/base/limits_spec.lua" and "" or read(path)
            for counter in pairs(counters) do
                local constant = "COUNTER_" .. counter:upper():gsub("%.", "_")
                local block, name = counter:match "^(.-)%.(.*)$"
                named[counter] = named[counter] or text:find(counter, 1, true) or text:find(constant, 1, true)
                    or text:find('"' .. block .. '."', 1, true) and text:find('"' .. name .. '"', 1, true)
            end
        end
        tests:close()
        for _, name in ipairs(sorted(COUNTER_OF)) do
            local counter = COUNTER_OF[name]
            assert.is_true(counters[counter], counter .. " is no counter")
            assert.is_truthy(named[counter], "no test looks at " .. counter)
        end
    end)
end)
