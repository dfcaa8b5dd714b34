/*
 * Towards a hidden interface we look like the other party itself: one Via, no Record-Route, a Contact
 * at our socket, and with a masked Call-ID nothing of the other side's name for the call. So a party
 * there sends everything within the call to that Contact, without Route, and its dialog knows where
 * it goes on (lost_route.c): targets and route sets are learnt from every message that tells them.
 *
 *   - What a request brought of Via and Record-Route is kept beside its response context and goes back
 *     into its responses. Record-Route that a callee on a hidden side never saw is given to a caller on
 *     one that is not, with our own two entries.
 *   - A masked Call-ID hashes to this worker. It is shown to callees on hidden sides only: the caller
 *     made the real one. Within the engine a message of either has the real one.
 *   - Other headers that name parties by their addresses are masked (topology_mask.c).
 *
 * Request-URI, From and To belong to the script, SDP to the relay.
 *
 * Deviation: a proxy keeps Via and Record-Route (RFC 3261 s16.6 4, s16.7 3); whoever hides wants that.
 * A loop through a hidden side ends by Max-Forwards only (RFC 5393 needs Via).
 */
#include "route/topology.h"

#include "route/masks.h"

#include "base/memory.h"

#define MASKED_BYTES 24 /* of a Call-ID that we make up */

/** How a call is hidden: hangs on its dialog as DIALOG_TOPOLOGY; counted. */
struct topology {
    struct hash_link by_masked; /* in proxy->masked */
    struct masks *masks;        /* owned reference; NULL: no Call-ID is masked */
    struct mask *mask;          /* in it, owned */
    struct text interfaces;     /* names joined by ","; absent: all */
    struct text call_id;        /* the caller's */
    struct text masked;         /* absent: it is shown as it is */
    char bytes[];
};

struct hidden {
    struct topology *topology;       /* owned reference */
    const struct listener *upstream; /* where the request came in, and its responses leave */
    struct text call_id;             /* as the request said it */
    struct text vias;                /* values, the last line first, each with '\n' behind it */
    struct text record_routes;       /* in order, likewise */
    char bytes[];
};

/* ---- what is kept ---- */

