/*
 * The parts of a database's URL, percent-decoded. Options behind '?', for both kinds with a server:
 *   tls=off|prefer|require|verify   prefer is the default; verify checks the server's certificate and name
 *   ca=PATH cert=PATH key=PATH      certificates and key, PEM
 *   socket=PATH                     Unix socket: PostgreSQL's directory, MariaDB's socket file
 */
#pragma once

#include "base/text.h"

struct database_operations;

enum database_tls {
    DATABASE_TLS_PREFER,
    DATABASE_TLS_OFF,
    DATABASE_TLS_REQUIRE,
    DATABASE_TLS_VERIFY
};

/** Counted. Strings are owned; NULL where the URL says nothing. */
struct database_url {
    const struct database_operations *operations;
    enum database_tls tls;
    uint16_t port; /**< 0: the kind's own */
    const char *user, *password, *host, *name, *socket, *ca, *certificate, *key;
    const char *shown; /**< without user, password and options */
};

/**
 * @param urlp  returned owned
 * @return 0; ERROR_ARGUMENT with *problem, static; ERROR_MEMORY
 */
int database_url_parse(struct database_url **urlp, const char *text, const char **problem);
