--- What event_route["dialog:…"](event) gets, made of the values of engine/script/api_event.c in their order.
--
-- Made here and not field by field from C, which would look each name up again for every event.
local dialog = require "lunasip.dialog"

return function(name, call_id, from_tag, from_uri, to_uri, state, age_s, answered, duration_s, reason, method, status,
    track, ended_by)
    return {
        name = name, call_id = call_id, from_tag = from_tag, from_uri = from_uri, to_uri = to_uri,
        state = state, age_s = age_s, answered = answered, duration_s = duration_s,
        reason = reason, method = method, status = status, dialog = track and dialog.with_number(track),
        ended_by = ended_by,
    }
end
