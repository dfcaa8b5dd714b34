/* Codec flags over the payload types of an m= line. */
#include "media/codec.h"

#include "base/error.h"

/* RFC 3551 s6, tables 4 and 5. */
static const char *const static_encodings[] = {
    [0] = "PCMU/8000",    [3] = "GSM/8000",    [4] = "G723/8000",   [5] = "DVI4/8000",
    [6] = "DVI4/16000",   [7] = "LPC/8000",    [8] = "PCMA/8000",   [9] = "G722/8000",
    [10] = "L16/44100/2", [11] = "L16/44100",  [12] = "QCELP/8000", [13] = "CN/8000",
    [14] = "MPA/90000",   [15] = "G728/8000",  [16] = "DVI4/11025", [17] = "DVI4/22050",
    [18] = "G729/8000",   [25] = "CelB/90000", [26] = "JPEG/90000", [28] = "nv/90000",
    [31] = "H261/90000",  [32] = "MPV/90000",  [33] = "MP2T/90000", [34] = "H263/90000",
};
#define STATIC_ENCODINGS (sizeof static_encodings / sizeof *static_encodings)

int codec_payload_type(struct text t)
{
    uint32_t number;
    return text_to_u32(t, &number) || number >= PAYLOAD_TYPES ? -1 : (int)number;
}

/* "a=fmtp:97 apt=96": which payload type an rtx repairs. */
static int repaired_by(struct text parameters)
{
    while (text_is_set(parameters)) {
        struct text one = text_trim(text_split(&parameters, ';'));
        if (text_starts_with_nocase(one, TEXT("apt=")))
            return codec_payload_type((struct text){one.p + 4, one.n - 4});
    }
    return -1;
}

void codec_map_read(struct codec_map *map, const struct sdp *sdp, const struct sdp_media *media)
{
    for (size_t i = 0; i < PAYLOAD_TYPES; i++) {
        map->encoding[i] = TEXT_NONE;
        map->repairs[i] = -1;
    }
    struct text formats = media->formats, word;
    while (text_is_set(word = text_word(&formats))) {
        int payload = codec_payload_type(word);
        if (payload < 0)
            continue;
        bool is_static = (size_t)payload < STATIC_ENCODINGS && static_encodings[payload];
        map->encoding[payload] = is_static ? text_of(static_encodings[payload]) : TEXT("");
    }
    for (size_t i = media->first + 1; i < media->end; i++) {
        struct text value;
        bool is_map = sdp_is_attribute(&sdp->lines[i], TEXT("rtpmap"), &value);
        if (!is_map && !sdp_is_attribute(&sdp->lines[i], TEXT("fmtp"), &value))
            continue;
        int payload = codec_payload_type(text_word(&value));
        if (payload < 0 || !text_is_set(map->encoding[payload]))
            continue;
        if (is_map)
            map->encoding[payload] = text_trim(value);
        else
            map->repairs[payload] = (int16_t)repaired_by(value);
    }
}

/* "PCMU" fits "PCMU/8000", "opus/48000" fits "opus/48000/2". */
static bool fits(const struct codec_rule *rule, struct text encoding)
{
    struct text name = text_of(rule->name);
    return text_starts_with_nocase(encoding, name) &&
           (encoding.n == name.n || encoding.p[name.n] == '/');
}

static bool is_all(const struct codec_rule *rule)
{
    struct text name = text_of(rule->name);
    return text_equal_nocase(name, TEXT("all")) || text_equal_nocase(name, TEXT("full"));
}

static bool keeps(const struct media_flags *flags, struct text encoding)
{
    bool is_stripped = false;
    for (size_t i = 0; i < flags->codec_count; i++) {
        const struct codec_rule *rule = &flags->codecs[i];
        if (rule->action == CODEC_STRIP)
            is_stripped |= is_all(rule) || fits(rule, encoding);
        else if (fits(rule, encoding))
            return true;
    }
    return !is_stripped;
}

static void add(struct codec_choice *choice, bool *taken, int payload)
{
    if (taken[payload])
        return;
    taken[payload] = true;
    choice->order[choice->count++] = (uint8_t)payload;
}

