std = "luajit"
max_line_length = 120
exclude_files = { "build/**", "build-*/**" }
files["spec"] = { std = "luajit+busted" }
files["modules/*/spec"] = { std = "luajit+busted" }
files["scripts"] = {
    globals = { "request_route", "onreply_route", "route", "branch_route", "failure_route", "event_route" },
}
files["scripts/*_spec.lua"] = { std = "luajit+busted" }
files["conf"] = {
    globals = { "listen", "media", "dispatcher", "route", "control", "env", "workers", "media_threads", "log", "limits",
        "timers", "threads", "script", "auth", "shared", "address", "media_limits", "dscp", "drain", "reload", "records", "resolve",
        "user", "group", "dialog", "location", "keepalive", "database", "http", "trunk" },
}
-- Runs in Kamailio, and only after the bench has filled its placeholders.
files["spec/bench/kamailio.lua"] = {
    globals = { "KSR" }, read_globals = { "with_relay", "with_dialog" }, allow_defined_top = true, ignore = { "131" },
}
files["spec/bench/bridge.lua"] = { globals = { "request_route" } }
files["spec/bench/registrar.lua"] = { globals = { "request_route" }, read_globals = { "secret" } }
