/* What a script may hear of a two-leg call: call:on(). DTMF comes with the media and in INFO. */
#include "route/bridge_parts.h"

const char *bridge_event_name(enum bridge_event_kind kind)
{
    static const char *const names[] = {"ringing", "answer", "dtmf", "transfer", "end"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

void bridge_keep(struct bridge *bridge, void *object)
{
    void *old = bridge->kept;
    bridge->kept = memory_ref(object);
    memory_release(old);
}

void *bridge_kept(const struct bridge *bridge)
{
    return bridge->kept;
}

void *bridge_generation(const struct bridge *bridge)
{
    return dialog_attachment(bridge->dialog, DIALOG_GENERATION);
}

void bridge_watch_dtmf(struct bridge *bridge)
{
    struct media_call *call = dialog_attachment(bridge->dialog, DIALOG_MEDIA);
    if (call)
        media_call_tell_dtmf(call, bridge);
}

void bridge_tell(struct bridge *bridge, struct bridge_event event)
{
    const struct route_handlers *handlers = &bridge->proxy->options.handlers;
    if (!bridge->kept || !handlers->call_event)
        return;
    event.bridge = bridge;
    handlers->call_event(handlers->arg, bridge->dialog, &event);
}

void bridge_tell_ringing(struct bridge *bridge, unsigned status)
{
    if (status == bridge->told_status)
        return;
    bridge->told_status = (uint16_t)status;
    bridge_tell(bridge, (struct bridge_event){.kind = BRIDGE_EVENT_RINGING, .status = status});
}

void bridge_take_media_event(const struct media_event *event)
{
    struct bridge *bridge = media_call_owner(event->call);
    if (!bridge)
        return; /* it has ended meanwhile */
    memory_ref(bridge);
    bridge_tell(bridge, (struct bridge_event){
                            .kind = BRIDGE_EVENT_DTMF,
                            .digit = event->digit,
                            .duration_ms = event->duration_ms,
                            .is_from_caller = event->of_caller,
                        });
    memory_release(bridge);
}

/* ---- INFO (RFC 6086; the bodies are older and Cisco's) ---- */

/* As a digit, or as the number of an RFC 4733 event. @return 0: it is none */
static char digit_of(struct text t)
{
    static const char digits[] = "0123456789*#ABCD";
    uint32_t number;
    if (t.n == 2 && text_to_u32(t, &number) == 0 && number < sizeof digits - 1)
        return digits[number];
    if (t.n != 1)
        return 0;
    char c = t.p[0] >= 'a' && t.p[0] <= 'd' ? (char)(t.p[0] - 'a' + 'A') : t.p[0];
    for (size_t i = 0; i < sizeof digits - 1; i++)
        if (digits[i] == c)
            return c;
    return 0;
}

/* "Signal=5", "Duration=160", in any order. */
static void read_relay(struct text body, struct bridge_event *event)
{
    while (body.n) {
        struct text value = text_split(&body, '\n');
        struct text name = text_trim(text_split(&value, '='));
        if (text_equal_nocase(name, TEXT("Signal")))
            event->digit = digit_of(text_trim(value));
        else if (text_equal_nocase(name, TEXT("Duration")) &&
                 text_to_u32(text_trim(value), &event->duration_ms))
            event->duration_ms = 0;
    }
}

bool bridge_read_info(const struct message *info, struct bridge_event *event)
{
    const struct header *header = message_header(info, HEADER_CONTENT_TYPE);
    struct text type = header ? header->value : TEXT_NONE;
    type = text_trim(text_split(&type, ';'));
    *event = (struct bridge_event){.kind = BRIDGE_EVENT_DTMF, .is_info = true};
    if (text_equal_nocase(type, TEXT("application/dtmf-relay")))
        read_relay(info->body, event);
    else if (text_equal_nocase(type, TEXT("application/dtmf")))
        event->digit = digit_of(text_trim(info->body));
    return event->digit != 0;
}