/* First what is offered by flag, in the order of the flags; then the rest in the sender's order. */
static void put_in_order(struct codec_choice *choice, const struct codec_map *map,
                         const struct sdp_media *media, const struct media_flags *flags)
{
    bool taken[PAYLOAD_TYPES] = {false};
    for (size_t i = 0; i <= flags->codec_count; i++) {
        const struct codec_rule *rule = i < flags->codec_count ? &flags->codecs[i] : NULL;
        if (rule && rule->action != CODEC_OFFER)
            continue;
        struct text formats = media->formats, word;
        while (text_is_set(word = text_word(&formats))) {
            int payload = codec_payload_type(word);
            if (payload >= 0 && choice->keeps[payload] &&
                (!rule || fits(rule, map->encoding[payload])))
                add(choice, taken, payload);
        }
    }
}

void codec_choose(struct codec_choice *choice, const struct codec_map *map,
                  const struct sdp_media *media, const struct media_flags *flags)
{
    *choice = (struct codec_choice){.is_changed = false};
    if (!flags || flags->codec_count == 0 || media->protocol == SDP_OTHER)
        return;
    size_t left = 0;
    for (int i = 0; i < PAYLOAD_TYPES; i++) {
        choice->keeps[i] = text_is_set(map->encoding[i]) && keeps(flags, map->encoding[i]);
        left += choice->keeps[i];
    }
    /* A retransmission format without what it repairs is of no use. */
    for (int i = 0; i < PAYLOAD_TYPES; i++)
        if (choice->keeps[i] && map->repairs[i] >= 0 && !choice->keeps[map->repairs[i]]) {
            choice->keeps[i] = false;
            left--;
        }
    if (left == 0)
        return;
    put_in_order(choice, map, media, flags);
    choice->is_changed = true;
}

uint32_t codec_events(const struct codec_map *map)
{
    uint32_t events = 0;
    for (unsigned i = 0; i < 32; i++) {
        struct text rest = map->encoding[RTP_DYNAMIC + i];
        if (text_equal_nocase(text_split(&rest, '/'), TEXT("telephone-event")))
            events |= UINT32_C(1) << i;
    }
    return events;
}

void codec_clocks(struct rtp_clocks *clocks, const struct codec_map *map)
{
    *clocks = (struct rtp_clocks){0};
    size_t count = 0;
    for (uint32_t i = 0; i < PAYLOAD_TYPES && count < RTP_CLOCKS; i++) {
        struct text rest = map->encoding[i];
        if (!rest.n)
            continue;
        text_split(&rest, '/');
        uint32_t hz;
        if (!text_is_set(rest) || text_to_u32(text_split(&rest, '/'), &hz) || hz > RTP_CLOCK_MOST)
            continue;
        if (hz != rtp_static_clock((uint8_t)i))
            clocks->v[count++] = (struct rtp_clock){.hz = hz, .payload = i};
    }
}

static bool is_static(size_t payload)
{
    return payload < STATIC_ENCODINGS && static_encodings[payload];
}

void codec_names_read(struct codec_names *names, const struct codec_map *map)
{
    size_t count = 0;
    *names = (struct codec_names){0};
    for (size_t i = 0; i < PAYLOAD_TYPES && count < CODEC_NAMES; i++) {
        struct text rest = map->encoding[i];
        struct text name = rest.n ? text_split(&rest, '/') : TEXT_NONE;
        if (is_static(i) || !name.n ||
            !text_to_array(name, names->v[count].name, sizeof names->v[count].name))
            continue;
        names->v[count++].payload = (uint8_t)i;
    }
}

struct text codec_name(const struct codec_names *names, uint8_t payload)
{
    for (size_t i = 0; i < CODEC_NAMES && names->v[i].name[0]; i++)
        if (names->v[i].payload == payload)
            return text_of(names->v[i].name);
    struct text rest = is_static(payload) ? text_of(static_encodings[payload]) : TEXT_NONE;
    return rest.n ? text_split(&rest, '/') : TEXT_NONE;
}
