/* What a script asked for, as the relay reads it: rtpengine's flags (the public side is media.h). */
#pragma once

#include "base/address.h"
#include "base/text.h"
#include "media/learn.h"
#include "media/media.h"
#include "media/sdp.h"

/** Switches; what a flag means is said where it is parsed. */
enum flag_bit {
    FLAG_SIP_SOURCE_ADDRESS = 1 << 0,   /**< take the SIP source instead of the SDP's address */
    FLAG_KEEP_ORIGIN = 1 << 1,          /**< leave the address of o= */
    FLAG_ANY_SOURCE = 1 << 2,           /**< no-strict-source: strangers' packets pass */
    FLAG_ASYMMETRIC = 1 << 3,           /**< always send to the SDP's address */
    FLAG_MUX_OFFER = 1 << 4,            /**< offer rtcp-mux even if the sender did not */
    FLAG_MUX_REQUIRE = 1 << 5,          /**< take it as accepted before the answer */
    FLAG_MUX_DEMUX = 1 << 6,            /**< accept it from the sender, do not offer it on */
    FLAG_MUX_ACCEPT = 1 << 7,           /**< accept it whatever the other party says */
    FLAG_MUX_REJECT = 1 << 8,           /**< refuse it to the sender */
    FLAG_ZERO_ADDRESS = 1 << 9,         /**< print our address where the sender wrote 0.0.0.0 */
    FLAG_NO_RTCP_ATTRIBUTE = 1 << 10,   /**< never print a=rtcp */
    FLAG_FULL_RTCP_ATTRIBUTE = 1 << 11, /**< always print a=rtcp, with address */
};
#define FLAG_MUX_ALL                                                                               \
    (FLAG_MUX_OFFER | FLAG_MUX_REQUIRE | FLAG_MUX_DEMUX | FLAG_MUX_ACCEPT | FLAG_MUX_REJECT)

/** What happens to a codec. */
enum codec_action {
    CODEC_STRIP,  /**< taken out of the SDP; "all" is every codec */
    CODEC_EXCEPT, /**< stays, whatever is stripped */
    CODEC_OFFER,  /**< stays, and stands before what is not offered, in the order of the flags */
};

#define CODEC_RULES_MOST 64
#define CODEC_NAME_BYTES 31

/** One codec of one flag. */
struct codec_rule {
    uint8_t action;              /**< enum codec_action */
    char name[CODEC_NAME_BYTES]; /**< "PCMU" or "opus/48000", compared without case */
};

struct media_flags {
    char from[32], to[32];        /**< interfaces of sender and receiver; "": not said */
    struct address media_address; /**< printed in c= instead of ours */
    uint32_t bits;                /**< enum flag_bit */
    uint8_t learning;             /**< enum learn_mode */
    uint8_t protocol;          /**< enum sdp_protocol towards the receiver; SDP_OTHER: not said */
    int family;                /**< AF_INET, AF_INET6 towards the receiver; AF_UNSPEC: not said */
    struct codec_rule *codecs; /**< owned */
    size_t codec_count;
};
