/* application/sdp, alone or inside multipart/anything (RFC 2046 s5.1). */
#include "route/body.h"

#define BOUNDARY_BYTES 80 /* RFC 2046 s5.1.1: at most 70, with the two dashes */

static bool is_type(struct text content_type, struct text wanted)
{
    struct text rest = content_type;
    return text_equal_nocase(text_trim(text_split(&rest, ';')), wanted);
}

/* "--" and the boundary parameter. */
static bool delimiter(struct text content_type, char array[BOUNDARY_BYTES], struct text *out)
{
    struct text params = content_type;
    text_split(&params, ';');
    struct text boundary = text_is_set(params) ? param_find(params, TEXT("boundary")) : TEXT_NONE;
    if (boundary.n >= 2 && boundary.p[0] == '"')
        boundary = (struct text){boundary.p + 1, boundary.n - 2};
    if (boundary.n == 0 || boundary.n + 2 > BOUNDARY_BYTES)
        return false;
    memcpy(array, "--", 2);
    memcpy(array + 2, boundary.p, boundary.n);
    *out = (struct text){array, boundary.n + 2};
    return true;
}

static bool part_is_sdp(struct text head)
{
    while (head.n) {
        struct text line = text_trim(text_split(&head, '\n'));
        struct text name = text_trim(text_split(&line, ':'));
        if (text_equal_nocase(name, TEXT("Content-Type")))
            return is_type(line, TEXT("application/sdp"));
    }
    return false;
}

/* What lies between the delimiters, without the line end that belongs to the second one. */
static struct text part_content(struct text part, struct text *head)
{
    const char *end = text_search(part, TEXT("\r\n\r\n"));
    if (!end)
        return TEXT_NONE;
    *head = text_span(part.p, end);
    struct text content = text_span(end + 4, part.p + part.n);
    if (content.n >= 2 && content.p[content.n - 1] == '\n' && content.p[content.n - 2] == '\r')
        content.n -= 2;
    return content;
}

/* The next delimiter: it begins a line, and nothing but dashes or white space follows it. */
static const char *next_delimiter(struct text body, const char *from, struct text mark)
{
    const char *end = body.p + body.n, *at = from;
    while ((at = text_search(text_span(at, end), mark))) {
        const char *after = at + mark.n;
        bool is_begin = at == body.p || at[-1] == '\n';
        if (is_begin && (after == end || memchr("\r\n \t-", *after, 5)))
            return at;
        at = after;
    }
    return NULL;
}

struct text body_find_sdp(struct text body, struct text content_type)
{
    char array[BOUNDARY_BYTES];
    struct text mark;
    if (!body.n || !content_type.n)
        return TEXT_NONE;
    if (is_type(content_type, TEXT("application/sdp")))
        return body;
    if (!text_starts_with_nocase(text_trim(content_type), TEXT("multipart/")) ||
        !delimiter(content_type, array, &mark))
        return TEXT_NONE;
    const char *at = next_delimiter(body, body.p, mark);
    while (at) {
        const char *begin = at + mark.n;
        at = next_delimiter(body, begin, mark);
        struct text head;
        struct text content = at ? part_content(text_span(begin, at), &head) : TEXT_NONE;
        if (content.n && part_is_sdp(head))
            return content;
    }
    return TEXT_NONE;
}
