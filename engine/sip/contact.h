/* Contact header fields (RFC 3261 s20.10) with what registrations put into them. */
#pragma once

#include "sip/message.h"

#define CONTACT_Q_NONE (-1)
#define CONTACT_Q_MAX  1000 /* q=1 */
/** What a malformed expires counts as (RFC 3261 s10.2.1.1). */
#define CONTACT_EXPIRES_MALFORMED_S 3600

/** One Contact; texts borrowed from what was parsed. */
struct contact {
    struct name_addr address;
    int q;              /**< thousandths, 0 to 1000; CONTACT_Q_NONE when not said */
    bool has_expires;   /**< an expires parameter is there */
    uint32_t expires_s; /**< its value; 3600 when malformed */
    struct text
        instance;     /**< +sip.instance without quotes, "<urn:uuid:...>" (RFC 5626); or absent */
    uint32_t reg_id;  /**< RFC 5626; 0 when not said or malformed */
    uint32_t methods; /**< methods parameter as method_set.h bits; 0 when not said */
};

/** Parse one element. @return 0; ERROR_SYNTAX: no address, or a q that is none */
int contact_parse(struct contact *contact, struct text element);
/**
 * All Contact header fields of a message, comma-joined or not.
 * @param contacts  array in @p arena; NULL with none
 * @param is_star   "*" stands there (RFC 3261 s10.2.2), beside @p count others, which is a mistake
 * @return 0, ERROR_SYNTAX, ERROR_MEMORY
 */
int contact_list(struct contact **contacts, size_t *count, bool *is_star,
                 const struct message *message, struct arena *arena);
