/*
 * One table of switches, one list of names that rtpengine knows and we do not build: such a flag is
 * refused by name, for a script that asks for SRTP must not get RTP.
 */
#include "media/flag_names.h"

#include "media/flags.h"

static const struct flag_switch switches[] = {
    {"trust-address", FLAG_SIP_SOURCE_ADDRESS, 0, FLAG_SIP_SOURCE_ADDRESS},
    {"sip-source-address", FLAG_SIP_SOURCE_ADDRESS, FLAG_SIP_SOURCE_ADDRESS, 0},
    {"replace-origin", FLAG_KEEP_ORIGIN, 0, FLAG_KEEP_ORIGIN},
    {"no-replace-origin", FLAG_KEEP_ORIGIN, FLAG_KEEP_ORIGIN, 0},
    {"strict-source", FLAG_ANY_SOURCE, 0, FLAG_ANY_SOURCE},
    {"no-strict-source", FLAG_ANY_SOURCE, FLAG_ANY_SOURCE, 0},
    {"symmetric", FLAG_ASYMMETRIC, 0, FLAG_ASYMMETRIC},
    {"asymmetric", FLAG_ASYMMETRIC, FLAG_ASYMMETRIC, 0},
    {"rtcp-mux-offer", FLAG_MUX_OFFER, FLAG_MUX_OFFER, 0},
    {"rtcp-mux-require", FLAG_MUX_REQUIRE, FLAG_MUX_REQUIRE, 0},
    {"rtcp-mux-demux", FLAG_MUX_DEMUX, FLAG_MUX_DEMUX, 0},
    {"rtcp-mux-accept", FLAG_MUX_ACCEPT, FLAG_MUX_ACCEPT, 0},
    {"rtcp-mux-answer", FLAG_MUX_ACCEPT, FLAG_MUX_ACCEPT, 0}, /* how OpenSIPS users say it */
    {"rtcp-mux-reject", FLAG_MUX_REJECT, FLAG_MUX_REJECT, 0},
    {"zero-address", FLAG_ZERO_ADDRESS, FLAG_ZERO_ADDRESS, 0},
    {"replace-zero-address", FLAG_ZERO_ADDRESS, FLAG_ZERO_ADDRESS, 0},
    {"no-rtcp-attribute", FLAG_NO_RTCP_ATTRIBUTE, FLAG_NO_RTCP_ATTRIBUTE, 0},
    {"full-rtcp-attribute", FLAG_FULL_RTCP_ATTRIBUTE, FLAG_FULL_RTCP_ATTRIBUTE, 0},
    /* True of this relay whether asked for or not. */
    {"replace-session-connection", 0, 0, 0}, /* c= is always ours */
    {"original-sendrecv", 0, 0, 0},          /* direction attributes always pass */
    {"port-latching", 0, 0, 0},              /* ports never move */
    {"ice-remove", 0, 0, 0},                 /* candidates never pass */
    {"unidirectional", 0, 0, 0},             /* one-way streams take the same path */
    {"via-branch-auto", 0, 0, 0},            /* the transaction tells the branch */
    {"to-tag", 0, 0, 0},                     /* the dialog tells the tag */
};

/* rtpengine's names that are not built; a '*' at the end stands for anything. */
static const char *const not_built[] = {
    "internal",
    "external",
    "round-robin-calls",
    "interface",
    "inbound-peer",
    "outbound-peer",
    "peer",
    "peer-*",
    "origin-full",
    "replace-origin-full",
    "replace-username",
    "replace-session-name",
    "replace-sdp-version",
    "username",
    "session-name",
    "sdp-version",
    "force-increment-sdp-ver",
    "via-branch-*",
    "directional",
    "bidirectional",
    "inactive",
    "from-tag",
    "from-tag-*",
    "from-tags-*",
    "to-tag-*",
    "call-id-*",
    "received-from-*",
    "in-iface-*",
    "out-iface-*",
    "xmlrpc-callback-*",
    "rtpp-flags-*",
    "label",
    "label-*",
    "set-label",
    "set-label-*",
    "to-label",
    "to-label-*",
    "loop-protect",
    "alias-key",
    "alias-key-*",
    "template",
    "template-*",
    "media-handover",
    "no-port-latching",
    "pierce-nat",
    "nat-wait",
    "tos",
    "tos-*",
    "delete-delay",
    "delete-delay-*",
    "no-redis-update",
    "reset",
    "record-call",
    "record-call-*",
    "metadata",
    "metadata-*",
    "recording-*",
    "exclude-recording",
    "discard-recording",
    "skip-recording-db",
    "siprec",
    "pause",
    "output-destination",
    "output-destination-*",
    "generate-rtcp",
    "generate-rtcp-*",
    "block-dtmf",
    "block-dtmf-*",
    "detect-dtmf",
    "dtmf-security",
    "dtmf-security-*",
    "inject-dtmf",
    "inject-dtmf-*",
    "drop-traffic",
    "drop-traffic-*",
    "media-echo",
    "media-echo-*",
    "block-short",
    "block-egress",
    "delay-buffer-*",
    "trigger",
    "trigger-*",
    "frequency-*",
    "volume-*",
    "rtcp-mirror",
    "mix",
    "fast",
    "fatal",
    "early-media",
    "moh",
    "moh-*",
    "audio-player",
    "audio-player-*",
    "provisional",
    "new-branch",
    "fragment",
    "all",
    "all-*",
    "rtp", /* the words of which Kamailio's users put a transport together */
    "avp",
    "srtp",
    "avpf",
    "rtp/savp",
    "rtp/savpf",
    "udp/tls/rtp/savp",
    "udp/tls/rtp/savpf",
    "ice-*",
    "trickle",
    "trickle-ice",
    "ice2",
    "reject-ice",
    "dtls",
    "dtls-*",
    "no-tls-id",
    "sdes",
    "sdes-*",
    "osrtp",
    "osrtp-*",
    "passthrough",
    "no-passthrough",
    "recrypt",
    "generate-mid",
    "webrtc",
    "bundle",
    "bundle-*",
    "extmap",
    "extmap-*",
    "strip-extmap",
    "codec-ignore-*",
    "allow-transcoding",
    "transcode",
    "transcode-*",
    "codec-transcode-*",
    "codec-consume-*",
    "codec-accept-*",
    "codec-set-*",
    "always-transcode",
    "allow-no-codec-media",
    "single-codec",
    "reuse-codecs",
    "static-codecs",
    "allow-asymmetric-codecs",
    "reorder-codecs",
    "force-answer",
    "repacketize",
    "repacketize-*",
    "ptime",
    "ptime-*",
    "ptime-reverse",
    "ptime-reverse-*",
    "t.38",
    "t.38-*",
    "t38",
    "t38-*",
    "sdp-attr",
    "sdp-attr-*",
    "sdp-media-remove",
    "sdp-media-remove-*",
    "accept", /* of transport-protocol= */
};

const struct flag_switch *flag_switch_find(struct text name)
{
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (text_equal(name, text_of(switches[i].name)))
            return &switches[i];
    return NULL;
}

bool flag_is_not_built(struct text name)
{
    for (size_t i = 0; i < sizeof not_built / sizeof *not_built; i++) {
        struct text known = text_of(not_built[i]);
        if (known.p[known.n - 1] == '*') {
            known.n--;
            if (name.n > known.n && text_starts_with(name, known))
                return true;
        } else if (text_equal(name, known)) {
            return true;
        }
    }
    return false;
}
