/*
 * The flag parser; the names are in flag_names.c. Spelling is rtpengine's: case, '-' and '_' do not
 * matter, and what is a list ("rtcp-mux=[offer demux]", "codec-mask=all,!PCMA") is the same as its
 * items one by one ("rtcp-mux-offer").
 */
#include "media/flags.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/flag_names.h"

#define FLAG_NAME_BYTES 64

static void destroy(void *object)
{
    memory_free_raw(((struct media_flags *)object)->codecs);
}

int media_flags_create(struct media_flags **flagsp)
{
    *flagsp = memory_alloc(sizeof **flagsp, destroy);
    return *flagsp ? 0 : ERROR_MEMORY;
}

/* Lower case, '_' and ' ' as '-'. @return false when it is longer than any name */
static bool normalize(struct text t, char out[FLAG_NAME_BYTES])
{
    if (!text_to_array(t, out, FLAG_NAME_BYTES))
        return false;
    for (char *p = out; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
        else if (*p == '_' || *p == ' ')
            *p = '-';
    }
    return true;
}

static int add_codec(struct media_flags *flags, enum codec_action action, struct text name)
{
    if (name.n && name.p[0] == '!' && action == CODEC_STRIP) {
        action = CODEC_EXCEPT;
        name.p++;
        name.n--;
    }
    if (name.n == 0)
        return ERROR_SYNTAX;
    if (flags->codec_count == CODEC_RULES_MOST)
        return ERROR_LIMIT;
    struct codec_rule rule = {.action = (uint8_t)action};
    if (!text_to_array(name, rule.name, sizeof rule.name))
        return ERROR_SYNTAX;
    struct codec_rule *codecs =
        memory_raw_resize(flags->codecs, (flags->codec_count + 1) * sizeof *codecs);
    if (!codecs)
        return ERROR_MEMORY;
    flags->codecs = codecs;
    codecs[flags->codec_count++] = rule;
    return 0;
}

/* ---- flags with a value ---- */

static int set_interface(char interface[32], struct text name)
{
    return name.n && text_to_array(name, interface, 32) ? 0 : ERROR_SYNTAX;
}

/* The first direction= is the sender's side, the second the receiver's. */
static int set_direction(struct media_flags *flags, struct text name)
{
    return set_interface(flags->from[0] ? flags->to : flags->from, name);
}

static int set_family(struct media_flags *flags, struct text value)
{
    if (text_equal_nocase(value, TEXT("IP4")) || text_equal_nocase(value, TEXT("inet")))
        flags->family = AF_INET;
    else if (text_equal_nocase(value, TEXT("IP6")) || text_equal_nocase(value, TEXT("inet6")))
        flags->family = AF_INET6;
    else
        return ERROR_SYNTAX;
    return 0;
}

static int set_learning(struct media_flags *flags, struct text value)
{
    for (int i = LEARN_HEURISTIC; i <= LEARN_OFF; i++)
        if (text_equal_nocase(value, text_of(learn_mode_name((enum learn_mode)i)))) {
            flags->learning = (uint8_t)i;
            return 0;
        }
    return ERROR_SYNTAX;
}

/* @return 1: not a flag with a value; else as media_flags_parse() */
static int set_value(struct media_flags *flags, struct text name, struct text value)
{
    if (text_equal(name, TEXT("direction")))
        return set_direction(flags, value);
    if (text_equal(name, TEXT("from")) || text_equal(name, TEXT("from-interface")))
        return set_interface(flags->from, value);
    if (text_equal(name, TEXT("to")) || text_equal(name, TEXT("to-interface")))
        return set_interface(flags->to, value);
    if (text_equal(name, TEXT("media-address")))
        return address_parse_host(&flags->media_address, value);
    if (text_equal(name, TEXT("address-family")))
        return set_family(flags, value);
    if (text_equal(name, TEXT("endpoint-learning")))
        return set_learning(flags, value);
    return 1;
}

/* ---- flags without ---- */

static int set_switch(struct media_flags *flags, struct text name, bool on)
{
    const struct flag_switch *s = flag_switch_find(name);
    if (!s)
        return flag_is_not_built(name) ? ERROR_UNSUPPORTED : ERROR_SYNTAX;
    flags->bits = (flags->bits & ~s->mask) | (on ? s->on : s->off);
    return 0;
}

