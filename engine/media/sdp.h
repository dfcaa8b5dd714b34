/*
 * An SDP as it was received: its lines, and what the relay must know of each m= line (RFC 8866,
 * RFC 3264). Nothing is copied and nothing unknown is refused: sdp_rewrite.h edits these lines.
 */
#pragma once

#include "base/address.h"
#include "base/arena.h"
#include "base/text.h"

/** What the relay must tell apart in the third word of m=. */
#define SDP_PROTOCOLS(XX)                                                                          \
    XX(OTHER, "") /* not RTP: relayed as it is when it runs on UDP */                              \
    XX(AVP, "RTP/AVP")                                                                             \
    XX(AVPF, "RTP/AVPF")                                                                           \
    XX(SAVP, "RTP/SAVP")                                                                           \
    XX(SAVPF, "RTP/SAVPF")                                                                         \
    XX(TLS_SAVP, "UDP/TLS/RTP/SAVP")                                                               \
    XX(TLS_SAVPF, "UDP/TLS/RTP/SAVPF")

enum sdp_protocol {
#define XX(name, text) SDP_##name,
    SDP_PROTOCOLS(XX)
#undef XX
};
/** @return "RTP/AVP" and so on, "" for SDP_OTHER */
const char *sdp_protocol_name(enum sdp_protocol protocol);
/** RTP in clear text, with or without feedback. */
static inline bool sdp_protocol_is_plain(enum sdp_protocol protocol)
{
    return protocol == SDP_AVP || protocol == SDP_AVPF;
}

/** RFC 3264 s5.1. */
enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

/** One line. */
struct sdp_line {
    struct text whole; /**< with its line end */
    struct text value; /**< behind "x=", without line end */
    char type;         /**< 'a' of "a=..."; 0: not a line of SDP, kept as it is */
};

/** A c= line or the address of a=rtcp. */
struct sdp_connection {
    bool is_present;
    bool is_zero;           /**< 0.0.0.0 or ::, the old way to hold (RFC 3264 s8.4) */
    int family;             /**< of the address, else of the word before it */
    struct address address; /**< AF_UNSPEC: a host name, which we do not look up */
};

/** One m= line and what belongs to it. */
struct sdp_media {
    size_t first, end;         /**< its lines: first is m=, end is behind the last */
    struct text type;          /**< "audio" */
    struct text protocol_text; /**< "RTP/AVP" */
    struct text formats;       /**< "0 8 101" */
    enum sdp_protocol protocol;
    uint16_t port;                    /**< 0: rejected */
    bool is_relayable;                /**< runs on UDP */
    struct sdp_connection connection; /**< its own, not the session's */
    bool has_rtcp;                    /**< a=rtcp (RFC 3605) */
    uint16_t rtcp_port;
    struct sdp_connection rtcp;   /**< address of a=rtcp */
    bool rtcp_mux;                /**< a=rtcp-mux (RFC 5761) */
    enum sdp_direction direction; /**< its own, else the session's */
};

struct sdp {
    struct sdp_line *lines; /**< in the arena */
    size_t line_count;
    size_t session_end;               /**< lines before the first m= */
    struct sdp_connection connection; /**< of the session */
    struct sdp_media *media;          /**< in the arena */
    size_t media_count;
    struct text line_end; /**< as the first line ends */
};

/**
 * @param arena      what @p sdp points to besides @p bytes; borrowed as long as @p sdp is used
 * @param media_most more m= lines are ERROR_LIMIT
 * @return 0, ERROR_SYNTAX (no v= first, or an m= line that cannot be read), ERROR_LIMIT,
 *         ERROR_MEMORY
 */
int sdp_parse(struct sdp *sdp, struct arena *arena, struct text bytes, size_t media_most);
/** The c= that counts for @p media: its own, else the session's. */
const struct sdp_connection *sdp_connection_of(const struct sdp *sdp,
                                               const struct sdp_media *media);
/**
 * @return true when @p line is the attribute @p name; *value is what stands behind "name:", empty
 *         without
 */
bool sdp_is_attribute(const struct sdp_line *line, struct text name, struct text *value);
