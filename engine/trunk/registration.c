/*
 * One attempt is a REGISTER, and again with what its answer asks for: credentials (401, 407), a
 * longer time (423). It ends in a binding, whose refresh is planned for 85 to 90 percent of its
 * time, or in a failure: then the next attempt waits by RFC 5626 s4.5, for half to all of
 * min(retry_most_s, retry_base_s * 2^failures), and no less than Retry-After says. Names, and
 * further addresses of one when an address fails, are uac.c's.
 *
 * Invariant: either a REGISTER is under way, or the timer runs, or nothing is wanted (disabled,
 * leaving, gone).
 */
#include "trunk/registration.h"

#include "base/error.h"
#include "base/memory.h"
#include "io/io.h"
#include "sip/contact.h"

#include <sys/socket.h>

#define EXPIRES_MOST_S     (7 * 86400) /* a registrar's word is taken no further than that */
#define RETRY_AFTER_MOST_S 86400       /* the same for Retry-After */
#define JITTER_MOST_MS     60000       /* of a refresh */
#define DOUBLINGS_MOST     20          /* of the wait after a failure */

static void attempt(struct registration *registration);

static void destroy(void *arg)
{
    struct registration *registration = arg;
    timer_stop(loop_timers(registration->client->options.loop), &registration->timer);
    list_remove(&registration->link);
    uac_abandon(registration->uac);
    for (size_t i = 0; i < 2; i++)
        arena_reset(&registration->challenges[i].arena);
    memory_release(registration->terms);
    memory_release(registration->trunk);
}

static uint64_t wall_ms(const struct registration *registration)
{
    return io_wall_us(registration->client->options.io) / 1000;
}

static void count(struct registration *registration, enum counter counter)
{
    counter_count(registration->client->options.counters, counter);
}

static struct random *random_of(struct registration *registration)
{
    return proxy_random(registration->client->options.proxy);
}

/* ---- what is known of it ---- */

static void log_outcome(struct registration *registration, const struct trunk_outcome *outcome,
                        bool was_up, uint64_t wait_ms)
{
    struct log *log = registration->client->options.log;
    struct text call_id = trunk_call_id(registration->trunk);
    const char *name = registration->terms->name;
    if (outcome->state == TRUNK_UP && !was_up)
        log_info(log, LOG_TRUNK, call_id, "trunk %s is up: its binding lasts %llu s", name,
                 (unsigned long long)(outcome->expires_ms - wall_ms(registration)) / 1000);
    else if (outcome->state == TRUNK_DISABLED)
        log_info(log, LOG_TRUNK, call_id, "trunk %s is not registered any more", name);
    else if (outcome->state == TRUNK_DOWN)
        log_warning(log, LOG_TRUNK, call_id, "trunk %s is down: %u %.*s; next attempt in %llu s",
                    name, outcome->status, TEXT_ARG(outcome->reason),
                    (unsigned long long)wait_ms / 1000);
}

/* The trunk stands so from now on; the next attempt comes in @p wait_ms, 0: none is wanted. */
static void settle(struct registration *registration, struct trunk_outcome *outcome,
                   uint64_t wait_ms)
{
    const struct trunk_client_options *options = &registration->client->options;
    outcome->next_ms = wait_ms ? wall_ms(registration) + wait_ms : 0;
    outcome->failures = registration->failures;
    bool was_up = trunk_set_outcome(registration->trunk, outcome) == TRUNK_UP;
    log_outcome(registration, outcome, was_up, wait_ms);
    if (was_up == (outcome->state == TRUNK_UP) || !options->changed)
        return;
    struct trunk_view view;
    trunk_get_view(registration->trunk, &view);
    options->changed(options->changed_arg, &view, trunk_call_id(registration->trunk));
    trunk_view_release(&view);
}

static void on_timer(void *arg)
{
    attempt(arg);
}

static void plan(struct registration *registration, uint64_t wait_ms)
{
    timer_start(loop_timers(registration->client->options.loop), &registration->timer, wait_ms,
                on_timer, registration);
}

