/*
 * Names of the real world: one c-ares channel per loop, made when the first name is asked for. Its
 * sockets are watched through uv_poll, its time-outs through the loop's wheel.
 *
 * A question ends in one of three ways: c-ares calls back, its own timer fires first (c-ares then
 * still holds it, and frees it later), or the resolver is released. What is known during the call
 * (a name of /etc/hosts, a name that c-ares refuses) is kept and told from a timer.
 *
 * Not handled: a change of /etc/resolv.conf while the loop lives.
 */
#include "io/uv_world.h"

#include "base/error.h"
#include "base/memory.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>

#define QUESTIONS_MAX  1000 /* open at a time on one loop */
#define RECORDS_MAX    32   /* of one answer; a server that sends more is not listened to further */
#define TRY_MS         1000 /* wait for one server before the next is asked */
#define TRIES          3    /* rounds over all servers */
#define HOSTS_TTL_S    60   /* how long a line of /etc/hosts is good for */
#define NAME_BYTES_MAX 255  /* RFC 1035 s2.3.4 */

/** One loop's names. */
struct resolver {
    struct real_loop *loop; /**< borrowed */
    ares_channel channel;
    struct list questions; /**< struct question; owned */
    struct list sockets;   /**< struct ares_socket; owned */
    struct timer tick;     /**< c-ares' next time-out */
    bool is_asking;        /**< inside ares_query(): no handler may be called */
    bool is_closing;
};

/** A question that has not been answered, or that c-ares still holds. */
struct question {
    struct link link;
    struct resolver *resolver; /**< borrowed */
    struct timer timer;        /**< gives up, or tells what is known */
    enum resolve_type type;
    resolve_handler *handler; /**< NULL once called */
    void *arg;
    bool is_held; /**< c-ares will call back */
    int error;    /**< what is known: this, or records */
    size_t count;
    struct resolve_record v[]; /**< of /etc/hosts */
};

/** A socket of c-ares. */
struct ares_socket {
    uv_poll_t poll;
    struct link link;
    struct resolver *resolver; /**< borrowed */
    ares_socket_t fd;
    int events;
};

/* ---- sockets ---- */

static void schedule_tick(struct resolver *resolver);

static void socket_closed(uv_handle_t *handle)
{
    memory_free_raw(CONTAINER_OF((uv_poll_t *)handle, struct ares_socket, poll));
}

static void close_socket(struct ares_socket *s)
{
    list_remove(&s->link);
    uv_close((uv_handle_t *)&s->poll, socket_closed);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct ares_socket *s = CONTAINER_OF(poll, struct ares_socket, poll);
    struct resolver *resolver = s->resolver;
    real_loop_enter(resolver->loop); /* runs timers: the socket may be gone after it */
    if (uv_is_closing((uv_handle_t *)poll))
        return;
    bool is_readable = status != 0 || (events & UV_READABLE);
    bool is_writable = status != 0 || (events & UV_WRITABLE);
    ares_process_fd(resolver->channel, is_readable ? s->fd : ARES_SOCKET_BAD,
                    is_writable ? s->fd : ARES_SOCKET_BAD);
    if (status != 0 && !uv_is_closing((uv_handle_t *)poll))
        uv_poll_start(poll, s->events, socket_ready); /* libuv stopped it */
    schedule_tick(resolver);
}

static struct ares_socket *find_socket(struct resolver *resolver, ares_socket_t fd)
{
    LIST_FOR_EACH (link, &resolver->sockets) {
        struct ares_socket *s = CONTAINER_OF(link, struct ares_socket, link);
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

/* @return NULL without memory: the question then times out */
static struct ares_socket *open_socket(struct resolver *resolver, ares_socket_t fd)
{
    struct ares_socket *s = memory_raw(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct ares_socket){.resolver = resolver, .fd = fd};
    if (uv_poll_init(&resolver->loop->uv, &s->poll, fd) != 0) {
        memory_free_raw(s);
        return NULL;
    }
    list_append(&resolver->sockets, &s->link);
    return s;
}

/* c-ares wants to know about this socket, or is about to close it. */
static void watch_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    struct ares_socket *s = find_socket(resolver, fd);
    if (!readable && !writable) {
        if (s)
            close_socket(s);
        return;
    }
    if (!s)
        s = open_socket(resolver, fd);
    if (!s)
        return;
    s->events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    uv_poll_start(&s->poll, s->events, socket_ready);
}

/* ---- time ---- */

static void tick(void *arg)
{
    struct resolver *resolver = arg;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    schedule_tick(resolver);
}

static void schedule_tick(struct resolver *resolver)
{
    struct timers *timers = &resolver->loop->base.timers;
    struct timeval value;
    const struct timeval *wait = ares_timeout(resolver->channel, NULL, &value);
    if (!wait) {
        timer_stop(timers, &resolver->tick);
        return;
    }
    uint64_t wait_ms = (uint64_t)wait->tv_sec * 1000 + (uint64_t)wait->tv_usec / 1000;
    timer_start(timers, &resolver->tick, wait_ms + 1, tick, resolver);
}

/* ---- questions ---- */

static void release_question(struct question *question)
{
    timer_stop(&question->resolver->loop->base.timers, &question->timer);
    list_remove(&question->link);
    memory_free_raw(question);
}

/* The handler may ask again, so the question no longer counts when it runs. */
static void answer(struct question *question, int error, const struct resolve_record *v,
                   size_t count)
{
    resolve_handler *handler = question->handler;
    question->handler = NULL;
    timer_stop(&question->resolver->loop->base.timers, &question->timer);
    handler(question->arg, error, v, count);
}

static void question_timer(void *arg)
{
    struct question *question = arg;
    if (question->is_held) {
        answer(question, ERROR_TIMEOUT, NULL, 0);
        return;
    }
    answer(question, question->error, question->v, question->count);
    release_question(question);
}

/* Only an authoritative "no" is ERROR_NOT_FOUND; a server in trouble may know it next time. */
static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_EFORMERR: return ERROR_NOT_FOUND;
    default: return ERROR_TIMEOUT;
    }
}

