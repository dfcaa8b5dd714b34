/*
 * One pass from bytes to spans.
 *
 * The lines are found in the caller's bytes first; then one block is allocated that holds the
 * message, its bytes, its headers and room for what is parsed later, and what is in the lines is
 * read there. So a message costs one allocation, and one that is refused by a limit costs none.
 * Faults do not end the pass: a request is answered 400 with as much of it as can be read.
 */
#include "sip/message.h"

#include "base/error.h"
#include "base/memory.h"
#include "sip/lines.h"
#include "sip/parse_osip.h"
#include "sip/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LOCAL_LINES     48   /* more than that of one message are found in a spare arena */
#define PARSED_BYTES    2304 /* room for struct message_parsed, small texts and edits */
#define CSEQ_LIMIT      ((uint32_t)1 << 31) /* RFC 3261 s8.1.1.5 */
#define LONGEST_VERSION 16

/* What the first part of the pass found, in the caller's bytes. */
struct layout {
    struct text bytes;  /* from the start line to the end */
    size_t start_bytes; /* start line with its line end */
    size_t head_bytes;  /* from the start line to the empty line, both included */
    uint32_t *ends;     /* of the header lines, counted from the start line */
    size_t count, room;
    struct arena spare; /* holds the ends when there are many */
    bool is_endless;    /* there is no empty line */
    bool has_stray_cr;
};

static void destroy(void *object)
{
    struct message *message = object;
    arena_reset(&message->arena);
}

static __attribute__((cold, noinline)) void set_fault(const char **fault, const char *reason)
{
    if (!*fault)
        *fault = reason;
}

static bool is_empty(struct text line)
{
    return line.n == 1 || (line.n == 2 && line.p[0] == '\r');
}

/* Cut the next line off, its line end and, but for those of a start line, its folds included. */
static bool cut_line(struct text *rest, struct text *line, bool is_folded, bool *has_stray_cr)
{
    if (!rest->n) /* absent bytes end nowhere */
        return false;
    const char *end = rest->p + rest->n, *next = line_end(rest->p, end, is_folded, has_stray_cr);
    if (!next)
        return false;
    *line = text_span(rest->p, next);
    *rest = text_span(next, end);
    return true;
}

static __attribute__((noinline)) struct text pass_empty_lines(struct text bytes)
{
    struct text line, rest = bytes;
    bool has_stray_cr;
    while (cut_line(&rest, &line, false, &has_stray_cr) && is_empty(line))
        bytes = rest;
    return bytes;
}

static struct text skip_empty_lines(struct text bytes)
{
    return bytes.n && text_is_space(bytes.p[0]) ? pass_empty_lines(bytes) : bytes;
}

/* Nearly all names end within the first sixteen bytes. */
static inline const char *find_colon(struct text line)
{
#ifdef __SSE2__
    if (line.n >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)line.p);
        unsigned bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')));
        if (bits)
            return line.p + __builtin_ctz(bits);
    }
#endif
    return text_find(line, ':');
}

/* What stands from @p at to the end of a line; nearly always that is one space, and what is to be read. */
static inline struct text value_of(const char *at, const char *end)
{
    end -= end[-2] == '\r' ? 2 : 1;
    if (at < end && *at == ' ')
        at++;
    bool is_trimmed = at == end || ((unsigned char)*at > ' ' && (unsigned char)end[-1] > ' ');
    return is_trimmed ? text_span(at, end) : text_trim(text_span(at, end));
}

/* field-name HCOLON field-value; always_inline for the loop over all headers */
static inline __attribute__((always_inline)) bool parse_header(struct header *header,
                                                               struct text line)
{
    const char *colon = find_colon(line);
    if (!colon)
        return false;
    struct text name = text_span(line.p, colon);
    while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--;
    header->line = line;
    header->name = name;
    header->kind = header_kind_parse(name);
    header->value = value_of(colon + 1, line.p + line.n);
    return header->kind != HEADER_OTHER || (name.n && scan_is_all(name, CHARS_TOKEN));
}

static __attribute__((cold, noinline)) int make_room(struct layout *layout, uint64_t limit)
{
    if (layout->room >= limit)
        return ERROR_LIMIT;
    size_t room = layout->room * 4;
    uint32_t *ends = arena_alloc(&layout->spare, room * sizeof *ends);
    if (!ends)
        return ERROR_MEMORY;
    memcpy(ends, layout->ends, layout->count * sizeof *ends);
    layout->ends = ends;
    layout->room = room;
    return 0;
}

