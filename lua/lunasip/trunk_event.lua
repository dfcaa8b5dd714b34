--- What event_route["trunk:…"](event) gets, made of the values of engine/script/api_trunk.c: its trunk is what
-- sip.trunk.get() says at that moment.
return function(name, trunk)
    return { name = name, trunk = trunk }
end
