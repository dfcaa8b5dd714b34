/* One trunk's registration: REGISTER and its answers (RFC 3261 s10.2). Of its owner's thread. */
#pragma once

#include "base/arena.h"
#include "base/timer.h"
#include "route/uac.h"
#include "sip/digest.h"
#include "trunk/client.h"
#include "trunk/internal.h"

struct trunk_client {
    struct trunk_client_options options;
    struct list registrations;
    bool is_leaving;
};

/** A challenge and what was made of it; kept, so that a refresh needs no second round. */
struct challenge {
    struct arena arena;   /* texts of digest */
    struct digest digest; /* nonce absent: there was none */
    uint32_t nc;          /* requests with its nonce */
    bool is_answered;     /* in this attempt */
    bool was_stale;       /* the same: the nonce of that answer was said to be too old */
};

struct registration {
    struct link link;               /* in client->registrations, which holds the reference */
    struct trunk_client *client;    /* borrowed: its holder */
    struct trunk *trunk;            /* reference */
    struct trunk_terms *terms;      /* reference: those of the last follow */
    struct timer timer;             /* of the next REGISTER */
    struct uac *uac;                /* borrowed; NULL: nothing is under way */
    int why;                        /* see uac_request.why */
    struct challenge challenges[2]; /* of the registrar (401), of a proxy (407) */
    uint32_t expires_s;             /* to ask for: the terms', or what a 423 made of it */
    unsigned failures;              /* in a row */
    bool is_bound;                  /* the registrar may have a binding of ours */
    bool was_bound;                 /* when the attempt began */
    bool is_removing;               /* what is under way takes it back */
    bool is_again;                  /* another REGISTER when this one is over */
    bool is_raised;                 /* 423 was obeyed in this attempt */
    bool is_gone;                   /* from the configuration: ends when nothing is bound */
};

/** @param delay_ms  until the first REGISTER. @return 0 or ERROR_MEMORY */
int registration_create(struct trunk_client *client, struct trunk *trunk, uint64_t delay_ms);
/** A new attempt, now; after what is under way. */
void registration_renew(struct registration *registration);
/** Take the binding back, now; after what is under way. */
void registration_remove(struct registration *registration);
/** The same without waiting for an answer, and the end of it. */
void registration_end(struct registration *registration);
/** The terms of the trunk have changed: take them, and register anew. */
void registration_take_terms(struct registration *registration);

/* ---- challenge.c ---- */

/**
 * Take the challenge of a 401 or 407.
 * @param why  receives why it will not be answered, static
 * @return can it be answered?
 */
bool challenge_take(struct registration *registration, const struct message *response,
                    const char **why);
/** Print a line of credentials for each challenge that is kept. @return 0, ERROR_UNSUPPORTED, ERROR_MEMORY */
int challenge_print(struct registration *registration, struct buffer *out);
