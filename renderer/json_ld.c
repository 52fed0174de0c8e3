#include "json_ld.h"

#include "json.h"

#define TEXT_MAX   65536
#define TEXT_USUAL 2048
#define ACTORS_MAX 20 /* billed first; the page itself names all */

/* Each put_… appends one name and its value, where there is one. `name` is written as it stands: a comma, the name in
 * quotes, a colon. */

static void put_text(struct buffer *out, struct str name, struct str text)
{
    if (!text.p)
        return;
    buffer_append_str(out, name);
    json_write_str(out, text);
}

/* site + before + slug + after */
static void put_address(struct buffer *out, struct str name, struct str site, struct str before, struct str slug,
                        struct str after)
{
    if (!slug.p)
        return;
    buffer_append_str(out, name);
    buffer_append_char(out, '"');
    json_write_text(out, site);
    json_write_text(out, before);
    json_write_text(out, slug);
    json_write_text(out, after);
    buffer_append_char(out, '"');
}

static void put_person(struct buffer *out, struct str site, struct str slug, struct str name)
{
    buffer_append_str(out, STR("{\"@type\":\"Person\""));
    put_text(out, STR(",\"name\":"), name);
    put_address(out, STR(",\"url\":"), site, STR("/person/"), slug, STR(""));
    buffer_append_char(out, '}');
}

static void put_actors(struct buffer *out, struct str site, const struct value *movie)
{
    struct value actors = value_items(movie, STR("actors"));
    for (uint32_t i = 0; i < actors.n && i < ACTORS_MAX; i++) {
        const struct value *actor = &actors.as.items[i];
        buffer_append_str(out, i ? STR(",") : STR(",\"actor\":["));
        put_person(out, site, value_text(actor, STR("slug")), value_text(actor, STR("name")));
    }
    if (actors.n)
        buffer_append_char(out, ']');
}

static void put_genres(struct buffer *out, const struct value *movie)
{
    struct value categories = value_items(movie, STR("categories"));
    for (uint32_t i = 0; i < categories.n; i++) {
        buffer_append_str(out, i ? STR(",") : STR(",\"genre\":["));
        json_write_str(out, value_text(&categories.as.items[i], STR("name")));
    }
    if (categories.n)
        buffer_append_char(out, ']');
}

/* A rating without a count of who rated says nothing, and search engines refuse it. */
static void put_rating(struct buffer *out, const struct value *movie)
{
    const struct value *score = value_get(movie, STR("score")), *votes = value_get(movie, STR("votes"));
    if (!score || score->type == VALUE_NIL || !votes || votes->type != VALUE_INT || votes->as.integer <= 0)
        return;
    buffer_append_str(out,
                      STR(",\"aggregateRating\":{\"@type\":\"AggregateRating\",\"bestRating\":10,\"worstRating\":0,"
                          "\"ratingValue\":"));
    json_write(out, score);
    buffer_append_str(out, STR(",\"ratingCount\":"));
    json_write(out, votes);
    buffer_append_char(out, '}');
}

static struct buffer begin(struct str type)
{
    struct buffer out = {.limit = TEXT_MAX};
    buffer_reserve(&out, TEXT_USUAL);
    buffer_append_str(&out, STR("{\"@context\":\"https://schema.org\",\"@type\":"));
    json_write_str(&out, type);
    return out;
}

static bool finish(struct arena *arena, struct buffer *out, struct str *text)
{
    buffer_append_char(out, '}');
    *text = out->failed ? STR_NONE : arena_copy(arena, buffer_str(out));
    buffer_release(out);
    return text->p != NULL;
}

bool json_ld_home(struct arena *arena, const struct value *root, struct str *text)
{
    struct str site = value_text(root, STR("site"));
    struct buffer out = begin(STR("WebSite"));
    put_text(&out, STR(",\"name\":"), STR("FilmyFly"));
    put_address(&out, STR(",\"url\":"), site, STR("/"), STR(""), STR(""));
    buffer_append_str(&out,
                      STR(",\"potentialAction\":{\"@type\":\"SearchAction\",\"target\":{\"@type\":\"EntryPoint\""));
    put_address(&out, STR(",\"urlTemplate\":"), site, STR("/search?q={search_term_string}"), STR(""), STR(""));
    buffer_append_str(&out, STR("},\"query-input\":\"required name=search_term_string\"}"));
    return finish(arena, &out, text);
}

bool json_ld_movie(struct arena *arena, const struct value *root, struct str *text)
{
    const struct value *movie = value_get(root, STR("movie"));
    struct str site = value_text(root, STR("site")), slug = value_text(movie, STR("slug"));
    *text = STR_NONE;
    if (!slug.p)
        return false;
    struct buffer out = begin(STR("Movie"));
    put_text(&out, STR(",\"name\":"), value_text(movie, STR("title")));
    put_text(&out, STR(",\"alternateName\":"), value_text(movie, STR("original_title")));
    put_address(&out, STR(",\"url\":"), site, STR("/movie/"), slug, STR(""));
    put_address(&out, STR(",\"image\":"), site, STR("/poster/"), slug, STR(".svg"));
    put_text(&out, STR(",\"description\":"), value_text(root, STR("description")));
    put_text(&out, STR(",\"datePublished\":"), value_text(movie, STR("release_date")));
    struct str director = value_text(movie, STR("director"));
    if (director.p) {
        buffer_append_str(&out, STR(",\"director\":"));
        put_person(&out, site, value_text(movie, STR("director_slug")), director);
    }
    put_actors(&out, site, movie);
    put_genres(&out, movie);
    const struct value *runtime = value_get(movie, STR("runtime"));
    if (runtime && runtime->type == VALUE_INT)
        buffer_append_printf(&out, ",\"duration\":\"PT%lldM\"", (long long)runtime->as.integer);
    put_text(&out, STR(",\"contentRating\":"), value_text(movie, STR("certificate")));
    put_rating(&out, movie);
    return finish(arena, &out, text);
}

bool json_ld_person(struct arena *arena, const struct value *root, struct str *text)
{
    const struct value *who = value_get(root, STR("person"));
    struct str slug = value_text(who, STR("slug"));
    *text = STR_NONE;
    if (!slug.p)
        return false;
    struct buffer out = begin(STR("Person"));
    put_text(&out, STR(",\"name\":"), value_text(who, STR("name")));
    put_address(&out, STR(",\"url\":"), value_text(root, STR("site")), STR("/person/"), slug, STR(""));
    return finish(arena, &out, text);
}

bool json_ld_trail(struct arena *arena, const struct value *root, struct str *text)
{
    struct str site = value_text(root, STR("site"));
    const struct value *category = value_get(root, STR("category"));
    struct str slug = value_text(category, STR("slug"));
    struct buffer out = begin(STR("BreadcrumbList"));
    buffer_append_str(&out, STR(",\"itemListElement\":[{\"@type\":\"ListItem\",\"position\":1,\"name\":\"Home\""));
    put_address(&out, STR(",\"item\":"), site, STR("/"), STR(""), STR(""));
    buffer_append_str(&out, STR("},{\"@type\":\"ListItem\",\"position\":2,\"name\":\"Movies\""));
    put_address(&out, STR(",\"item\":"), site, STR("/movies"), STR(""), STR(""));
    if (slug.p) {
        buffer_append_str(&out, STR("},{\"@type\":\"ListItem\",\"position\":3"));
        put_text(&out, STR(",\"name\":"), value_text(category, STR("name")));
        put_address(&out, STR(",\"item\":"), site, STR("/category/"), slug, STR(""));
    }
    buffer_append_str(&out, STR("}]"));
    return finish(arena, &out, text);
}
