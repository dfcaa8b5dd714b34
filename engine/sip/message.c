/*
 * One pass from bytes to spans.
 *
 * The lines are found in the caller's bytes first; then one block is allocated that holds the
 * message, its bytes, its headers and room for what is parsed later, and the spans are moved over.
 * So a message costs one allocation, and one that is refused by a limit costs none. Faults do not
 * end the pass: a request is answered 400 with as much of it as can be read.
 */
#include "sip/message.h"

#include "base/error.h"
#include "base/memory.h"
#include "sip/lines.h"
#include "sip/parse_osip.h"
#include "sip/scan.h"

#define LOCAL_HEADERS   48   /* more than that of one message are found in a spare arena */
#define PARSED_BYTES    1280 /* room for struct message_parsed and small texts */
#define CSEQ_LIMIT      ((uint32_t)1 << 31) /* RFC 3261 s8.1.1.5 */
#define LONGEST_VERSION 16

/* What the first part of the pass found, in the caller's bytes. */
struct layout {
    struct text start_line; /* without line end */
    struct text head;       /* from the start line to the empty line, both included */
    struct text behind;     /* all after it */
    struct header *headers;
    size_t count, room;
    struct arena spare; /* holds headers when there are many */
    const char *fault;  /* first fault, NULL when there is none */
};

static void destroy(void *object)
{
    struct message *message = object;
    arena_reset(&message->arena);
}

static void set_fault(const char **fault, const char *reason)
{
    if (!*fault)
        *fault = reason;
}

static bool is_empty_line(struct text bytes)
{
    return bytes.n &&
           (bytes.p[0] == '\n' || (bytes.n > 1 && bytes.p[0] == '\r' && bytes.p[1] == '\n'));
}

static struct text skip_empty_lines(struct text bytes)
{
    while (is_empty_line(bytes))
        scan_skip(&bytes, bytes.p[0] == '\n' ? 1 : 2);
    return bytes;
}

/*
 * A value as nearly all are written, one space in front and CR LF behind, is trimmed without a loop:
 * of a call's fifty headers that is 1,300 instructions.
 */
static inline struct text trim_value(struct text t)
{
    bool is_usual = t.n > 3 && t.p[0] == ' ' && (unsigned char)t.p[1] > ' ' &&
                    (unsigned char)t.p[t.n - 3] > ' ' && t.p[t.n - 2] == '\r' &&
                    t.p[t.n - 1] == '\n';
    return is_usual ? (struct text){t.p + 1, t.n - 3} : text_trim(t);
}

/* field-name HCOLON field-value */
static bool parse_header(struct header *header, struct text line)
{
    struct text rest = line;
    header->line = line;
    header->kind = header_kind_scan(&rest, &header->name);
    if (header->kind == HEADER_OTHER) {
        header->name = scan_set(&rest, CHARS_TOKEN);
        while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\t'))
            scan_skip(&rest, 1);
        if (!header->name.n || !scan_char(&rest, ':'))
            return false;
        header->kind = header_kind_parse(header->name);
    }
    header->value = trim_value(rest);
    return true;
}

static int make_room(struct layout *layout, uint64_t limit)
{
    if (layout->count < layout->room)
        return 0;
    if (layout->room >= limit)
        return ERROR_LIMIT;
    size_t room = layout->room * 4;
    struct header *headers = arena_alloc(&layout->spare, room * sizeof *headers);
    if (!headers)
        return ERROR_MEMORY;
    memcpy(headers, layout->headers, layout->count * sizeof *headers);
    layout->headers = headers;
    layout->room = room;
    return 0;
}

static struct text without_line_end(struct text line)
{
    size_t end = line.n > 1 && line.p[line.n - 2] == '\r' ? 2 : 1;
    return (struct text){line.p, line.n - end};
}

