-- Prepaid calls of phones on the private side to trunks on the public side, with scripts/b2bua.lua.
-- Every setting there is: conf/lunasip.lua.
listen { public = { "udp:127.0.0.10:5060" }, private = { "udp:127.0.0.20:5060" } }
media  { public = "127.0.0.10", private = "127.0.0.20", ports = { 30000, 39999 } }
database { url = "sqlite:../run/accounts.db" } -- or postgres://, mysql://: users, accounts (number, seconds)
records { file = "../run/calls.jsonl" }        -- a line of JSON for each call that is over
trunk {
    trunk_a = {
        registrar = "sip:192.0.2.21", user = "office", password = env "TRUNK_A_PASSWORD", interface = "public",
    },
}
route "../scripts/b2bua.lua"               -- paths are relative to this file
control { socket = "../run/lunasip.sock" }
