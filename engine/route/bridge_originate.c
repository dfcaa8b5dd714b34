/*
 * A call that begins here (click-to-call, RFC 3725 s4.3, flow III): the first party is called, and when
 * it has answered the second; then they are joined as any two legs are.
 *
 *   INVITE without SDP       ->  first
 *   200 with its offer       <-
 *   ACK, everything on hold  ->           (bridge_hold.c)
 *   INVITE without SDP       ->  second   (bridge_transfer.c, from here on)
 *   200 with its offer       <-
 *   re-INVITE with that      ->  first
 *   200 with the answer      <-
 *   ACK with that            ->  second
 *
 * Why this flow: the ACK to the first does not wait for the second, however long that rings, as in flow
 * I; no SDP of one is shown to another who was called with something else, as in flow II; and no phone
 * needs to understand an offer without a single stream, which many refuse, as in flow IV.
 *
 * The first party is the caller of the call: its leg becomes that of a caller by its 2xx, and until the
 * second has answered a fork without a party (bridge->chosen) has the tag that we have on that leg.
 */
#include "route/body.h"
#include "route/bridge_parts.h"

#define FIRST  0 /* in notes */
#define SECOND 1

static int call_first(struct bridge_exchange *calling);

bool bridge_is_alone(const struct bridge *bridge)
{
    return bridge->origin && !bridge->origin->is_joined;
}

/* ---- time ---- */

void bridge_origin_wait(struct bridge_exchange *exchange, bool is_ringing, timer_handler *handler)
{
    const struct bridge *bridge = exchange->bridge;
    const struct bridge_origin *origin = bridge->origin;
    uint32_t wanted_ms = is_ringing ? origin->ringing_timeout_ms : origin->timeout_ms;
    bool was_ringing = exchange->is_ringing;
    exchange->is_ringing = is_ringing;
    if (wanted_ms && is_ringing && was_ringing)
        return; /* it counts from the first response, Timer C from the last */
    bridge_exchange_wait(
        exchange, wanted_ms ? wanted_ms : bridge->proxy->options.settings->timers_c_ms, handler);
}

/* ---- the dialog hears of it as of a call that somebody made ---- */

