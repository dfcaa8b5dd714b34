--- What scripts keep: $var (one handler run), $avp (one transaction), $shv and $sht (all workers).
local core = require "lunasip.core"
local xavp = require "lunasip.pv.xavp"

local M = {}

-- $var and $vz are 0 until set, $vn is nothing until set; the two kinds do not share names.
local function variable(prefix, empty)
    return {
        argument = "required",
        get = function(m, name)
            local value = core.vars(m)[prefix .. name]
            if value == nil then
                return empty
            end
            return value
        end,
        set = function(m, value, name)
            core.vars(m)[prefix .. name] = value
            return true
        end,
    }
end

M.var = variable("z:", 0)
M.vz = M.var
M.vn = variable("n:", nil)

-- "$avp(s:name)" is "$avp(name)"; "$avp(i:5)" has a space of its own.
local function avp_name(name)
    return name:match "^s:(.*)$" or name
end

-- A stack per name: the last value assigned is [0].
M.avp = {
    argument = "required",
    index = true,
    get = function(m, name, index)
        local stack = core.avps(m)[avp_name(name)]
        if not stack then
            return nil
        end
        if index == "*" then
            local all = {}
            for i = #stack, 1, -1 do
                all[#all + 1] = tostring(stack[i])
            end
            return #all > 0 and table.concat(all, ", ") or nil
        end
        index = index or 0
        return index >= 0 and stack[#stack - index] or stack[-index]
    end,
    set = function(m, value, name, index)
        local avps = core.avps(m)
        name = avp_name(name)
        local stack = avps[name] or {}
        avps[name] = stack
        if index == "*" then
            avps[name] = value ~= nil and { value } or nil
        elseif index == nil then
            if value == nil then
                table.remove(stack)
            else
                stack[#stack + 1] = value
            end
        else
            local position = index >= 0 and #stack - index or -index
            if stack[position] == nil then
                return nil, "there is no value at that index"
            end
            if value == nil then
                table.remove(stack, position)
            else
                stack[position] = value
            end
        end
        return true
    end,
}

-- $cnt($avp(x)), $cnt($xavp(a[0]=>b)), $cnt($xavi(a)): how many values there are.
M.cnt = {
    argument = "required",
    literal = true,
    prepare = function(argument)
        local kind, name = argument:match "^%$(%a+)%((.*)%)$"
        if not kind then
            kind, name = argument:match "^%$%((%a+)%((.*)%)%[%*%]%)$"
        end
        if kind == "avp" then
            name = avp_name(name)
            return function(m)
                return #(core.avps(m)[name] or {})
            end
        elseif kind == "xavp" or kind == "xavi" then
            local definition = xavp[kind]
            return function(m)
                return definition.count(m, name)
            end
        end
        return nil, "$cnt counts $avp(NAME), $xavp(NAME) or $xavi(NAME)"
    end,
    get = function(m, count)
        return count(m)
    end,
}

M.shv = {
    argument = "required",
    get = function(_, name)
        local value = core.shared_get("shv", name)
        if value == nil then
            return 0
        end
        return value
    end,
    set = function(_, value, name)
        if value == nil then
            value = 0
        end
        return core.shared_set("shv", name, value)
    end,
}

local function table_and_key(argument)
    local dictionary, key = argument:match "^(.-)=>(.*)$"
    return dictionary or "", key or argument
end

M.sht = {
    argument = "required",
    get = function(_, argument)
        return (core.shared_get(table_and_key(argument)))
    end,
    set = function(_, value, argument)
        local dictionary, key = table_and_key(argument)
        if value == nil then
            core.shared_delete(dictionary, key)
            return true
        end
        return core.shared_set(dictionary, key, value)
    end,
}

M.shtinc = {
    argument = "required",
    get = function(_, argument)
        local dictionary, key = table_and_key(argument)
        return (core.shared_incr(dictionary, key, 1))
    end,
}
M.shtdec = {
    argument = "required",
    get = function(_, argument)
        local dictionary, key = table_and_key(argument)
        return (core.shared_incr(dictionary, key, -1))
    end,
}

return M
