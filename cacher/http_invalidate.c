#include "http_invalidate.h"

#include "http_facts.h"
#include "http_list.h"

static struct str until(struct str text, const char *any_of)
{
    for (uint32_t i = 0; i < text.n; i++)
        if (text.p[i] && strchr(any_of, text.p[i]))
            return (struct str){text.p, i};
    return text;
}

static struct str after(struct str text, uint32_t n)
{
    return (struct str){text.p + n, text.n - n};
}

/* "//host/path" and what is left of it. */
static bool make_absolute(struct str scheme, struct str rest, struct key *key)
{
    struct str host = until(after(rest, 2), "/?");
    struct str target = after(rest, 2 + host.n);
    char text[KEY_BYTES];
    if (target.n && *target.p == '/')
        return key_make(key, scheme, host, target);
    if (target.n + 1 > sizeof(text))
        return false;
    text[0] = '/';
    if (target.n)
        memcpy(text + 1, target.p, target.n);
    return key_make(key, scheme, host, (struct str){text, target.n + 1});
}

bool reference_resolve(const struct key *base, struct str reference, struct key *key)
{
    struct str scheme, host, target, rest = until(str_trim(reference), "#");
    char text[2 * KEY_BYTES];
    if (!key_split(key_text(base), &scheme, &host, &target))
        return false;
    struct str word = until(rest, ":/?");
    if (word.n && word.n < rest.n && rest.p[word.n] == ':') {
        if (!str_eq_nocase(word, STR("http")) && !str_eq_nocase(word, STR("https")))
            return false;
        rest = after(rest, word.n + 1);
        return str_starts(rest, STR("//")) && make_absolute(word, rest, key);
    }
    if (str_starts(rest, STR("//")))
        return make_absolute(scheme, rest, key);
    if (rest.n && *rest.p == '/')
        return key_make(key, scheme, host, rest);
    /* Relative: what stands before the base's last slash, its path, or all of it. */
    struct str path = until(target, "?");
    uint32_t kept = path.n;
    if (rest.n == 0)
        kept = target.n;
    else if (*rest.p != '?')
        while (kept > 0 && path.p[kept - 1] != '/')
            kept--;
    if (rest.n > sizeof(text) - kept)
        return false;
    memcpy(text, target.p, kept);
    if (rest.n)
        memcpy(text + kept, rest.p, rest.n);
    return key_make(key, scheme, host, (struct str){text, kept + rest.n});
}

static bool same_origin(const struct key *x, const struct key *y)
{
    return x->target == y->target && memcmp(x->text, y->text, x->target) == 0;
}

uint32_t invalidate_keys(const struct message *request, const struct message *response,
                         struct key keys[INVALIDATED_MOST])
{
    static const struct str names[] = {{"location", 8}, {"content-location", 16}};
    struct request_facts facts;
    facts_begin(&facts, request->method);
    if (facts.flags & FACT_SAFE || response->status < 200 || response->status >= 400 ||
        !key_make(&keys[0], request->scheme, headers_get(&request->headers, STR("host")), request->target))
        return 0;
    uint32_t n = 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str reference = headers_get(&response->headers, names[i]);
        if (reference.p && reference_resolve(&keys[0], reference, &keys[n]) && same_origin(&keys[0], &keys[n]))
            n++;
    }
    return n;
}
