/*
 * Which headers pass from one leg to the other. By an allow list: what is not named here, or by the
 * script, shows nothing of one side to the other. Via, Route, Contact and their kin belong to a leg;
 * names of products, addresses of others and credentials stay where they are.
 */
#include "route/bridge_parts.h"

#define BIT(kind) (UINT64_C(1) << HEADER_##kind)

/*
 * Retry-After, Reason, Unsupported and Min-SE explain a refusal. Session timers are told from end to
 * end, unless the script wants them of each leg (bridge_session.c).
 */
static const uint64_t passing_kinds = BIT(REASON) | BIT(SUBJECT) | BIT(RETRY_AFTER) |
                                      BIT(UNSUPPORTED) | BIT(EXPIRES) | BIT(SESSION_EXPIRES) |
                                      BIT(MIN_SE) | BIT(CONTENT_ENCODING) | BIT(DATE);

static const struct text passing_names[] = {
    {"Accept", 6},
    {"Accept-Language", 15},
    {"Content-Disposition", 19},
    {"Content-Language", 16},
    {"Info-Package", 12},
    {"MIME-Version", 12},
    {"P-Early-Media", 13},
    {"Priority", 8},
    {"Privacy", 7},
    {"Recv-Info", 9},
};

/* Extensions that work across us. */
static const struct text passing_extensions[] = {{"timer", 5}};

static bool is_extension(struct text tag)
{
    for (size_t i = 0; i < sizeof passing_extensions / sizeof *passing_extensions; i++)
        if (text_equal_nocase(tag, passing_extensions[i]))
            return true;
    return false;
}

static bool is_listed(struct text names, struct text name)
{
    while (names.n)
        if (text_equal_nocase(text_trim(text_split(&names, ',')), name))
            return true;
    return false;
}

/* A transfer that the parties make among themselves (RFC 3515). */
static bool is_of_refer(enum header_kind kind, struct text name)
{
    return kind == HEADER_REFER_TO || kind == HEADER_REFERRED_BY || kind == HEADER_EVENT ||
           text_equal_nocase(name, TEXT("Subscription-State")) ||
           text_equal_nocase(name, TEXT("Refer-Sub"));
}

static bool passes(const struct bridge *bridge, enum header_kind kind, struct text name)
{
    if (bridge->refer == BRIDGE_REFER_PASS && is_of_refer(kind, name))
        return true;
    if (bridge->sessions && (kind == HEADER_SESSION_EXPIRES || kind == HEADER_MIN_SE))
        return false;
    if (kind != HEADER_OTHER && passing_kinds >> kind & 1)
        return true;
    for (size_t i = 0; i < sizeof passing_names / sizeof *passing_names; i++)
        if (text_equal_nocase(name, passing_names[i]))
            return true;
    return is_listed(bridge->pass, kind ? text_of(header_kind_name(kind)) : name);
}

/* Is there a line of that name in @p lines? */
static bool is_given(struct text lines, enum header_kind kind, struct text name)
{
    while (lines.n) {
        struct text line = text_split(&lines, '\n');
        struct text other = text_trim(text_split(&line, ':'));
        enum header_kind other_kind = header_kind_parse(other);
        if (kind ? other_kind == kind : text_equal_nocase(other, name))
            return true;
    }
    return false;
}

/* A fold becomes a space: the line is ours now. */
static void print_line(struct buffer *out, struct text name, struct text value)
{
    buffer_append(out, name);
    buffer_append(out, TEXT(": "));
    for (size_t i = 0; i < value.n; i++)
        buffer_append_char(out, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    buffer_append(out, TEXT("\r\n"));
}

/* Supported and Require: of the extensions those that both legs can have. */
static void print_extensions(struct buffer *out, struct text name, struct text value)
{
    bool is_begun = false;
    while (value.n) {
        struct text tag = text_trim(text_split(&value, ','));
        if (!is_extension(tag))
            continue;
        buffer_append(out, is_begun ? TEXT(", ") : name);
        if (!is_begun)
            buffer_append(out, TEXT(": "));
        buffer_append(out, tag);
        is_begun = true;
    }
    if (is_begun)
        buffer_append(out, TEXT("\r\n"));
}

static void pass(const struct bridge *bridge, struct buffer *out, enum header_kind kind,
                 struct text name, struct text value)
{
    bool is_extension_list = kind == HEADER_SUPPORTED || kind == HEADER_REQUIRE;
    if (is_extension_list && bridge->sessions)
        return; /* each leg has what it has by itself */
    if (is_extension_list)
        print_extensions(out, text_of(header_kind_name(kind)), value);
    else if (passes(bridge, kind, name))
        print_line(out, name, value);
}

void bridge_request_headers(const struct bridge *bridge, const struct edits *edits,
                            struct text given, struct buffer *out)
{
    struct header_view view = {0};
    while (edits_each(edits, &view))
        if (!is_given(given, view.kind, view.name))
            pass(bridge, out, view.kind, view.name, view.value);
    buffer_append(out, given);
}

void bridge_response_headers(const struct bridge *bridge, const struct message *response,
                             struct buffer *out)
{
    for (unsigned i = 0; i < response->header_count; i++) {
        const struct header *header = &response->headers[i];
        pass(bridge, out, header->kind, header->name, header->value);
    }
}

bool bridge_lists(const struct message *message, enum header_kind kind, struct text tag)
{
    const struct header *header = message_header(message, kind);
    for (; header; header = message_header_next(message, header))
        if (is_listed(header->value, tag))
            return true;
    return false;
}

struct text bridge_unsupported(const struct message *request, struct text also)
{
    const struct header *header = message_header(request, HEADER_REQUIRE);
    for (; header; header = message_header_next(request, header)) {
        struct text rest = header->value;
        while (rest.n) {
            struct text tag = text_trim(text_split(&rest, ','));
            if (tag.n && !is_extension(tag) && !text_equal_nocase(tag, also))
                return tag;
        }
    }
    return TEXT_NONE;
}

unsigned bridge_hops(const struct message *request)
{
    int left = message_max_forwards(request);
    if (left == 1)
        return UAC_LAST_HOP;
    return left > 1 ? (unsigned)left - 1 : 0;
}

struct text bridge_allow(const struct bridge *bridge)
{
#define ALLOW "Allow: INVITE, ACK, CANCEL, BYE, PRACK, INFO, UPDATE, MESSAGE, OPTIONS"
    if (bridge->refer == BRIDGE_REFER_REFUSE)
        return TEXT(ALLOW "\r\n");
    return TEXT(ALLOW ", REFER, NOTIFY\r\n");
}
