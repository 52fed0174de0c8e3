#include "redact.h"

#include <ctype.h>

#define HIDDEN    STR("(hidden)")
#define BODY_MAX  32
#define NAME_READ 128 /* bytes of a name that are looked at; whoever needs a longer one has something to hide */

/* Anywhere in a name. */
static const char *const words[] = {
    "cookie",  "authoriz", "authent", "x-auth", "token",     "secret",   "passw",  "passphrase", "pwd",  "cred",
    "session", "signat",   "csrf",    "apikey", "assertion", "verifier", "bearer", "private",    "hash",
};

/* At its end: "key", "api_key", "x-key". */
static const char *const ends[] = {"key", "sig", "auth", "otp", "pin", "sid", "jwt", "nonce", "hmac"};

/* The name alone. */
static const char *const whole[] = {"code", "state", "pass", "pw", "ticket"};

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* In lower case, percent-encoding undone; bytes. */
static size_t decode(struct str name, char *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < name.n; i++) {
        int high = name.p[i] == '%' && i + 2 < name.n ? hex_digit(name.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(name.p[i + 2]) : -1;
        char c = name.p[i];
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = (char)tolower((unsigned char)c);
    }
    return n;
}

bool redact_is_secret(struct str name)
{
    char text[NAME_READ + 1];
    if (name.n > NAME_READ)
        return true;
    size_t n = decode(name, text);
    if (memchr(text, '\0', n))
        return true;
    text[n] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]))
            return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (n >= end && memcmp(text + n - end, ends[i], end) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (strcmp(text, whole[i]) == 0)
            return true;
    return false;
}

/* Texts. */

/* Never STR_NONE, which means another thing. */
static struct str or_hidden(struct str text)
{
    return text.p ? text : HIDDEN;
}

static struct str cut(struct arena *arena, struct str text, uint32_t most)
{
    if (text.n <= most)
        return text;
    while (most > 0 && ((unsigned char)text.p[most] & 0xc0) == 0x80) /* not within a character */
        most--;
    return or_hidden(arena_printf(arena, "%.*s…", (int)most, text.p));
}

static uint32_t span(struct str text, uint32_t from, const char *stops)
{
    uint32_t i = from;
    while (i < text.n && (text.p[i] == '\0' || !strchr(stops, text.p[i])))
        i++;
    return i;
}

static bool has_word(struct str text, const char *word)
{
    size_t n = strlen(word);
    for (uint32_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.p + i, word, n) == 0)
            return true;
    return false;
}

/* An address within a value ("next=%2Freset%3Ftoken%3D…") is not looked into: such a value is hidden whole. */
static bool is_secret_pair(struct str name, struct str value)
{
    while (name.n > 0 && *name.p == ' ') {
        name.p++;
        name.n--;
    }
    return redact_is_secret(name) || has_word(value, "%3d") || has_word(value, "%25");
}

/* After "://": user and password, up to the @; none: STR_NONE. */
static struct str find_user(struct str text, uint32_t from)
{
    uint32_t at = span(text, from, "/?# \t\"<>,");
    while (at > from && text.p[at - 1] != '@')
        at--;
    return at > from ? (struct str){text.p + from, at - 1 - from} : STR_NONE;
}

/* After one of "?&;#": name=value. The value when it is a secret; otherwise STR_NONE, and *next is where to go on: the
 * value may be an address. */
static struct str find_value(struct str text, uint32_t from, uint32_t *next)
{
    uint32_t equals = span(text, from, "=&;?#"), end = span(text, equals, "&;?#");
    struct str name = {text.p + from, equals - from};
    *next = equals;
    if (equals == text.n || text.p[equals] != '=')
        return STR_NONE;
    *next = equals + 1;
    struct str value = {text.p + equals + 1, end - equals - 1};
    return is_secret_pair(name, value) ? value : STR_NONE;
}

struct str redact_find(struct str text, uint32_t from)
{
    struct str found = STR_NONE;
    while (from < text.n && !found.p) {
        if (text.p[from] && strchr("?&;#", text.p[from])) {
            found = find_value(text, from + 1, &from);
        } else if (text.n - from >= 3 && memcmp(text.p + from, "://", 3) == 0) {
            from += 3;
            found = find_user(text, from);
        } else {
            from++;
        }
    }
    return found;
}

/* An address, or a text that may hold some. */
static struct str hide_secrets(struct arena *arena, struct str text)
{
    struct str secret = redact_find(text, 0);
    uint32_t from = 0, n = 0;
    if (!secret.p)
        return text;
    /* No byte becomes more than "(hidden)". */
    char *out = arena_alloc(arena, (size_t)text.n * HIDDEN.n);
    if (!out)
        return HIDDEN;
    for (; secret.p; secret = redact_find(text, from)) {
        uint32_t before = (uint32_t)(secret.p - text.p) - from;
        memcpy(out + n, text.p + from, before);
        memcpy(out + n + before, HIDDEN.p, HIDDEN.n);
        n += before + HIDDEN.n;
        from += before + secret.n;
    }
    memcpy(out + n, text.p + from, text.n - from);
    return (struct str){out, n + text.n - from};
}

/* Cut first, so that the work is bounded; and again, since hiding may lengthen. */
struct str redact_address(struct arena *arena, struct str text, uint32_t most)
{
    return cut(arena, hide_secrets(arena, cut(arena, text, most)), most);
}

/* Messages. */

static void redact_headers(struct headers *headers, struct arena *arena)
{
    if (headers->n > REDACT_HEADERS)
        headers->n = REDACT_HEADERS;
    for (uint32_t i = 0; i < headers->n; i++) {
        struct header *line = &headers->item[i];
        line->value = redact_is_secret(line->name) ? HIDDEN : redact_address(arena, line->value, REDACT_VALUE);
        line->name = cut(arena, line->name, REDACT_NAME);
    }
}

static void redact_batch(struct batch *batch, struct arena *arena)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        struct statement_call *call = &batch->item[i];
        for (uint32_t j = 0; j < call->n; j++)
            if (call->parameter[j].p)
                call->parameter[j] = or_hidden(arena_printf(arena, "(%u bytes)", call->parameter[j].n));
    }
}

void redact_message(struct message *message, struct arena *arena)
{
    switch ((int)message->type) {
    case MESSAGE_REQUEST:
        message->target = redact_address(arena, message->target, REDACT_TARGET);
        redact_headers(&message->headers, arena);
        return;
    case MESSAGE_RESPONSE:
        redact_headers(&message->headers, arena);
        if (message->tags.n > REDACT_TAGS)
            message->tags.n = REDACT_TAGS;
        return;
    case MESSAGE_RESULT:
        if (message->tags.n > REDACT_TAGS)
            message->tags.n = REDACT_TAGS;
        return;
    case MESSAGE_QUERY:
        redact_batch(&message->batch, arena);
        return;
    }
}

size_t redact_body(const struct message *message, size_t n)
{
    if (message->type != MESSAGE_RESPONSE)
        return 0;
    for (uint32_t i = 0; i < message->headers.n; i++) {
        const struct header *line = &message->headers.item[i];
        if (str_eq_nocase(line->name, STR("set-cookie")) ||
            (has_word(line->name, "cache-control") &&
             (has_word(line->value, "private") || has_word(line->value, "no-store"))))
            return 0;
    }
    return n < BODY_MAX ? n : BODY_MAX;
}
