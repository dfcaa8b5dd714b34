/* Pinging gateways: who is due, and what an answer means. Sending is the worker's. */
#include "dispatcher/internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rows.h"

#define FIRST_PINGS_MS 50 /* distance of the first pings after a start, where the interval allows */

static bool parse_reply_code(struct dispatcher_terms *terms, struct text value, struct text name)
{
    uint32_t number;
    if (text_to_u32(value, &number))
        return false;
    if (text_equal_nocase(name, TEXT("code"))) {
        if (number < 100 || number >= REPLY_CODES)
            return false;
        terms->good_replies[number] = true;
        return true;
    }
    if (!text_equal_nocase(name, TEXT("class")) || number < 1 || number > 6)
        return false;
    for (uint32_t code = number * 100; code < number * 100 + 100; code++)
        terms->good_replies[code] = true;
    return true;
}

int dispatcher_parse_reply_codes(struct dispatcher_terms *terms, char **fault)
{
    for (unsigned code = 200; code < 300; code++)
        terms->good_replies[code] = true;
    struct text rest = text_of(terms->options.ping_reply_codes);
    while (text_is_set(rest)) {
        struct text word = text_trim(text_split(&rest, ';'));
        struct text value = word;
        struct text name = text_split(&value, '=');
        if (word.n &&
            (!text_is_set(value) || !parse_reply_code(terms, text_trim(value), text_trim(name))))
            return rows_fault(fault, ERROR_SYNTAX,
                              "dispatcher ping reply codes: \"%.*s\" is none; write "
                              "class=2;code=403",
                              TEXT_ARG(word));
    }
    return 0;
}

static bool is_pinged(const struct gateway_rules *rules,
                      const struct dispatcher_destination *destination)
{
    return !(destination->flags & (DISPATCHER_FLAG_NO_PING | DISPATCHER_FLAG_NO_DNS)) &&
           gateway_wants_ping(destination->gateway, rules);
}

/*
 * First sight plans the gateway's pings: soon, and a little apart, so that a long list does not leave
 * as one burst. Afterwards they keep their beat.
 * @return true when this caller is the one to ping now
 */
static bool take_turn(struct gateway *gateway, uint64_t now_ms, uint64_t first_ms,
                      uint64_t interval_ms)
{
    uint64_t due = atomic_load(&gateway->next_ping_ms);
    if (due == GATEWAY_PING_UNPLANNED) {
        if (!atomic_compare_exchange_strong(&gateway->next_ping_ms, &due, first_ms))
            return false;
        due = first_ms;
    }
    if (now_ms < due)
        return false;
    uint64_t next = due + interval_ms > now_ms ? due + interval_ms : now_ms + interval_ms;
    return atomic_compare_exchange_strong(&gateway->next_ping_ms, &due, next);
}

struct dispatcher_destination *dispatcher_ping_due(struct dispatcher *dispatcher, uint64_t now_ms)
{
    struct dispatcher_terms *terms = dispatcher_terms(dispatcher);
    uint64_t interval_ms = terms->options.ping_interval_s * UINT64_C(1000);
    struct dispatcher_destination *due = NULL;
    struct snapshot *snapshot = dispatcher_snapshot(dispatcher);
    uint64_t apart_ms = snapshot->count ? interval_ms / snapshot->count : 0;
    if (apart_ms > FIRST_PINGS_MS)
        apart_ms = FIRST_PINGS_MS;
    for (size_t i = 0; interval_ms && i < snapshot->count && !due; i++) {
        struct dispatcher_destination *destination = snapshot->destinations[i];
        if (is_pinged(&terms->rules, destination) &&
            take_turn(destination->gateway, now_ms, now_ms + i * apart_ms, interval_ms))
            due = memory_ref(destination);
    }
    memory_release(snapshot);
    memory_release(terms);
    return due;
}

void dispatcher_log_state(struct dispatcher *dispatcher,
                          const struct dispatcher_destination *destination, const char *why)
{
    struct log *log = dispatcher->log;
    bool is_probing;
    enum dispatcher_state state = gateway_state(destination->gateway, &is_probing);
    if (!log)
        return;
    log_at(log, state == DISPATCHER_ACTIVE ? LOG_INFO : LOG_WARNING, LOG_DISPATCHER, TEXT_NONE,
           "gateway %.*s of set %u is now %s: %s", TEXT_ARG(destination->uri), destination->set,
           dispatcher_state_letters(state, is_probing), why);
}

bool dispatcher_ping_result(struct dispatcher *dispatcher,
                            struct dispatcher_destination *destination, unsigned status,
                            uint32_t latency_ms)
{
    struct gateway *gateway = destination->gateway;
    struct dispatcher_terms *terms = dispatcher_terms(dispatcher);
    bool is_good = status < REPLY_CODES && terms->good_replies[status], is_changed = false;
    if (status == DISPATCHER_NO_ANSWER || (status == 408 && !is_good)) {
        atomic_fetch_add_explicit(&gateway->timeouts, 1, memory_order_relaxed);
    } else {
        pthread_mutex_lock(&dispatcher->mutex);
        gateway_measure(gateway, latency_ms);
        pthread_mutex_unlock(&dispatcher->mutex);
    }
    /* The operator, or a reload, may have ended its probing while the ping was out. */
    if (gateway_wants_ping(gateway, &terms->rules))
        is_changed = is_good ? gateway_succeed(gateway, &terms->rules)
                             : gateway_fail(gateway, &terms->rules);
    memory_release(terms);
    if (is_changed)
        dispatcher_log_state(dispatcher, destination,
                             is_good ? "it answers" : "it does not answer");
    return is_changed;
}
