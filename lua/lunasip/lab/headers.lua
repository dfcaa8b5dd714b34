-- The agent's own Contact gives way to a given one.
local function drop_contact(headers)
    for i = #headers, 1, -1 do
        if headers[i][1] == "Contact" then
            table.remove(headers, i)
        end
    end
end

--- Headers of options: { NAME = VALUE } in the order of the names, or { { NAME, VALUE }, ... } as they stand. A Contact
-- among them replaces the agent's.
return function(headers, given)
    local names = {}
    for name, value in pairs(given or {}) do
        local header_name = type(value) == "table" and value[1] or name
        if type(header_name) == "string" and header_name:lower() == "contact" then
            drop_contact(headers)
            break
        end
    end
    for name, value in pairs(given or {}) do
        if type(name) == "number" then
            table.insert(headers, value)
        else
            names[#names + 1] = name
        end
    end
    table.sort(names)
    for _, name in ipairs(names) do
        table.insert(headers, { name, given[name] })
    end
end
