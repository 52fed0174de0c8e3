#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"

#define CONFIG_MAX 65536 /* bytes of a file */

/* Until the end of the file, CONFIG_MAX bytes at most; -1 with errno. */
static ssize_t read_file(int fd, char *text)
{
    size_t n = 0;
    ssize_t got;

    while (n < CONFIG_MAX && (got = read(fd, text + n, CONFIG_MAX - n)) != 0) {
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)n;
}

char *config_read(const char *run_dir, const struct instance *instance, char *error, size_t error_size)
{
    char path[4096];
    struct stat st;

    if (!instance_path(run_dir, instance, ".config", path, sizeof(path))) {
        snprintf(error, error_size, "the path of %s is too long", run_dir);
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    char *text = is_file ? malloc(CONFIG_MAX + 1) : NULL;
    ssize_t n = text ? read_file(fd, text) : -1;
    if (n < 0) {
        const char *why = fd >= 0 && !is_file ? "it is no file" : strerror(errno);
        const char *what = fd < 0 && errno == ENOENT   ? "; the instance keeps none"
                           : fd < 0 && errno == EACCES ? "; be root, or in the group of that folder"
                                                       : "";
        snprintf(error, error_size, "%s cannot be read: %s%s", path, why, what);
        free(text);
        text = NULL;
    } else {
        text[n] = '\0';
        for (char *c = text; c < text + n; c++) {
            if (*c != '\n' && !isprint((unsigned char)*c)) {
                *c = '?';
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

bool config_value(const char *text, const char *variable, char *value, size_t size)
{
    size_t n = strlen(variable);

    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        if (strncmp(text, variable, n) == 0 && text[n] == '=') {
            size_t length = strcspn(text + n + 1, "\n");
            if (length >= size) {
                return false;
            }
            memcpy(value, text + n + 1, length);
            value[length] = '\0';
            return true;
        }
    }
    return false;
}

static json_t *to_json(const char *text)
{
    json_t *object = json_object();

    while (*text) {
        size_t n = strcspn(text, "\n"), name = strcspn(text, "=\n");
        if (name < n) {
            char variable[128];
            snprintf(variable, sizeof(variable), "%.*s", (int)name, text);
            json_object_set_new(object, variable, json_stringn(text + name + 1, n - name - 1));
        }
        text += n + (text[n] == '\n');
    }
    return object;
}

/* Takes the line of a variable out of the text. */
static void leave_out(char *text, const char *variable)
{
    size_t n = strlen(variable);

    while (*text && (strncmp(text, variable, n) != 0 || text[n] != '=')) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    size_t line = strcspn(text, "\n");
    line += text[line] == '\n';
    memmove(text, text + line, strlen(text + line) + 1);
}

/* Those with equal settings together under one heading, which names them: so not their names. */
static void print_groups(const struct pipeline *pipeline, char *const *texts)
{
    bool done[INSTANCES_MAX] = {false};
    const char *gap = "";

    for (size_t i = 0; i < pipeline->n; i++) {
        if (texts[i]) {
            leave_out(texts[i], "FILMYFLY_INSTANCE");
        }
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        if (!texts[i] || done[i]) {
            continue;
        }
        printf("%s#", gap);
        gap = "\n";
        for (size_t k = i; k < pipeline->n; k++) {
            const struct instance *other = &pipeline->instance[k];
            if (texts[k] && strcmp(texts[k], texts[i]) == 0) {
                printf(" %s/%s", stage_names[other->stage], other->name);
                done[k] = true;
            }
        }
        printf("\n%s", texts[i]);
    }
}

int config_run(const struct invocation *invocation)
{
    char error[4400], *texts[INSTANCES_MAX] = {NULL};
    struct target target;
    json_t *all = json_object();
    int status = EXIT_ABSENT;
    struct pipeline *pipeline;

    if (!target_read(&target, invocation->word[0])) {
        json_decref(all);
        return EXIT_USAGE;
    }
    pipeline = pipeline_look(invocation->run_dir, error, sizeof(error));
    if (!pipeline) {
        json_decref(all);
        return complain(EXIT_ABSENT, "%s", error);
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        char name[64];
        if (!instance_lives(instance) || !target_has(&target, instance->stage, instance->name)) {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", stage_names[instance->stage], instance->name);
        texts[i] = config_read(invocation->run_dir, instance, error, sizeof(error));
        if (!texts[i]) {
            complain(0, "%s", error);
            status = EXIT_DEGRADED;
        } else {
            json_object_set_new(all, name, to_json(texts[i]));
            status = status == EXIT_ABSENT ? EXIT_GOOD : status;
        }
    }
    if (status == EXIT_ABSENT) {
        complain(0, "%s%s does not run in %s", invocation->word[0] ? "" : "FilmyFly",
                 invocation->word[0] ? invocation->word[0] : "", invocation->run_dir);
    } else if (invocation->json) {
        print_json(json_incref(all), status);
    } else {
        print_groups(pipeline, texts);
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        free(texts[i]);
    }
    json_decref(all);
    pipeline_free(&pipeline);
    return status;
}
