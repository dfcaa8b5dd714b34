/*
 * Changed From and To (RFC 3261 s12.2.1.1). A script may show the callee another caller than the
 * caller said, or another callee; each side must go on seeing the From and To of its own dialog:
 *
 *   - responses go back with From and To as their request had them;
 *   - of a call with Record-Route the dialog remembers both pairs, and every later request gets the
 *     pair that its receiver knows, with the two exchanged when the callee sends it. What a callee
 *     knows is read from its own responses, since the branches of a fork may differ.
 *
 * Only names and URIs change hands: tags and other parameters are never touched, a script that loses
 * the tag gets it back. P-Asserted-Identity and Remote-Party-ID are in asserted.c.
 */
#include "route/context.h"

#include "base/memory.h"

/** From and To, without parameters. */
struct identity_pair {
    struct text from, to;
};

/** What one leg of a fork knows, when it is not what the first branch was sent. */
struct identity_leg {
    struct identity_leg *next;
    struct text tag;
    struct identity_pair pair;
    char bytes[];
};

/** Hangs on a dialog as DIALOG_IDENTITY; counted. */
struct identity {
    struct identity_pair caller; /**< as the caller wrote them */
    struct identity_pair callee; /**< as the first branch was sent */
    struct identity_leg *legs;   /**< owned */
    size_t leg_count;
    char bytes[];
};

static void identity_destroy(void *arg)
{
    struct identity *identity = arg;
    while (identity->legs) {
        struct identity_leg *leg = identity->legs;
        identity->legs = leg->next;
        memory_free_raw(leg);
    }
}

static struct identity *identity_of(const struct response_context *context)
{
    return context->dialog ? dialog_attachment(context->dialog, DIALOG_IDENTITY) : NULL;
}

/* ---- texts ---- */

/* An address without its parameters. */
static struct text name_of(const struct name_addr *address)
{
    if (!address || !text_is_set(address->params))
        return address ? address->whole : TEXT_NONE;
    const char *end = address->params.p;
    while (end > address->whole.p && end[-1] != ';')
        end--;
    return text_trim(text_span(address->whole.p, end > address->whole.p ? end - 1 : end));
}

/* Copy to *at and move on; a folded line becomes one line (s7.3.1). */
static struct text keep(char **at, struct text t)
{
    struct text copy = {*at, t.n};
    for (size_t i = 0; i < t.n; i++)
        (*at)[i] = (char)(t.p[i] == '\r' || t.p[i] == '\n' ? ' ' : t.p[i]);
    *at += t.n;
    return copy;
}

static bool is_same(const struct identity_pair *a, const struct identity_pair *b)
{
    return text_equal(a->from, b->from) && text_equal(a->to, b->to);
}

static struct identity_pair pair_of(struct message *message)
{
    return (struct identity_pair){name_of(message_from(message)), name_of(message_to(message))};
}

/* Give the header of that kind another name; its parameters stay those of @p params. */
static int set_name(struct edits *edits, struct arena *arena, enum header_kind kind,
                    struct text name, struct text params)
{
    struct header_view view = {0};
    char *bytes = arena_alloc(arena, name.n + params.n + 2);
    if (!bytes || !edits_header(edits, kind, TEXT_NONE, &view))
        return bytes ? 0 : ERROR_MEMORY;
    char *at = bytes;
    keep(&at, name);
    if (params.n) {
        *at++ = ';';
        keep(&at, params);
    }
    return edits_replace(edits, &view, text_span(bytes, at));
}

/*
 * Have @p message leave with these names.
 * @param is_edited   they may have been edited already: set them in any case
 * @param is_changed  set when one is another than received
 */
static int put(struct message *message, struct edits *edits, const struct identity_pair *pair,
               bool is_edited, bool *is_changed)
{
    const struct name_addr *from = message_from(message), *to = message_to(message);
    int error = 0;
    if (from && (is_edited || !text_equal(name_of(from), pair->from))) {
        error = set_name(edits, &message->arena, HEADER_FROM, pair->from, from->params);
        *is_changed = true;
    }
    if (!error && to && (is_edited || !text_equal(name_of(to), pair->to))) {
        error = set_name(edits, &message->arena, HEADER_TO, pair->to, to->params);
        *is_changed = true;
    }
    return error;
}

/* ---- what a script changed ---- */

