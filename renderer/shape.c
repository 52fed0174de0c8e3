#include "shape.h"

#include <stdio.h>

static int64_t int_of(const struct value *row, struct str column, int64_t otherwise)
{
    const struct value *v = value_get(row, column);
    return v && v->type == VALUE_INT ? v->as.integer : otherwise;
}

struct str shape_number(struct arena *arena, int64_t number)
{
    char digits[24], out[32];
    int n = snprintf(digits, sizeof digits, "%llu",
                     number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number);
    size_t at = 0;
    if (number < 0)
        out[at++] = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    return arena_copy(arena, (struct str){out, (uint32_t)at});
}

/* 3 → "3"; NIL for 0, since a count of nothing is rather left out. */
static struct value make_count(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    return column->type == VALUE_INT && column->as.integer > 0 ? value_str(shape_number(arena, column->as.integer))
                                                               : NIL;
}

/* 11000000 → "$11,000,000" */
static struct value make_money(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    if (column->type != VALUE_INT || column->as.integer <= 0)
        return NIL;
    return value_str(arena_printf(arena, "$" STR_FMT, STR_ARG(shape_number(arena, column->as.integer))));
}

/* "2013-11-22" → "22 November 2013" */
static struct value make_date(struct arena *arena, const struct value *row, const struct value *column)
{
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    (void)row;
    if (column->type != VALUE_STR || column->as.str.n != 10)
        return NIL;
    const char *p = column->as.str.p;
    for (int i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? p[i] != '-' : p[i] < '0' || p[i] > '9')
            return NIL;
    int month = (p[5] - '0') * 10 + p[6] - '0', day = (p[8] - '0') * 10 + p[9] - '0';
    if (month < 1 || month > 12)
        return NIL;
    return value_str(arena_printf(arena, "%d %s %.4s", day, months[month - 1], p));
}

/* 112 → "1 h 52 min" */
static struct value make_runtime(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    if (column->type != VALUE_INT || column->as.integer <= 0 || column->as.integer > 100000)
        return NIL;
    int hours = (int)column->as.integer / 60, minutes = (int)column->as.integer % 60;
    if (hours == 0)
        return value_str(arena_printf(arena, "%d min", minutes));
    return value_str(minutes ? arena_printf(arena, "%d h %d min", hours, minutes) : arena_printf(arena, "%d h", hours));
}

/* 8 → "8.0"; by hand, since every card of a list has one and printf of a double is slow. */
static struct value make_score(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    double score = column->type == VALUE_FLOAT ? column->as.number
                   : column->type == VALUE_INT ? (double)column->as.integer
                                               : -1;
    char *p = arena_alloc(arena, 4);
    if (!p || !(score >= 0 && score <= 10))
        return NIL;
    int tenths = (int)(score * 10 + 0.5);
    uint32_t n = 0;
    if (tenths == 100)
        p[n++] = '1';
    p[n++] = (char)('0' + tenths / 10 % 10);
    p[n++] = '.';
    p[n++] = (char)('0' + tenths % 10);
    return value_str((struct str){p, n});
}

/* "poster-7": always the same colour for a title. */
static struct value make_tile(struct arena *arena, const struct value *row, const struct value *column)
{
    static const char *const tiles[] = {"poster-0", "poster-1", "poster-2", "poster-3", "poster-4",  "poster-5",
                                        "poster-6", "poster-7", "poster-8", "poster-9", "poster-10", "poster-11"};
    (void)arena;
    (void)row;
    uint32_t hash = 2166136261u;
    if (column->type != VALUE_STR)
        return NIL;
    for (uint32_t i = 0; i < column->as.str.n; i++)
        hash = (hash ^ (unsigned char)column->as.str.p[i]) * 16777619u;
    return value_str(str_of(tiles[(hash ^ hash >> 16) % (sizeof tiles / sizeof *tiles)]));
}

struct value shape_pairs(struct arena *arena, struct value flat)
{
    static const struct str keys[] = {{"slug", 4}, {"name", 4}};
    if (flat.type != VALUE_LIST || flat.n < 2)
        return NIL;
    struct value list = value_list(arena, flat.n / 2);
    for (uint32_t i = 0; i < list.n; i++)
        list.as.items[i] = (struct value){.type = VALUE_MAP, .n = 2, .as.map = {keys, &flat.as.items[2 * i]}};
    return list;
}

static struct value make_pairs(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    return shape_pairs(arena, *column);
}

static struct str join(struct arena *arena, struct str before, struct str text, struct str after)
{
    char *p = text.p ? arena_alloc(arena, (size_t)before.n + text.n + after.n) : NULL;
    if (!p)
        return STR_NONE;
    memcpy(p, before.p, before.n);
    memcpy(p + before.n, text.p, text.n);
    memcpy(p + before.n + text.n, after.p, after.n);
    return (struct str){p, before.n + text.n + after.n};
}

/* The address of a movie's picture; NIL for rows that are no movie. By hand, since every card of a list has one. */
static struct value make_poster(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)column;
    return value_str(join(arena, STR("/poster/"), value_text(row, STR("slug")), STR(".svg")));
}

/* 1990 → "/movies?decade=1990" */
static struct value make_decade_url(struct arena *arena, const struct value *row, const struct value *column)
{
    (void)row;
    return column->type == VALUE_INT ? value_str(arena_printf(arena, "/movies?decade=%d", (int)column->as.integer))
                                     : NIL;
}

/* "Ridley Scott" in "Alien is a 1979 movie directed by …": adds a piece when its text is there. */
static struct str add(struct arena *arena, struct str sentence, const char *between, struct str text)
{
    if (!text.p)
        return sentence;
    return arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(sentence), between, STR_ARG(text));
}

