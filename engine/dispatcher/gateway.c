/*
 * State and measurements of one gateway.
 *
 * State, probing bit and the count of results in a row share one atomic word; each event is a pure
 * function from word to word, applied by compare-and-swap, so that two workers who mark and probe
 * at once leave a state that one of the two orders would have left.
 */
#include "dispatcher/gateway.h"

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/list_file.h"

#include <math.h>

#define WORD_STATE    3u /* enum dispatcher_state */
#define WORD_PROBING  4u
#define WORD_COUNT    16   /* shift: failures in a row, or good answers while inactive */
#define ESTIMATE_KEEP 0.9  /* share of the old estimate, Kamailio's ds_latency_estimator_alpha */
#define SAMPLES_FIRST 10   /* until then the estimate is the average */
#define SAMPLES_MOST  2000 /* the average forgets what is older */

static void destroy(void *object)
{
    struct gateway *gateway = object;
    memory_free_raw(gateway->addresses);
}

struct gateway *gateway_create(unsigned set, struct text uri)
{
    struct gateway *gateway = memory_alloc(sizeof *gateway + uri.n, destroy);
    if (!gateway)
        return NULL;
    gateway->set = set;
    gateway->uri_bytes = (uint32_t)uri.n;
    memcpy(gateway->uri, uri.p, uri.n);
    atomic_init(&gateway->next_ping_ms, GATEWAY_PING_UNPLANNED);
    return gateway;
}

static enum dispatcher_state state_of(uint32_t word)
{
    return (enum dispatcher_state)(word & WORD_STATE);
}

static uint32_t word_of(enum dispatcher_state state, bool is_probing, unsigned count)
{
    return (uint32_t)state | (is_probing ? WORD_PROBING : 0) | (uint32_t)count << WORD_COUNT;
}

const char *dispatcher_state_letters(enum dispatcher_state state, bool is_probing)
{
    static const char *const letters[][2] = {
        {"AX", "AP"}, {"TX", "TP"}, {"IX", "IP"}, {"DX", "DP"}};
    return (unsigned)state < sizeof letters / sizeof *letters ? letters[state][is_probing] : "??";
}

enum dispatcher_state gateway_state(const struct gateway *gateway, bool *is_probing)
{
    uint32_t word = atomic_load(&gateway->word);
    if (is_probing)
        *is_probing = word & WORD_PROBING;
    return state_of(word);
}

bool gateway_is_usable(const struct gateway *gateway)
{
    return state_of(atomic_load_explicit(&gateway->word, memory_order_relaxed)) <=
           DISPATCHER_TRYING;
}

void gateway_set_flags(struct gateway *gateway, unsigned flags)
{
    enum dispatcher_state state = flags & DISPATCHER_FLAG_DISABLED   ? DISPATCHER_DISABLED
                                  : flags & DISPATCHER_FLAG_INACTIVE ? DISPATCHER_INACTIVE
                                  : flags & DISPATCHER_FLAG_TRYING   ? DISPATCHER_TRYING
                                                                     : DISPATCHER_ACTIVE;
    atomic_store(&gateway->word, word_of(state, flags & DISPATCHER_FLAG_PROBING, 0));
}

/*
 * Deviation: Kamailio takes the probing bit away from a gateway that fails in mode 0, which then is
 * never asked again; here a failing gateway keeps it.
 */
static uint32_t after_failure(uint32_t word, const struct gateway_rules *rules)
{
    bool is_probing = rules->probing_mode != 0 || (word & WORD_PROBING);
    unsigned count = (word >> WORD_COUNT) + 1;
    switch (state_of(word)) {
    case DISPATCHER_DISABLED: return word;
    case DISPATCHER_INACTIVE: return word_of(DISPATCHER_INACTIVE, is_probing, 0);
    default: break;
    }
    if (count >= rules->probing_threshold)
        return word_of(DISPATCHER_INACTIVE, is_probing, 0);
    return word_of(DISPATCHER_TRYING, is_probing, count);
}

