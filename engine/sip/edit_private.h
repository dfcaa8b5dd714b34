/* What edit.c and edit_print.c share. */
#pragma once

#include "sip/edit.h"

/** One header line as it will be sent, in a chain. */
struct edit_item {
    const struct header *header; /**< of the message or of an edits' arena */
    uint32_t next;               /**< place of the next one, 0 at the end */
    bool is_removed;             /**< keeps its place, so that a view of it can go on to the next */
};

struct edits {
    struct message *message; /* shared */
    struct edits *parent;    /* shared; NULL for none */
    struct arena arena;      /* of texts and items */
    struct edit_item
        *items; /* NULL while no header of this layer is changed; item of place i at [i] */
    uint64_t added_kinds;    /* one bit for each kind of which a line was added, here or below */
    uint32_t count, room;    /* items[0] is the head of the chain and no header */
    uint32_t last;           /* place at the end of the chain */
    struct text request_uri; /* absent: as received */
    struct text body;        /* absent: as received */
    unsigned status;         /* 0: as received */
    struct text reason;
};

/** The nearest layer with items; NULL when all headers are as received. */
const struct edits *edits_layer(const struct edits *edits);
