#include "complete.h"

#define PARAGRAPHS_MAX 500

/* otherwise: what stands there as long as nobody has set the text. */
static const struct text_page {
    const char *pattern, *key, *heading, *otherwise;
} text_pages[] = {
    {"/about", "about", "About", "A catalogue of movies: facts, scores and the people who made them."},
    {"/legal", "legal", "Legal", "There is no legal notice yet."},
};

/* The value of a setting; empty when there is none. */
static struct str setting_of(const struct value *texts, struct str key)
{
    for (uint32_t i = 0; i < texts->n; i++)
        if (str_eq(value_text(&texts->as.items[i], STR("key")), key))
            return value_text(&texts->as.items[i], STR("value"));
    return STR_NONE;
}

/* Cuts the first line off a text. */
static struct str cut_line(struct str *text)
{
    const char *end = memchr(text->p, '\n', text->n);
    struct str line = {text->p, end ? (uint32_t)(end - text->p) : text->n};
    uint32_t step = end ? line.n + 1 : line.n;
    *text = (struct str){text->p + step, text->n - step};
    return line;
}

static bool is_blank(struct str line)
{
    for (uint32_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

/* The paragraphs of a text: runs of lines between blank ones. */
static struct value paragraphs_of(struct arena *arena, struct str text)
{
    struct value list = value_list(arena, PARAGRAPHS_MAX);
    if (list.type != VALUE_LIST)
        return list;
    list.n = 0;
    struct str paragraph = STR_NONE;
    while (text.n > 0 && list.n < PARAGRAPHS_MAX) {
        struct str line = cut_line(&text);
        if (!is_blank(line))
            paragraph = paragraph.p ? (struct str){paragraph.p, (uint32_t)(line.p + line.n - paragraph.p)} : line;
        if (paragraph.p && (is_blank(line) || text.n == 0)) {
            list.as.items[list.n++] = value_str(paragraph);
            paragraph = STR_NONE;
        }
    }
    return list;
}

bool complete_text(struct arena *arena, const struct route_match *match, struct value *root)
{
    struct value texts = value_items(root, STR("texts"));
    for (size_t i = 0; i < sizeof text_pages / sizeof *text_pages; i++) {
        const struct text_page *page = &text_pages[i];
        if (strcmp(page->pattern, match->route->pattern) != 0)
            continue;
        struct value paragraphs = paragraphs_of(arena, setting_of(&texts, str_of(page->key)));
        if (!value_truth(&paragraphs))
            paragraphs = paragraphs_of(arena, str_of(page->otherwise));
        value_set(root, STR("heading"), value_str(str_of(page->heading)));
        value_set(root, STR("contact"), value_str(setting_of(&texts, STR("contact"))));
        complete_list(arena, root, STR("paragraphs"), paragraphs);
        return true;
    }
    return false;
}