static uint32_t after_success(uint32_t word, const struct gateway_rules *rules)
{
    bool was_probing = word & WORD_PROBING;
    unsigned count = (word >> WORD_COUNT) + 1;
    if (state_of(word) == DISPATCHER_DISABLED)
        return word;
    if (state_of(word) == DISPATCHER_INACTIVE && count < rules->inactive_threshold)
        return word_of(DISPATCHER_INACTIVE, was_probing, count);
    /* Modes 0 and 2 probe until it is well again; 1 probes all, 3 whoever was flagged, for ever. */
    bool is_probing = rules->probing_mode == 1 || (rules->probing_mode == 3 && was_probing);
    return word_of(DISPATCHER_ACTIVE, is_probing, 0);
}

typedef uint32_t transition(uint32_t word, const struct gateway_rules *rules);

static bool apply(struct gateway *gateway, transition *next, const struct gateway_rules *rules)
{
    uint32_t old = atomic_load(&gateway->word), new;
    do
        new = next(old, rules);
    while (!atomic_compare_exchange_weak(&gateway->word, &old, new));
    return state_of(old) != state_of(new);
}

bool gateway_fail(struct gateway *gateway, const struct gateway_rules *rules)
{
    return apply(gateway, after_failure, rules);
}

bool gateway_succeed(struct gateway *gateway, const struct gateway_rules *rules)
{
    return apply(gateway, after_success, rules);
}

/* What a mark asks for. */
struct mark {
    enum dispatcher_state state;
    enum { PROBING_KEEP, PROBING_ON, PROBING_OFF } probing;
};

/*
 * Words of our own. "inactive" is until a ping succeeds, where pings are sent at all; "probing" promises
 * that one will be, and is refused where nothing would ever bring the gateway back.
 */
static int parse_mark_word(struct mark *mark, struct text t, const struct gateway_rules *rules)
{
    static const struct {
        struct text word;
        struct mark mark;
    } words[] = {
        {{"active", 6}, {DISPATCHER_ACTIVE, PROBING_KEEP}},
        {{"inactive", 8}, {DISPATCHER_INACTIVE, PROBING_ON}},
        {{"probing", 7}, {DISPATCHER_INACTIVE, PROBING_ON}},
        {{"disabled", 8}, {DISPATCHER_DISABLED, PROBING_KEEP}},
        {{"trying", 6}, {DISPATCHER_TRYING, PROBING_KEEP}},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text_equal_nocase(t, words[i].word)) {
            *mark = words[i].mark;
            if (!rules->is_pinged && text_equal_nocase(t, TEXT("probing")))
                return ERROR_UNSUPPORTED;
            if (mark->probing == PROBING_ON && !rules->is_pinged)
                mark->probing = PROBING_KEEP;
            return 0;
        }
    return ERROR_SYNTAX;
}

/* Kamailio's letters: one of A I T D, then perhaps P or X; "P" alone is active and probing. */
static int parse_mark_letters(struct mark *mark, struct text t)
{
    static const char states[] = "atid"; /* in the order of enum dispatcher_state */
    if (t.n < 1 || t.n > 2)
        return ERROR_SYNTAX;
    char first = (char)(t.p[0] | 0x20), second = t.n == 2 ? (char)(t.p[1] | 0x20) : 'x';
    if (t.n == 1 && first == 'p') {
        *mark = (struct mark){DISPATCHER_ACTIVE, PROBING_ON};
        return 0;
    }
    const char *at = memchr(states, first, sizeof states - 1);
    if (!at || (second != 'p' && second != 'x'))
        return ERROR_SYNTAX;
    mark->state = (enum dispatcher_state)(at - states);
    mark->probing = second == 'p' ? PROBING_ON : PROBING_OFF;
    return 0;
}

static bool probing_after(const struct mark *mark, uint32_t word)
{
    return mark->probing == PROBING_KEEP ? (word & WORD_PROBING) != 0 : mark->probing == PROBING_ON;
}

/* @return false when the gateway is disabled and the mark is not the operator's way back */
static bool mark_word(uint32_t *word, const struct mark *mark, const struct gateway_rules *rules)
{
    uint32_t old = *word;
    bool is_probing = probing_after(mark, old);
    if (state_of(old) == DISPATCHER_DISABLED && mark->state != DISPATCHER_ACTIVE &&
        mark->state != DISPATCHER_DISABLED)
        return false;
    if (mark->state != DISPATCHER_TRYING) {
        *word = word_of(mark->state, is_probing, 0);
        return true;
    }
    /* A route reports one failure: it counts like a failed ping. */
    uint32_t failed = after_failure(old, rules);
    *word = word_of(state_of(failed), is_probing, failed >> WORD_COUNT);
    return true;
}

