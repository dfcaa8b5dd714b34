--- Where Kamailio's topos keeps what it takes out of messages: a Redis server that is started here, on a Unix socket,
-- writing nothing to disk. Tables in MariaDB cost Kamailio itself twice as much a call.
local process = require "support.process"

local M = {}

-- Lines of kamailio.cfg.
local CONFIG = [[
loadmodule "ndb_redis.so"
loadmodule "topos.so"
loadmodule "topos_redis.so"
modparam("ndb_redis", "server", "name=calls;unix=%s")
modparam("topos", "storage", "redis")
modparam("topos_redis", "serverid", "calls")]]

--- @return { config, processes }: the processes are not those of Kamailio
function M.start()
    local socket = process.folder() .. "/redis.sock"
    local server = process.start { command = {
        "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no",
    } }
    server:wait_for_output("[Rr]eady to accept connections", 10)
    return { config = CONFIG:format(socket), processes = { server } }
end

return M
