#include "encoding.h"

#include <stdlib.h>
#include <zlib.h>

#include "http_facts.h"

#define GZIP_LEAST 18 /* bytes of the shortest gzip member: header 10, trailer 8 */

struct gunzip {
    z_stream stream;
};

bool encoding_accepts_gzip(struct str accept_encoding)
{
    struct request_facts facts;
    facts_begin(&facts, STR("GET"));
    facts_add(&facts, STR("accept-encoding"), accept_encoding);
    facts_end(&facts);
    return facts.flags & FACT_GZIP;
}

struct gunzip *gunzip_new(void)
{
    struct gunzip *gunzip = calloc(1, sizeof(*gunzip));
    if (!gunzip || inflateInit2(&gunzip->stream, 16 + MAX_WBITS) != Z_OK) {
        abort();
    }
    return gunzip;
}

void gunzip_free(struct gunzip **gunzip)
{
    if (*gunzip) {
        inflateEnd(&(*gunzip)->stream);
        free(*gunzip);
        *gunzip = NULL;
    }
}

/* The length that the member says of itself, held against what deflate can do at all (1032 to 1) and the limit. It is
 * only a first guess. */
static size_t guess_size(const unsigned char *bytes, size_t n, size_t limit)
{
    const unsigned char *tail = bytes + n - 4;
    size_t said = (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
    size_t most = n * 1032;
    said = said < most ? said : most;
    return said < limit ? said : limit;
}

unsigned char *gunzip_run(struct gunzip *gunzip, const void *bytes, size_t n, size_t limit, size_t *inflated_n)
{
    z_stream *z = &gunzip->stream;
    if (n < GZIP_LEAST || n > UINT32_MAX || limit > UINT32_MAX / 4) {
        return NULL;
    }
    size_t room = guess_size(bytes, n, limit) + 1; /* one more than it may be, to see that it ended */
    unsigned char *out = malloc(room);

    inflateReset(z);
    z->next_in = (unsigned char *)(uintptr_t)bytes; /* zlib only reads it */
    z->avail_in = (uInt)n;
    z->avail_out = 0;
    for (size_t done = 0; out;) {
        z->next_out = out + done;
        z->avail_out = (uInt)(room - done);
        int result = inflate(z, Z_FINISH);
        done = room - z->avail_out;
        if (result == Z_STREAM_END && z->avail_in == 0 && done <= limit) {
            *inflated_n = done;
            return out;
        }
        if (result != Z_BUF_ERROR || z->avail_out > 0 || room > limit) {
            break; /* no gzip, cut short, or too long */
        }
        room = room * 2 < limit + 1 ? room * 2 : limit + 1;
        unsigned char *more = realloc(out, room);
        if (!more) {
            break;
        }
        out = more;
    }
    free(out);
    return NULL;
}
