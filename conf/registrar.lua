-- The registrar of scripts/registrar.lua, for phones on this machine.
-- Every setting there is: conf/lunasip.lua.
listen { lan = { "udp:127.0.0.30:5060" } }   -- behind a NAT: { { "udp:...", advertise = "203.0.113.7:5060" } }
media  { lan = "127.0.0.30", ports = { 30000, 39999 } }
location { expires_most_s = 3600, contacts_per_aor = 10 }
database { url = "sqlite:../run/registrar.db" } -- the users: lunasip user --conf conf/registrar.lua add 2001
auth { domain = "example.net" }              -- of users whose domain is not said; DOMAIN of the script
route "../scripts/registrar.lua"             -- paths are relative to this file
control { socket = "../run/lunasip.sock" }
