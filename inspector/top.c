#include "top.h"

#include <curses.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "clock.h"
#include "figures.h"
#include "print.h"
#include "status.h"
#include "top_graph.h"
#include "top_log.h"

#define EVERY      SECOND
#define LOG_LEAST  4 /* lines of the log that instances leave room for */
#define LINE_BYTES 600

enum colour { COLOUR_PLAIN, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_GRAPH, COLOUR_SLOW, COLOUR_DIM, COLOUR_BAR };

enum graph { GRAPH_REQUESTS, GRAPH_HITS, GRAPH_WAIT, GRAPH_CPU, GRAPHS };

struct top {
    const char *run_dir;
    const struct target everybody;
    struct pipeline *before, *now; /* NULL: it cannot be looked at, error says why */
    char error[4400];
    struct totals totals;
    struct machine machine;
    double seconds; /* between the two */
    struct history history[GRAPHS];
    struct tail *tail;
    int stage; /* chosen; -1: all */
    bool ascii;
};

/* A look. */

static void take(struct top *top)
{
    pipeline_free(&top->before);
    top->before = top->now;
    top->now = pipeline_look(top->run_dir, top->error, sizeof(top->error));
    if (!top->now) {
        memset(&top->totals, 0, sizeof(top->totals));
    } else {
        top->seconds = top->before ? (double)(top->now->at - top->before->at) / (double)SECOND : 0;
        top->totals = totals_of(top->now, top->before);
        status_machine(&top->machine, top->now, top->run_dir);
    }
}

static double hit_share(const struct totals *totals)
{
    return totals->asked[0] ? (double)totals->hits[0] / (double)totals->asked[0] : 0;
}

static void remember(struct top *top)
{
    history_add(&top->history[GRAPH_REQUESTS], top->totals.requests);
    history_add(&top->history[GRAPH_HITS], hit_share(&top->totals));
    history_add(&top->history[GRAPH_WAIT], top->totals.wait_p99);
    history_add(&top->history[GRAPH_CPU], top->totals.cpu);
    if (top->now) {
        tail_read(top->tail, top->now);
    }
}

/* Drawing. Everything is cut to the screen. */

static void draw(int y, int x, enum colour colour, const char *text)
{
    wchar_t wide[LINE_BYTES];
    int width = 0;
    size_t n = 0;
    mbstate_t state = {0};

    while (*text && n + 1 < LINE_BYTES) {
        size_t used = mbrtowc(&wide[n], text, MB_CUR_MAX, &state);
        if (used == 0 || used > MB_CUR_MAX || !iswprint((wint_t)wide[n])) {
            if (used > MB_CUR_MAX) {
                memset(&state, 0, sizeof(state));
                used = 1;
            }
            wide[n] = L'?';
        }
        int cell = wcwidth(wide[n]);
        if (x + width + cell > COLS) {
            break;
        }
        width += cell;
        text += used;
        n++;
    }
    if (y >= 0 && y < LINES && n > 0) {
        attron(COLOR_PAIR(colour) | (colour == COLOUR_BAR ? A_REVERSE : 0));
        mvaddnwstr(y, x, wide, (int)n);
        attroff(COLOR_PAIR(colour) | A_REVERSE);
    }
}

static void drawf(int y, int x, enum colour colour, const char *format, ...) __attribute__((format(printf, 4, 5)));

static void drawf(int y, int x, enum colour colour, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    draw(y, x, colour, text);
}

static void draw_bar(int y, const char *left, const char *right)
{
    drawf(y, 0, COLOUR_BAR, "%-*s", COLS, left);
    draw(y, COLS - (int)strlen(right), COLOUR_BAR, right);
}

static void draw_title(const struct top *top)
{
    static const char *const words[] = {[EXIT_GOOD] = "good", [EXIT_DEGRADED] = "degraded", [EXIT_ABSENT] = "absent"};
    static const enum colour colours[] = {
        [EXIT_GOOD] = COLOUR_GOOD, [EXIT_DEGRADED] = COLOUR_BAD, [EXIT_ABSENT] = COLOUR_BAD};
    int status = top->now ? health(top->now, top->run_dir, &top->everybody, NULL) : EXIT_ABSENT;
    char left[LINE_BYTES], right[64];
    time_t now = time(NULL);
    struct tm tm;

    snprintf(left, sizeof(left), " FilmyFly %s  %.*s", FILMYFLY_RELEASE, COLS > 50 ? COLS - 40 : 10, top->run_dir);
    strftime(right, sizeof(right), " %H:%M:%S ", localtime_r(&now, &tm));
    draw_bar(0, left, right);
    attron(A_BOLD);
    drawf(0, COLS - 22, colours[status], " %s ", words[status]);
    attroff(A_BOLD);
}

