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

static int push_uri(lua_State *L, const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return api_push_text(L, read_address(subject, kind, &address) ? address.uri_text : TEXT_NONE);
}

static int push_tag(lua_State *L, const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    return api_push_text(L, read_address(subject, kind, &address) ? address.tag : TEXT_NONE);
}

static int push_display(lua_State *L, const struct subject *subject, enum header_kind kind)
{
    struct name_addr address;
    bool is_there = read_address(subject, kind, &address);
    return api_push_text(L, is_there ? address.display_name : TEXT_NONE);
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

static int read_from(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject_header(subject, HEADER_FROM));
}

static int read_from_uri(lua_State *L, const struct subject *subject)
{
    return push_uri(L, subject, HEADER_FROM);
}

static void write_from_uri(lua_State *L, const struct subject *subject)
{
    write_uri(L, subject, HEADER_FROM, "from_uri");
}

static int read_from_tag(lua_State *L, const struct subject *subject)
{
    return push_tag(L, subject, HEADER_FROM);
}

static int read_from_display(lua_State *L, const struct subject *subject)
{
    return push_display(L, subject, HEADER_FROM);
}

static void write_from_display(lua_State *L, const struct subject *subject)
{
    write_display(L, subject, HEADER_FROM, "from_display");
}

static int read_to(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject_header(subject, HEADER_TO));
}

static int read_to_uri(lua_State *L, const struct subject *subject)
{
    return push_uri(L, subject, HEADER_TO);
}

static void write_to_uri(lua_State *L, const struct subject *subject)
{
    write_uri(L, subject, HEADER_TO, "to_uri");
}

static int read_to_tag(lua_State *L, const struct subject *subject)
{
    return push_tag(L, subject, HEADER_TO);
}

static int read_to_display(lua_State *L, const struct subject *subject)
{
    return push_display(L, subject, HEADER_TO);
}

static void write_to_display(lua_State *L, const struct subject *subject)
{
    write_display(L, subject, HEADER_TO, "to_display");
}

static int read_contact(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject_header(subject, HEADER_CONTACT));
}

static int read_contact_uri(lua_State *L, const struct subject *subject)
{
    return push_uri(L, subject, HEADER_CONTACT);
}

const struct word words_address[] = {
    {"from", read_from, NULL},
    {"from_uri", read_from_uri, write_from_uri},
    {"from_tag", read_from_tag, NULL},
    {"from_display", read_from_display, write_from_display},
    {"to", read_to, NULL},
    {"to_uri", read_to_uri, write_to_uri},
    {"to_tag", read_to_tag, NULL},
    {"to_display", read_to_display, write_to_display},
    {"contact", read_contact, NULL},
    {"contact_uri", read_contact_uri, NULL},
    {NULL, NULL, NULL},
};