static bool is_wanted(const struct registration *registration)
{
    return !registration->is_gone && !registration->client->is_leaving &&
           !trunk_is_disabled(registration->trunk);
}

/* ---- after an attempt ---- */

/* Half to all of the upper bound (RFC 5626 s4.5). */
static uint64_t back_off_ms(struct registration *registration, bool is_refused)
{
    const struct settings *settings = proxy_settings(registration->client->options.proxy);
    uint64_t most_ms = settings->trunk_retry_most_s * 1000;
    unsigned doublings =
        registration->failures < DOUBLINGS_MOST ? registration->failures : DOUBLINGS_MOST;
    uint64_t bound_ms = (settings->trunk_retry_base_s * 1000) << doublings;
    if (is_refused || bound_ms > most_ms) /* the same credentials will hardly do better soon */
        bound_ms = most_ms;
    return bound_ms / 2 + random_below(random_of(registration), (uint32_t)(bound_ms / 2) + 1);
}

/* "120 (busy);duration=3600" (s20.33); 0: none. */
static uint64_t retry_after_ms(const struct message *response)
{
    const struct header *header = response ? message_header(response, HEADER_RETRY_AFTER) : NULL;
    struct text value = header ? header->value : TEXT_NONE;
    size_t n = 0;
    uint64_t seconds;
    while (n < value.n && value.p[n] >= '0' && value.p[n] <= '9')
        n++;
    if (!n || text_to_u64((struct text){value.p, n}, &seconds))
        return 0;
    return (seconds < RETRY_AFTER_MOST_S ? seconds : RETRY_AFTER_MOST_S) * 1000;
}

/* Nothing is bound any more, nor wanted. */
static void rest(struct registration *registration)
{
    struct trunk_outcome outcome = {.state = TRUNK_DISABLED, .reason = TEXT("not registered")};
    timer_stop(loop_timers(registration->client->options.loop), &registration->timer);
    registration->failures = 0;
    settle(registration, &outcome, 0);
    if (registration->is_gone)
        memory_release(registration);
}

/* Whatever the registrar said to that: who wants the binding again begins anew. */
static void removed(struct registration *registration)
{
    registration->is_bound = registration->is_removing = false;
    if (is_wanted(registration))
        plan(registration, 1);
    else
        rest(registration);
}

/* An attempt is over: what the operator or a reload wanted meanwhile is next. */
static bool go_on(struct registration *registration)
{
    if (!is_wanted(registration)) {
        registration_remove(registration);
        return true;
    }
    if (!registration->is_again)
        return false;
    registration_renew(registration);
    return true;
}

/* @param response  NULL: none came. @param why  instead of its phrase; NULL: the phrase */
static void fail(struct registration *registration, const struct message *response, const char *why,
                 bool is_refused)
{
    struct trunk_outcome outcome = {
        .state = TRUNK_DOWN,
        .status = response ? response->status : 0,
        .reason = why ? text_of(why) : response->reason,
    };
    count(registration, response ? COUNTER_TRUNK_REFUSED : COUNTER_TRUNK_UNANSWERED);
    if (registration->is_removing) {
        removed(registration);
        return;
    }
    registration->failures++;
    if (response) /* it has changed nothing */
        registration->is_bound = registration->was_bound;
    uint64_t wait_ms = back_off_ms(registration, is_refused), told_ms = retry_after_ms(response);
    if (wait_ms < told_ms)
        wait_ms = told_ms;
    settle(registration, &outcome, wait_ms);
    if (!go_on(registration))
        plan(registration, wait_ms);
}

/* Of the response's contacts, the one that we sent: its host and port are those of our Via. */
static bool is_ours(const struct registration *registration, const struct contact *contact,
                    const struct via *via)
{
    const struct uri *uri = &contact->address.uri;
    return text_equal(uri->user, text_of(registration->terms->contact_user)) &&
           text_equal_nocase(uri->host, via->host) &&
           (uri->port ? uri->port : 5060) == (via->port ? via->port : 5060);
}

/*
 * How long the binding lasts (s10.2.4): as our Contact says, else Expires, else as we asked. Behind
 * a NAT a registrar may have written another address into the Contact: then a lone one is ours.
 */
