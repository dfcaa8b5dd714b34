-- The border controller of scripts/sbc.lua, with the addresses of `lunasip demo`.
-- Every setting there is: conf/lunasip.lua.
listen { public  = { "udp:127.0.0.10:5060" },
         private = { "udp:127.0.0.20:5060" } }
media  { public = "127.0.0.10", private = "127.0.0.20", ports = { 30000, 39999 } }
dispatcher { file = "dispatcher.list", ping_interval = 10 }  -- Kamailio's list format: setid uri flags priority attrs
route "../scripts/sbc.lua"                                   -- paths are relative to this file
records { file = "../run/calls.jsonl" }                      -- a line of JSON for each call that is over
control { socket = "../run/lunasip.sock" }
