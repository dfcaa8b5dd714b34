--- What event_route["registration:…"](event) gets, made of the values of engine/script/api_event.c in their order.
return function(name, aor, contact, call_id, user_agent, received, path)
    return {
        name = name, aor = aor, contact = contact, call_id = call_id, user_agent = user_agent,
        received = received, path = path,
    }
end
