#include "sitemap.h"

#include "xml.h"

#define XMLNS "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\""

/* "<loc>" site + before + name + after "</loc>" */
static void write_loc(struct buffer *out, struct str site, struct str before, struct str name, struct str after)
{
    buffer_append_str(out, STR("<loc>"));
    xml_write_text(out, site);
    xml_write_text(out, before);
    xml_write_text(out, name);
    xml_write_text(out, after);
    buffer_append_str(out, STR("</loc>"));
}

/* A page of the site; updated: a date, or STR_NONE. */
static void write_url(struct buffer *out, struct str site, struct str before, struct str name, struct str updated)
{
    buffer_append_str(out, STR("<url>"));
    write_loc(out, site, before, name, STR(""));
    if (updated.p) {
        buffer_append_str(out, STR("<lastmod>"));
        xml_write_text(out, updated);
        buffer_append_str(out, STR("</lastmod>"));
    }
    buffer_append_str(out, STR("</url>\n"));
}

bool write_sitemap_index(struct arena *arena, const struct route_match *match, const struct value *root,
                         struct buffer *out)
{
    (void)match;
    struct str site = value_text(root, STR("site"));
    struct value files = value_items(root, STR("files"));
    buffer_append_str(out, STR(XML_HEAD "<sitemapindex " XMLNS ">\n<sitemap>"));
    write_loc(out, site, STR("/sitemap/pages.xml"), STR(""), STR(""));
    buffer_append_str(out, STR("</sitemap>\n"));
    for (uint32_t i = 0; i < files.n; i++) {
        const struct value *number = value_get(&files.as.items[i], STR("file"));
        struct str kind = value_text(&files.as.items[i], STR("kind"));
        if (!kind.p || !number || number->type != VALUE_INT)
            return false;
        struct str name = arena_printf(arena, STR_FMT "-%lld", STR_ARG(kind), (long long)number->as.integer);
        buffer_append_str(out, STR("<sitemap>"));
        write_loc(out, site, STR("/sitemap/"), name, STR(".xml"));
        buffer_append_str(out, STR("</sitemap>\n"));
    }
    buffer_append_str(out, STR("</sitemapindex>\n"));
    return !out->failed;
}

bool write_sitemap_pages(struct arena *arena, const struct route_match *match, const struct value *root,
                         struct buffer *out)
{
    static const struct str pages[] = {{"/", 1}, {"/movies", 7}, {"/about", 6}, {"/legal", 6}};
    (void)match;
    struct str site = value_text(root, STR("site"));
    struct value categories = value_items(root, STR("categories")), decades = value_items(root, STR("decades"));
    buffer_append_str(out, STR(XML_HEAD "<urlset " XMLNS ">\n"));
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        write_url(out, site, pages[i], STR(""), STR_NONE);
    for (uint32_t i = 0; i < categories.n; i++)
        write_url(out, site, STR("/category/"), value_text(&categories.as.items[i], STR("slug")), STR_NONE);
    for (uint32_t i = 0; i < decades.n; i++) {
        const struct value *decade = value_get(&decades.as.items[i], STR("decade"));
        if (decade && decade->type == VALUE_INT)
            write_url(out, site, STR("/movies?decade="), arena_printf(arena, "%lld", (long long)decade->as.integer),
                      STR_NONE);
    }
    buffer_append_str(out, STR("</urlset>\n"));
    return !out->failed;
}

static bool write_file(const struct value *root, struct str name, struct str before, struct buffer *out)
{
    struct str site = value_text(root, STR("site"));
    struct value rows = value_items(root, name);
    buffer_append_str(out, STR(XML_HEAD "<urlset " XMLNS ">\n"));
    for (uint32_t i = 0; i < rows.n; i++)
        write_url(out, site, before, value_text(&rows.as.items[i], STR("slug")),
                  value_text(&rows.as.items[i], STR("updated")));
    buffer_append_str(out, STR("</urlset>\n"));
    return !out->failed;
}

bool write_sitemap_movies(struct arena *arena, const struct route_match *match, const struct value *root,
                          struct buffer *out)
{
    (void)arena;
    (void)match;
    return write_file(root, STR("movies"), STR("/movie/"), out);
}

bool write_sitemap_people(struct arena *arena, const struct route_match *match, const struct value *root,
                          struct buffer *out)
{
    (void)arena;
    (void)match;
    return write_file(root, STR("people"), STR("/person/"), out);
}

bool complete_sitemap_movies(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)arena;
    (void)match;
    return value_items(root, STR("movies")).n > 0;
}

bool complete_sitemap_people(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)arena;
    (void)match;
    return value_items(root, STR("people")).n > 0;
}
