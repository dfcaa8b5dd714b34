/*
 * A walk over all bindings that never ends, at such a pace that each is met once in
 * keepalive.interval_s: what is sent is spread over the interval, however many there are. A binding
 * is pinged as a call would reach it: from the socket that it registered at, through its Path, else
 * to where its REGISTER came from, else to its Contact.
 *
 * An OPTIONS (RFC 3261 s11) is answered by whoever is there, with whatever status. Bindings never
 * change and a refresh makes a new one, so that the count of what was not answered in a row, which
 * the binding itself holds, begins anew with each refresh. An OPTIONS that is still not answered when the next
 * one is due counts as such, and the next one waits until it is given up.
 */
#include "worker/keepalive.h"

#include "base/error.h"
#include "base/memory.h"
#include "route/uac.h"
#include "worker/worker.h"

#define TICK_MS      100
#define TICK_IDLE_MS 1000 /* nothing is pinged: has a reload changed that? */
#define BATCH_LEAST  8    /* records of one step of the walk */
#define BATCH_MOST   64
#define EMPTY_LINES  TEXT("\r\n\r\n")

struct keepalive {
    struct worker *worker; /* borrowed: holds this */
    struct timer timer;
    struct list pings;
    struct location_cursor cursor;
    int64_t owed;     /* records times milliseconds; below 0: paid in advance */
    uint64_t last_ms; /* when the pace was kept last; 0: not yet */
    uint32_t cseq;
};

/* One OPTIONS under way. */
struct keepalive_ping {
    struct link link;
    struct keepalive *keepalive;            /* borrowed */
    struct location_record *record;         /* reference: of the binding */
    const struct location_binding *binding; /* borrowed from it */
    struct uac *uac;                        /* borrowed; NULL: over */
    bool is_over;                           /* the binding was told */
};

static void ping_destroy(void *arg)
{
    struct keepalive_ping *ping = arg;
    list_remove(&ping->link);
    if (!ping->is_over)
        location_binding_end_ping(ping->binding);
    uac_abandon(ping->uac);
    memory_release(ping->record);
}

static void destroy(void *arg)
{
    keepalive_stop(arg);
}

int keepalive_create(struct keepalive **keepalivep, struct worker *worker)
{
    struct keepalive *keepalive = memory_alloc(sizeof *keepalive, destroy);
    if (!keepalive)
        return ERROR_MEMORY;
    keepalive->worker = worker;
    *keepalivep = keepalive;
    return 0;
}

static const struct settings *settings_of(const struct keepalive *keepalive)
{
    return proxy_settings(worker_proxy(keepalive->worker));
}

static void count(struct keepalive *keepalive, enum counter counter)
{
    counter_count(worker_counters(keepalive->worker), counter);
}

static uint64_t wall_ms(const struct keepalive *keepalive)
{
    return io_wall_us(worker_get_options(keepalive->worker)->io) / 1000;
}

/* ---- what becomes of an OPTIONS ---- */

static void ping_binding(struct keepalive *keepalive, struct location_record *record,
                         const struct location_binding *binding);

static void end_binding(struct keepalive *keepalive, const struct location_record *record,
                        const struct location_binding *binding, unsigned unanswered)
{
    struct worker *worker = keepalive->worker;
    const struct worker_options *options = worker_get_options(worker);
    struct text aor = location_record_aor(record), contact = binding->contact;
    int ended = location_remove_binding(options->location, aor, binding, wall_ms(keepalive),
                                        worker_script(worker));
    if (ended <= 0) /* refreshed or gone meanwhile; without memory the next ping tries again */
        return;
    count(keepalive, COUNTER_KEEPALIVE_ENDED);
    log_info(options->log, LOG_LOCATION, binding->call_id,
             "%.*s is gone: %.*s did not answer %u keepalives", TEXT_ARG(aor), TEXT_ARG(contact),
             unanswered);
}

static void note_silence(struct keepalive *keepalive, const struct location_record *record,
                         const struct location_binding *binding)
{
    uint64_t most = settings_of(keepalive)->keepalive_failures;
    unsigned unanswered = location_binding_pinged(binding, false);
    count(keepalive, COUNTER_KEEPALIVE_UNANSWERED);
    if (most && unanswered >= most)
        end_binding(keepalive, record, binding, unanswered);
}