static void query_done(void *arg, int status, int timeouts, unsigned char *bytes, int size)
{
    (void)timeouts;
    struct question *question = arg;
    question->is_held = false;
    if (question->resolver->is_asking && question->handler) { /* it failed at once: told soon */
        question->error = error_of(status);
        timer_start(&question->resolver->loop->base.timers, &question->timer, 0, question_timer,
                    question);
        return;
    }
    if (question->handler && !question->resolver->is_closing) {
        struct resolve_record v[RECORDS_MAX];
        size_t count = 0;
        if (status == ARES_SUCCESS)
            count = resolve_parse(v, RECORDS_MAX, question->type,
                                  (struct text){(const char *)bytes, (size_t)size});
        answer(question, count ? 0 : error_of(status), v, count);
    }
    release_question(question);
}

/* ---- resolver ---- */

void resolver_release(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver->is_closing = true;
    ares_destroy(resolver->channel); /* calls back for every question that it holds */
    while (resolver->questions.first)
        release_question(CONTAINER_OF(resolver->questions.first, struct question, link));
    while (resolver->sockets.first)
        close_socket(CONTAINER_OF(resolver->sockets.first, struct ares_socket, link));
    timer_stop(&resolver->loop->base.timers, &resolver->tick);
    memory_free_raw(resolver);
}

static int make_resolver(struct real_loop *loop)
{
    if (loop->resolver)
        return 0;
    struct resolver *resolver = memory_raw(sizeof *resolver);
    if (!resolver)
        return ERROR_MEMORY;
    *resolver = (struct resolver){.loop = loop};
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS,
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = watch_socket,
        .sock_state_cb_data = resolver,
        .ednspsz = 1232, /* no fragments: DNS Flag Day 2020 */
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
               ARES_OPT_EDNSPSZ;
    int status = ares_init_options(&resolver->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        memory_free_raw(resolver);
        return status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_LIMIT;
    }
    loop->resolver = resolver;
    return 0;
}

int real_loop_set_name_servers(struct loop *base, const char *servers)
{
    struct real_loop *loop = (struct real_loop *)base;
    int error = make_resolver(loop);
    if (!error && ares_set_servers_ports_csv(loop->resolver->channel, servers) != ARES_SUCCESS)
        error = ERROR_SYNTAX;
    return error;
}

static struct question *make_question(struct resolver *resolver, enum resolve_type type,
                                      size_t count)
{
    struct question *question = memory_raw(sizeof *question + count * sizeof question->v[0]);
    if (!question)
        return NULL;
    *question = (struct question){.resolver = resolver, .type = type, .count = count};
    list_append(&resolver->questions, &question->link);
    return question;
}

static void read_host(struct resolve_record *record, enum resolve_type type, const char *bytes)
{
    *record = (struct resolve_record){.type = type, .ttl_s = HOSTS_TTL_S};
    if (type == RESOLVE_A) {
        record->address.in.sin_family = AF_INET;
        memcpy(&record->address.in.sin_addr, bytes, sizeof record->address.in.sin_addr);
    } else {
        record->address.in6.sin6_family = AF_INET6;
        memcpy(&record->address.in6.sin6_addr, bytes, sizeof record->address.in6.sin6_addr);
    }
}

/* /etc/hosts, as every other program on the machine heeds it. Addresses in it need no server. */
static struct question *make_from_hosts(struct resolver *resolver, enum resolve_type type,
                                        const char *name)
{
    struct hostent *host = NULL;
    bool is_address = type == RESOLVE_A || type == RESOLVE_AAAA;
    int family = type == RESOLVE_A ? AF_INET : AF_INET6;
    if (!is_address ||
        ares_gethostbyname_file(resolver->channel, name, family, &host) != ARES_SUCCESS)
        return make_question(resolver, type, 0);
    size_t count = 0;
    while (count < RECORDS_MAX && host->h_addr_list[count])
        count++;
    struct question *question = make_question(resolver, type, count);
    for (size_t i = 0; question && i < count; i++)
        read_host(&question->v[i], type, host->h_addr_list[i]);
    ares_free_hostent(host);
    return question;
}

static void ask_servers(struct question *question, const char *name)
{
    struct resolver *resolver = question->resolver;
    question->is_held = resolver->is_asking = true;
    ares_query(resolver->channel, name, ns_c_in, resolve_wire_type(question->type), query_done,
               question);
    resolver->is_asking = false;
    schedule_tick(resolver);
}

int real_loop_resolve(struct loop *base, struct text name, enum resolve_type type,
                      uint32_t timeout_ms, resolve_handler *handler, void *arg)
{
    struct real_loop *loop = (struct real_loop *)base;
    char text[NAME_BYTES_MAX + 1];
    if (!text_to_array(name, text, sizeof text))
        return ERROR_LIMIT;
    int error = make_resolver(loop);
    if (error)
        return error;
    if (loop->resolver->questions.count >= QUESTIONS_MAX)
        return ERROR_LIMIT;
    struct question *question = make_from_hosts(loop->resolver, type, text);
    if (!question)
        return ERROR_MEMORY;
    question->handler = handler;
    question->arg = arg;
    if (!question->count)
        ask_servers(question, text);
    timer_start(&base->timers, &question->timer, question->is_held ? timeout_ms : 0, question_timer,
                question);
    return 0;
}
