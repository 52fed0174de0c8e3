/*
 * Header lines of any bytes ("name:value" with line feeds between), as HTTP/1.1 gives them and as an HPACK block: what
 * the gateway reads out of them before anybody else does.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fields.h"
#include "framing.h"
#include "guards.h"
#include "headers.h"
#include "http_facts.h"
#include "http_list.h"
#include "http_store.h"

#define LINES_MOST 100

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static size_t split(const char *p, size_t n, struct phr_header *lines)
{
    size_t count = 0;
    for (const char *end = p + n; p < end && count < LINES_MOST; count++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        const char *colon = memchr(p, ':', (size_t)(stop - p));
        const char *value = colon ? colon + 1 : p;
        lines[count] =
            (struct phr_header){colon ? p : NULL, colon ? (size_t)(colon - p) : 0, value, (size_t)(stop - value)};
        p = stop + (stop < end);
    }
    return count;
}

static void check_lists(struct str value)
{
    struct str rest = value, item;
    while (list_next(&rest, &item)) {
        REQUIRE(item.n > 0 && item.p >= value.p && item.p + item.n <= value.p + value.n);
        REQUIRE(list_has(value, item));
    }
    rest = value;
    while (field_word_next(&rest, &item)) {
        REQUIRE(item.n > 0 && item.p >= value.p && item.p + item.n <= value.p + value.n);
    }
}

/* What passes is what one reading allows: one Host, at most one length. */
static void check_framing(struct phr_header *lines, size_t n)
{
    unsigned hosts = 0, lengths = 0;
    struct framing_body body;
    if (framing_check(lines, n, 1, &body) != PAGE_NONE) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct str name = {lines[i].name, (uint32_t)lines[i].name_len};
        hosts += str_eq_nocase(name, STR("host"));
        lengths += str_eq_nocase(name, STR("content-length")) || str_eq_nocase(name, STR("transfer-encoding"));
    }
    REQUIRE(hosts == 1 && lengths <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phr_header lines[LINES_MOST];
    struct request_facts facts;
    if (size > UINT16_MAX) {
        return 0;
    }
    headers_make(1);
    REQUIRE(guards_count_fields(data, size) <= size);
    framing_check_unfinished((const char *)data, size);
    size_t n = split((const char *)data, size, lines);
    facts_begin(&facts, STR("GET"));
    for (size_t i = 0; i < n; i++) {
        struct str name = {lines[i].name ? lines[i].name : "", (uint32_t)lines[i].name_len};
        struct str value = {lines[i].value, (uint32_t)lines[i].value_len};
        field_is_token(name);
        field_value_is_safe(value);
        headers_own(name);
        REQUIRE(!name_is_hop_by_hop(name) || field_is_token(name));
        check_lists(value);
        facts_add(&facts, name, value);
    }
    facts_end(&facts);
    facts_may_share(&facts);
    check_framing(lines, n);
    return 0;
}
