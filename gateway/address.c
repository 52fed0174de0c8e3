#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const struct address *address)
{
    return memcmp(address->byte, MAPPED, sizeof(MAPPED)) == 0;
}

struct address address_of(const struct sockaddr_storage *from)
{
    struct address address = {{0}};
    if (from->ss_family == AF_INET) {
        memcpy(address.byte, MAPPED, sizeof(MAPPED));
        memcpy(address.byte + sizeof(MAPPED), &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        memcpy(address.byte, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    }
    return address;
}

/* Without brackets and port. */
static struct str bare(struct str text)
{
    const char *end = text.n ? memchr(text.p, text.p[0] == '[' ? ']' : ':', text.n) : NULL;
    if (end && text.p[0] == '[') {
        return (struct str){text.p + 1, (uint32_t)(end - text.p - 1)};
    }
    bool port = end && !memchr(end + 1, ':', text.n - (size_t)(end + 1 - text.p)); /* IPv6 has several colons */
    return port ? (struct str){text.p, (uint32_t)(end - text.p)} : text;
}

bool address_parse(struct str text, struct address *address)
{
    char terminated[ADDRESS_TEXT];
    struct str inner = bare(text);
    if (inner.n == 0 || inner.n >= sizeof(terminated)) {
        return false;
    }
    memcpy(terminated, inner.p, inner.n);
    terminated[inner.n] = '\0';
    memcpy(address->byte, MAPPED, sizeof(MAPPED));
    return inet_pton(AF_INET, terminated, address->byte + sizeof(MAPPED)) == 1 ||
           inet_pton(AF_INET6, terminated, address->byte) == 1;
}

struct str address_print(const struct address *address, char *buffer)
{
    const char *text = NULL;
    if (is_mapped(address)) {
        text = inet_ntop(AF_INET, address->byte + sizeof(MAPPED), buffer, ADDRESS_TEXT);
    } else if (address_is_known(address)) {
        text = inet_ntop(AF_INET6, address->byte, buffer, ADDRESS_TEXT);
    }
    return text ? str_of(text) : STR("");
}

bool address_is_known(const struct address *address)
{
    static const struct address nobody;
    return !address_same(address, &nobody);
}

bool address_is_loopback(const struct address *address)
{
    static const struct address six = {{[15] = 1}};
    return is_mapped(address) ? address->byte[12] == 127 : address_same(address, &six);
}

bool address_same(const struct address *a, const struct address *b)
{
    return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

struct address address_client(const struct address *address)
{
    struct address client = *address;
    if (!is_mapped(address)) {
        memset(client.byte + ADDRESS_ORIGIN / 8, 0, sizeof(client.byte) - ADDRESS_ORIGIN / 8);
    }
    return client;
}

static bool parse_range(struct str text, struct address *address, unsigned *bits)
{
    const char *slash = memchr(text.p, '/', text.n);
    struct str host = {text.p, slash ? (uint32_t)(slash - text.p) : text.n};
    if (!address_parse(host, address)) {
        return false;
    }
    unsigned before = is_mapped(address) ? 96 : 0, given = 0;
    *bits = 128;
    if (!slash) {
        return true;
    }
    size_t digits = text.n - host.n - 1;
    if (digits == 0 || digits > 3) {
        return false;
    }
    for (size_t i = 1; i <= digits; i++) {
        if (slash[i] < '0' || slash[i] > '9') {
            return false;
        }
        given = given * 10 + (unsigned)(slash[i] - '0');
    }
    *bits = before + given;
    return *bits <= 128;
}

bool proxies_parse(struct proxies *proxies, const char *list, char *error, size_t error_size)
{
    *proxies = (struct proxies){.n = 0};
    for (const char *p = list + strspn(list, ", \t"); *p; p += strspn(p, ", \t")) {
        struct str word = {p, (uint32_t)strcspn(p, ", \t")};
        if (proxies->n == PROXIES_MAX) {
            snprintf(error, error_size, "FILMYFLY_TRUSTED_PROXIES has more than %d entries.", PROXIES_MAX);
            return false;
        }
        if (!parse_range(word, &proxies->range[proxies->n].address, &proxies->range[proxies->n].bits)) {
            snprintf(error, error_size,
                     "FILMYFLY_TRUSTED_PROXIES has \"%.*s\"; expected addresses and ranges such as 10.0.0.0/8 or "
                     "2001:db8::/32, with commas between.",
                     word.n < 60 ? (int)word.n : 60, word.p);
            return false;
        }
        proxies->n++;
        p += word.n;
    }
    return true;
}

static bool is_within(const struct address *address, const struct address *range, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(address->byte, range->byte, whole) == 0 &&
           (rest == 0 || (address->byte[whole] ^ range->byte[whole]) >> (8 - rest) == 0);
}

bool proxies_trust(const struct proxies *proxies, const struct address *address)
{
    for (unsigned i = 0; i < proxies->n; i++) {
        if (is_within(address, &proxies->range[i].address, proxies->range[i].bits)) {
            return true;
        }
    }
    return false;
}

static struct str trim(struct str s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* Takes the last element off a list; false when none is left. */
static bool take_last(struct str *list, struct str *element)
{
    if (!list->p) {
        return false;
    }
    const char *comma = list->n ? memrchr(list->p, ',', list->n) : NULL;
    const char *begin = comma ? comma + 1 : list->p;
    *element = trim((struct str){begin, (uint32_t)(list->p + list->n - begin)});
    *list = comma ? (struct str){list->p, (uint32_t)(comma - list->p)} : STR_NONE;
    return true;
}

struct address proxies_client(const struct proxies *proxies, const struct address *peer, struct str forwarded,
                              struct str cloudflare)
{
    struct address client = *peer, said;
    struct str element;
    if (!forwarded.p && cloudflare.p && address_parse(trim(cloudflare), &said)) {
        return said;
    }
    while (proxies_trust(proxies, &client) && take_last(&forwarded, &element) && address_parse(element, &said)) {
        client = said;
    }
    return client;
}
