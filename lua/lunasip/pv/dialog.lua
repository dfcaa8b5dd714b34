--- $dlg_var(NAME): what is kept with a tracked call.
local core = require "lunasip.core"

local M = {}

M.dlg_var = {
    argument = "required",
    get = function(m, name)
        local number = core.dialog_of(m)
        return number and core.dialog_get(number, name)
    end,
    set = function(m, value, name)
        local number = core.dialog_of(m)
        if not number then
            return nil, "the message is of no tracked call; sip.dialog.track(req) comes first"
        end
        return core.dialog_set(number, name, value)
    end,
}

return M
