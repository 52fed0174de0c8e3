#include "http_answer.h"

/* What is made anew, Date by who sends the answer, and what was meant for us. And 304 tells what is new about the page
 * that the client has, not what it looks like (RFC 9110 section 15.4.5). */
static bool is_left_out(struct str name, enum form form)
{
    return str_eq(name, STR("date")) || str_eq(name, STR("content-encoding")) ||
           str_eq(name, STR("cdn-cache-control")) ||
           (form == FORM_NOT_MODIFIED && str_starts(name, STR("content-")) && !str_eq(name, STR("content-location")));
}

/* A strong validator is of one coding's bytes (RFC 9110 section 8.8.1), and a page comes in several. The two bytes in
 * front of the value are the name's last, which is not needed any more. */
static struct str weak(char *value, uint32_t n)
{
    if (n == 0 || *value != '"')
        return (struct str){value, n};
    value[-2] = 'W';
    value[-1] = '/';
    return (struct str){value - 2, n + 2};
}

void answer_lines(const struct meta *meta, char *copy, const struct notes *notes, enum store_encoding coding,
                  struct answer_texts *texts, answer_line *line, void *user)
{
    static const struct str codings[] = {
        [STORE_IDENTITY] = {NULL, 0}, [STORE_GZIP] = {"gzip", 4}, [STORE_BROTLI] = {"br", 2}};
    struct str rest = {copy, meta->headers.n};
    struct header pair;
    while (pairs_next(&rest, &pair)) {
        if (str_eq(pair.name, STR("etag")))
            line(user, STR("etag"), weak(copy + (pair.value.p - copy), pair.value.n));
        else if (!is_left_out(pair.name, notes->form))
            line(user, pair.name, pair.value);
    }
    if (codings[coding].p)
        line(user, STR("content-encoding"), codings[coding]);
    line(user, STR("age"), str_decimal(texts->age, notes->standing.age / 1000));
    line(user, STR("x-cache-status"), str_of(cache_word_text(notes->word)));
    struct cache_note note = {.word = notes->word,
                              .why = notes->why,
                              .forwarded = notes->forwarded,
                              .fwd_status = notes->fwd_status,
                              .has_ttl = true,
                              .ttl = cache_ttl(meta, &notes->standing)};
    uint32_t n = (uint32_t)cache_status_write(&note, texts->status);
    line(user, STR("cache-status"), (struct str){texts->status, n});
}
