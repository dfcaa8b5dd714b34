--- Headers of options: { NAME = VALUE } in the order of the names, or { { NAME, VALUE }, ... } as they stand.
return function(headers, given)
    local names = {}
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
