/* Peer learning; the rules are in learn.h. */
#include "media/learn.h"

/* How well a source fits what signalling said; smaller is better. */
enum rank {
    RANK_EXACT,    /* the SDP's address and port */
    RANK_HOST,     /* the SDP's host, another port: a NAT that keeps the address */
    RANK_SIP_HOST, /* where the party's SIP comes from: a NAT in front of it */
    RANK_PORT,     /* a stranger with the SDP's port */
    RANK_OTHER,    /* a stranger */
    RANK_NONE,     /* no source yet */
};

const char *learn_mode_name(enum learn_mode mode)
{
    static const char *const names[] = {
#define XX(name, text) text,
        LEARN_MODES(XX)
#undef XX
    };
    return names[mode];
}

static enum rank rank_of(const struct learn *learn, const struct address *source,
                         const struct address *host)
{
    if (address_is_set(&learn->expected)) {
        if (address_equal(source, &learn->expected))
            return RANK_EXACT;
        if (address_equal_host(source, &learn->expected))
            return RANK_HOST;
    }
    if (address_is_set(host) && address_equal_host(source, host))
        return RANK_SIP_HOST;
    if (address_is_set(&learn->expected) && address_port(source) == address_port(&learn->expected))
        return RANK_PORT;
    return RANK_OTHER;
}

bool learn_start(struct learn *learn, const struct address *expected, enum learn_mode mode,
                 bool is_strict, uint64_t window_end_ms)
{
    bool is_new = address_is_set(expected) != address_is_set(&learn->expected) ||
                  (address_is_set(expected) && !address_equal(expected, &learn->expected));
    if (is_new)
        learn->source = (struct address){0};
    learn->expected = *expected;
    learn->mode = (uint8_t)mode;
    learn->is_strict = is_strict;
    learn->is_locked = false;
    learn->rank = RANK_NONE;
    learn->window_end_ms = window_end_ms;
    return is_new;
}

/* Follow @p source. */
static enum learn_verdict take(struct learn *learn, const struct address *source, enum rank rank,
                               bool lock)
{
    bool is_same = address_is_set(&learn->source) && address_equal(source, &learn->source);
    learn->source = *source;
    learn->rank = (uint8_t)rank;
    learn->is_locked = lock;
    return is_same ? LEARN_PASS : LEARN_MOVED;
}

/* Somebody else than the one we follow. */
static enum learn_verdict foreign(const struct learn *learn)
{
    return learn->is_strict ? LEARN_DROP : LEARN_PASS;
}

/* A source that may be followed, before anything is final. */
static enum learn_verdict compete(struct learn *learn, const struct address *source, enum rank rank,
                                  uint64_t now_ms)
{
    if (rank == RANK_EXACT && learn->mode == LEARN_HEURISTIC)
        return take(learn, source, rank, true);
    if (now_ms >= learn->window_end_ms) {
        if (learn->rank == RANK_NONE)
            return take(learn, source, rank, true);
        learn->is_locked = true;
        return address_equal(source, &learn->source) ? LEARN_PASS : foreign(learn);
    }
    if (learn->mode == LEARN_DELAYED || rank < learn->rank)
        return take(learn, source, rank, false);
    return address_equal(source, &learn->source) ? LEARN_PASS : foreign(learn);
}

enum learn_verdict learn_packet(struct learn *learn, const struct address *source,
                                const struct address *host, uint64_t now_ms)
{
    if (learn->is_locked)
        return address_equal(source, &learn->source) ? LEARN_PASS : foreign(learn);
    enum rank rank = rank_of(learn, source, host);
    switch ((enum learn_mode)learn->mode) {
    case LEARN_OFF: return rank == RANK_EXACT ? take(learn, source, rank, true) : foreign(learn);
    case LEARN_IMMEDIATE: return take(learn, source, rank, true);
    case LEARN_HEURISTIC:
    case LEARN_DELAYED: break;
    }
    if (rank >= RANK_PORT && learn->is_strict)
        return LEARN_DROP;
    return compete(learn, source, rank, now_ms);
}

bool learn_is_peer(const struct learn *learn, const struct address *source)
{
    if (address_is_set(&learn->source))
        return address_equal(source, &learn->source);
    return address_is_set(&learn->expected) && address_equal_host(source, &learn->expected);
}