static uint32_t granted_s(struct registration *registration, struct message *response)
{
    struct contact *contacts;
    size_t contact_count = 0;
    bool is_star;
    uint32_t seconds = registration->expires_s;
    const struct via *via = message_via(response);
    const struct header *expires = message_header(response, HEADER_EXPIRES);
    if (expires)
        text_to_u32(expires->value, &seconds);
    if (!via || contact_list(&contacts, &contact_count, &is_star, response, &response->arena))
        contact_count = 0;
    for (size_t i = 0; i < contact_count; i++)
        if ((contact_count == 1 || is_ours(registration, &contacts[i], via)) &&
            contacts[i].has_expires)
            return contacts[i].expires_s;
    return seconds;
}

static void succeed(struct registration *registration, struct message *response)
{
    uint32_t seconds = granted_s(registration, response);
    if (registration->is_removing) {
        removed(registration);
        return;
    }
    if (!seconds) {
        fail(registration, response, "the registrar keeps no binding (expires=0)", false);
        return;
    }
    if (seconds > EXPIRES_MOST_S)
        seconds = EXPIRES_MOST_S;
    uint64_t jitter_ms = seconds * 50ull < JITTER_MOST_MS ? seconds * 50ull : JITTER_MOST_MS;
    uint64_t wait_ms =
        seconds * 900ull - random_below(random_of(registration), (uint32_t)jitter_ms + 1);
    struct trunk_outcome outcome = {
        .state = TRUNK_UP,
        .status = response->status,
        .reason = response->reason,
        .expires_ms = wall_ms(registration) + seconds * 1000ull,
    };
    count(registration, COUNTER_TRUNK_REGISTERED);
    registration->failures = 0;
    settle(registration, &outcome, wait_ms);
    if (!go_on(registration))
        plan(registration, wait_ms);
}

/* ---- what an answer asks for ---- */

static void submit(struct registration *registration);

/* @return is the longer time worth another try? */
static bool raise_expires(struct registration *registration, const struct message *response)
{
    const struct header *least = message_header_named(response, TEXT("Min-Expires"));
    uint32_t seconds;
    if (registration->is_raised || registration->is_removing || !least ||
        text_to_u32(least->value, &seconds) || seconds <= registration->expires_s ||
        seconds > EXPIRES_MOST_S)
        return false;
    registration->is_raised = true;
    registration->expires_s = seconds;
    return true;
}

static void refuse(struct registration *registration, struct message *response)
{
    const char *why = NULL;
    bool is_challenge = response->status == 401 || response->status == 407;
    if (is_challenge)
        count(registration, COUNTER_TRUNK_CHALLENGED);
    if ((is_challenge && challenge_take(registration, response, &why)) ||
        (response->status == 423 && raise_expires(registration, response)))
        submit(registration);
    else
        fail(registration, response, why, is_challenge || response->status == 403);
}

static void on_done(void *arg, struct message *response)
{
    struct registration *registration = arg;
    registration->uac = NULL;
    if (!response)
        fail(registration, NULL,
             registration->why == ERROR_NOT_FOUND ? "its name is unknown"
                                                  : error_text(registration->why),
             false);
    else if (response->status / 100 == 2)
        succeed(registration, response);
    else
        refuse(registration, response);
}

/* ---- sending ---- */

/* Expires: 0 is said of the one contact: another binding of that account is not ours (s10.2.2). */
static int print_headers(struct registration *registration, struct buffer *headers)
{
    buffer_printf(headers, "Expires: %u\r\n",
                  registration->is_removing ? 0 : registration->expires_s);
    return challenge_print(registration, headers);
}

/* One of the interface; uac_send() finds the one of the address's family. */
static const struct listener *listener_of(struct transport *transport, struct text interface)
{
    const struct listener *listener =
        transport_listener(transport, interface, TRANSPORT_UDP, AF_INET);
    return listener ? listener : transport_listener(transport, interface, TRANSPORT_UDP, AF_INET6);
}

