/* One line of the list as it was loaded; immutable, but for the gateway that it points to. */
#pragma once

#include "dispatcher/gateway.h"
#include "dispatcher/list_file.h"

struct dispatcher_destination {
    struct gateway *gateway; /**< shared; set before the snapshot is published */
    unsigned set, flags;
    int priority;
    size_t order;                /**< place in the files */
    unsigned weight;             /**< share in hundred, algorithm 9; 0: none written */
    unsigned rweight;            /**< relative share, algorithm 11; 0: none written */
    unsigned maxload;            /**< most calls at once, algorithm 10; 0: any */
    unsigned latency_ms;         /**< initial latency; 0: none written */
    bool has_congestion_control; /**< cc=1 */
    uint64_t hash;               /**< of the URI, for the hashing algorithms */
    struct address address; /**< of the URI's host when it is an address, port as written or 0 */
    uint16_t port;          /**< as written, 0 without */
    struct text uri, attrs; /**< in texts; attrs may be absent */
    char texts[];
};

/**
 * @param name   of the file, for faults
 * @param fault  filled on ERROR_SYNTAX
 * @return 0, ERROR_SYNTAX (not a SIP URI, attribute out of range), ERROR_MEMORY; returned owned
 */
int destination_create(struct dispatcher_destination **destinationp,
                       const struct dispatcher_line *line, const char *name, char **fault);
/** Hash of @p t that is the same on every machine and in every run. */
uint64_t destination_hash(struct text t);
