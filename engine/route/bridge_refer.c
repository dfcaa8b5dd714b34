/*
 * REFER within a two-leg call (RFC 3515): handled here, passed, or refused, as the script wants.
 * Replaces in its Refer-To (RFC 3891, attended transfer) names a dialog as the transferor knows it;
 * where that is a leg of another two-leg call, of any worker, its other leg is meant.
 */
#include "route/bridge_parts.h"

bool bridge_refer_translate(struct proxy *proxy, struct text replaces, struct arena *arena,
                            struct bridge_referral *referral)
{
    struct text rest = replaces, call_id = text_trim(text_split(&rest, ';'));
    struct text to = param_find(rest, TEXT("to-tag")), from = param_find(rest, TEXT("from-tag"));
    bool is_caller;
    struct bridge *other = bridge_of_dialog(proxy, call_id, from, to, &is_caller);
    if (!other || !other->chosen || other->is_ended)
        return false;
    struct text local = {other->chosen->local_tag, BRIDGE_TAG_BYTES};
    bool are_both = is_caller ? text_equal(to, local) : text_equal(from, other->chosen->remote_tag);
    if (!are_both) /* RFC 3891 s3: who knows one tag learns no other here */
        return false;
    const struct bridge_leg *leg = is_caller ? &other->callee : &other->caller;
    const struct dialog_side *side = is_caller ? &other->chosen->callee : &other->caller_side;
    struct text its = is_caller ? other->chosen->remote_tag : leg->tag;
    struct text ours = is_caller ? leg->tag : local;
    referral->uri = arena_copy(arena, side->target);
    referral->route = arena_copy(arena, side->route);
    referral->lines =
        arena_printf(arena, "Replaces: %.*s;to-tag=%.*s;from-tag=%.*s\r\nRequire: replaces\r\n",
                     TEXT_ARG(leg->call_id), TEXT_ARG(its), TEXT_ARG(ours));
    return true;
}

/* The URI without its headers, and those of them that we know. @return 0 or a status */
static unsigned read_target(struct bridge *bridge, struct text target, struct arena *arena,
                            struct bridge_referral *referral)
{
    struct uri uri;
    if (uri_parse(&uri, target) || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
        return 400;
    struct text method = uri_param(&uri, TEXT("method")), headers = uri.headers;
    if (text_is_set(method) && !text_equal_nocase(method, TEXT("INVITE")))
        return 400;
    referral->uri = target;
    if (text_is_set(headers))
        referral->uri.n = (size_t)(headers.p - 1 - target.p);
    while (headers.n) {
        struct text value = text_split(&headers, '&'), name = text_split(&value, '=');
        if (!text_equal_nocase(name, TEXT("Replaces")))
            continue;
        struct text replaces = uri_unescape(arena, value);
        if (!text_is_set(replaces))
            return 400;
        if (bridge_refer_translate(bridge->proxy, replaces, arena, referral))
            continue;
        referral->unknown = replaces;
        referral->lines =
            arena_printf(arena, "Replaces: %.*s\r\nRequire: replaces\r\n", TEXT_ARG(replaces));
    }
    return 0;
}

unsigned bridge_refer_status(int error)
{
    switch (error) {
    case 0: return 202;
    case ERROR_STATE: return 491; /* not answered, or another transfer is under way */
    case ERROR_LIMIT: return 403;
    case ERROR_ARGUMENT:
    case ERROR_NOT_FOUND: return 404;
    default: return 500;
    }
}

/* At once, or when the worker of the call that it names has answered. */
static int begin(struct bridge *bridge, bool of_callee, const struct bridge_referral *referral)
{
    if (referral->unknown.n && bridge_lookup(bridge, of_callee, referral) == 0)
        return 0;
    return bridge_transfer_begin(bridge, of_callee, referral);
}

unsigned bridge_take_refer(struct bridge *bridge, struct message *refer, bool is_from_caller)
{
    const struct header *header = message_header(refer, HEADER_REFER_TO);
    struct bridge_referral referral = {.is_told = true, .cseq = refer->cseq_number};
    struct name_addr target;
    if (!header || message_is_repeated(refer, HEADER_REFER_TO) ||
        name_addr_parse(&target, header->value))
        return 400;           /* RFC 3515 s2.4.2 */
    struct arena arena = {0}; /* a call keeps nothing of those that are refused */
    unsigned status = read_target(bridge, target.uri_text, &arena, &referral);
    if (!status)
        status = bridge_refer_status(begin(bridge, !is_from_caller, &referral));
    arena_reset(&arena);
    return status;
}

int bridge_transfer(struct bridge *bridge, struct text uri, bool replaces_caller)
{
    struct bridge_referral referral = {.uri = TEXT_NONE};
    struct arena arena = {0};
    int error = read_target(bridge, uri, &arena, &referral) ? ERROR_ARGUMENT : 0;
    if (!error)
        error = begin(bridge, !replaces_caller, &referral);
    arena_reset(&arena);
    return error;
}

/* ---- the transferor hears of it (RFC 3515 s2.4.5) ---- */

void bridge_refer_notify(struct bridge_transfer *transfer, unsigned status, bool is_final)
{
    struct bridge *bridge = transfer->bridge;
    struct buffer headers = {0}, body = {0};
    if (!transfer->is_told || transfer->is_left)
        return;
    buffer_append(&headers, TEXT("Event: refer"));
    if (bridge->transfers > 1) /* s2.4.6 */
        buffer_printf(&headers, ";id=%u", transfer->refer_cseq);
    if (is_final)
        buffer_append(&headers, TEXT("\r\nSubscription-State: terminated;reason=noresource\r\n"));
    else
        buffer_printf(&headers, "\r\nSubscription-State: active;expires=%llu\r\n",
                      (unsigned long long)bridge->proxy->options.settings->timers_c_ms / 1000 + 1);
    buffer_printf(&body, "SIP/2.0 %u %s\r\n", status, status_reason(status));
    struct uac_request request = {
        .method = METHOD_NOTIFY,
        .headers = buffer_text(&headers),
        .body = buffer_text(&body),
        .content_type = TEXT("message/sipfrag;version=2.0"),
    };
    int error = headers.error ? headers.error : body.error;
    if (!error)
        error =
            bridge_send(bridge, bridge->chosen, !transfer->of_callee, &request, NULL, NULL, NULL);
    if (error)
        log_warning(bridge->proxy->options.log, LOG_ROUTE, dialog_call_id(bridge->dialog),
                    "no NOTIFY of the transfer: %s", error_text(error));
    buffer_release(&headers);
    buffer_release(&body);
}