/* Copy a value as one line, with '\n' behind it; a fold is white space (s7.3.1). */
static char *keep_line(char *at, struct text value)
{
    for (size_t i = 0; i < value.n; i++)
        *at++ = (char)(value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    *at++ = '\n';
    return at;
}

static size_t lines_bytes(const struct message *message, enum header_kind kind)
{
    size_t n = 0;
    const struct header *header = message_header(message, kind);
    for (; header; header = message_header_next(message, header))
        n += header->value.n + 1;
    return n;
}

/* Each line goes in front of those before it. */
static void keep_vias(struct hidden *hidden, struct message *request, struct text first, size_t n)
{
    char *end = hidden->bytes + n;
    const struct header *header = message_header(request, HEADER_VIA);
    hidden->vias = (struct text){hidden->bytes, n};
    for (bool is_first = true; header; header = message_header_next(request, header)) {
        struct text value = is_first && text_is_set(first) ? first : header->value;
        end -= value.n + 1;
        keep_line(end, value);
        is_first = false;
    }
}

static void hidden_destroy(void *object)
{
    struct hidden *hidden = object;
    memory_release(hidden->topology);
}

static int hide_request(struct response_context *context, struct topology *topology)
{
    struct message *request = context->request;
    const struct header *call_id = message_header(request, HEADER_CALL_ID);
    const struct header *via = message_header(request, HEADER_VIA);
    struct text first = message_via_with_source(request);
    size_t vias = lines_bytes(request, HEADER_VIA);
    size_t routes = lines_bytes(request, HEADER_RECORD_ROUTE);
    if (via && text_is_set(first))
        vias = vias - via->value.n + first.n;
    struct text id = call_id ? call_id->value : TEXT_NONE;
    struct hidden *hidden = memory_alloc(sizeof *hidden + vias + routes + id.n, hidden_destroy);
    if (!hidden)
        return ERROR_MEMORY;
    hidden->topology = memory_ref(topology);
    hidden->upstream = request->source.listener;
    keep_vias(hidden, request, first, vias);
    char *at = hidden->bytes + vias;
    hidden->record_routes = (struct text){at, routes};
    const struct header *route = message_header(request, HEADER_RECORD_ROUTE);
    for (; route; route = message_header_next(request, route))
        at = keep_line(at, route->value);
    if (id.n)
        memcpy(at, id.p, id.n);
    hidden->call_id = (struct text){at, id.n};
    context->hidden = hidden;
    return 0;
}

static struct topology *topology_of(const struct dialog *dialog)
{
    return dialog ? dialog_attachment(dialog, DIALOG_TOPOLOGY) : NULL;
}

int topology_begin(struct response_context *context)
{
    struct topology *topology = topology_of(context->dialog);
    return topology ? hide_request(context, topology) : 0;
}

/* ---- beginning ---- */

static void topology_destroy(void *object)
{
    struct topology *topology = object;
    hash_remove(&topology->by_masked);
    masks_remove(topology->masks, topology->mask);
    memory_release(topology->masks);
}

static int check_interfaces(const struct proxy *proxy, struct text names)
{
    const struct transport *transport = proxy->options.transport;
    while (names.n) {
        struct text name = text_split(&names, ',');
        if (!transport_listener(transport, name, TRANSPORT_UDP, AF_INET) &&
            !transport_listener(transport, name, TRANSPORT_UDP, AF_INET6))
            return ERROR_ARGUMENT;
    }
    return 0;
}

/* Requests of other calls may name this one. */
static int tell_others(struct topology *topology, const struct response_context *context)
{
    if (!context->proxy->options.masks)
        return 0;
    topology->masks = memory_ref(context->proxy->options.masks);
    topology->mask =
        masks_add(topology->masks, &(struct mask_terms){
                                       .real = topology->call_id,
                                       .masked = topology->masked,
                                       .caller_tag = dialog_caller_tag(context->dialog),
                                       .interfaces = topology->interfaces,
                                   });
    return topology->mask ? 0 : ERROR_MEMORY;
}

static int topology_create(struct topology **topologyp, struct response_context *context,
                           struct text interfaces, bool is_call_id_masked)
{
    struct proxy *proxy = context->proxy;
    struct text call_id = dialog_call_id(context->dialog);
    size_t room = call_id.n + interfaces.n + (is_call_id_masked ? MASKED_BYTES : 0);
    struct topology *topology = memory_alloc(sizeof *topology + room, topology_destroy);
    if (!topology)
        return ERROR_MEMORY;
    char *at = topology->bytes;
    memcpy(at, call_id.p, call_id.n);
    topology->call_id = (struct text){at, call_id.n};
    at += call_id.n;
    if (interfaces.n) {
        memcpy(at, interfaces.p, interfaces.n);
        topology->interfaces = (struct text){at, interfaces.n};
        at += interfaces.n;
    }
    *topologyp = topology;
    if (!is_call_id_masked)
        return 0;
    proxy_draw_call_id(proxy, at, MASKED_BYTES);
    topology->masked = (struct text){at, MASKED_BYTES};
    int error = hash_insert(&proxy->masked, &topology->by_masked,
                            hash_text(&proxy->options.hash_key, topology->masked));
    if (!error)
        error = tell_others(topology, context);
    if (error)
        memory_release(topology);
    else
        proxy_note_names(proxy, topology->call_id, topology->masked);
    return error;
}

int proxy_hide(struct response_context *context, struct text interfaces, bool is_call_id_masked)
{
    struct topology *topology;
    if (!context->dialog || !context->request || !context->is_dialog_making)
        return ERROR_STATE;
    if (context->hidden)
        return 0;
    if (dialog_current_state(context->dialog) == DIALOG_TERMINATED)
        return ERROR_CANCELLED;
    if (topology_of(
            context->dialog)) /* another INVITE that shares it: a callee has one name for it */
        return hide_request(context, topology_of(context->dialog));
    int error = check_interfaces(context->proxy, interfaces);
    if (!error)
        error = topology_create(&topology, context, interfaces, is_call_id_masked);
    if (error)
        return error;
    error = hide_request(context, topology);
    if (!error)
        dialog_attach(context->dialog, DIALOG_TOPOLOGY, topology);
    memory_release(topology);
    return error;
}

/* ---- which side sees what ---- */

static bool hides(const struct topology *topology, const struct listener *out)
{
    struct text names = topology->interfaces;
    if (!names.n)
        return true;
    while (out && names.n)
        if (text_equal(text_split(&names, ','), text_of(out->interface)))
            return true;
    return false;
}

bool topology_hides(const struct response_context *context, const struct listener *out)
{
    return context->hidden && hides(context->hidden->topology, out);
}

static struct text call_id_for(const struct topology *topology, bool of_caller,
                               const struct listener *out)
{
    bool is_masked = !of_caller && topology->masked.n && hides(topology, out);
    return is_masked ? topology->masked : topology->call_id;
}

struct text topology_call_id(const struct dialog *dialog, bool of_caller,
                             const struct listener *out)
{
    const struct topology *topology = topology_of(dialog);
    return topology ? call_id_for(topology, of_caller, out) : dialog_call_id(dialog);
}

static bool has_masked(const struct hash_link *link, const void *key)
{
    return text_equal(CONTAINER_OF(link, struct topology, by_masked)->masked,
                      *(const struct text *)key);
}

void topology_unmask(struct proxy *proxy, struct message *message)
{
    if (message->call_id.n != MASKED_BYTES)
        return;
    uint64_t hash = hash_text(&proxy->options.hash_key, message->call_id);
    struct hash_link *link = hash_find(&proxy->masked, hash, has_masked, &message->call_id);
    if (link) /* without memory it is of no call that we know */
        message_rename_call(message, CONTAINER_OF(link, struct topology, by_masked)->call_id);
}

/* ---- headers ---- */

/* @return 0 or an error, where edits_remove_all() counts */
static int remove_all(struct edits *edits, struct text name)
{
    int result = edits_remove_all(edits, name);
    return result < 0 ? result : 0;
}

static int set_call_id(struct edits *edits, const struct message *message, struct text call_id)
{
    const struct header *header = message_header(message, HEADER_CALL_ID);
    if (header && text_equal(header->value, call_id))
        return 0;
    return edits_set(edits, TEXT("Call-ID"), call_id);
}

int topology_request(struct response_context *context, struct edits *edits,
                     const struct listener *out)
{
    const struct hidden *hidden = context->hidden;
    if (!hidden)
        return 0;
    bool to_caller = !dialog_is_from_caller(context->dialog, context->request);
    int error = set_call_id(edits, context->request, call_id_for(hidden->topology, to_caller, out));
    if (error || !hides(hidden->topology, out))
        return error;
    error = remove_all(edits, TEXT("Via"));
    if (!error)
        error = remove_all(edits, TEXT("Record-Route"));
    return error ? error : topology_mask(edits, out);
}

/* ---- responses ---- */

/* Put lines back: each Via above those before, Record-Route below what is there. */
static int put_lines(struct edits *edits, struct text lines, bool are_vias)
{
    int error = 0;
    while (lines.n && !error) {
        struct text value = text_split(&lines, '\n');
        error = are_vias ? edits_prepend(edits, HEADER_VIA, TEXT("Via"), value)
                         : edits_append(edits, TEXT("Record-Route"), value);
    }
    return error;
}

/* Record-Route of a response that makes a dialog (s12.1.1). */
static int put_record_routes(const struct branch *branch, struct message *response,
                             struct edits *edits, bool is_up_hidden)
{
    const struct response_context *context = branch->context;
    const struct hidden *hidden = context->hidden;
    const struct listener *down = branch->destination.listener;
    bool makes_dialog = response->method == METHOD_INVITE && context->is_dialog_making &&
                        response->status > 100 && response->status < 300;
    int error = is_up_hidden ? remove_all(edits, TEXT("Record-Route")) : 0;
    if (error || !makes_dialog || (!is_up_hidden && !hides(hidden->topology, down)))
        return error;
    if (!is_up_hidden)
        error = record_route_give(context->proxy, edits, hidden->upstream, down);
    return error ? error : put_lines(edits, hidden->record_routes, false);
}

int topology_response(const struct branch *branch, struct message *response, struct edits *edits)
{
    const struct hidden *hidden = branch->context->hidden;
    int error = 0;
    if (!hidden)
        return 0;
    bool is_up_hidden = hides(hidden->topology, hidden->upstream);
    if (hides(hidden->topology, branch->destination.listener)) {
        error = remove_all(edits, TEXT("Via"));
        if (!error)
            error = put_lines(edits, hidden->vias, true);
    }
    if (!error)
        error = set_call_id(edits, response, hidden->call_id);
    if (!error)
        error = put_record_routes(branch, response, edits, is_up_hidden);
    if (!error && is_up_hidden)
        error = topology_mask(edits, hidden->upstream);
    return error;
}