/* Neither refreshed nor gone? */
static bool is_in_force(const struct keepalive_ping *ping)
{
    struct location *location = worker_get_options(ping->keepalive->worker)->location;
    struct location_record *now = location_find(location, location_record_aor(ping->record));
    bool is_there = false;
    for (size_t i = 0; now && i < location_record_count(now) && !is_there; i++)
        is_there = location_record_at(now, i) == ping->binding;
    memory_release(now);
    return is_there;
}

static void on_done(void *arg, struct message *response)
{
    struct keepalive_ping *ping = arg;
    ping->uac = NULL;
    ping->is_over = true;
    bool is_overdue = location_binding_end_ping(ping->binding);
    if (response)
        location_binding_pinged(ping->binding, true);
    else if (!is_overdue) /* else each interval that has passed was counted */
        note_silence(ping->keepalive, ping->record, ping->binding);
    if (is_overdue && is_in_force(ping))
        ping_binding(ping->keepalive, ping->record, ping->binding);
    memory_release(ping);
}

/* ---- sending ---- */

/* What the OPTIONS says of itself: "<sip:keepalive@example.com>;tag=..." */
static void print_from(struct buffer *from, struct text aor, struct random *random)
{
    char tag[12];
    const char *at = text_find(aor, '@');
    struct text host = at ? text_span(at + 1, aor.p + aor.n) : TEXT("localhost");
    random_token(random, tag, sizeof tag);
    buffer_printf(from, "<sip:keepalive@%.*s>;tag=%.*s", TEXT_ARG(host), (int)sizeof tag, tag);
}

static int send_options(struct keepalive_ping *ping, const struct listener *listener)
{
    struct keepalive *keepalive = ping->keepalive;
    struct proxy *proxy = worker_proxy(keepalive->worker);
    const struct location_binding *binding = ping->binding;
    struct buffer from = {0}, to = {0};
    char call_id[24];
    worker_draw_call_id(keepalive->worker, call_id, sizeof call_id);
    print_from(&from, location_record_aor(ping->record), proxy_random(proxy));
    buffer_printf(&to, "<%.*s>", TEXT_ARG(binding->contact));
    const struct uac_request request = {
        .method = METHOD_OPTIONS,
        .request_uri = binding->contact,
        .route = binding->path,
        .next_hop = binding->path.n ? TEXT_NONE : binding->received,
        .from = buffer_text(&from),
        .to = buffer_text(&to),
        .call_id = {call_id, sizeof call_id},
        .cseq = ++keepalive->cseq,
        .listener = listener,
        .is_first_address = true,
        .cause = "keepalive",
    };
    int error = from.error ? from.error : to.error;
    if (!error)
        error = uac_send(&ping->uac, proxy, &request, on_done, ping);
    buffer_release(&from);
    buffer_release(&to);
    return error;
}

/* After location_binding_begin_ping(), whatever comes of it. */
static int start_ping(struct keepalive *keepalive, struct location_record *record,
                      const struct location_binding *binding, const struct listener *listener)
{
    struct keepalive_ping *ping = memory_alloc(sizeof *ping, ping_destroy);
    if (!ping) {
        location_binding_end_ping(binding);
        return ERROR_MEMORY;
    }
    ping->keepalive = keepalive;
    ping->record = memory_ref(record);
    ping->binding = binding;
    list_append(&keepalive->pings, &ping->link);
    int error = send_options(ping, listener);
    if (error)
        memory_release(ping);
    return error;
}

/* Empty lines go to an address only: behind a proxy of its Path they reach nobody. */
static int send_empty_lines(struct keepalive *keepalive, const struct location_binding *binding,
                            const struct listener *listener)
{
    struct transport *transport = worker_transport(keepalive->worker);
    struct destination destination = {.listener = listener};
    struct uri uri;
    if (binding->path.n ||
        uri_parse(&uri, binding->received.n ? binding->received : binding->contact) ||
        address_parse_host(&destination.address, uri.host))
        return ERROR_UNSUPPORTED;
    address_set_port(&destination.address, uri.port ? uri.port : 5060);
    if (!destination.listener)
        destination.listener =
            transport_listener_towards(transport, &destination.address, TRANSPORT_UDP);
    if (!destination.listener)
        return ERROR_ARGUMENT;
    return transport_send(transport, &destination, EMPTY_LINES);
}

