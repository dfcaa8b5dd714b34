/*
 * Changed identities beside From and To: P-Asserted-Identity (RFC 3325 s9.1) and Remote-Party-ID. They name no
 * dialog, and each message brings its own. But a phone that says the same in its re-INVITE as in its
 * INVITE would show the other side, in the middle of a call, what the script has hidden at its start. So
 * what a script made of one in the INVITE, or in a response to it, is made of the same value in every
 * later message that goes the same way. A value that is another passes, a script that changes one
 * itself has the last word, and where there is none, none is added.
 *
 * Deviation: of a fork whose branches show different identities the last one counts.
 */
#include "route/context.h"

#include "base/memory.h"

#define KINDS 2

static const enum header_kind kinds[KINDS] = {HEADER_P_ASSERTED_IDENTITY, HEADER_REMOTE_PARTY_ID};
static const char *const names[KINDS] = {"P-Asserted-Identity", "Remote-Party-ID"};

/** Values of all lines of a kind, joined. */
struct change {
    struct text received; /**< empty: there is none */
    struct text sent;     /**< empty: it was taken out */
};

/** Hangs on a dialog as DIALOG_ASSERTED; counted, and never changes. */
struct asserted {
    struct change of[2][KINDS]; /**< of the callees' messages; of the caller's */
    char bytes[];
};

/* ---- texts ---- */

/* A folded line becomes one line (RFC 3261 s7.3.1). */
static void add(struct buffer *values, struct text value)
{
    if (values->n)
        buffer_append(values, TEXT(", "));
    for (size_t i = 0; i < value.n; i++)
        buffer_append_char(values, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
}

static void read_received(struct buffer *values, const struct message *message,
                          enum header_kind kind)
{
    const struct header *header = message_header(message, kind);
    for (; header; header = message_header_next(message, header))
        add(values, header->value);
}

static void read_sent(struct buffer *values, const struct edits *edits, enum header_kind kind)
{
    struct header_view view = {0};
    if (!edits_header(edits, kind, TEXT_NONE, &view))
        return;
    do {
        add(values, view.value);
    } while (edits_header_next(edits, &view, &view));
}

static struct text keep(char **at, struct text t)
{
    struct text copy = {*at, t.n};
    if (t.n)
        memcpy(*at, t.p, t.n);
    *at += t.n;
    return copy;
}

/* ---- what is known ---- */

static bool is_same(const struct change *a, const struct change *b)
{
    return text_equal(a->received, b->received) && text_equal(a->sent, b->sent);
}

/* @return 0 or ERROR_MEMORY */
static int remember(struct dialog *dialog, bool of_caller, size_t kind, struct change change)
{
    const struct asserted *old = dialog_attachment(dialog, DIALOG_ASSERTED);
    struct asserted all = {0};
    size_t room = 0;
    if (old)
        memcpy(all.of, old->of, sizeof all.of);
    if (is_same(&all.of[of_caller][kind], &change))
        return 0;
    all.of[of_caller][kind] = change;
    for (size_t i = 0; i < 2 * KINDS; i++)
        room += all.of[i / KINDS][i % KINDS].received.n + all.of[i / KINDS][i % KINDS].sent.n;
    struct asserted *asserted = memory_alloc_room(sizeof *asserted, room, NULL);
    if (!asserted)
        return ERROR_MEMORY;
    char *at = asserted->bytes;
    for (size_t i = 0; i < 2 * KINDS; i++) {
        const struct change *from = &all.of[i / KINDS][i % KINDS];
        struct change *to = &asserted->of[i / KINDS][i % KINDS];
        to->received = keep(&at, from->received);
        to->sent = keep(&at, from->sent);
    }
    dialog_attach(dialog, DIALOG_ASSERTED, asserted);
    memory_release(asserted);
    return 0;
}

static int put_known(const struct dialog *dialog, bool of_caller, size_t kind, struct text received,
                     struct edits *edits)
{
    const struct asserted *asserted = dialog_attachment(dialog, DIALOG_ASSERTED);
    if (!asserted || !text_equal(asserted->of[of_caller][kind].received, received))
        return 0;
    struct text sent = asserted->of[of_caller][kind].sent;
    if (sent.n)
        return edits_set(edits, text_of(names[kind]), sent);
    int removed = edits_remove_all(edits, text_of(names[kind]));
    return removed < 0 ? removed : 0;
}

/* ---- messages ---- */

/* @param is_making  the message is of the INVITE that makes the dialog */
static int pass(struct dialog *dialog, const struct message *message, struct edits *edits,
                bool of_caller, bool is_making, size_t kind)
{
    struct buffer received = {0}, sent = {0};
    read_received(&received, message, kinds[kind]);
    read_sent(&sent, edits, kinds[kind]);
    struct change change = {buffer_text(&received), buffer_text(&sent)};
    bool is_changed = !text_equal(change.received, change.sent);
    int error = received.error ? received.error : sent.error;
    if (!error && is_making)
        error = remember(dialog, of_caller, kind, is_changed ? change : (struct change){0});
    else if (!error && !is_changed)
        error = put_known(dialog, of_caller, kind, change.received, edits);
    buffer_release(&received);
    buffer_release(&sent);
    return error;
}

static int pass_all(struct response_context *context, const struct message *message,
                    struct edits *edits, bool of_caller)
{
    struct dialog *dialog = context->dialog;
    bool is_making = context->is_dialog_making;
    int error = 0;
    if (!dialog_attachment(dialog, DIALOG_ASSERTED) && (!is_making || edits_is_empty(edits)))
        return 0;
    for (size_t kind = 0; kind < KINDS && !error; kind++)
        if (message_header(message, kinds[kind]))
            error = pass(dialog, message, edits, of_caller, is_making, kind);
    return error;
}

int asserted_request(struct response_context *context, struct edits *edits)
{
    struct message *request = context->request;
    if (!context->dialog)
        return 0;
    bool of_caller = context->is_dialog_making || dialog_is_from_caller(context->dialog, request);
    return pass_all(context, request, edits, of_caller);
}

int asserted_response(struct response_context *context, struct message *response,
                      struct edits *edits)
{
    if (!context->dialog)
        return 0;
    bool of_caller = !context->is_dialog_making && dialog_is_from_caller(context->dialog, response);
    return pass_all(context, response, edits, of_caller);
}
