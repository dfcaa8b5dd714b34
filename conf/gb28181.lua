-- The registrar of scripts/gb28181.lua, for cameras of GB/T 28181 on this machine.
-- Every setting there is: conf/lunasip.lua.
listen { lan = { "udp:127.0.0.40:5060" } }   -- behind a NAT: { { "udp:...", advertise = "203.0.113.7:5060" } }
location { expires_least_s = 60, expires_most_s = 86400 }
shared { "alive" }                           -- what the script's workers know of each camera
route "../scripts/gb28181.lua"               -- paths are relative to this file
control { socket = "../run/lunasip.sock" }
