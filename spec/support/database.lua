--- Databases of a test: a SQLite file, or a server of its own with Kamailio's tables in it.
local kamailio_tables = require "support.kamailio_tables"
local process = require "support.process"

local M = {}
local Database = {}
Database.__index = Database
local here = io.popen("pwd"):read "*l"
local open = {}

--- A new one. kind: "sqlite" (without tables), "postgres" or "mysql". Its `url` is for lunasip.
function M.open(kind)
    local folder = process.folder()
    local self = setmetatable({ kind = kind, folder = folder .. "/server" }, Database)
    if kind == "sqlite" then
        self.url = "sqlite:" .. folder .. "/sip.db"
        return self
    end
    process.run { "chmod", "755", folder }
    open[self] = true
    self:server "init"
    self.socket = kind == "mysql" and self.folder .. "/mysql.sock" or self.folder
    self.url = ("%s://sip:geheim@localhost/sip?socket=%s"):format(kind, self.socket)
    local path = folder .. "/tables.sql"
    local file = assert(io.open(path, "w"))
    file:write(kamailio_tables.sql(kind))
    file:close()
    local code, output = process.run({ "sh", "-c", self:client() .. " < " .. path }, 30)
    assert(code == 0, output)
    return self
end

--- The command line of the server's own client, which reads SQL and prints bare rows, columns apart by a tab.
function Database:client()
    if self.kind == "sqlite" then
        return ("sqlite3 -cmd '.timeout 20000' -separator '\t' %s"):format(self.url:match "^sqlite:(.*)")
    end
    if self.kind == "mysql" then
        return ("mariadb --no-defaults -N -B -S %s -u sip -pgeheim sip"):format(self.socket)
    end
    return ("PGPASSWORD=geheim psql -q -t -A -F '\t' -v ON_ERROR_STOP=1 -h %s -U sip -d sip"):format(self.socket)
end

--- What that client prints for a statement.
function Database:rows(statement)
    local code, output = process.run({ "sh", "-c", ("echo \"%s\" | %s"):format(statement, self:client()) }, 30)
    assert(code == 0, output)
    return output
end

--- A verb of database_server.sh: start, stop, kill, hang, resume.
function Database:server(verb)
    local command = { here .. "/spec/support/database_server.sh", self.kind, self.folder, verb }
    local code, output = process.run(command, 120)
    assert(code == 0, output)
end

--- End the servers; before `process.clean`, for their process ids are in its folders.
function M.clean()
    for database in pairs(open) do database:server "kill" end
    open = {}
end

return M