static int send_request(struct registration *registration, struct buffer *from,
                        struct buffer *headers)
{
    char tag[12];
    const struct trunk_terms *terms = registration->terms;
    struct trunk *trunk = registration->trunk;
    struct proxy *proxy = registration->client->options.proxy;
    const struct listener *listener = NULL;
    int error = print_headers(registration, headers);
    if (error)
        return error;
    random_token(random_of(registration), tag, sizeof tag);
    buffer_printf(from, "<sip:%s@%s>", terms->user, terms->domain);
    size_t bare = from->n;
    buffer_printf(from, ";tag=%.*s", (int)sizeof tag, tag);
    if (from->error || headers->error)
        return ERROR_MEMORY;
    if (terms->interface)
        listener = listener_of(proxy_transport(proxy), text_of(terms->interface));
    const struct uac_request request = {
        .method = METHOD_REGISTER,
        .request_uri = text_of(terms->registrar),
        .next_hop = text_of(terms->proxy),
        .from = buffer_text(from),
        .to = {from->p, bare},
        .call_id = trunk_call_id(trunk),
        .cseq = ++trunk->cseq,
        .headers = buffer_text(headers),
        .contact_user = text_of(terms->contact_user),
        .listener = listener,
        .why = &registration->why,
        .cause = "trunk",
    };
    return uac_send(&registration->uac, proxy, &request, on_done, registration);
}

static void submit(struct registration *registration)
{
    struct buffer from = {0}, headers = {0};
    int error = send_request(registration, &from, &headers);
    buffer_release(&from);
    buffer_release(&headers);
    if (error) {
        fail(registration, NULL, error_text(error), false);
        return;
    }
    count(registration, COUNTER_TRUNK_SENT);
    if (!registration->is_removing)
        registration->is_bound = true; /* the answer may be lost */
}

static void begin(struct registration *registration, bool is_removing)
{
    timer_stop(loop_timers(registration->client->options.loop), &registration->timer);
    registration->is_removing = is_removing;
    registration->was_bound = registration->is_bound;
    registration->is_again = registration->is_raised = false;
    for (size_t i = 0; i < 2; i++)
        registration->challenges[i].is_answered = registration->challenges[i].was_stale = false;
    submit(registration);
}

static void attempt(struct registration *registration)
{
    if (is_wanted(registration))
        begin(registration, false);
}

/* ---- for the client ---- */

int registration_create(struct trunk_client *client, struct trunk *trunk, uint64_t delay_ms)
{
    struct registration *registration = memory_alloc(sizeof *registration, destroy);
    if (!registration)
        return ERROR_MEMORY;
    registration->client = client;
    registration->trunk = memory_ref(trunk);
    registration->terms = trunk_terms_of(trunk);
    registration->expires_s = registration->terms->expires_s;
    list_append(&client->registrations, &registration->link);
    if (is_wanted(registration))
        plan(registration, delay_ms);
    return 0;
}

void registration_renew(struct registration *registration)
{
    if (registration->uac)
        registration->is_again = true;
    else
        attempt(registration);
}

void registration_remove(struct registration *registration)
{
    if (registration->uac)
        return; /* go_on() comes here again */
    if (registration->is_bound)
        begin(registration, true);
    else
        rest(registration);
}

void registration_end(struct registration *registration)
{
    struct buffer from = {0}, headers = {0};
    bool is_told = registration->uac && registration->is_removing;
    if (registration->is_bound && !is_told) {
        uac_abandon(registration->uac);
        registration->uac = NULL;
        registration->is_removing = true;
        if (!send_request(registration, &from, &headers))
            count(registration, COUNTER_TRUNK_SENT);
    }
    buffer_release(&from);
    buffer_release(&headers);
    memory_release(registration);
}

void registration_take_terms(struct registration *registration)
{
    struct trunk_terms *terms = trunk_terms_of(registration->trunk);
    if (terms == registration->terms) {
        memory_release(terms);
        return;
    }
    memory_release(registration->terms);
    registration->terms = terms;
    registration->expires_s = terms->expires_s;
    registration->failures = 0;
    registration_renew(registration);
}
