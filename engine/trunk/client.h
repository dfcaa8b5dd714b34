/*
 * What one worker does for the trunks whose Call-ID is its own: REGISTER, refresh, retry, and take
 * the binding back. On its thread.
 */
#pragma once

#include "route/proxy.h"
#include "trunk/trunk.h"

struct trunk_client; /* counted */

/** A trunk went up, or is up no more. @p view  borrowed */
typedef void trunk_changed_handler(void *arg, const struct trunk_view *view, struct text call_id);

/** All borrowed, outliving the client. */
struct trunk_client_options {
    struct io *io;
    struct loop *loop;
    struct proxy *proxy;
    struct trunks *trunks;
    struct log *log;
    struct counters *counters;
    bool (*is_home)(void *arg, struct text call_id); /**< is that Call-ID this worker's? */
    trunk_changed_handler *changed;
    void *home_arg, *changed_arg;
};

/** @return 0 or ERROR_MEMORY */
int trunk_client_create(struct trunk_client **clientp, const struct trunk_client_options *options);
/** At the start and after each trunks_commit(): begin what is new, end what is gone, take new terms. */
void trunk_client_follow(struct trunk_client *client);

/** What an operator wants of a trunk. */
enum trunk_order {
    TRUNK_REFRESH, /**< REGISTER now */
    TRUNK_DISABLE, /**< take the binding back, and register no more */
    TRUNK_ENABLE,  /**< the end of that */
};
/** @return false: it is another worker's, or the operator has disabled what is to be refreshed */
bool trunk_client_order(struct trunk_client *client, struct trunk *trunk, enum trunk_order order);

/** The engine will stop: take every binding back, begin nothing any more. */
void trunk_client_leave(struct trunk_client *client);
/** Registrations that are still there at a registrar, or under way, after trunk_client_leave(). */
size_t trunk_client_left(const struct trunk_client *client);
/** At once: bindings that are left are taken back by a request whose answer nobody waits for. */
void trunk_client_stop(struct trunk_client *client);
