/*
 * Range, If-Range, If-None-Match, If-Modified-Since and Accept-Encoding of any bytes, with line feeds between; the
 * first two bytes are the length of what is asked for. A part lies within it, and what is not a part is whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "buffer.h"
#include "encoding.h"
#include "http_condition.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    struct str line = {rest->p, end ? (uint32_t)(end - rest->p) : rest->n};
    uint32_t used = line.n + (end != NULL);
    *rest = (struct str){rest->p + used, rest->n - used};
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str names[] = {{"range", 5}, {"if-range", 8}, {"if-none-match", 13}, {"if-modified-since", 17}};
    static struct buffer pairs = {.limit = 1024};
    struct request_facts facts;
    struct part part;
    if (size < 2 || size > UINT16_MAX) {
        return 0;
    }
    if (pairs.n == 0) {
        pairs_add(&pairs, STR("etag"), STR("\"a\""));
        pairs_add(&pairs, STR("last-modified"), STR("Sun, 06 Nov 1994 08:49:37 GMT"));
        pairs_add(&pairs, STR("date"), STR("Mon, 07 Nov 1994 08:49:37 GMT"));
    }
    uint32_t length = (uint32_t)data[0] << 8 | data[1];
    struct meta meta = {.status = 200, .plain = length, .headers = buffer_str(&pairs)};
    struct str rest = {(const char *)data + 2, (uint32_t)size - 2};
    facts_begin(&facts, STR("GET"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rest.n > 0; i++) {
        facts_add(&facts, names[i], next_line(&rest));
    }
    struct str accepted = rest;
    facts_add(&facts, STR("accept-encoding"), accepted);
    facts_end(&facts);
    switch (condition_form(&facts, &meta, &part)) {
    case FORM_PART:
        REQUIRE(part.whole == length && part.n > 0 && part.first < length && part.n <= length - part.first);
        REQUIRE(facts.range.p != NULL);
        break;
    case FORM_UNSATISFIABLE:
        REQUIRE(part.whole == length && part.n == 0 && facts.range.p != NULL);
        break;
    case FORM_NOT_MODIFIED:
        REQUIRE(facts.if_none_match_n > 0 || facts.if_modified_since.p != NULL);
        break;
    case FORM_WHOLE:
        break;
    }
    bool named = memmem(accepted.p, accepted.n, "*", 1) != NULL;
    for (uint32_t i = 0; i + 4 <= accepted.n && !named; i++) {
        named = strncasecmp(accepted.p + i, "gzip", 4) == 0;
    }
    REQUIRE(named || !encoding_accepts_gzip(accepted));
    REQUIRE(named || !(facts.flags & FACT_GZIP));
    return 0;
}