/* What it would have been: from the first party to the second. */
static int parse_own(struct bridge *bridge, struct text start_line, struct text to_tag,
                     struct message **messagep)
{
    const struct bridge_origin *origin = bridge->origin;
    struct message_fault fault = {0};
    struct buffer out = {0};
    buffer_printf(&out,
                  "%.*s\r\nVia: SIP/2.0/UDP originate.invalid;branch=z9hG4bKoriginate\r\n"
                  "Max-Forwards: 70\r\nFrom: <%.*s>;tag=%.*s\r\nTo: <%.*s>%s%.*s\r\n",
                  TEXT_ARG(start_line), TEXT_ARG(origin->first.uri), BRIDGE_TAG_BYTES,
                  bridge->chosen ? bridge->chosen->local_tag : bridge->caller.tag.p,
                  TEXT_ARG(origin->second.uri), to_tag.n ? ";tag=" : "", TEXT_ARG(to_tag));
    buffer_printf(&out, "Call-ID: %.*s\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                  TEXT_ARG(bridge->caller.call_id));
    int error = out.error;
    if (!error)
        error = message_parse(messagep, buffer_text(&out), bridge->proxy->options.settings, &fault);
    if (error)
        *messagep = memory_release(*messagep);
    buffer_release(&out);
    return error;
}

static void tell_dialog(struct bridge *bridge, struct text status_line, struct text tag)
{
    struct message *response = NULL;
    if (parse_own(bridge, status_line, tag, &response) == 0)
        dialog_on_response(bridge->dialog, response);
    memory_release(response);
}

static void tell(struct bridge *bridge, enum bridge_event_kind kind, unsigned status, bool is_first)
{
    bridge_tell(bridge,
                (struct bridge_event){.kind = kind, .status = status, .is_from_caller = is_first});
}

void bridge_origin_ringing(struct bridge *bridge, bool is_first, const struct message *response)
{
    bool is_news = response->status != bridge->told_status;
    bridge->told_status = (uint16_t)response->status;
    if (!is_first)
        notes_outcome(bridge->proxy, bridge->dialog, response->status, TEXT_NONE, false);
    if (is_news)
        tell(bridge, BRIDGE_EVENT_RINGING, response->status, is_first);
}

void bridge_origin_failed(struct bridge *bridge, bool is_first, unsigned status,
                          const struct message *response)
{
    bool is_same = response && response->status == status;
    struct text reason =
        arena_printf(&bridge->arena, "SIP;cause=%u;text=\"%s\"", status, status_reason(status));
    notes_called(bridge->dialog, is_first ? FIRST : SECOND, status);
    notes_outcome(bridge->proxy, bridge->dialog, status, is_same ? response->reason : TEXT_NONE,
                  !response);
    bridge_end(bridge, DIALOG_END_FAILED, status, reason, -1);
}

void bridge_origin_joined(struct bridge *bridge, struct message *accepted)
{
    bridge->origin->is_joined = true;
    notes_called(bridge->dialog, SECOND, accepted->status);
    notes_outcome(bridge->proxy, bridge->dialog, accepted->status, accepted->reason, false);
    notes_accepted(bridge->dialog, accepted);
    tell_dialog(bridge, TEXT("SIP/2.0 200 OK"), bridge_media_tag(bridge->chosen));
    tell(bridge, BRIDGE_EVENT_ANSWER, accepted->status, false);
}

/* ---- the second party ---- */

static void call_second(struct bridge *bridge)
{
    const struct bridge_origin *origin = bridge->origin;
    const struct bridge_referral referral = {
        .uri = origin->second.uri,
        .next_hop = origin->second.next_hop,
        .listener = origin->second_listener,
        .lines = origin->second.headers,
    };
    bridge->told_status = 0;
    notes_call(bridge->proxy, bridge->dialog, SECOND, referral.uri);
    int error = bridge_transfer_begin(bridge, true, &referral);
    if (!error)
        return;
    log_warning(bridge->proxy->options.log, LOG_ROUTE, dialog_call_id(bridge->dialog),
                "the second party is not called: %s", error_text(error));
    bridge_origin_failed(bridge, false, error == ERROR_NOT_FOUND ? 404 : 503, NULL);
}

/* ---- the first party ---- */

static void on_first_timeout(void *arg)
{
    const struct bridge_exchange *calling = arg;
    bridge_origin_failed(calling->bridge, true, 408, NULL);
}

/* Its 2xx makes its leg that of a caller. @return 0 or why there will be no call */
static int become_caller(struct bridge_exchange *calling, struct message *response)
{
    struct bridge *bridge = calling->bridge;
    struct bridge_leg *leg = &bridge->caller;
    struct text tag = arena_copy(&bridge->arena, message_to_tag(response));
    struct text remote = arena_printf(&bridge->arena, "%.*s;tag=%.*s", TEXT_ARG(leg->remote),
                                      TEXT_ARG(message_to_tag(response)));
    const struct header *type = message_header(response, HEADER_CONTENT_TYPE);
    struct text offer = body_find_sdp(response->body, type ? type->value : TEXT_NONE);
    bridge_learn(bridge, NULL, true, response, sides_route_set(NULL, response));
    if (!text_is_set(bridge->caller_side.target))
        return ERROR_SYNTAX;
    if (!text_is_set(tag) || !text_is_set(remote))
        return ERROR_MEMORY;
    struct text host = text_of(response->source.listener->host);
    int error = bridge_print_hold(offer, host, &calling->ack_body);
    if (!error)
        error = bridge_description_begin(bridge, offer, host);
    if (error)
        return error;
    leg->tag = tag;
    leg->remote = remote;
    return bridge_leg_open(bridge, leg);
}

static void first_accepted(struct bridge_exchange *calling, struct message *response)
{
    struct bridge *bridge = memory_ref(calling->bridge);
    int error = become_caller(calling, response);
    if (error) {
        hang_up_accepted(bridge->proxy, response, sides_route_set(NULL, response),
                         ++bridge->caller.cseq, &calling->is_late_hung_up);
        bridge_exchange_linger(calling);
        bridge->origin->calling = NULL;
        bridge_origin_failed(bridge, true, error == ERROR_SYNTAX ? 488 : 500, NULL);
        memory_release(bridge);
        return;
    }
    bridge->origin->calling = NULL;
    calling->fork = bridge->chosen = CONTAINER_OF(bridge->forks.first, struct bridge_fork, link);
    calling->ack_type = TEXT("application/sdp");
    notes_called(bridge->dialog, FIRST, response->status);
    notes_caller_accepted(bridge->dialog, response);
    bridge_exchange_acknowledge(calling, NULL);
    bridge_exchange_linger(calling);
    tell_dialog(bridge, TEXT("SIP/2.0 180 Ringing"), bridge_media_tag(bridge->chosen));
    tell(bridge, BRIDGE_EVENT_ANSWER, response->status, true);
    if (!bridge->is_ended)
        call_second(bridge);
    memory_release(bridge);
}

static void on_first_early(void *arg, struct message *response)
{
    struct bridge_exchange *calling = memory_ref(arg);
    struct bridge *bridge = calling->bridge;
    bool is_pending = bridge->origin->calling == calling && !bridge->is_ended;
    if (response->status < 200) {
        if (is_pending) {
            bridge_origin_wait(calling, true, on_first_timeout);
            bridge_origin_ringing(bridge, true, response);
        }
    } else if (is_pending) {
        first_accepted(calling, response);
    } else if (calling->is_acknowledged &&
               text_equal(bridge->caller.tag, message_to_tag(response))) {
        bridge_exchange_acknowledge(calling, NULL);
    } else { /* of another fork, or it crossed our CANCEL */
        hang_up_accepted(bridge->proxy, response, sides_route_set(NULL, response),
                         ++bridge->caller.cseq, &calling->is_late_hung_up);
        bridge_exchange_linger(calling);
    }
    memory_release(calling);
}

static bool redirected(struct bridge_exchange *calling, const struct message *response)
{
    struct bridge_origin *origin = calling->bridge->origin;
    struct text uri = bridge_redirection(calling->bridge, response);
    if (!text_is_set(uri))
        return false;
    struct bridge_leg *leg = &calling->bridge->caller;
    leg->is_stranger = bridge_is_stranger(leg, uri);
    origin->first.uri = uri;
    origin->first.next_hop = TEXT_NONE;
    calling->challenge = NULL; /* of somebody else */
    return true;
}

static void on_first_done(void *arg, struct message *response)
{
    struct bridge_exchange *calling = memory_ref(arg);
    struct bridge *bridge = memory_ref(calling->bridge);
    unsigned status = response ? response->status : calling->why == ERROR_TIMEOUT ? 408 : 503;
    bool is_pending = bridge->origin->calling == calling && !bridge->is_ended;
    calling->uac = NULL;
    bool is_again = response && is_pending &&
                    (bridge_challenged(calling, response) || redirected(calling, response)) &&
                    call_first(calling) == 0;
    if (!is_again) {
        if (bridge->origin->calling == calling)
            bridge->origin->calling = NULL;
        bridge_exchange_drop(calling);
    }
    if (!is_again && is_pending)
        bridge_origin_failed(bridge, true, status < 400 ? 480 : status, response);
    memory_release(bridge);
    memory_release(calling);
}

static int call_first(struct bridge_exchange *calling)
{
    struct bridge *bridge = calling->bridge;
    const struct bridge_origin *origin = bridge->origin;
    struct bridge_leg *leg = &bridge->caller;
    struct buffer headers = {0}, from = {0};
    buffer_printf(&from, "%.*s;tag=%.*s", TEXT_ARG(leg->local), TEXT_ARG(leg->tag));
    buffer_append(&headers, bridge_allow(bridge));
    buffer_append(&headers, origin->first.headers);
    int error =
        bridge_print_credentials(calling, METHOD_INVITE, origin->first.uri, TEXT_NONE, &headers);
    const struct uac_request request = {
        .method = METHOD_INVITE,
        .request_uri = origin->first.uri,
        .next_hop = origin->first.next_hop,
        .from = buffer_text(&from),
        .to = leg->remote,
        .call_id = leg->call_id,
        .cseq = ++leg->cseq,
        .headers = buffer_text(&headers),
        .contact_user = leg->contact_user,
        .listener = origin->first_listener,
        .early = on_first_early,
        .why = &calling->why,
    };
    calling->cseq_out = request.cseq;
    calling->is_ringing = false;
    if (!error)
        error = headers.error ? headers.error : from.error;
    if (!error)
        error = uac_send(&calling->uac, bridge->proxy, &request, on_first_done, calling);
    if (!error) {
        notes_call(bridge->proxy, bridge->dialog, FIRST, request.request_uri);
        bridge_origin_wait(calling, false, on_first_timeout);
    }
    buffer_release(&from);
    buffer_release(&headers);
    return error;
}

void bridge_origin_abandon(struct bridge *bridge, struct text reason)
{
    struct bridge_exchange *calling = bridge->origin ? bridge->origin->calling : NULL;
    if (!calling)
        return;
    if (calling->uac && uac_cancel(calling->uac, reason)) { /* its final response is waited for */
        timer_stop(loop_timers(bridge->proxy->options.loop), &calling->timer);
        return;
    }
    calling->uac = NULL;
    bridge->origin->calling = NULL;
    bridge_exchange_drop(calling);
}

/* ---- making ---- */

/* @return false without memory */
static bool copy_party(struct arena *arena, struct bridge_party *to,
                       const struct bridge_party *from)
{
    *to = (struct bridge_party){
        .uri = arena_copy(arena, from->uri),
        .next_hop = arena_copy(arena, from->next_hop),
        .headers = arena_copy(arena, from->headers),
    };
    return text_is_set(to->uri) && (to->next_hop.p || !from->next_hop.n) &&
           (to->headers.p || !from->headers.n);
}

/* A leg where we call @p party, which sees @p other unless it is to see something else. */
static int make_leg(struct bridge *bridge, struct bridge_leg *leg, const struct bridge_party *party,
                    struct text other, const struct listener **listenerp)
{
    struct text hop = party->next_hop.n ? party->next_hop : party->uri;
    struct uri uri;
    if (uri_parse(&uri, party->uri))
        return ERROR_ARGUMENT;
    int error = bridge_choose_listener(bridge->proxy, party->interface, hop, listenerp);
    if (!error)
        error = bridge_name_leg(bridge, leg, party->shown, other,
                                *listenerp ? text_of((*listenerp)->host) : uri.host);
    leg->remote = arena_printf(&bridge->arena, "<%.*s>", TEXT_ARG(party->uri));
    if (!error && (!bridge_draw_leg(bridge, leg) || !text_is_set(leg->remote)))
        error = ERROR_MEMORY;
    return error;
}

static int make_legs(struct bridge *bridge, const struct bridge_origination *wanted)
{
    struct bridge_origin *origin = bridge->origin;
    int error = make_leg(bridge, &bridge->caller, &wanted->first, wanted->second.uri,
                         &origin->first_listener);
    if (!error)
        error = make_leg(bridge, &bridge->callee, &wanted->second, wanted->first.uri,
                         &origin->second_listener);
    struct bridge_fork *fork = error ? NULL : bridge_fork_create(bridge, TEXT_NONE);
    if (!error && !fork)
        error = ERROR_MEMORY;
    if (!error) {
        memcpy(fork->local_tag, bridge->caller.tag.p, sizeof fork->local_tag);
        error = bridge_leg_open(bridge, &bridge->callee);
    }
    return error == ERROR_SYNTAX ? ERROR_ARGUMENT : error;
}

static int take_options(struct bridge *bridge, const struct bridge_origination *wanted)
{
    struct arena *arena = &bridge->arena;
    struct bridge_origin *origin = bridge->origin = arena_zalloc(arena, sizeof *origin);
    bridge->refer = wanted->refer;
    bridge->again.follows_redirects = wanted->follows_redirects;
    bridge->pass = arena_copy(arena, wanted->pass);
    bridge->username = arena_copy(arena, wanted->username);
    bridge->password = arena_copy(arena, wanted->password);
    bridge->realm = arena_copy(arena, wanted->realm);
    if (!origin || !copy_party(arena, &origin->first, &wanted->first) ||
        !copy_party(arena, &origin->second, &wanted->second) ||
        (wanted->pass.n && !bridge->pass.p) || (wanted->username.n && !bridge->username.p) ||
        (wanted->password.n && !bridge->password.p) || (wanted->realm.n && !bridge->realm.p))
        return ERROR_MEMORY;
    origin->version = 1; /* that of the first answer */
    origin->timeout_ms = wanted->timeout_ms;
    origin->ringing_timeout_ms = wanted->ringing_timeout_ms;
    return 0;
}

/* Its dialog, which nobody hears of yet. @param invitep  returned owned */
static int make_dialog(struct bridge *bridge, const struct bridge_origination *wanted,
                       struct message **invitep)
{
    struct proxy *proxy = bridge->proxy;
    struct dialog *dialog;
    struct text start_line =
        arena_printf(&bridge->arena, "INVITE %.*s SIP/2.0", TEXT_ARG(bridge->origin->second.uri));
    int error = parse_own(bridge, start_line, TEXT_NONE, invitep);
    if (!error)
        error = dialog_create(&dialog, proxy->dialogs, *invitep);
    if (error)
        return error == ERROR_SYNTAX ? ERROR_ARGUMENT : error;
    bridge->dialog = memory_ref(dialog);
    dialog_attach(dialog, DIALOG_GENERATION, wanted->generation);
    dialog_attach(dialog, DIALOG_BRIDGE, bridge);
    notes_begin(proxy, dialog, *invitep);
    if (wanted->trunk.n)
        notes_trunk(dialog, wanted->trunk);
    return wanted->has_media ? call_media_begin(proxy, dialog, wanted->media_flags) : 0;
}

static int start(struct bridge *bridge)
{
    struct bridge_exchange *calling = bridge_exchange_create(bridge, NULL);
    if (!calling)
        return ERROR_MEMORY;
    calling->method = METHOD_INVITE;
    bridge->origin->calling = calling;
    int error = call_first(calling);
    if (error) {
        bridge->origin->calling = NULL;
        bridge_exchange_drop(calling);
    }
    return error;
}

/* Nothing was sent, and nobody has heard of it. */
static void take_back(struct bridge *bridge)
{
    struct dialog *dialog = bridge->dialog;
    struct media_call *call = dialog ? dialog_attachment(dialog, DIALOG_MEDIA) : NULL;
    bridge->is_ended = true;
    if (call)
        media_call_close(call);
    if (dialog)
        dialog_forget(dialog);
}

int bridge_originate(struct bridge **bridgep, struct proxy *proxy,
                     const struct bridge_origination *wanted)
{
    struct message *invite = NULL;
    if (proxy->is_refusing) {
        counter_count(proxy->options.counters, COUNTER_SIP_SHED);
        return ERROR_STATE;
    }
    struct bridge *bridge = bridge_create(proxy);
    if (!bridge)
        return ERROR_MEMORY;
    int error = take_options(bridge, wanted);
    if (!error)
        error = make_legs(bridge, wanted);
    if (!error)
        error = make_dialog(bridge, wanted, &invite);
    if (!error)
        error = start(bridge);
    if (error) {
        take_back(bridge);
    } else {
        counter_count(proxy->options.counters, COUNTER_CALL_ORIGINATED);
        error = dialog_start(bridge->dialog, invite);
        *bridgep = bridge; /* the dialog holds it */
    }
    memory_release(invite);
    memory_release(bridge);
    return error;
}
