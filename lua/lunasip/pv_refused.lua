--- Variables that Kamailio has and lunasip has not: name -> what to use instead, or what they wait for.
local M = {}

local function refuse(names, instead)
    for name in names:gmatch "%S+" do
        M[name] = instead
    end
end

refuse("rc retcode", "functions return their result: local ok, err = …")
refuse("sel", "selects are not part of lunasip; the variables and words of a message give the same")
refuse("ccp def defn defs defv", "use a Lua variable")
refuse("atkv", "there are no events of that kind")
refuse("sbranch", "write $br, $branch(x), or give req:fork{…} a list")
refuse("T_inv", "the engine answers CANCEL and cancels the branches; one that reaches a route matches no INVITE")
refuse("stat", "counters are shown by lunasip ctl status")
refuse("ruid location_ua T_reply_ruid ulc", "bindings are looked at with sip.registrar.contacts(uri)")
refuse("ltt", "replies get their To tag from the engine when they are sent")
refuse("dlg dlg_ctx DLG_status DLG_lifetime DLG_count",
    "sip.dialog.of(msg) gives the tracked call: state, age_s, duration_s, vars")
refuse("err.class err.level err.info err.rcode err.rreason",
    "malformed messages are answered by the engine; req:sanity_ok() gives reason and status")
refuse("hfitname hfitbody", "go through req:headers(NAME) with a loop")
refuse("blitval", 'go through the lines of req.body with a loop: req.body:gmatch "[^\\r\\n]+"')
refuse("shtex shtcn shtcv shtitkey shtitval shtrecord",
    "sip.shared.NAME:set(key, value, ttl_s) sets how long a value lives")
refuse("dsv dsg", "sip.dispatcher.list() gives destinations and their states")
refuse("mqk mqv", "use sip.shared")
refuse("uac_req", "lunasip sends no requests of its own for scripts yet")
refuse("http_req http_req_id http_ok http_err http_rs http_rr http_hdr http_mb http_ml http_rb http_bs hu",
    "it comes with the HTTP module")
refuse("dbr sqlrows", "it comes with the database module")
refuse("redis redisd", "it comes with the Redis module")
refuse("mct mcinc mcdec", "there is no memcached module; use sip.shared")
refuse("tls", "it comes with the TLS transport")
refuse("tcp ws_conid", "it comes with the TCP transport")
refuse("msrp", "it comes with the MSRP module")
refuse("jsonrpl", "lunasip ctl is for operators; scripts have no RPC")
refuse("xml pos sipt sipdump siptrace hep evr subs phn secsipid gip gip2 dns nghttp2 BM_time_diff",
    "its module is not part of lunasip")
refuse("erl_atom erl_list erl_tuple erl_pid erl_ref erl_xbuff", "its module is not part of lunasip")
refuse("x_hdr x_fu x_fU x_fd x_fn x_ft x_tu x_tU x_td x_tn x_tt x_rs x_rr",
    "write the variables of the message itself: edits are kept until it is sent")

return M