/* "an" before a vowel, and before 18… ("an 1895 movie"). */
static const char *article(struct str word)
{
    return word.n && (strchr("AEIOaeio", word.p[0]) || str_starts(word, STR("18"))) ? "an" : "a";
}

/* "Science Fiction" as it stands in a sentence: "science fiction". Of "TV Movie" the TV stays. */
static struct str lower_words(struct arena *arena, struct str s)
{
    struct str copy = arena_copy(arena, s);
    for (uint32_t i = 0; copy.p && i + 1 < copy.n; i++)
        if (copy.p[i] >= 'A' && copy.p[i] <= 'Z' && copy.p[i + 1] >= 'a' && copy.p[i + 1] <= 'z')
            ((char *)copy.p)[i] = (char)(copy.p[i] + 'a' - 'A');
    return copy;
}

/* The first category's name, as it stands in a sentence. */
static struct str genre_of(struct arena *arena, const struct value *row)
{
    const struct value *pairs = value_get(row, STR("category_pairs"));
    if (!pairs || pairs->type != VALUE_LIST || pairs->n < 2 || pairs->as.items[1].type != VALUE_STR)
        return STR_NONE;
    return lower_words(arena, pairs->as.items[1].as.str);
}

/*
 * One plain sentence of the facts, for a movie without a synopsis: "Slam is a 1998 drama movie directed by Marc Levin,
 * starring Saul Williams, released by Trimark." NIL where there is a synopsis.
 */
static struct value make_sentence(struct arena *arena, const struct value *row, const struct value *column)
{
    struct str title = value_text(row, STR("title")), genre = genre_of(arena, row);
    int64_t year = int_of(row, STR("year"), 0);
    if (column->type == VALUE_STR || !title.p)
        return NIL;
    struct str kind = STR("movie");
    if (genre.p)
        kind = arena_printf(arena, STR_FMT " movie", STR_ARG(genre));
    if (year)
        kind = arena_printf(arena, "%lld " STR_FMT, (long long)year, STR_ARG(kind));
    struct str s = arena_printf(arena, STR_FMT " is %s " STR_FMT, STR_ARG(title), article(kind), STR_ARG(kind));
    /* The first thing said about the movie follows without a comma. */
    struct str director = value_text(row, STR("director"));
    const struct value *actors = value_get(row, STR("actors"));
    bool has_actors = actors && actors->type == VALUE_LIST && actors->n > 0 && actors->as.items[0].type == VALUE_STR;
    s = add(arena, s, " directed by ", director);
    if (has_actors) {
        s = add(arena, s, director.p ? ", starring " : " starring ", actors->as.items[0].as.str);
        if (actors->n > 1 && actors->as.items[1].type == VALUE_STR)
            s = add(arena, s, " and ", actors->as.items[1].as.str);
    }
    s = add(arena, s, director.p || has_actors ? ", released by " : " released by ",
            value_text(row, STR("distributor")));
    return value_str(add(arena, s, "", STR(".")));
}

static const struct shape shapes[] = {
    {{"release_date", 12}, {"released", 8}, make_date},
    {{"runtime", 7}, {"running_time", 12}, make_runtime},
    {{"score", 5}, {"score_text", 10}, make_score},
    {{"votes", 5}, {"votes_text", 10}, make_count},
    {{"movies", 6}, {"movies_text", 11}, make_count},
    {{"budget", 6}, {"budget_text", 11}, make_money},
    {{"gross_domestic", 14}, {"gross_domestic_text", 19}, make_money},
    {{"gross_worldwide", 15}, {"gross_worldwide_text", 20}, make_money},
    {{"title", 5}, {"tile", 4}, make_tile},
    {{"title", 5}, {"poster", 6}, make_poster},
    {{"decade", 6}, {"url", 3}, make_decade_url},
    {{"directed", 8}, {"directed_text", 13}, make_count},
    {{"acted", 5}, {"acted_text", 10}, make_count},
    {{"actor_pairs", 11}, {"cast", 4}, make_pairs},
    {{"category_pairs", 14}, {"categories", 10}, make_pairs},
    {{"synopsis", 8}, {"sentence", 8}, make_sentence},
};

const struct shape *shape_next(struct str column, const struct shape *after)
{
    const struct shape *end = shapes + sizeof shapes / sizeof *shapes;
    for (const struct shape *shape = after ? after + 1 : shapes; shape < end; shape++)
        if (str_eq(shape->column, column))
            return shape;
    return NULL;
}

struct value shape_links(struct arena *arena, struct str json)
{
    static const struct str keys[] = {{"name", 4}, {"url", 3}};
    struct value links;
    char error[200];
    if (json.n <= 2 || !value_from_json(arena, json.p, json.n, &links, error, sizeof error) || links.type != VALUE_MAP)
        return NIL;
    struct value list = value_list(arena, links.n);
    for (uint32_t i = 0; i < list.n; i++) {
        struct value *pair = arena_alloc(arena, 2 * sizeof *pair);
        if (!pair)
            return NIL;
        struct str name = links.as.map.keys[i];
        /* "wikipedia" reads "Wikipedia". */
        if (name.n && name.p[0] >= 'a' && name.p[0] <= 'z')
            name = arena_printf(arena, "%c%.*s", name.p[0] - 'a' + 'A', (int)name.n - 1, name.p + 1);
        pair[0] = value_str(name);
        pair[1] = links.as.map.values[i];
        list.as.items[i] = (struct value){.type = VALUE_MAP, .n = 2, .as.map = {keys, pair}};
    }
    return list;
}