/* Four beside each other, each with its value above. Returns the next line. */
static int draw_graphs(const struct top *top, int y)
{
    static const char *const names[GRAPHS] = {"requests/s", "hit rate", "wait p99", "CPU"};
    static const enum colour colours[GRAPHS] = {COLOUR_GRAPH, COLOUR_GOOD, COLOUR_SLOW, COLOUR_GRAPH};
    int height = LINES < 30 ? 3 : LINES < 45 ? 5 : 8, width = COLS / GRAPHS - 1;
    const struct totals *t = &top->totals;
    char figure[GRAPHS][FIGURE_SIZE];

    print_rate(figure[GRAPH_REQUESTS], t->requests);
    print_share(figure[GRAPH_HITS], t->hits[0], t->asked[0]);
    print_seconds(figure[GRAPH_WAIT], t->wait_p99);
    snprintf(figure[GRAPH_CPU], FIGURE_SIZE, "%.0f%%", 100 * t->cpu);
    for (int i = 0; i < GRAPHS; i++) {
        const struct history *history = &top->history[i];
        int x = i * (width + 1) + (i > 0), drawn = width - (i > 0);
        double peak = history_peak(history, (size_t)drawn);
        double least[GRAPHS] = {10, 1, 0.001, 0.1};
        draw(y, x, COLOUR_DIM, names[i]);
        attron(A_BOLD);
        draw(y, x + (int)strlen(names[i]) + 1, COLOUR_PLAIN, figure[i]);
        attroff(A_BOLD);
        attron(COLOR_PAIR(colours[i]));
        history_draw(history, y + 1, x, height, drawn, peak > least[i] ? peak : least[i], top->ascii);
        attroff(COLOR_PAIR(colours[i]));
    }
    return y + 1 + height;
}

static enum colour colour_of(enum standing standing)
{
    switch (standing) {
    case STANDING_SERVING:
        return COLOUR_GOOD;
    case STANDING_DEAD:
    case STANDING_HUNG:
    case STANDING_UNKNOWN:
        return COLOUR_BAD;
    default:
        return COLOUR_WARN;
    }
}

static void draw_instance(const struct top *top, int y, const struct instance *instance)
{
    struct figures f = figures_of(instance, pipeline_same(top->before, instance), top->seconds, (uint64_t)time(NULL));
    char up[FIGURE_SIZE], memory[FIGURE_SIZE], rate[FIGURE_SIZE], p50[FIGURE_SIZE], p99[FIGURE_SIZE],
        errors[FIGURE_SIZE];
    char flight[2 * FIGURE_SIZE];

    drawf(y, 0, COLOUR_PLAIN, "%s/%s", stage_names[instance->stage], instance->name);
    draw(y, 13, colour_of(instance->standing), standing_name(instance->standing));
    if (!f.known || !instance_lives(instance)) {
        return;
    }
    if (f.credit) {
        snprintf(flight, sizeof(flight), "%" PRIu64 "/%" PRIu64, f.in_flight, f.credit);
    } else {
        snprintf(flight, sizeof(flight), "%" PRIu64, f.in_flight);
    }
    drawf(y, 22, COLOUR_PLAIN, "%6s %3" PRIu64 " %3.0f%% %5s %5s %7s %4" PRIu64 " %5s %5s", print_uptime(up, f.uptime),
          f.restarts, 100 * f.cpu, print_bytes(memory, f.memory), print_rate(rate, f.requests), flight, f.queued,
          print_seconds(p50, f.p50), print_seconds(p99, f.p99));
    drawf(y, COLS > 80 ? 75 : COLS - 5, f.errors ? COLOUR_WARN : COLOUR_PLAIN, "%5s", print_count(errors, f.errors));
}

static bool is_shown(const struct top *top, const struct instance *instance)
{
    return instance->standing != STANDING_LEFT && (top->stage < 0 || (int)instance->stage == top->stage);
}

