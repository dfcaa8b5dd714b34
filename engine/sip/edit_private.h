/* What edit.c and edit_print.c share. */
#pragma once

#include "sip/edit.h"

/** One line that is sent otherwise than it was received. */
struct edit_item {
    const struct header *header; /**< in the message's arena; NULL: the line is removed */
    uint32_t place;              /**< of the line */
    uint32_t at; /**< index of the received line that it stands for, or is added before */
};

/** All that is changed, here or below; a layer begins with what its parent has. */
struct changes {
    struct edit_item *items; /* in the order of sending */
    uint32_t count;
    uint32_t last_place;     /* of the line that was added last */
    uint64_t added_kinds;    /* one bit for each kind of which a line was added */
    uint64_t changed_kinds;  /* the same of received lines that are changed or removed */
    struct text request_uri; /* absent: as received */
    struct text body;        /* absent: as received */
    unsigned status;         /* 0: as received */
    struct text reason;
};

/* In the message's arena, as its texts and items are. */
struct edits {
    struct message *message;
    uint32_t room; /* of the items; 0 while they are the parent's, or none */
    struct changes changes;
};
