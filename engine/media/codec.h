/*
 * The codecs of one m= line: which encoding a payload type means, which of them the flags keep and
 * in what order. Payload types are text to us; nothing is decoded.
 */
#pragma once

#include "media/flags.h"
#include "media/rtp.h"
#include "media/sdp.h"

#define PAYLOAD_TYPES 128

/** Encodings by payload type: "PCMU/8000"; absent: not in this m= line. */
struct codec_map {
    struct text encoding[PAYLOAD_TYPES];
    int16_t repairs[PAYLOAD_TYPES]; /**< RFC 4588 apt= of an rtx, -1: none */
};

/** Payload types that stay, in the order of the new m= line. */
struct codec_choice {
    uint8_t order[PAYLOAD_TYPES];
    size_t count;
    bool keeps[PAYLOAD_TYPES];
    bool is_changed; /**< false: the m= line stays as it is */
};

/** Read a=rtpmap and a=fmtp of @p media, and the static payload types (RFC 3551 s6). */
void codec_map_read(struct codec_map *map, const struct sdp *sdp, const struct sdp_media *media);
/**
 * Apply the codec flags. A choice that would leave nothing keeps everything, as rtpengine does.
 * @param flags  NULL: nothing is changed
 */
void codec_choose(struct codec_choice *choice, const struct codec_map *map,
                  const struct sdp_media *media, const struct media_flags *flags);
/** Clock rates that the static table does not tell, for jitter. */
void codec_clocks(struct rtp_clocks *clocks, const struct codec_map *map);
/** Dynamic payload types that are telephone-event (RFC 4733): bit i is type 96 + i. */
uint32_t codec_events(const struct codec_map *map);
#define CODEC_NAMES       8
#define CODEC_TITLE_BYTES 16
/** What the dynamic payload types of one m= line are called. */
struct codec_names {
    struct {
        uint8_t payload;
        char name[CODEC_TITLE_BYTES]; /**< "opus"; "": unused */
    } v[CODEC_NAMES];
};
void codec_names_read(struct codec_names *names, const struct codec_map *map);
/** @return its name by @p names or RFC 3551 s6, borrowed; absent: neither knows it */
struct text codec_name(const struct codec_names *names, uint8_t payload);
/** @return payload type written in @p t, or -1 */
int codec_payload_type(struct text t);
