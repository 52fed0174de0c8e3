#include "feed.h"

#include "rfc3339.h"
#include "xml.h"

/* Who speaks in a tag: address (RFC 4151), which takes names of the DNS only: "filmyfly.example" of
 * "https://filmyfly.example:8443", "0--1" of "https://[::1]:8443". */
static struct str authority_of(struct arena *arena, struct str site)
{
    const char *start = site.p ? memmem(site.p, site.n, "://", 3) : NULL;
    struct str host = start ? (struct str){start + 3, site.n - (uint32_t)(start + 3 - site.p)} : site;
    bool numeric = host.n > 0 && *host.p == '[';
    const char *end = host.n ? memchr(host.p, numeric ? ']' : ':', host.n) : NULL;
    if (end)
        host.n = (uint32_t)(end - host.p);
    if (!numeric)
        return host;
    host = (struct str){host.p + 1, host.n - 1};
    host = arena_printf(arena, "%s" STR_FMT "%s", str_starts(host, STR(":")) ? "0" : "", STR_ARG(host),
                        host.n && host.p[host.n - 1] == ':' ? "0" : "");
    for (uint32_t i = 0; i < host.n; i++)
        if (host.p[i] == ':')
            ((char *)host.p)[i] = '-';
    return host;
}

static void write_link(struct buffer *out, const char *rel, const char *type, struct str address)
{
    buffer_append_printf(out, "<link rel=\"%s\" type=\"%s\" href=\"", rel, type);
    xml_write_text(out, address);
    buffer_append_str(out, STR("\"/>\n"));
}

/* What the movie is about: its synopsis, or who made it. */
static struct str summary_of(struct arena *arena, const struct value *movie)
{
    struct str synopsis = value_text(movie, STR("synopsis")), director = value_text(movie, STR("director"));
    if (synopsis.p)
        return synopsis;
    return director.p ? arena_printf(arena, "A movie directed by " STR_FMT ".", STR_ARG(director)) : STR_NONE;
}

static void write_categories(struct buffer *out, const struct value *movie)
{
    struct value categories = value_items(movie, STR("categories"));
    for (uint32_t i = 0; i < categories.n; i++) {
        if (categories.as.items[i].type != VALUE_STR)
            continue;
        buffer_append_str(out, STR("<category term=\""));
        xml_write_text(out, categories.as.items[i].as.str);
        buffer_append_str(out, STR("\"/>\n"));
    }
}

/* Nothing of a row that has not what an entry must have, such as a time that is no date ("infinity"). */
static void write_entry(struct arena *arena, struct str authority, struct str site, const struct value *movie,
                        struct buffer *out)
{
    struct str title = value_text(movie, STR("title")), slug = value_text(movie, STR("slug")),
               published = rfc3339_time(arena, value_text(movie, STR("published_at"))),
               updated = rfc3339_time(arena, value_text(movie, STR("updated_at"))), summary = summary_of(arena, movie);
    const struct value *id = value_get(movie, STR("id")), *year = value_get(movie, STR("year"));
    if (!title.p || !slug.p || !published.p || !updated.p || !id || id->type != VALUE_INT)
        return;
    buffer_append_str(out, STR("<entry>\n"));
    xml_write_element(out, STR("id"),
                      arena_printf(arena, "tag:" STR_FMT ",%.10s:movie/%lld", STR_ARG(authority), published.p,
                                   (long long)id->as.integer));
    if (year && year->type == VALUE_INT)
        title = arena_printf(arena, STR_FMT " (%lld)", STR_ARG(title), (long long)year->as.integer);
    xml_write_element(out, STR("title"), title);
    write_link(out, "alternate", "text/html",
               arena_printf(arena, STR_FMT "/movie/" STR_FMT, STR_ARG(site), STR_ARG(slug)));
    xml_write_element(out, STR("published"), published);
    xml_write_element(out, STR("updated"), updated);
    write_categories(out, movie);
    if (summary.p)
        xml_write_element(out, STR("summary"), summary);
    buffer_append_str(out, STR("</entry>\n"));
}

/* When anything in the feed changed last. All of one connection's times are in one zone, so their texts are in order.
 */
static struct str newest_update(struct arena *arena, const struct value *movies)
{
    struct str newest = STR("1970-01-01 00:00:00+00");
    for (uint32_t i = 0; i < movies->n; i++) {
        struct str updated = value_text(&movies->as.items[i], STR("updated_at"));
        if (rfc3339_time(arena, updated).p && memcmp(updated.p, newest.p, 19) > 0)
            newest = updated;
    }
    return rfc3339_time(arena, newest);
}

bool write_feed(struct arena *arena, const struct route_match *match, const struct value *root, struct buffer *out)
{
    (void)match;
    struct str site = value_text(root, STR("site"));
    struct value movies = value_items(root, STR("movies"));
    struct str home = arena_printf(arena, STR_FMT "/", STR_ARG(site)), authority = authority_of(arena, site);
    buffer_append_str(out, STR(XML_HEAD "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n"));
    xml_write_element(out, STR("id"), home);
    xml_write_element(out, STR("title"), STR("FilmyFly: new movies"));
    write_link(out, "alternate", "text/html", home);
    write_link(out, "self", "application/atom+xml", arena_printf(arena, STR_FMT "/feed.xml", STR_ARG(site)));
    xml_write_element(out, STR("updated"), newest_update(arena, &movies));
    buffer_append_str(out, STR("<author><name>FilmyFly</name></author>\n"));
    for (uint32_t i = 0; i < movies.n; i++)
        write_entry(arena, authority, site, &movies.as.items[i], out);
    buffer_append_str(out, STR("</feed>\n"));
    return !out->failed;
}
