/*
 * Kamailio's table of users, `subscriber`, for a command: each call waits for the database. Columns that count:
 * username, domain, password, ha1 (MD5 of user:realm:password, the realm being the domain) and ha1b (the same of
 * user@domain). Others have their defaults. In SQLite the table is made when there is none.
 */
#pragma once

#include "base/settings.h"
#include "base/text.h"
#include "io/io.h"

struct subscribers; /* counted */

struct subscriber {
    struct text username, domain;
    struct text password;
    bool is_ha1_only; /**< the password is not kept: digests of MD5 only can be told then */
};

/**
 * @param subscribersp  returned owned
 * @param io            borrowed, of the real world
 * @param settings      block database; copied
 * @return 0; ERROR_ARGUMENT (the URL); ERROR_LIMIT (threads), ERROR_MEMORY
 */
int subscribers_open(struct subscribers **subscribersp, struct io *io, const char *url,
                     const struct settings *settings);
/** Why the last call failed, in the words of the database; "": it said nothing. @param room  written, cut to its size */
void subscribers_problem(struct subscribers *subscribers, char *room, size_t size_bytes);

/** Add a user. @return 0; ERROR_STATE (there already), as answers of databases (struct database_answer) */
int subscribers_add(struct subscribers *subscribers, const struct subscriber *user);
/** Give a user another password. @return 0; ERROR_NOT_FOUND, as answers of databases */
int subscribers_change(struct subscribers *subscribers, const struct subscriber *user);
/** Remove a user. @return 0; ERROR_NOT_FOUND, as answers of databases */
int subscribers_remove(struct subscribers *subscribers, struct text username, struct text domain);

/** Texts are borrowed. */
typedef void subscriber_visitor(void *arg, struct text username, struct text domain);
/**
 * Visit all users by name and domain, however many.
 * @param domain  of this one alone; absent: of all
 * @return 0, as answers of databases
 */
int subscribers_list(struct subscribers *subscribers, struct text domain, subscriber_visitor *visit,
                     void *arg);