/* @p raw as written, @p name normalized: codec names keep their case. */
static int set_word(struct media_flags *flags, struct text raw, struct text name)
{
    static const struct {
        const char *prefix;
        enum codec_action action;
    } codecs[] = {
        {"codec-strip-", CODEC_STRIP},
        {"codec-mask-", CODEC_STRIP}, /* without transcoding there is nothing to mask for */
        {"codec-except-", CODEC_EXCEPT},
        {"codec-offer-", CODEC_OFFER},
    };
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct text prefix = text_of(codecs[i].prefix);
        if (text_starts_with(name, prefix))
            return add_codec(flags, codecs[i].action,
                             (struct text){raw.p + prefix.n, raw.n - prefix.n});
    }
    if (text_starts_with(name, TEXT("endpoint-learning-")))
        return set_learning(flags, (struct text){name.p + 18, name.n - 18});
    if (text_equal(name, TEXT("rtp/avp")) || text_equal(name, TEXT("rtp/avpf"))) {
        flags->protocol = text_equal(name, TEXT("rtp/avp")) ? SDP_AVP : SDP_AVPF;
        return 0;
    }
    return set_switch(flags, name, true);
}

static int set_plain(struct media_flags *flags, struct text raw)
{
    char name[FLAG_NAME_BYTES];
    if (!normalize(raw, name))
        return ERROR_SYNTAX;
    return set_word(flags, raw, text_of(name));
}

/* "name=item" means "name-item", "transport-protocol=RTP/AVP" just "RTP/AVP". */
static int set_item(struct media_flags *flags, struct text name, struct text item)
{
    if (text_equal(name, TEXT("transport-protocol")))
        return set_plain(flags, item);
    if (text_equal(name, TEXT("codec-mask")) || text_equal(name, TEXT("codec-strip")))
        return add_codec(flags, CODEC_STRIP, item);
    char joined[2 * FLAG_NAME_BYTES];
    if (name.n + 1 + item.n >= sizeof joined)
        return ERROR_SYNTAX;
    memcpy(joined, name.p, name.n);
    joined[name.n] = '-';
    memcpy(joined + name.n + 1, item.p, item.n);
    return set_plain(flags, (struct text){joined, name.n + 1 + item.n});
}

/* Items are parted by spaces, commas or semicolons. */
static struct text next_item(struct text *list)
{
    static const char separators[] = " \t,;";
    while (list->n && memchr(separators, list->p[0], sizeof separators - 1)) {
        list->p++;
        list->n--;
    }
    struct text item = {list->p, 0};
    while (list->n && !memchr(separators, list->p[0], sizeof separators - 1)) {
        list->p++;
        list->n--;
        item.n++;
    }
    return item;
}

static int set_list(struct media_flags *flags, struct text name, struct text list)
{
    struct text item;
    bool is_empty = true;
    while ((item = next_item(&list)).n) {
        int error = set_item(flags, name, item);
        if (error)
            return error;
        is_empty = false;
    }
    return is_empty ? ERROR_SYNTAX : 0;
}

static bool is_word(struct text value, const char *a, const char *b, const char *c)
{
    return text_equal_nocase(value, text_of(a)) || text_equal_nocase(value, text_of(b)) ||
           text_equal_nocase(value, text_of(c));
}

int media_flags_set(struct media_flags *flags, struct text name, struct text value)
{
    char normal[FLAG_NAME_BYTES];
    if (!name.n || !normalize(name, normal))
        return ERROR_SYNTAX;
    struct text key = text_of(normal);
    if (!text_is_set(value))
        return set_word(flags, name, key);
    value = text_trim(value);
    if (value.n >= 2 && value.p[0] == '[' && value.p[value.n - 1] == ']')
        value = text_trim((struct text){value.p + 1, value.n - 2});
    int error = set_value(flags, key, value);
    if (error != 1)
        return error;
    if (is_word(value, "true", "yes", "on") && set_switch(flags, key, true) == 0)
        return 0;
    if (is_word(value, "false", "no", "off") && set_switch(flags, key, false) == 0)
        return 0;
    error = set_list(flags, key, value);
    return error == ERROR_SYNTAX && flag_is_not_built(key) ? ERROR_UNSUPPORTED : error;
}

/* Next flag of *rest; brackets hold spaces together. */
static struct text next_flag(struct text *rest)
{
    while (rest->n &&
           (rest->p[0] == ' ' || rest->p[0] == '\t' || rest->p[0] == '\n' || rest->p[0] == '\r')) {
        rest->p++;
        rest->n--;
    }
    struct text flag = {rest->p, 0};
    for (int depth = 0; rest->n; flag.n++, rest->p++, rest->n--) {
        char c = rest->p[0];
        if (c == '[')
            depth++;
        else if (c == ']')
            depth--;
        else if (depth <= 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            break;
    }
    return flag;
}

int media_flags_parse(struct media_flags *flags, struct text flag_string, struct text *bad_flag)
{
    struct text flag;
    *bad_flag = TEXT_NONE;
    while ((flag = next_flag(&flag_string)).n) {
        struct text value = flag;
        struct text name = text_split(&value, '=');
        int error = media_flags_set(flags, name, value);
        if (error) {
            *bad_flag = flag;
            return error;
        }
    }
    return 0;
}