int gateway_mark(struct gateway *gateway, struct text state, const struct gateway_rules *rules)
{
    struct mark mark;
    int error = parse_mark_word(&mark, state, rules);
    if (error == ERROR_SYNTAX)
        error = parse_mark_letters(&mark, state);
    if (error)
        return error;
    uint32_t old = atomic_load(&gateway->word), new;
    do {
        new = old;
        if (!mark_word(&new, &mark, rules))
            return ERROR_STATE;
    } while (!atomic_compare_exchange_weak(&gateway->word, &old, new));
    return 0;
}

bool gateway_wants_ping(const struct gateway *gateway, const struct gateway_rules *rules)
{
    uint32_t word = atomic_load(&gateway->word);
    if (state_of(word) == DISPATCHER_DISABLED)
        return false;
    switch (rules->probing_mode) {
    case 1: return true;
    case 2: return (word & WORD_PROBING) && state_of(word) == DISPATCHER_INACTIVE;
    default: return word & WORD_PROBING;
    }
}

static void store_us(_Atomic uint32_t *to, double ms)
{
    atomic_store_explicit(to, ms * 1000 < UINT32_MAX ? (uint32_t)(ms * 1000) : UINT32_MAX,
                          memory_order_relaxed);
}

static double load_ms(const _Atomic uint32_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed) / 1000.0;
}

void gateway_measure(struct gateway *gateway, uint32_t latency_ms)
{
    uint32_t count = gateway->ping_count;
    if (count < SAMPLES_MOST)
        count++;
    else
        gateway->squares_ms -= gateway->squares_ms / count;
    double before = latency_ms - gateway->mean_ms;
    gateway->mean_ms += before / count;
    gateway->squares_ms += before * (latency_ms - gateway->mean_ms);
    double estimate = gateway->mean_ms;
    if (count > SAMPLES_FIRST)
        estimate =
            load_ms(&gateway->estimate_us) * ESTIMATE_KEEP + latency_ms * (1 - ESTIMATE_KEEP);
    store_us(&gateway->average_us, gateway->mean_ms);
    store_us(&gateway->deviation_us, count > 1 ? sqrt(gateway->squares_ms / (count - 1)) : 0);
    store_us(&gateway->estimate_us, estimate);
    if (latency_ms > load_ms(&gateway->max_us))
        store_us(&gateway->max_us, latency_ms);
    atomic_store_explicit(&gateway->ping_count, count, memory_order_relaxed);
}

void gateway_set_latency(struct gateway *gateway, uint32_t latency_ms)
{
    gateway->mean_ms = latency_ms;
    gateway->squares_ms = 0;
    store_us(&gateway->average_us, latency_ms);
    store_us(&gateway->estimate_us, latency_ms);
    store_us(&gateway->max_us, latency_ms);
    atomic_store_explicit(&gateway->ping_count, SAMPLES_MOST, memory_order_relaxed);
}

uint32_t gateway_congestion_us(const struct gateway *gateway)
{
    uint32_t estimate = atomic_load_explicit(&gateway->estimate_us, memory_order_relaxed);
    uint32_t average = atomic_load_explicit(&gateway->average_us, memory_order_relaxed);
    return estimate > average ? estimate - average : 0;
}

/* One call; holds its gateway, whatever became of the list. */
struct load_token {
    struct gateway *gateway;
};

static void destroy_token(void *object)
{
    struct load_token *token = object;
    atomic_fetch_sub_explicit(&token->gateway->calls, 1, memory_order_relaxed);
    memory_release(token->gateway);
}

void *gateway_load_token(struct gateway *gateway)
{
    struct load_token *token = memory_alloc(sizeof *token, destroy_token);
    if (!token)
        return NULL;
    token->gateway = memory_ref(gateway);
    atomic_fetch_add_explicit(&gateway->calls, 1, memory_order_relaxed);
    return token;
}
