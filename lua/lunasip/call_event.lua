--- What a function of call:on() gets, made of the values of engine/script/api_call.c in their order.
local call_handle = require "lunasip.call_handle"

return function(name, call_id, tag, status, digit, duration_ms, from, via, reason, ended_by)
    return {
        name = name, call = call_handle(call_id, tag), status = status, digit = digit, duration_ms = duration_ms,
        from = from, via = via, reason = reason, ended_by = ended_by,
    }
end