/* Returns the next line. */
static int draw_instances(const struct top *top, int y)
{
    int last = LINES - 1 - 3 - 1 - LOG_LEAST - (LINES < 30 ? 0 : 2), hidden = 0;

    drawf(y++, 0, COLOUR_DIM, "%-12s %-8s %6s %3s %4s %5s %5s %7s %4s %5s %5s %5s", "INSTANCE", "STATE", "UP", "RST",
          "CPU", "MEM", "REQ/S", "FLIGHT", "QUE", "P50", "P99", "ERR");
    for (size_t i = 0; top->now && i < top->now->n; i++) {
        if (!is_shown(top, &top->now->instance[i])) {
            continue;
        }
        if (y < last) {
            draw_instance(top, y++, &top->now->instance[i]);
        } else {
            hidden++;
        }
    }
    if (hidden > 0) {
        drawf(y++, 0, COLOUR_DIM, "and %d more: keys 1 to 4 show one stage", hidden);
    }
    if (!top->now) {
        draw(y++, 0, COLOUR_BAD, top->error);
    }
    return y;
}

static int draw_totals(const struct top *top, int y)
{
    const struct totals *t = &top->totals;
    const struct machine *m = &top->machine;
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE], e[FIGURE_SIZE];

    draw(y, 0, COLOUR_DIM, "cache");
    drawf(y++, 9, COLOUR_PLAIN, "%s of %s, %s pages; hits %s 5 min, %s 60 min", print_bytes(a, t->bytes),
          print_bytes(b, t->limit), print_count(c, t->entries), print_share(d, t->hits[1], t->asked[1]),
          print_share(e, t->hits[2], t->asked[2]));
    draw(y, 0, COLOUR_DIM, "database");
    drawf(y++, 9, COLOUR_PLAIN, "%" PRIu64 " connections, %" PRIu64 " waiting; round trip %s p50, %s p99",
          t->connections, t->waiting, print_seconds(a, t->round_trip_p50), print_seconds(b, t->round_trip_p99));
    draw(y, 0, COLOUR_DIM, "system");
    drawf(y++, 9, COLOUR_PLAIN, "load %.2f %.2f %.2f; memory %s of %s free; disk %s of %s free", m->load[0], m->load[1],
          m->load[2], print_bytes(a, m->memory_available), print_bytes(b, m->memory),
          print_bytes(c, m->n_disks ? m->disk[m->n_disks - 1].available : 0),
          print_bytes(d, m->n_disks ? m->disk[m->n_disks - 1].total : 0));
    return y;
}

static void draw_log(const struct top *top, int y)
{
    static const enum colour colours[] = {[LOG_LEVEL_ERROR] = COLOUR_BAD,
                                          [LOG_LEVEL_WARNING] = COLOUR_WARN,
                                          [LOG_LEVEL_INFO] = COLOUR_PLAIN,
                                          [LOG_LEVEL_DEBUG] = COLOUR_DIM};
    int lines = LINES - 1 - y;

    for (int i = 0; i < lines; i++) {
        const struct tail_line *line = tail_line(top->tail, top->stage, (size_t)i);
        char at[16], name[64];
        struct tm tm;
        if (!line) {
            break;
        }
        time_t seconds = (time_t)(line->line.time / SECOND);
        strftime(at, sizeof(at), "%H:%M:%S", localtime_r(&seconds, &tm));
        snprintf(name, sizeof(name), "%s/%s", stage_names[line->stage], line->name);
        drawf(LINES - 2 - i, 0, COLOUR_DIM, "%s %-11s", at, name);
        draw(LINES - 2 - i, 9 + (strlen(name) > 11 ? (int)strlen(name) : 11) + 1,
             line->line.level <= LOG_LEVEL_DEBUG ? colours[line->line.level] : COLOUR_PLAIN, line->line.text);
    }
}

/* Of the log; or what is wrong, where something is. */
static void draw_heading(const struct top *top, int y)
{
    char *problems = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&problems, &size);

    if (top->now && out) {
        health(top->now, top->run_dir, &top->everybody, out);
    }
    if (out) {
        fclose(out);
    }
    if (size > 0) {
        problems[strcspn(problems, "\n")] = '\0';
        draw(y, 0, COLOUR_BAD, problems);
    } else {
        draw(y, 0, COLOUR_DIM, top->stage < 0 ? "log" : "log of the stage");
    }
    free(problems);
}

static void draw_keys(const struct top *top)
{
    char left[LINE_BYTES];

    snprintf(left, sizeof(left), " %s0 all%s  %s1 gateway%s  %s2 cacher%s  %s3 renderer%s  %s4 dbproxy%s",
             top->stage == -1 ? "[" : " ", top->stage == -1 ? "]" : " ", top->stage == 0 ? "[" : " ",
             top->stage == 0 ? "]" : " ", top->stage == 1 ? "[" : " ", top->stage == 1 ? "]" : " ",
             top->stage == 2 ? "[" : " ", top->stage == 2 ? "]" : " ", top->stage == 3 ? "[" : " ",
             top->stage == 3 ? "]" : " ");
    draw_bar(LINES - 1, left, "q quit ");
}