static void ping_binding(struct keepalive *keepalive, struct location_record *record,
                         const struct location_binding *binding)
{
    const struct settings *settings = settings_of(keepalive);
    const struct listener *listener = NULL;
    if (settings->keepalive_nat_only && !binding->received.n)
        return;
    /* Who is silent is not asked again before the first is given up (Timer F), however short the interval. */
    if (settings->keepalive_options && !location_binding_begin_ping(binding)) {
        note_silence(keepalive, record, binding);
        return;
    }
    if (binding->socket.n)
        listener =
            transport_listener_by_socket(worker_transport(keepalive->worker), binding->socket);
    int error = settings->keepalive_options ? start_ping(keepalive, record, binding, listener)
                                            : send_empty_lines(keepalive, binding, listener);
    count(keepalive, error ? COUNTER_KEEPALIVE_NOT_SENT : COUNTER_KEEPALIVE_SENT);
}

static void ping_record(struct keepalive *keepalive, struct location_record *record)
{
    uint64_t now_ms = wall_ms(keepalive);
    for (size_t i = 0; i < location_record_count(record); i++) {
        const struct location_binding *binding = location_record_at(record, i);
        if (!location_binding_is_expired(binding, now_ms))
            ping_binding(keepalive, record, binding);
    }
}

/* ---- pace ---- */

/*
 * The next @p due records, or a few more; behind the last one the walk begins anew.
 * @return how many there were
 */
static int64_t walk_on(struct keepalive *keepalive, int64_t due)
{
    struct location *location = worker_get_options(keepalive->worker)->location;
    struct location_record *v[BATCH_MOST];
    bool is_new = false; /* at the first of all */
    int64_t walked = 0;
    while (walked < due) {
        size_t room = due - walked < BATCH_MOST ? (size_t)(due - walked) : BATCH_MOST;
        size_t n =
            location_walk(location, &keepalive->cursor, v, room < BATCH_LEAST ? BATCH_LEAST : room);
        if (!n && is_new)
            break;
        is_new = !n;
        if (!n)
            keepalive->cursor = (struct location_cursor){0};
        for (size_t i = 0; i < n; i++) {
            ping_record(keepalive, v[i]);
            memory_release(v[i]);
        }
        walked += (int64_t)n;
    }
    return walked;
}

static void on_tick(void *arg)
{
    struct keepalive *keepalive = arg;
    struct loop *loop = worker_loop(keepalive->worker);
    int64_t interval_ms = (int64_t)settings_of(keepalive)->keepalive_interval_s * 1000;
    uint64_t now_ms = loop_now_ms(loop);
    int64_t passed_ms = (int64_t)(now_ms - keepalive->last_ms);
    struct location_state state;
    if (interval_ms && keepalive->last_ms) {
        location_get_state(worker_get_options(keepalive->worker)->location, &state);
        keepalive->owed +=
            (int64_t)state.aors * (passed_ms < interval_ms ? passed_ms : interval_ms);
        keepalive->owed -= walk_on(keepalive, keepalive->owed / interval_ms) * interval_ms;
    }
    keepalive->last_ms = interval_ms ? now_ms : 0;
    timer_start(loop_timers(loop), &keepalive->timer, interval_ms ? TICK_MS : TICK_IDLE_MS, on_tick,
                keepalive);
}

void keepalive_start(struct keepalive *keepalive)
{
    on_tick(keepalive);
}

void keepalive_stop(struct keepalive *keepalive)
{
    timer_stop(loop_timers(worker_loop(keepalive->worker)), &keepalive->timer);
    LIST_FOR_EACH_SAFE (link, &keepalive->pings)
        memory_release(CONTAINER_OF(link, struct keepalive_ping, link));
}
