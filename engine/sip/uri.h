/* SIP, SIPS and TEL URIs (RFC 3261 s19.1, RFC 3966). */
#pragma once

#include "base/arena.h"

enum uri_scheme { URI_OTHER, URI_SIP, URI_SIPS, URI_TEL };

/** All texts borrowed from what was parsed, still escaped. */
struct uri {
    enum uri_scheme scheme;
    struct text whole;
    struct text scheme_text;
    struct text user; /**< absent without '@'; for tel the number */
    struct text password;
    struct text host;    /**< IPv6 with brackets; absent for tel */
    uint16_t port;       /**< 0: not written */
    struct text params;  /**< after the host's ';', without it; absent when none */
    struct text headers; /**< after '?'; absent when none */
};

/** @return 0 or ERROR_SYNTAX */
int uri_parse(struct uri *uri, struct text t);
/** Value of a URI parameter: absent when not there, empty (not absent) when it has no value. */
struct text uri_param(const struct uri *uri, struct text name);
/** lr parameter (RFC 3261 s19.1.1). */
bool uri_is_loose(const struct uri *uri);
/** Comparison by RFC 3261 s19.1.4. */
bool uri_equal(const struct uri *a, const struct uri *b);
/**
 * The value of a header in a URI as that header has it: "%3B" becomes ";".
 * @return in the arena; absent: without memory, malformed, or with what is no printable ASCII
 */
struct text uri_unescape(struct arena *arena, struct text t);
/** Find NAME or NAME=VALUE in a ';'-separated list; quotes respected. Same result rules as uri_param(). */
struct text param_find(struct text params, struct text name);
