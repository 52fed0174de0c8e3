#include "poster_page.h"

#include "poster.h"

bool write_poster(struct arena *arena, const struct route_match *match, const struct value *root, struct buffer *out)
{
    (void)arena;
    (void)match;
    const struct value *movie = value_get(root, STR("movie"));
    const struct value *year = value_get(movie, STR("year"));
    int known =
        year && year->type == VALUE_INT && year->as.integer > 0 && year->as.integer < 10000 ? (int)year->as.integer : 0;
    poster_write(out, value_text(movie, STR("title")), known, value_text(movie, STR("category")));
    return !out->failed;
}
