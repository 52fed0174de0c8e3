#include "arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUN_DIR_OF_RUN     "var/run" /* what ./run uses */
#define RUN_DIR_OF_MACHINE "/run/filmyfly"

const struct option common_options[] = {
    {"--run-dir", "DIR",
     "Look into this run directory. Else FILMYFLY_RUN_DIR, else ./var/run when it is there, else /run/filmyfly."},
    {"--json", NULL, "Print JSON."},
    {"--help", NULL, "Print this."},
    {NULL, NULL, NULL},
};

int complain(int status, const char *format, ...)
{
    va_list list;

    fputs("filmyfly: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return status;
}

const char *given(const struct invocation *invocation, const char *option)
{
    const struct option *options = invocation->command->options;

    for (size_t i = 0; options[i].name; i++) {
        if (strcmp(options[i].name, option) == 0) {
            return invocation->value[i];
        }
    }
    return NULL;
}

static const char *find_run_dir(void)
{
    const char *set = getenv("FILMYFLY_RUN_DIR");
    struct stat st;

    if (set && *set) {
        return set;
    }
    /* In / there is a var/run too. */
    return stat(RUN_DIR_OF_RUN "/gateway", &st) == 0 && S_ISDIR(st.st_mode) ? RUN_DIR_OF_RUN : RUN_DIR_OF_MACHINE;
}

/* Which option the word names: of the command, or a common one; *rest is what stands behind a "=" in it. */
static const struct option *find_option(const struct option *options, const char *word, const char **rest)
{
    size_t n = strcspn(word, "=");

    for (; options->name; options++) {
        if (strlen(options->name) == n && strncmp(options->name, word, n) == 0) {
            *rest = word[n] ? word + n + 1 : NULL;
            return options;
        }
    }
    return NULL;
}

static void take_option(struct invocation *invocation, const struct option *option, const char *value)
{
    const struct option *first = invocation->command->options;

    if (strcmp(option->name, "--json") == 0) {
        invocation->json = true;
    } else if (strcmp(option->name, "--run-dir") == 0) {
        invocation->run_dir = value;
    } else if (option >= first && option < first + COMMAND_OPTIONS) {
        invocation->value[option - first] = value;
    }
}

/* argv[*i] is an option; takes its value too. */
static bool read_option(struct invocation *invocation, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *value = NULL;
    const struct option *option = find_option(invocation->command->options, word, &value);

    if (!option) {
        option = find_option(common_options, word, &value);
    }
    if (!option) {
        complain(0, "\"%s\" is no option of %s; filmyfly %s --help lists them", word, invocation->command->name,
                 invocation->command->name);
        return false;
    }
    if (!option->argument && value) {
        complain(0, "%s takes no value", option->name);
        return false;
    }
    if (option->argument && !value) {
        if (*i + 1 >= argc) {
            complain(0, "%s needs a value: %s", option->name, option->argument);
            return false;
        }
        value = argv[++*i];
    }
    take_option(invocation, option, value ? value : "");
    return true;
}

bool arguments_read(struct invocation *invocation, const struct command *command, int argc, char **argv)
{
    bool options = true; /* until "--" */

    *invocation = (struct invocation){.command = command};
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            if (!read_option(invocation, argc, argv, &i)) {
                return false;
            }
        } else if (invocation->n_words >= command->most) {
            complain(0, "\"%s\" is too much; usage: filmyfly %s %s", argv[i], command->name, command->arguments);
            return false;
        } else {
            invocation->word[invocation->n_words++] = argv[i];
        }
    }
    if (invocation->n_words < command->least) {
        complain(0, "%s needs more; usage: filmyfly %s %s", command->name, command->name, command->arguments);
        return false;
    }
    if (!invocation->run_dir || !*invocation->run_dir) {
        invocation->run_dir = find_run_dir();
    }
    return true;
}