/* The name under which a header is sent. @return 1 when a script changed it, 0, or an error */
static int read_sent(struct response_context *context, struct edits *edits, enum header_kind kind,
                     const struct name_addr *received, struct text *name)
{
    struct header_view view = {0};
    struct name_addr sent;
    const struct header *header = message_header(context->request, kind);
    *name = name_of(received);
    if (!received || !header || !edits_header(edits, kind, TEXT_NONE, &view) ||
        view.value.p == header->value.p)
        return 0;
    if (name_addr_parse(&sent, view.value))
        return ERROR_SYNTAX;
    *name = arena_copy(&context->request->arena, name_of(&sent));
    if (!text_is_set(*name))
        return ERROR_MEMORY;
    if (text_equal(sent.params, received->params))
        return 1;
    int error = set_name(edits, &context->request->arena, kind, *name, received->params);
    return error ? error : 1;
}

static int remember(struct response_context *context, const struct identity_pair *sent)
{
    struct identity_pair caller = pair_of(context->request);
    size_t room = caller.from.n + caller.to.n + sent->from.n + sent->to.n;
    struct identity *identity = memory_alloc(sizeof *identity + room, identity_destroy);
    if (!identity)
        return ERROR_MEMORY;
    char *at = identity->bytes;
    identity->caller.from = keep(&at, caller.from);
    identity->caller.to = keep(&at, caller.to);
    identity->callee.from = keep(&at, sent->from);
    identity->callee.to = keep(&at, sent->to);
    dialog_attach(context->dialog, DIALOG_IDENTITY, identity);
    memory_release(identity);
    return 0;
}

/* ---- requests ---- */

static const struct identity_pair *pair_of_leg(const struct identity *identity, struct text tag)
{
    for (const struct identity_leg *leg = identity->legs; leg; leg = leg->next)
        if (text_equal(leg->tag, tag))
            return &leg->pair;
    return &identity->callee;
}

/* A request within the dialog: its receiver knows one pair, in one of two orders. */
static int put_known(struct response_context *context, const struct identity *identity,
                     struct edits *edits, bool is_edited)
{
    struct message *request = context->request;
    const struct identity_pair exchanged = {identity->caller.to, identity->caller.from};
    const struct identity_pair *pair = &exchanged;
    if (dialog_is_from_caller(context->dialog, request))
        pair = pair_of_leg(identity, dialog_callee_tag(context->dialog, request));
    return put(request, edits, pair, is_edited, &context->is_identity_changed);
}

void identity_names(const struct dialog *dialog, struct text callee_tag, bool of_caller,
                    struct text *from, struct text *to)
{
    const struct identity *identity = dialog_attachment(dialog, DIALOG_IDENTITY);
    struct identity_pair pair = {TEXT_NONE, TEXT_NONE};
    if (identity)
        pair = of_caller ? identity->caller : *pair_of_leg(identity, callee_tag);
    *from = pair.from;
    *to = pair.to;
}

int identity_request(struct response_context *context, struct edits *edits)
{
    struct identity *identity = identity_of(context);
    struct message *request = context->request;
    struct identity_pair sent;
    if (!identity && edits_is_empty(edits))
        return 0;
    int from = read_sent(context, edits, HEADER_FROM, message_from(request), &sent.from);
    int to = read_sent(context, edits, HEADER_TO, message_to(request), &sent.to);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    bool is_edited = from || to;
    context->is_identity_changed |= is_edited;
    if (is_edited && context->is_dialog_making && context->dialog && !identity)
        return remember(context, &sent);
    if (identity && !context->is_dialog_making)
        return put_known(context, identity, edits, is_edited);
    return 0;
}

/* ---- responses ---- */

/* Without memory, or beyond limits.dialog_legs, the leg is taken for the first one. */
static void learn_leg(struct response_context *context, struct identity *identity,
                      struct message *response)
{
    const struct identity_pair pair = pair_of(response);
    struct text tag = message_to_tag(response);
    if (response->status <= 100 || response->status >= 300 || !text_is_set(tag) ||
        is_same(&pair, pair_of_leg(identity, tag)) ||
        identity->leg_count >= context->proxy->options.settings->limits_dialog_legs)
        return;
    struct identity_leg *leg = memory_raw(sizeof *leg + tag.n + pair.from.n + pair.to.n);
    if (!leg)
        return;
    char *at = leg->bytes;
    leg->tag = keep(&at, tag);
    leg->pair.from = keep(&at, pair.from);
    leg->pair.to = keep(&at, pair.to);
    leg->next = identity->legs;
    identity->legs = leg;
    identity->leg_count++;
}

int identity_response(struct response_context *context, struct message *response,
                      struct edits *edits)
{
    struct identity *identity = identity_of(context);
    struct identity_pair pair;
    bool is_changed = false;
    if (identity && context->is_dialog_making)
        learn_leg(context, identity, response);
    if (!context->is_identity_changed)
        return 0;
    if (context->request)
        pair = pair_of(context->request);
    else if (identity && context->is_dialog_making)
        pair = identity->caller; /* the late 2xx of a fork */
    else
        return 0;
    return put(response, edits, &pair, false, &is_changed);
}