static void draw_all(const struct top *top)
{
    erase();
    if (LINES < 12 || COLS < 40) {
        draw(0, 0, COLOUR_PLAIN, "too small");
    } else {
        draw_title(top);
        int gap = LINES < 30 ? 0 : 1;
        int y = draw_graphs(top, 1) + gap;
        y = draw_instances(top, y) + gap;
        y = draw_totals(top, y) + gap;
        draw_heading(top, y++);
        draw_log(top, y);
        draw_keys(top);
    }
    refresh();
}

/* Keys. False: end. */
static bool take_key(struct top *top, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case KEY_RIGHT:
    case KEY_DOWN:
        top->stage = top->stage + 1 < STAGES ? top->stage + 1 : -1;
        break;
    case KEY_LEFT:
    case KEY_UP:
        top->stage = top->stage >= 0 ? top->stage - 1 : STAGES - 1;
        break;
    default:
        if (key >= '0' && key < '1' + STAGES) {
            top->stage = key - '1';
        }
        break;
    }
    return true;
}

static void set_colours(void)
{
    const char *no = getenv("NO_COLOR");

    if (!has_colors() || (no && *no)) {
        return;
    }
    start_color();
    use_default_colors();
    init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
    init_pair(COLOUR_WARN, COLOR_YELLOW, -1);
    init_pair(COLOUR_BAD, COLOR_RED, -1);
    init_pair(COLOUR_GRAPH, COLOR_CYAN, -1);
    init_pair(COLOUR_SLOW, COLOR_MAGENTA, -1);
    init_pair(COLOUR_DIM, COLOR_BLUE, -1);
    init_pair(COLOUR_BAR, -1, -1);
}

static void run(struct top *top)
{
    uint64_t next = clock_now();
    bool go_on = true;

    while (go_on) {
        uint64_t now = clock_now();
        if (now >= next) {
            next = now + EVERY;
            take(top);
            remember(top);
        }
        draw_all(top);
        now = clock_now();
        timeout(now < next ? (int)((next - now) / MILLISECOND) + 1 : 0);
        int key = getch();
        go_on = key == ERR || take_key(top, key);
    }
}

static void end(struct top *top)
{
    pipeline_free(&top->before);
    pipeline_free(&top->now);
    tail_free(&top->tail);
}

static int run_on_screen(struct top *top)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return complain(EXIT_USAGE, "top needs a terminal; with --json it prints a line each second");
    }
    setlocale(LC_ALL, "");
    top->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        return complain(EXIT_USAGE, "TERM is \"%s\", which is not known here; try TERM=vt100",
                        getenv("TERM") ? getenv("TERM") : "");
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    set_colours();
    run(top);
    endwin();
    delscreen(screen);
    return EXIT_GOOD;
}

/* Until it is ended, or nobody reads any more. */
static int run_as_lines(struct top *top)
{
    static const char *const words[] = {[EXIT_GOOD] = "good", [EXIT_DEGRADED] = "degraded", [EXIT_ABSENT] = "absent"};
    int written = 0;

    take(top);
    while (written >= 0) {
        nanosleep(&(struct timespec){.tv_sec = EVERY / SECOND}, NULL);
        take(top);
        int status = top->now ? health(top->now, top->run_dir, &top->everybody, NULL) : EXIT_ABSENT;
        const struct totals *t = &top->totals;
        json_t *line = json_pack("{s:I, s:s, s:f, s:o, s:f, s:f, s:f, s:I}", "time", (json_int_t)time(NULL), "health",
                                 words[status], "requests_per_second", t->requests, "hit_rate",
                                 t->asked[0] ? json_real(hit_share(t)) : json_null(), "p50", t->wait_p50, "p99",
                                 t->wait_p99, "cpu", t->cpu, "errors", (json_int_t)t->errors);
        written = json_dumpf(line, stdout, JSON_REAL_PRECISION(6));
        json_decref(line);
        putchar('\n');
        written = fflush(stdout) == 0 ? written : -1;
    }
    return EXIT_GOOD;
}

int top_run(const struct invocation *invocation)
{
    struct top top = {.run_dir = invocation->run_dir, .everybody = {.stage = -1}, .stage = -1};

    top.tail = tail_new(invocation->run_dir);
    int status = invocation->json ? run_as_lines(&top) : run_on_screen(&top);
    end(&top);
    return status;
}
