#include "http_condition.h"

#include "http_date.h"
#include "http_list.h"

static bool is_weak(struct str tag)
{
    return str_starts(tag, STR("W/"));
}

static struct str opaque(struct str tag)
{
    return is_weak(tag) ? (struct str){tag.p + 2, tag.n - 2} : tag;
}

bool etag_weakly(struct str x, struct str y)
{
    return opaque(x).n >= 2 && *opaque(x).p == '"' && str_eq(opaque(x), opaque(y));
}

bool etag_strongly(struct str x, struct str y)
{
    return !is_weak(x) && !is_weak(y) && etag_weakly(x, y);
}

static bool is_listed(const struct request_facts *facts, struct str etag)
{
    for (uint32_t i = 0; i < facts->if_none_match_n; i++) {
        struct str rest = facts->if_none_match[i], tag;
        while (list_next(&rest, &tag))
            if (str_eq(tag, STR("*")) || (etag.p && etag_weakly(tag, etag)))
                return true;
    }
    return false;
}

/* When the page was last modified, or else when it was made (RFC 9111 section 4.3.2). */
static bool modified_at(const struct meta *meta, int64_t *seconds)
{
    int64_t date = INT64_MAX / 2;
    bool dated = date_read(pairs_get(meta->headers, STR("date")), date, &date);
    bool modified = date_read(pairs_get(meta->headers, STR("last-modified")), date, seconds);
    if (!modified)
        *seconds = date;
    return modified || dated;
}

/* RFC 9110 section 13.1.2, 13.1.3: If-Modified-Since counts only without If-None-Match. */
static bool is_not_modified(const struct request_facts *facts, const struct meta *meta)
{
    int64_t since, modified;
    if (facts->if_none_match_n || facts->flags & FACT_MANY_MATCHES)
        return is_listed(facts, pairs_get(meta->headers, STR("etag")));
    /* RFC 850 does not say the century: it is one in which the page was there, if there is one (section 5.6.7). */
    return facts->if_modified_since.p && modified_at(meta, &modified) &&
           date_read(str_trim(facts->if_modified_since), modified, &since) && modified <= since;
}

/*
 * RFC 9110 section 13.1.5: a strong validator, or the parts of two pages could be put together. Ranges are of the plain
 * bytes. A date says nothing of the coding in which the client has the page, nor does an entity tag that came with a
 * coded one.
 */
static bool is_same_as_client_has(const struct request_facts *facts, const struct meta *meta)
{
    return !facts->if_range.p || (!(meta->flags & META_CODED) &&
                                  etag_strongly(str_trim(facts->if_range), pairs_get(meta->headers, STR("etag"))));
}

static bool read_number(struct str *rest, uint64_t *number)
{
    uint32_t n = 0;
    for (*number = 0; rest->n && *rest->p >= '0' && *rest->p <= '9'; rest->p++, rest->n--, n++)
        if (*number < UINT32_MAX)
            *number = *number * 10 + (uint64_t)(*rest->p - '0');
    return n > 0;
}

/* RFC 9110 section 14.1.2. FORM_WHOLE for what is to be ignored. */
static enum form range_form(struct str range, uint32_t length, struct part *part)
{
    uint64_t first, last = UINT64_MAX;
    range = str_trim(range);
    if (range.n < 6 || strncasecmp(range.p, "bytes=", 6) != 0 || memchr(range.p, ',', range.n))
        return FORM_WHOLE;
    struct str rest = str_trim((struct str){range.p + 6, range.n - 6});
    bool from = read_number(&rest, &first);
    if (rest.n == 0 || *rest.p != '-')
        return FORM_WHOLE;
    rest.p++, rest.n--;
    bool to = read_number(&rest, &last);
    if (rest.n || !(from || to) || (from && to && last < first))
        return FORM_WHOLE;
    part->whole = length;
    if (!from) { /* the last bytes */
        if (last == 0)
            return FORM_UNSATISFIABLE;
        first = last < length ? length - last : 0;
        last = UINT64_MAX;
    }
    if (first >= length)
        return FORM_UNSATISFIABLE;
    uint64_t end = to && from && last < length - 1 ? last + 1 : length;
    part->first = (uint32_t)first;
    part->n = (uint32_t)(end - first);
    return FORM_PART;
}

enum form condition_form(const struct request_facts *facts, const struct meta *meta, struct part *part)
{
    *part = (struct part){0, 0, 0};
    if (meta->status != 200)
        return FORM_WHOLE;
    if (is_not_modified(facts, meta))
        return FORM_NOT_MODIFIED;
    uint32_t length = meta->plain;
    if (!facts->range.p || facts->flags & FACT_HEAD || length == 0 || !is_same_as_client_has(facts, meta))
        return FORM_WHOLE;
    return range_form(facts->range, length, part);
}
