--- Kamailio's tables of users, registrations and accounting, for servers that a test starts: made from their lists
-- of columns.
local M = {}

-- Name, type, what else; nothing else: it may be NULL. Types that differ are below.
local TEXT = "NOT NULL DEFAULT ''"
local LOCATION = {
    { "ruid", "VARCHAR(64)", TEXT }, { "username", "VARCHAR(64)", TEXT }, { "domain", "VARCHAR(64)" },
    { "contact", "VARCHAR(512)", TEXT }, { "received", "VARCHAR(128)" }, { "path", "VARCHAR(512)" },
    { "expires", "TIME", "NOT NULL DEFAULT '2030-05-28 21:32:15'" }, { "q", "REAL", "NOT NULL DEFAULT 1.0" },
    { "callid", "VARCHAR(255)", "NOT NULL DEFAULT 'Default-Call-ID'" },
    { "cseq", "INTEGER", "NOT NULL DEFAULT 1" },
    { "last_modified", "TIME", "NOT NULL DEFAULT '2000-01-01 00:00:01'" },
    { "flags", "INTEGER", "NOT NULL DEFAULT 0" }, { "cflags", "INTEGER", "NOT NULL DEFAULT 0" },
    { "user_agent", "VARCHAR(255)", TEXT }, { "socket", "VARCHAR(64)" }, { "methods", "INTEGER" },
    { "instance", "VARCHAR(255)" }, { "reg_id", "INTEGER", "NOT NULL DEFAULT 0" },
    { "server_id", "INTEGER", "NOT NULL DEFAULT 0" }, { "connection_id", "INTEGER", "NOT NULL DEFAULT 0" },
    { "keepalive", "INTEGER", "NOT NULL DEFAULT 0" }, { "partition", "INTEGER", "NOT NULL DEFAULT 0" },
}
local SUBSCRIBER = {
    { "username", "VARCHAR(64)", TEXT }, { "domain", "VARCHAR(64)", TEXT }, { "password", "VARCHAR(64)", TEXT },
    { "ha1", "VARCHAR(128)", TEXT }, { "ha1b", "VARCHAR(128)", TEXT },
}
local ACC = {
    { "method", "VARCHAR(16)", TEXT }, { "from_tag", "VARCHAR(128)", TEXT }, { "to_tag", "VARCHAR(128)", TEXT },
    { "callid", "VARCHAR(255)", TEXT }, { "sip_code", "VARCHAR(3)", TEXT }, { "sip_reason", "VARCHAR(128)", TEXT },
    { "time", "TIME", "NOT NULL" },
}
local ACC_CDRS = {
    { "start_time", "TIME", "NOT NULL DEFAULT '2000-01-01 00:00:00'" },
    { "end_time", "TIME", "NOT NULL DEFAULT '2000-01-01 00:00:00'" },
    { "duration", "DURATION", "NOT NULL DEFAULT 0" },
}

local KINDS = {
    postgres = { id = "SERIAL PRIMARY KEY", TIME = "TIMESTAMP WITHOUT TIME ZONE", quote = '"', REAL = "REAL",
        DURATION = "REAL" },
    mysql = { id = "INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL", TIME = "DATETIME", quote = "`",
        REAL = "FLOAT(10,2)", DURATION = "FLOAT(10,3)" },
}

local function create(kind, name, columns, unique)
    local words = KINDS[kind]
    local lines = { "id " .. words.id }
    for _, column in ipairs(columns) do
        lines[#lines + 1] = ("%s%s%s %s %s"):format(words.quote, column[1], words.quote, words[column[2]] or column[2],
            column[3] or "DEFAULT NULL")
    end
    lines[#lines + 1] = unique and ("CONSTRAINT %s UNIQUE (%s)"):format(unique[1], unique[2])
    return ("CREATE TABLE %s (%s);"):format(name, table.concat(lines, ", "))
end

--- The statements that make them in a database of a kind: "postgres" or "mysql".
function M.sql(kind)
    return create(kind, "location", LOCATION, { "location_ruid_idx", "ruid" }) .. "\n"
        .. create(kind, "subscriber", SUBSCRIBER, { "subscriber_account_idx", "username, domain" }) .. "\n"
        .. create(kind, "acc", ACC) .. "\n" .. create(kind, "missed_calls", ACC) .. "\n"
        .. create(kind, "acc_cdrs", ACC_CDRS)
end

return M