static int find_lines(struct layout *layout, uint64_t limit)
{
    struct text rest = layout->bytes, line;
    if (!cut_line(&rest, &line, false, &layout->has_stray_cr) || layout->has_stray_cr)
        return ERROR_SYNTAX;
    layout->start_bytes = line.n;
    bool is_cut;
    while ((is_cut = cut_line(&rest, &line, true, &layout->has_stray_cr)) && !is_empty(line)) {
        if (layout->count >= limit)
            return ERROR_LIMIT;
        int error = layout->count < layout->room ? 0 : make_room(layout, limit);
        if (error)
            return error;
        layout->ends[layout->count++] = (uint32_t)(rest.p - layout->bytes.p);
    }
    layout->is_endless = !is_cut;
    layout->head_bytes = layout->bytes.n - rest.n;
    return 0;
}

/* One block: message, headers, bytes, room for what is parsed later. */
static struct message *create(const struct layout *layout)
{
    size_t headers_bytes = layout->count * sizeof(struct header);
    size_t room = headers_bytes + layout->bytes.n + PARSED_BYTES;
    struct message *message = memory_alloc_local(sizeof *message, room, destroy);
    if (!message)
        return NULL;
    message->headers = (struct header *)(message + 1);
    char *bytes = (char *)message->headers + headers_bytes;
    memcpy(bytes, layout->bytes.p, layout->bytes.n);
    arena_lend(&message->arena, bytes + layout->bytes.n, PARSED_BYTES);
    message->bytes = (struct text){bytes, layout->bytes.n};
    message->head = (struct text){bytes, layout->head_bytes};
    return message;
}

/* @return one bit for each kind that there is */
static uint64_t parse_headers(struct message *message, const struct layout *layout,
                              const char **fault)
{
    const char *at = message->head.p + layout->start_bytes;
    uint64_t present = 0;
    for (size_t i = 0; i < layout->count; i++) {
        const char *end = message->head.p + layout->ends[i];
        struct header *header = &message->headers[message->header_count];
        if (!parse_header(header, text_span(at, end))) {
            set_fault(fault, "Malformed Header Line");
        } else {
            uint64_t bit = UINT64_C(1) << header->kind;
            message->header_count++;
            message->repeated |= present & bit;
            if (!(present & bit))
                message->first[header->kind] = message->header_count;
            present |= bit;
        }
        at = end;
    }
    if (layout->is_endless)
        set_fault(fault, "No End of Headers");
    if (layout->has_stray_cr)
        set_fault(fault, "Stray CR");
    return present;
}

/* "SIP/" 1*DIGIT "." 1*DIGIT */
static bool is_version(struct text t)
{
    if (text_equal(t, TEXT("SIP/2.0")))
        return true;
    if (t.n > LONGEST_VERSION || !text_starts_with_nocase(t, TEXT("SIP/")))
        return false;
    scan_skip(&t, 4);
    return scan_set(&t, CHARS_DIGIT).n && scan_char(&t, '.') && scan_set(&t, CHARS_DIGIT).n && !t.n;
}

/* SIP-Version SP 3DIGIT SP Reason-Phrase. @return false when it is not even known what the message is */
static bool parse_status_line(struct message *message, struct text line)
{
    static const struct text version = TEXT("SIP/2.0 ");
    uint32_t status;
    if (line.n < version.n + 3 || !text_starts_with_nocase(line, version) ||
        text_to_u32((struct text){line.p + version.n, 3}, &status) || status < 100 || status > 699)
        return false;
    message->version = (struct text){line.p, version.n - 1};
    message->status = (uint16_t)status;
    scan_skip(&line, version.n + 3);
    bool is_bare = !line.n; /* some leave the second space out as well */
    if (!is_bare && !scan_char(&line, ' '))
        return false;
    message->reason = line;
    return true;
}

