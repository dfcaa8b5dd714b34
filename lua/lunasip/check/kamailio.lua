--- What Kamailio calls what is here by another name: for scripts that are carried over.
local M = {}

local WORDS = {
    add_contact_alias = "sip.nat.set_alias(msg)", append_branch = "req:fork { URI, … }",
    append_hf = 'msg:add_header(NAME, VALUE)', append_to_reply = "req:reply(CODE, REASON, { headers = {} })",
    auth_challenge = "sip.auth.challenge(req, REALM)", auth_check = "sip.auth.check(req, REALM, { … })",
    ds_is_from_list = "sip.dispatcher.is_from(msg, SET)", ds_mark_dst = "sip.dispatcher.mark(SET, URI, STATE)",
    ds_next_dst = "sip.dispatcher.next(req)", ds_next_domain = "sip.dispatcher.next(req)",
    ds_select_dst = "sip.dispatcher.select(req, SET, ALGORITHM)",
    ds_select_domain = "sip.dispatcher.select(req, SET, ALGORITHM)", exit = "return",
    fix_nated_contact = "sip.nat.fix_contact(msg)", forward = "req:forward()", get_header = "msg:header(NAME)",
    handle_ruri_alias = "sip.nat.handle_alias(req)", has_totag = "req:in_dialog()",
    is_method = 'req.method == "INVITE"', is_present_hf = "msg:header(NAME)", is_request = "msg.is_request",
    log = "sip.log.info(FORMAT)", lookup = "sip.registrar.lookup(req)", loose_route = "req:loose_route()",
    mf_process_maxfwd_header = "req:max_forwards_ok()", nat_uac_test = "sip.nat.is_natted(msg, TESTS)",
    pv_auth_check = "sip.auth.check(req, REALM, { … })", record_route = "req:record_route()",
    registered = "sip.registrar.registered(URI)", remove_hf = "msg:remove_header(NAME)",
    rtpengine_answer = "sip.media.manage(req, OPTIONS) on the offer",
    rtpengine_delete = "nothing: media ends with its dialog",
    rtpengine_manage = "sip.media.manage(req, OPTIONS)", rtpengine_offer = "sip.media.manage(req, OPTIONS)",
    sanity_check = "req:sanity_ok()", save = "sip.registrar.save(req)", send_reply = "req:reply(CODE, REASON)",
    sl_send_reply = "req:reply(CODE, REASON, { stateless = true })", subst_hf = "msg:set_header(NAME, VALUE)",
    t_check_trans = "nothing: retransmissions do not reach scripts", t_newtran = "nothing: req:relay() does it",
    t_on_branch = 'req:relay { on_branch = "NAME" }', t_on_failure = 'req:relay { on_failure = "NAME" }',
    t_on_reply = 'req:relay { on_reply = "NAME" }', t_relay = "req:relay()", t_reply = "req:reply(CODE, REASON)",
    uac_auth = "sip.auth.answer(req, reply, OPTIONS)", uac_replace_from = 'req["$fu"] = URI',
    uac_replace_to = 'req["$tu"] = URI', unregister = "sip.registrar.unregister(URI)", xdbg = "sip.log.debug(FORMAT)",
    xerr = "sip.log.error(FORMAT)", xinfo = "sip.log.info(FORMAT)", xlog = "sip.log.info(FORMAT)",
    xwarn = "sip.log.warning(FORMAT)",
}

--- "; write req:relay()" for a name of Kamailio, else "".
-- @string name
function M.hint(name)
    if name == "KSR" then
        return "; the functions are methods of req and in require \"lunasip\": lua/KAMAILIO.md"
    end
    local word = WORDS[name]
    return word and "; here that is " .. word or ""
end

return M