static int find_headers(struct layout *layout, struct text bytes, uint64_t limit)
{
    struct lines lines;
    struct text line;
    lines_begin(&lines, bytes);
    if (!lines_cut(&lines, &line) || lines.has_stray_cr)
        return ERROR_SYNTAX;
    layout->start_line = without_line_end(line);
    while (!is_empty_line(lines.rest)) {
        if (!lines_cut_folded(&lines, &line)) {
            set_fault(&layout->fault, "No End of Headers");
            break;
        }
        int error = layout->count >= limit ? ERROR_LIMIT : make_room(layout, limit);
        if (error)
            return error;
        if (parse_header(&layout->headers[layout->count], line))
            layout->count++;
        else
            set_fault(&layout->fault, "Malformed Header Line");
    }
    if (lines.has_stray_cr)
        set_fault(&layout->fault, "Stray CR");
    struct text rest = lines.rest;
    if (is_empty_line(rest))
        scan_skip(&rest, rest.p[0] == '\n' ? 1 : 2);
    layout->head = text_span(bytes.p, rest.p);
    layout->behind = rest;
    return 0;
}

/* Move a span from the caller's bytes to the message's. */
static struct text moved(struct text t, const char *from, const char *to)
{
    return (struct text){to + (t.p - from), t.n};
}

/* One block: message, bytes, headers, room for what is parsed later. */
static struct message *create(const struct layout *layout)
{
    size_t bytes = layout->head.n + layout->behind.n;
    size_t room = bytes + layout->count * sizeof(struct header) + PARSED_BYTES;
    struct message *message = memory_alloc_local(sizeof *message, room, destroy);
    if (!message)
        return NULL;
    arena_lend(&message->arena, message + 1, room);
    message->headers = arena_alloc(&message->arena, layout->count * sizeof(struct header));
    message->bytes = arena_copy(&message->arena, (struct text){layout->head.p, bytes});
    message->head = (struct text){message->bytes.p, layout->head.n};
    message->header_count = (uint16_t)layout->count;
    const char *from = layout->head.p, *to = message->bytes.p;
    if (layout->count)
        memcpy(message->headers, layout->headers, layout->count * sizeof(struct header));
    for (size_t i = 0; i < layout->count; i++) {
        struct header *header = &message->headers[i];
        header->line.p = to + (header->line.p - from);
        header->name.p = to + (header->name.p - from);
        header->value.p = to + (header->value.p - from);
        if (message->first[header->kind])
            message->repeated |= UINT64_C(1) << header->kind;
        else
            message->first[header->kind] = (uint16_t)(i + 1);
    }
    return message;
}

/* "SIP/" 1*DIGIT "." 1*DIGIT */
static bool is_version(struct text t)
{
    if (t.n > LONGEST_VERSION || !text_starts_with_nocase(t, TEXT("SIP/")))
        return false;
    scan_skip(&t, 4);
    return scan_set(&t, CHARS_DIGIT).n && scan_char(&t, '.') && scan_set(&t, CHARS_DIGIT).n && !t.n;
}

/* @return false when it is not even known what the message is */
static bool parse_status_line(struct message *message, struct text line)
{
    struct text rest = line;
    message->version = text_split(&rest, ' ');
    struct text code = text_split(&rest, ' ');
    uint32_t status;
    if (!text_equal_nocase(message->version, TEXT("SIP/2.0")) || code.n != 3 ||
        text_to_u32(code, &status) || status < 100 || status > 699)
        return false;
    message->status = (uint16_t)status;
    message->reason = text_is_set(rest) ? rest : (struct text){line.p + line.n, 0};
    return true;
}

