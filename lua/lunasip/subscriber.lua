--- What a subscriber table of Kamailio says of a user: sip.auth.check(req, realm, { database = db }).
--
-- Columns: username, domain, password, ha1 (MD5 of user:realm:password), ha1b (MD5 of user@domain:realm:password). One
-- and the same query is asked for every user, known or not.
local M = {}

local statements = {} -- by table and kind; scripts name few tables

local function statement(name, use_domain, ha1)
    local key = ("%s %s %s"):format(name, tostring(use_domain), ha1)
    if not statements[key] then
        statements[key] = ("SELECT %s AS ha1, password FROM %s WHERE username = ?%s"):format(ha1, name,
            use_domain and " AND domain = ?" or "")
    end
    return statements[key]
end

--- Is it a name that can stand in a statement?
function M.is_table(name)
    return type(name) == "string" and #name <= 64 and name:match "^[%a_][%w_]*$" ~= nil
end

--- Look a user up. Yields.
-- @param db of sip.sql.open()
-- @tparam table options table ("subscriber"), use_domain (true)
-- @string user as in the credentials; of user@domain the domain counts instead of the realm
-- @treturn string "ha1" or "password", and its text (nil: no such user); or nil when the database could not tell
function M.find(db, options, user, realm, algorithm)
    local name, domain = user:match "^([^@]*)@(.*)$"
    local sql = statement(options.table or "subscriber", options.use_domain ~= false, name and "ha1b" or "ha1")
    local rows, problem
    if options.use_domain == false then
        rows, problem = db:query(sql, name or user)
    else
        rows, problem = db:query(sql, name or user, domain or realm)
    end
    if not rows then
        return nil, problem
    end
    local row = rows[1] or {}
    if row.ha1 and row.ha1 ~= "" and algorithm == "MD5" then
        return "ha1", row.ha1
    end
    return "password", row.password ~= "" and row.password or nil
end

return M
