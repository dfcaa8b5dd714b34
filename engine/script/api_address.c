/* Words of the addresses in a message: From, To and Contact, whole and in parts. */
#include "script/state.h"

/** The first address of a header as it will be sent. */
static bool read_address(const struct subject *subject, enum header_kind kind,
                         struct name_addr *address)
{
    struct message *message = subject->message;
    struct text value = subject_header(subject, kind);
    if (!message || !text_is_set(value))
        return false;
    const struct header *received = message_header(message, kind);
    if (received && received->value.p == value.p) {
        const struct name_addr *parsed = kind == HEADER_FROM ? message_from(message)
                                         : kind == HEADER_TO ? message_to(message)
                                                             : message_contact(message);
        if (parsed)
            *address = *parsed;
        return parsed != NULL;
    }
    return name_addr_parse(address, name_addr_split(&value)) == 0;
}

static struct text uri_in(const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return read_address(subject, kind, &address) ? address.uri_text : TEXT_NONE;
}

static struct text tag_in(const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return read_address(subject, kind, &address) ? address.tag : TEXT_NONE;
}

static struct text display_in(const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return read_address(subject, kind, &address) ? address.display_name : TEXT_NONE;
}

/** The user part of its URI; absent when there is none. */
static struct text user_in(const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return read_address(subject, kind, &address) ? address.uri.user : TEXT_NONE;
}

static struct text host_in(const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return read_address(subject, kind, &address) ? address.uri.host : TEXT_NONE;
}

/** What is kept of a folded header goes into one line (RFC 3261 s7.3.1). */
static struct text unfold(lua_State *L, const struct subject *subject, struct text t)
{
    if (!text_find(t, '\r') && !text_find(t, '\n'))
        return t;
    char *line = arena_alloc(&subject->run->arena, t.n);
    if (!line)
        luaL_error(L, "not enough memory");
    for (size_t i = 0; i < t.n; i++)
        line[i] = (char)(t.p[i] == '\r' || t.p[i] == '\n' ? ' ' : t.p[i]);
    return (struct text){line, t.n};
}

/** Replace a header by the same address with other parts. Parameters, the tag among them, stay. */
static void write_address(lua_State *L, const struct subject *subject, enum header_kind kind,
                          const char *word, struct text display, struct text uri,
                          struct text params)
{
    struct edits *edits = subject_edits(L, subject, word);
    struct header_view view;
    if (!edits_header(edits, kind, TEXT_NONE, &view))
        api_misuse(L, "%s: there is no %s header", word, header_kind_name(kind));
    bool is_quoted = !display.n || display.p[0] == '"';
    struct text value =
        arena_printf(&subject->run->arena, "%s%.*s%s%s<%.*s>%s%.*s", is_quoted ? "" : "\"",
                     TEXT_ARG(display), is_quoted ? "" : "\"", display.n ? " " : "", TEXT_ARG(uri),
                     params.n ? ";" : "", TEXT_ARG(params));
    if (!text_is_set(value))
        luaL_error(L, "not enough memory");
    struct name_addr check;
    if (name_addr_parse(&check, value))
        api_misuse(L, "%s: '%.*s' does not fit into a %s header", word,
                   TEXT_ARG(text_is_set(display) ? display : uri), header_kind_name(kind));
    api_check_assignment(L, word, edits_replace(edits, &view, value));
}

static void write_uri(lua_State *L, const struct subject *subject, enum header_kind kind,
                      const char *word)
{
    struct text text = api_text(L, 3, word);
    struct name_addr address;
    struct uri uri;
    if (uri_parse(&uri, text))
        api_misuse(L, "%s: '%.*s' is not a URI", word, TEXT_ARG(text));
    if (!read_address(subject, kind, &address))
        api_misuse(L, "%s: there is no %s header", word, header_kind_name(kind));
    write_address(L, subject, kind, word, unfold(L, subject, address.display_name), text,
                  unfold(L, subject, address.params));
}

static void write_display(lua_State *L, const struct subject *subject, enum header_kind kind,
                          const char *word)
{
    struct text text = lua_isnil(L, 3) ? TEXT_NONE : api_text(L, 3, word);
    struct name_addr address;
    if (!read_address(subject, kind, &address))
        api_misuse(L, "%s: there is no %s header", word, header_kind_name(kind));
    write_address(L, subject, kind, word, text, address.uri_text,
                  unfold(L, subject, address.params));
}

static struct text read_from(const struct subject *subject)
{
    return subject_header(subject, HEADER_FROM);
}

static struct text read_from_uri(const struct subject *subject)
{
    return uri_in(subject, HEADER_FROM);
}

static void write_from_uri(lua_State *L, const struct subject *subject)
{
    write_uri(L, subject, HEADER_FROM, "from_uri");
}

static struct text read_from_user(const struct subject *subject)
{
    return user_in(subject, HEADER_FROM);
}

static struct text read_from_domain(const struct subject *subject)
{
    return host_in(subject, HEADER_FROM);
}

static struct text read_from_tag(const struct subject *subject)
{
    return tag_in(subject, HEADER_FROM);
}

static struct text read_from_display(const struct subject *subject)
{
    return display_in(subject, HEADER_FROM);
}

static void write_from_display(lua_State *L, const struct subject *subject)
{
    write_display(L, subject, HEADER_FROM, "from_display");
}

static struct text read_to(const struct subject *subject)
{
    return subject_header(subject, HEADER_TO);
}

static struct text read_to_uri(const struct subject *subject)
{
    return uri_in(subject, HEADER_TO);
}

static void write_to_uri(lua_State *L, const struct subject *subject)
{
    write_uri(L, subject, HEADER_TO, "to_uri");
}

static struct text read_to_user(const struct subject *subject)
{
    return user_in(subject, HEADER_TO);
}

static struct text read_to_domain(const struct subject *subject)
{
    return host_in(subject, HEADER_TO);
}

static struct text read_to_tag(const struct subject *subject)
{
    return tag_in(subject, HEADER_TO);
}

static struct text read_to_display(const struct subject *subject)
{
    return display_in(subject, HEADER_TO);
}

static void write_to_display(lua_State *L, const struct subject *subject)
{
    write_display(L, subject, HEADER_TO, "to_display");
}

static struct text read_contact(const struct subject *subject)
{
    return subject_header(subject, HEADER_CONTACT);
}

static struct text read_contact_uri(const struct subject *subject)
{
    return uri_in(subject, HEADER_CONTACT);
}

const struct word words_address[] = {
    {"from", .text = read_from},
    {"from_uri", .text = read_from_uri, .write = write_from_uri},
    {"from_user", .text = read_from_user},
    {"from_domain", .text = read_from_domain},
    {"from_tag", .text = read_from_tag},
    {"from_display", .text = read_from_display, .write = write_from_display},
    {"to", .text = read_to},
    {"to_uri", .text = read_to_uri, .write = write_to_uri},
    {"to_user", .text = read_to_user},
    {"to_domain", .text = read_to_domain},
    {"to_tag", .text = read_to_tag},
    {"to_display", .text = read_to_display, .write = write_to_display},
    {"contact", .text = read_contact},
    {"contact_uri", .text = read_contact_uri},
    {.name = NULL},
};