/* Method SP Request-URI SP SIP-Version, with exactly these spaces. */
static bool parse_request_line(struct message *message, struct text line, const char **fault)
{
    struct text rest = line;
    message->method_text = scan_set(&rest, CHARS_TOKEN);
    if (!message->method_text.n || !scan_char(&rest, ' '))
        return false;
    message->request_uri = text_split(&rest, ' ');
    if (!text_is_set(rest))
        return false;
    message->is_request = true;
    message->method = method_parse(message->method_text);
    message->version = rest;
    if (!is_version(rest) || text_find(message->request_uri, '\t'))
        set_fault(fault, "Malformed Request-Line");
    if (!message->request_uri.n)
        set_fault(fault, "Missing Request-URI");
    return true;
}

static bool parse_start_line(struct message *message, struct text line, const char **fault)
{
    if (text_starts_with_nocase(line, TEXT("SIP/")))
        return parse_status_line(message, line);
    return parse_request_line(message, line, fault);
}

/* 1*DIGIT LWS Method */
static void parse_cseq(struct message *message, const char **fault)
{
    const struct header *header = message_header(message, HEADER_CSEQ);
    if (!header)
        return;
    struct text rest = header->value, number = scan_set(&rest, CHARS_DIGIT);
    const char *space = rest.p;
    scan_space(&rest);
    bool has_space = rest.p != space;
    struct text method = scan_set(&rest, CHARS_TOKEN);
    if (!has_space || !method.n || rest.n || text_to_u32(number, &message->cseq_number) ||
        message->cseq_number >= CSEQ_LIMIT) {
        set_fault(fault, "Malformed CSeq");
    } else if (!message->is_request) {
        message->method = method_parse(method);
        message->method_text = method;
    } else if (!text_equal(method, message->method_text)) {
        set_fault(fault, "CSeq Method Mismatch");
    }
}

/* Content-Length counts what is there; without it the body is all that is left. */
static void cut_body(struct message *message, const char **fault)
{
    const struct header *header = message_header(message, HEADER_CONTENT_LENGTH);
    struct text behind =
        text_span(message->head.p + message->head.n, message->bytes.p + message->bytes.n);
    message->body = behind;
    if (!header)
        return;
    uint64_t length = 0;
    if (text_to_u64(header->value, &length))
        set_fault(fault, "Malformed Content-Length");
    else if (length > behind.n)
        set_fault(fault, "Content-Length Beyond End");
    else
        message->body.n = (size_t)length;
    message->bytes.n = message->head.n + message->body.n;
}

