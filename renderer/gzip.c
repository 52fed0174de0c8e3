#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

struct gzip {
    z_stream stream;
    size_t limit;
    unsigned char *out;
    size_t size;
};

struct gzip *gzip_new(int level, size_t limit)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (!gzip)
        return NULL;
    /*
     * 15 + 16: a gzip wrapper around the greatest window. memLevel 6: pages are small, so a table of 16 KB finds as
     * much as one of 128 KB, which would have to be cleared, and would empty the processor's cache, for each page.
     */
    if (deflateInit2(&gzip->stream, level, Z_DEFLATED, 15 + 16, 6, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    gzip->limit = limit;
    return gzip;
}

void gzip_free(struct gzip **gzip)
{
    if (!*gzip)
        return;
    deflateEnd(&(*gzip)->stream);
    free((*gzip)->out);
    free(*gzip);
    *gzip = NULL;
}

static bool make_room(struct gzip *gzip, size_t n)
{
    if (gzip->size >= n)
        return true;
    unsigned char *out = realloc(gzip->out, n);
    if (!out)
        return false;
    gzip->out = out;
    gzip->size = n;
    return true;
}

bool gzip_pack(struct gzip *gzip, struct str text, zmq_msg_t *out)
{
    if (text.n > gzip->limit || !make_room(gzip, deflateBound(&gzip->stream, text.n)))
        return false;
    z_stream *z = &gzip->stream;
    deflateReset(z);
    z->next_in = (unsigned char *)text.p;
    z->avail_in = text.n;
    z->next_out = gzip->out;
    z->avail_out = (uInt)gzip->size;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return false;
    size_t n = gzip->size - z->avail_out;
    if (zmq_msg_init_size(out, n) != 0)
        return false;
    memcpy(zmq_msg_data(out), gzip->out, n);
    return true;
}

static struct str trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Cuts what stands before the first c off rest. */
static struct str cut(struct str *rest, char c)
{
    const char *at = rest->n ? memchr(rest->p, c, rest->n) : NULL;
    struct str first = {rest->p, at ? (uint32_t)(at - rest->p) : rest->n};
    uint32_t step = at ? first.n + 1 : first.n;
    *rest = (struct str){rest->p + step, rest->n - step};
    return trim(first);
}

/* Whether the parameters of a coding say q=0, 0.0, 0.00 or 0.000. */
static bool weight_is_zero(struct str parameters)
{
    while (parameters.n > 0) {
        struct str parameter = cut(&parameters, ';');
        struct str name = cut(&parameter, '=');
        if (!str_eq_nocase(name, STR("q")))
            continue;
        for (uint32_t i = 0; i < parameter.n; i++)
            if (parameter.p[i] >= '1' && parameter.p[i] <= '9')
                return false;
        return true;
    }
    return false;
}

bool gzip_accepted(const struct headers *headers)
{
    enum { SILENT, NO, YES } named = SILENT, any = SILENT;
    for (uint32_t i = 0; i < headers->n; i++) {
        if (!str_eq_nocase(headers->item[i].name, STR("accept-encoding")))
            continue;
        struct str list = headers->item[i].value;
        while (list.n > 0) {
            struct str parameters = cut(&list, ',');
            struct str coding = cut(&parameters, ';');
            int verdict = weight_is_zero(parameters) ? NO : YES;
            if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
                named = verdict;
            else if (str_eq(coding, STR("*")))
                any = verdict;
        }
    }
    return named != SILENT ? named == YES : any == YES;
}