/* Method SP Request-URI SP SIP-Version, with exactly these spaces. */
static bool parse_request_line(struct message *message, struct text line, const char **fault)
{
    struct text rest = line, method = line;
    message->method_text = scan_set(&method, CHARS_TOKEN);
    text_split(&rest, ' ');
    const char *last = rest.n ? memrchr(rest.p, ' ', rest.n) : NULL;
    if (!last || !message->method_text.n ||
        message->method_text.p + message->method_text.n + 1 != rest.p)
        return false;
    message->is_request = true;
    message->method = method_parse(message->method_text);
    message->request_uri = text_span(rest.p, last);
    message->version = text_span(last + 1, rest.p + rest.n);
    if (!is_version(message->version))
        set_fault(fault, "Malformed Request-Line");
    for (size_t i = 0; i < message->request_uri.n; i++)
        if (char_is_space(message->request_uri.p[i]))
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

static void parse_cseq(struct message *message, const char **fault)
{
    const struct header *header = message_header(message, HEADER_CSEQ);
    struct text rest = header ? header->value : TEXT_NONE;
    struct text number = text_word(&rest), method = text_trim(rest), tail = method;
    if (!header)
        return;
    scan_set(&tail, CHARS_TOKEN);
    if (text_to_u32(number, &message->cseq_number) || message->cseq_number >= CSEQ_LIMIT ||
        !method.n || tail.n) {
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

static void check_presence(const struct message *message, const char **fault)
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

/* callid = word [ "@" word ]; only what would break a comparison is refused. */
static void check_call_id(struct message *message, const char **fault)
{
    const struct header *header = message_header(message, HEADER_CALL_ID);
    if (!header)
        return;
    message->call_id = header->value;
    if (!header->value.n)
        set_fault(fault, "Malformed Call-ID");
    for (size_t i = 0; i < header->value.n; i++)
        if ((unsigned char)header->value.p[i] <= ' ')
            set_fault(fault, "Malformed Call-ID");
}

static int check(struct message **messagep, struct message *message, const char *reason,
                 struct message_fault *fault)
{
    if (!reason) {
        *messagep = message;
        return 0;
    }
    bool is_answerable =
        message->is_request && message->method != METHOD_ACK && message_header(message, HEADER_VIA);
    fault->reason = is_answerable ? reason : NULL;
    if (is_answerable)
        *messagep = message;
    else
        memory_release(message);
    return ERROR_SYNTAX;
}

static int parse(struct message **messagep, struct layout *layout, struct message_fault *fault)
{
    struct message *message = create(layout);
    if (!message)
        return ERROR_MEMORY;
    const char *reason = layout->fault;
    struct text line = moved(layout->start_line, layout->head.p, message->bytes.p);
    if (!parse_start_line(message, line, &reason)) {
        memory_release(message);
        return ERROR_SYNTAX;
    }
    check_presence(message, &reason);
    check_call_id(message, &reason);
    parse_cseq(message, &reason);
    cut_body(message, &reason);
    return check(messagep, message, reason, fault);
}

int message_parse(struct message **messagep, struct text bytes, const struct settings *settings,
                  struct message_fault *fault)
{
    struct header local[LOCAL_HEADERS];
    struct layout layout = {.headers = local, .room = LOCAL_HEADERS};
    *messagep = NULL;
    fault->reason = NULL;
    if (bytes.n > settings->limits_message_bytes)
        return ERROR_LIMIT;
    int error = find_headers(&layout, skip_empty_lines(bytes), settings->limits_headers);
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
    return 0;
}

struct text message_peek_call_id(struct text bytes)
{
    struct lines lines;
    struct text line;
    struct header header;
    lines_begin(&lines, skip_empty_lines(bytes));
    if (!lines_cut(&lines, &line))
        return TEXT_NONE;
    while (!is_empty_line(lines.rest) && lines_cut_folded(&lines, &line)) {
        char letter = (char)(line.p[0] | 0x20);
        if ((letter == 'c' || letter == 'i') && parse_header(&header, line) &&
            header.kind == HEADER_CALL_ID)
            return header.value;
    }
    return TEXT_NONE;
}

const struct header *message_header(const struct message *message, enum header_kind kind)
{
    return message->first[kind] ? &message->headers[message->first[kind] - 1] : NULL;
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

int message_max_forwards(const struct message *message)
{
    const struct header *header = message_header(message, HEADER_MAX_FORWARDS);
    uint32_t value;
    if (!header)
        return -1;
    return text_to_u32(header->value, &value) || value > 255 ? -2 : (int)value;
}