/* Say what is missing, or there too often. */
static __attribute__((cold)) void judge_presence(const struct message *message, const char **fault)
{
    static const struct {
        enum header_kind kind;
        bool is_required;
        const char *missing, *repeated;
    } rules[] = {
        {HEADER_VIA, true, "Missing Via", NULL},
        {HEADER_FROM, true, "Missing From", "Repeated From"},
        {HEADER_TO, true, "Missing To", "Repeated To"},
        {HEADER_CALL_ID, true, "Missing Call-ID", "Repeated Call-ID"},
        {HEADER_CSEQ, true, "Missing CSeq", "Repeated CSeq"},
        {HEADER_CONTENT_LENGTH, false, NULL, "Repeated Content-Length"},
        {HEADER_MAX_FORWARDS, false, NULL, "Repeated Max-Forwards"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct header *header = message_header(message, rules[i].kind);
        if (!header && rules[i].is_required)
            set_fault(fault, rules[i].missing);
        if (header && rules[i].repeated && message_is_repeated(message, rules[i].kind))
            set_fault(fault, rules[i].repeated);
    }
}

static void check_presence(const struct message *message, uint64_t present, const char **fault)
{
    const uint64_t single = UINT64_C(1) << HEADER_FROM | UINT64_C(1) << HEADER_TO |
                            UINT64_C(1) << HEADER_CALL_ID | UINT64_C(1) << HEADER_CSEQ;
    const uint64_t required = single | UINT64_C(1) << HEADER_VIA;
    const uint64_t at_most_one =
        single | UINT64_C(1) << HEADER_CONTENT_LENGTH | UINT64_C(1) << HEADER_MAX_FORWARDS;
    if ((present & required) != required || (message->repeated & at_most_one))
        judge_presence(message, fault);
}

static void parse_max_forwards(struct message *message)
{
    const struct header *header = message_header(message, HEADER_MAX_FORWARDS);
    uint32_t value;
    if (!header)
        message->max_forwards = -1;
    else if (text_to_u32(header->value, &value) || value > 255)
        message->max_forwards = -2;
    else
        message->max_forwards = (int16_t)value;
}

/* callid = word [ "@" word ]; only what would break a comparison is refused. */
static void check_call_id(struct message *message, const char **fault)
{
    const struct header *header = message_header(message, HEADER_CALL_ID);
    if (!header)
        return;
    message->call_id = header->value;
    if (!header->value.n || !scan_is_visible(header->value))
        set_fault(fault, "Malformed Call-ID");
}

/* A request that can be answered is given back all the same. */
static __attribute__((cold, noinline)) int refuse(struct message **messagep,
                                                  struct message *message, const char *reason,
                                                  struct message_fault *fault)
{
    bool is_answerable =
        message->is_request && message->method != METHOD_ACK && message_header(message, HEADER_VIA);
    fault->reason = is_answerable ? reason : NULL;
    if (is_answerable)
        *messagep = message;
    else
        memory_release(message);
    return ERROR_SYNTAX;
}

static struct text without_line_end(struct text line)
{
    size_t end = line.n > 1 && line.p[line.n - 2] == '\r' ? 2 : 1;
    return (struct text){line.p, line.n - end};
}

static int parse(struct message **messagep, const struct layout *layout,
                 struct message_fault *fault)
{
    struct message *message = create(layout);
    if (!message)
        return ERROR_MEMORY;
    const char *reason = NULL;
    uint64_t present = parse_headers(message, layout, &reason);
    struct text line = {message->head.p, layout->start_bytes};
    if (!parse_start_line(message, without_line_end(line), &reason)) {
        memory_release(message);
        return ERROR_SYNTAX;
    }
    check_presence(message, present, &reason);
    check_call_id(message, &reason);
    parse_max_forwards(message);
    parse_cseq(message, &reason);
    cut_body(message, &reason);
    if (reason)
        return refuse(messagep, message, reason, fault);
    *messagep = message;
    return 0;
}

int message_parse(struct message **messagep, struct text bytes, const struct settings *settings,
                  struct message_fault *fault)
{
    uint32_t local[LOCAL_LINES];
    struct layout layout;
    layout.bytes = skip_empty_lines(bytes);
    layout.ends = local;
    layout.count = 0;
    layout.room = LOCAL_LINES;
    layout.spare = (struct arena){0};
    layout.has_stray_cr = false;
    *messagep = NULL;
    fault->reason = NULL;
    if (bytes.n > settings->limits_message_bytes || bytes.n > UINT32_MAX)
        return ERROR_LIMIT;
    int error = find_lines(&layout, settings->limits_headers);
    if (!error)
        error = parse(messagep, &layout, fault);
    arena_reset(&layout.spare);
    return error;
}

int message_rename_call(struct message *message, struct text call_id)
{
    struct text copy = arena_copy(&message->arena, call_id);
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    message->call_id = copy;
    message->caller_hash = 0;
    return 0;
}

struct text message_peek_call_id(struct text bytes)
{
    struct text line, rest = skip_empty_lines(bytes);
    struct header header;
    bool has_stray_cr;
    if (!cut_line(&rest, &line, false, &has_stray_cr))
        return TEXT_NONE;
    while (cut_line(&rest, &line, true, &has_stray_cr) && !is_empty(line)) {
        char letter = (char)(line.p[0] | 0x20);
        if ((letter == 'c' || letter == 'i') && parse_header(&header, line) &&
            header.kind == HEADER_CALL_ID)
            return header.value;
    }
    return TEXT_NONE;
}

const struct header *message_header_next(const struct message *message, const struct header *header)
{
    const struct header *end = message->headers + message->header_count;
    if (!message_is_repeated(message, header->kind))
        return NULL;
    for (const struct header *h = header + 1; h < end; h++)
        if (header_is(h, header->kind, header->name))
            return h;
    return NULL;
}

const struct header *message_header_named(const struct message *message, struct text name)
{
    enum header_kind kind = header_kind_parse(name);
    const struct header *header = message_header(message, kind);
    const struct header *end = message->headers + message->header_count;
    for (; kind == HEADER_OTHER && header && header < end; header++)
        if (header_is(header, kind, name))
            return header;
    return kind == HEADER_OTHER ? NULL : header;
}
