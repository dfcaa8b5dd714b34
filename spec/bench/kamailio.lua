-- The same border controller in KEMI Lua, for Kamailio's app_lua. {{...}} is filled by the bench.
local WITH_RELAY = {{with_relay}}
local WITH_DIALOG = {{with_dialog}}
local PUBLIC = "{{public}}"
local FLAGS = "trust-address replace-origin replace-session-connection RTP/AVP rtcp-mux-offer "

function ksr_request_route()
    if KSR.maxfwd.process_maxfwd(10) < 0 then
        KSR.sl.sl_send_reply(483, "Too Many Hops")
        return 1
    end
    if KSR.sanity.sanity_check(1511, 7) < 0 then return 1 end
    local method = KSR.pv.get "$rm"
    if method == "CANCEL" then
        if KSR.tm.t_check_trans() > 0 then
            if WITH_RELAY then KSR.rtpengine.rtpengine_delete0() end
            KSR.tm.t_relay()
        end
        return 1
    end
    local has_to_tag = KSR.siputils.has_totag() > 0
    if method == "ACK" and not has_to_tag then
        if KSR.tm.t_check_trans() > 0 then KSR.tm.t_relay() end
        return 1
    end
    if has_to_tag then
        if KSR.rr.loose_route() < 0 then
            KSR.sl.sl_send_reply(404, "Not Here")
            return 1
        end
        if WITH_DIALOG then KSR.dialog.dlg_manage() end
        if method == "BYE" and WITH_RELAY then KSR.rtpengine.rtpengine_delete0() end
        KSR.tm.t_on_reply "ksr_onreply_manage"
        KSR.tm.t_relay()
        return 1
    end
    KSR.tm.t_check_trans()
    if method == "OPTIONS" then
        KSR.sl.sl_send_reply(200, "OK")
        return 1
    end
    KSR.hdr.remove "Route"
    if WITH_DIALOG then KSR.dialog.dlg_manage() end
    if KSR.pv.get "$Ri" == PUBLIC then
        ksr_route_from("public", "private", 2)
    else
        ksr_route_from("private", "public", 1)
    end
    return 1
end

function ksr_route_from(side, other, set)
    if KSR.dispatcher.ds_select_dst(set, 4) < 0 then
        KSR.sl.sl_send_reply(503, "Service Unavailable")
        return
    end
    if WITH_RELAY and KSR.textops.has_body_type "application/sdp" > 0 then
        if KSR.rtpengine.rtpengine_manage(FLAGS .. "direction=" .. side .. " direction=" .. other) < 0 then
            KSR.sl.sl_send_reply(500, "Media Proxy Error")
            return
        end
    end
    KSR.rr.record_route()
    KSR.tm.t_on_reply "ksr_onreply_manage"
    KSR.tm.t_on_failure "ksr_failure_next"
    if KSR.tm.t_relay() < 0 then KSR.sl.sl_reply_error() end
end

function ksr_onreply_manage()
    if WITH_RELAY and KSR.textops.has_body_type "application/sdp" > 0 then
        KSR.rtpengine.rtpengine_manage "trust-address replace-origin replace-session-connection"
    end
    return 1
end

function ksr_failure_next()
    if KSR.tm.t_is_canceled() > 0 then return 1 end
    if KSR.tm.t_check_status "408|5.." > 0 and KSR.dispatcher.ds_next_dst() > 0 then
        KSR.tm.t_on_failure "ksr_failure_next"
        KSR.tm.t_relay()
        return 1
    end
    if WITH_RELAY then KSR.rtpengine.rtpengine_delete0() end
    return 1
end
