/* ACK and CANCEL out of the bytes that were sent. */
#include "transaction/derive.h"

/* One header line of the sent bytes, folds included. */
struct sent_line {
    struct text line, value;
    enum header_kind kind;
};

/* Cut the start line off; absent when its end is missing. */
static struct text cut_start_line(struct text *rest)
{
    const char *end = text_find(*rest, '\n');
    if (!end)
        return TEXT_NONE;
    struct text line = text_span(rest->p, end);
    *rest = text_span(end + 1, rest->p + rest->n);
    return text_trim(line);
}

/* Cut the next whole header line off. @return false at the empty line or a cut end */
static bool cut_line(struct text *rest, struct sent_line *line)
{
    const char *end = rest->p, *stop = rest->p + rest->n;
    do {
        end = text_find(text_span(end, stop), '\n');
        if (!end)
            return false;
        end++;
    } while (end < stop && (*end == ' ' || *end == '\t'));
    line->line = text_span(rest->p, end);
    struct text value = line->line;
    struct text name = text_trim(text_split(&value, ':'));
    if (!text_is_set(value))
        return false;
    line->kind = header_kind_parse(name);
    line->value = text_trim(value);
    *rest = text_span(end, stop);
    return true;
}

struct text derive_header(struct text sent, enum header_kind kind)
{
    struct sent_line line;
    cut_start_line(&sent);
    while (cut_line(&sent, &line))
        if (line.kind == kind)
            return line.value;
    return TEXT_NONE;
}

static void append_line(struct buffer *out, const char *name, struct text value)
{
    buffer_append(out, text_of(name));
    buffer_append(out, TEXT(": "));
    buffer_append(out, value);
    buffer_append(out, TEXT("\r\n"));
}

/* The lines that both requests share; @p to replaces the To value unless absent. */
static void append_headers(struct buffer *out, struct text rest, const char *method, struct text to)
{
    struct sent_line line;
    bool has_via = false;
    while (cut_line(&rest, &line)) {
        struct text list = line.value;
        if (line.kind == HEADER_VIA && !has_via) {
            append_line(out, "Via", name_addr_split(&list)); /* ours alone */
            has_via = true;
        } else if (line.kind == HEADER_TO && text_is_set(to)) {
            append_line(out, "To", to);
        } else if (line.kind == HEADER_CSEQ) {
            buffer_append(out, TEXT("CSeq: "));
            buffer_append(out, text_word(&list));
            buffer_append_char(out, ' ');
            buffer_append(out, text_of(method));
            buffer_append(out, TEXT("\r\n"));
        } else if (line.kind == HEADER_FROM || line.kind == HEADER_TO ||
                   line.kind == HEADER_CALL_ID || line.kind == HEADER_ROUTE ||
                   line.kind == HEADER_MAX_FORWARDS) {
            buffer_append(out, line.line);
        }
    }
}

static void derive(struct buffer *out, struct text sent, const char *method, struct text to)
{
    struct text start = cut_start_line(&sent);
    text_word(&start); /* the method */
    buffer_append(out, text_of(method));
    buffer_append_char(out, ' ');
    buffer_append(out, text_word(&start)); /* the Request-URI */
    buffer_append(out, TEXT(" SIP/2.0\r\n"));
    append_headers(out, sent, method, to);
}

void derive_ack(struct buffer *out, struct text sent, const struct message *response)
{
    const struct header *to = message_header(response, HEADER_TO);
    derive(out, sent, "ACK", to ? to->value : TEXT_NONE);
    buffer_append(out, TEXT("Content-Length: 0\r\n\r\n"));
}

void derive_cancel(struct buffer *out, struct text sent, struct text reason)
{
    derive(out, sent, "CANCEL", TEXT_NONE);
    if (reason.n)
        append_line(out, "Reason", reason);
    buffer_append(out, TEXT("Content-Length: 0\r\n\r\n"));
}

bool derive_branch(struct text sent, enum method *method, struct text *branch)
{
    struct text rest = sent, start = cut_start_line(&rest);
    struct text name = text_word(&start);
    if (!name.n || text_starts_with(name, TEXT("SIP/")))
        return false;
    struct text list = derive_header(sent, HEADER_VIA);
    struct via via;
    if (!list.n || via_parse(&via, name_addr_split(&list)) || !via.branch.n)
        return false;
    *method = method_parse(name);
    *branch = via.branch;
    return true;
}

bool derive_is_in_dialog(struct text sent)
{
    struct name_addr to;
    return !name_addr_parse(&to, derive_header(sent, HEADER_TO)) && text_is_set(to.tag);
}
