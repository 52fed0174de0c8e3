/*
 * One line an event on standard error: time (UTC), stage/instance, level, sentence. A line says who, what, which
 * request, and what happens next; it is written with one write(2), control characters become '?', and a line that would
 * block is dropped and counted, never waited for. The last lines are kept beside it, see log_ring.h.
 */
#ifndef FILMYFLY_LOG_H
#define FILMYFLY_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* name: "renderer/1"; copied. */
void log_open(const char *name);
/* False when the word is none of error, warning, info, debug. */
bool log_set_level(const char *word);
bool log_enabled(enum log_level level);
/* "error", "warning", "info" or "debug" */
const char *log_level_word(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   (log_enabled(LOG_LEVEL_DEBUG) ? log_write(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

/*
 * For what a peer can cause as often as it likes: at most `LOG_BURST` lines a second of one place; the next line that
 * passes says how many were left out. static struct log_limit limit; log_limited(&limit, LOG_LEVEL_WARNING, "…");
 */
#define LOG_BURST 5
struct log_limit {
    uint64_t second;
    uint32_t written, left_out;
};
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
