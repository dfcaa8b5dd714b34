/*
 * Session timers (RFC 4028) as a proxy has them (s8), for calls whose script wants one: requests leave
 * with a Session-Expires that suits both ends and us, a 2xx that has none gets one where the UAC can
 * refresh, and a session that nobody refreshes in time is ended here.
 *
 * What a request leaves with follows from the request and the script's wish alone, so nothing is kept
 * between it and its response. Of several dialogs of one fork the last 2xx counts.
 *
 * Deviation: a proxy lets the state of an expired session go in silence (s8.3); BYE to both sides is
 * what whoever bills the call needs. Session-Expires of ours names no refresher, as s8.1 wants it.
 * What a request asks for is read here for calls of two legs, too (bridge_session.c).
 */
#include "route/context.h"

#include "sip/list_header.h"

#include <stdio.h>

static bool has_timer(const struct response_context *context, struct session_timer *timer)
{
    const struct message *request = context->request;
    const struct track *track = context->dialog ? dialog_track(context->dialog) : NULL;
    if (!track || !request ||
        (request->method != METHOD_INVITE && request->method != METHOD_UPDATE))
        return false;
    *timer = track_session_timer(track);
    return timer->expires_s != 0;
}

bool session_expires_parse(struct text value, uint32_t *seconds, struct text *refresher)
{
    struct text rest = value;
    int error = text_to_u32(text_trim(text_split(&rest, ';')), seconds);
    *refresher = param_find(rest, TEXT("refresher"));
    return error == 0;
}

/** Seconds in front of the parameters. @return false: there is no such header, or it is malformed */
static bool seconds_of(const struct edits *edits, enum header_kind kind, struct header_view *view,
                       uint32_t *seconds)
{
    struct text refresher;
    return edits_header(edits, kind, TEXT_NONE, view) &&
           session_expires_parse(view->value, seconds, &refresher);
}

static bool knows_timers(const struct message *message)
{
    return list_header_has(message, HEADER_SUPPORTED, TEXT("timer"));
}

void session_timer_read(const struct response_context *context, const struct session_timer *timer,
                        struct session_ask *ask)
{
    *ask = (struct session_ask){.least_s = SESSION_LEAST_S,
                                .knows_timers = knows_timers(context->request)};
    uint32_t least_s;
    if (seconds_of(context->edits, HEADER_MIN_SE, &ask->least, &least_s) && least_s > ask->least_s)
        ask->least_s = least_s;
    if (!seconds_of(context->edits, HEADER_SESSION_EXPIRES, &ask->asked, &ask->asked_s))
        ask->asked_s = 0;
    uint32_t wanted_s = timer->expires_s;
    if (ask->asked_s && ask->asked_s < wanted_s)
        wanted_s = ask->asked_s;
    ask->fit_s = wanted_s > ask->least_s ? wanted_s : ask->least_s;
    if (ask->asked_s && ask->asked_s < ask->fit_s) /* never raised */
        ask->fit_s = ask->asked_s;
}

/* What it leaves with: raised where we want no less (s8.1). */
static uint32_t sent_s(const struct session_ask *ask, const struct session_timer *timer)
{
    return ask->fit_s < timer->least_s ? timer->least_s : ask->fit_s;
}

bool session_timer_refuse(struct response_context *context, const struct session_timer *timer)
{
    struct session_ask ask;
    session_timer_read(context, timer, &ask);
    if (!ask.knows_timers || !ask.asked_s || ask.asked_s >= timer->least_s)
        return false;
    struct text line =
        arena_printf(&context->request->arena, "Min-SE: %u\r\n", (unsigned)timer->least_s);
    proxy_reply(context, &(struct response_options){.status = 422, .headers = line});
    return true;
}

int session_timer_check(struct response_context *context)
{
    struct session_timer timer;
    bool is_refused = has_timer(context, &timer) && session_timer_refuse(context, &timer);
    return is_refused ? ERROR_LIMIT : 0;
}

/* Put a number where one stood, with the parameters behind it, or into a new header. */
static int put_seconds(struct edits *edits, const struct header_view *view, struct text name,
                       uint32_t seconds)
{
    struct buffer value = {0};
    buffer_append_u64(&value, seconds);
    const char *params = view->name.n ? text_find(view->value, ';') : NULL;
    if (params)
        buffer_append(&value, text_span(params, view->value.p + view->value.n));
    int error = value.error;
    if (!error)
        error = edits_set(edits, name, buffer_text(&value));
    buffer_release(&value);
    return error;
}

int session_timer_request(struct response_context *context, struct edits *edits)
{
    struct session_timer timer;
    struct session_ask ask;
    int error = 0;
    if (!has_timer(context, &timer))
        return 0;
    session_timer_read(context, &timer, &ask);
    /* One that knows no timers cannot be told 422: whoever answers has to know our least. */
    if (!ask.knows_timers && timer.least_s > ask.least_s)
        error = put_seconds(edits, &ask.least, TEXT("Min-SE"), timer.least_s);
    if (!error && sent_s(&ask, &timer) != ask.asked_s)
        error = put_seconds(edits, &ask.asked, TEXT("Session-Expires"), sent_s(&ask, &timer));
    return error;
}

/* The UAS knows no timers, the UAC does: it is told to refresh (s8.2). @return 0: it was not possible */
static uint32_t give_interval(struct response_context *context, const struct session_timer *timer,
                              struct edits *edits)
{
    struct session_ask ask;
    char value[32];
    session_timer_read(context, timer, &ask);
    if (!ask.knows_timers)
        return 0;
    int n = snprintf(value, sizeof value, "%u;refresher=uac", (unsigned)sent_s(&ask, timer));
    int error = edits_append(edits, TEXT("Require"), TEXT("timer"));
    if (!error)
        error = edits_append(edits, TEXT("Session-Expires"), (struct text){value, (size_t)n});
    return error ? 0 : sent_s(&ask, timer);
}

void session_timer_accepted(struct response_context *context, struct message *response,
                            struct edits *edits)
{
    struct session_timer timer;
    struct header_view view = {0};
    uint32_t seconds;
    if (!has_timer(context, &timer) || response->method != context->request->method)
        return;
    if (!seconds_of(edits, HEADER_SESSION_EXPIRES, &view, &seconds))
        seconds = view.name.n ? 0 : give_interval(context, &timer, edits);
    track_refresh_session(dialog_track(context->dialog), seconds);
}
