#include "manual.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pipeline.h"

static const char purpose[] = "look into the running pipeline of FilmyFly";

/* Help. */

static void print_options(const struct option *options)
{
    char text[64];

    for (; options->name; options++) {
        snprintf(text, sizeof(text), "%s%s%s", options->name, options->argument ? " " : "",
                 options->argument ? options->argument : "");
        printf("  %-18s %s\n", text, options->sentence);
    }
}

/* Paragraphs, in lines of a terminal's width. */
static void print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t n = strcspn(text, " \n");
        if (column > 0 && column + 1 + n > 80) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)n, text);
        text += n;
        for (; *text == '\n'; text++) {
            putchar('\n');
            column = 0;
        }
        text += *text == ' ';
    }
    putchar('\n');
}

void manual_help(void)
{
    printf("filmyfly: %s.\n\nUsage: filmyfly COMMAND [OPTION]...\n\nCommands:\n", purpose);
    for (const struct command *c = commands; c->name; c++) {
        char text[64];
        snprintf(text, sizeof(text), "%s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
        printf("  %-28s %s\n", text, c->sentence);
    }
    printf("\nOptions of every command:\n");
    print_options(common_options);
    printf("\nfilmyfly --version prints the release. filmyfly COMMAND --help and filmyfly(1) tell more.\n");
}

void manual_help_of(const struct command *command)
{
    printf("filmyfly %s: %s.\n\nUsage: filmyfly %s%s%s [OPTION]...\n\n", command->name, command->sentence,
           command->name, *command->arguments ? " " : "", command->arguments);
    print_wrapped(command->manual);
    printf("\nOptions:\n");
    print_options(command->options);
    print_options(common_options);
}

/* The man page. */

/* Bytes as they are: no control line, no escape, and a hyphen that can be copied. */
static void print_escaped(const char *text, size_t n)
{
    if (n > 0 && (*text == '.' || *text == '\'')) {
        fputs("\\&", stdout);
    }
    for (; n > 0; text++, n--) {
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else {
            fputc(*text, stdout);
        }
    }
}

static void print_text(const char *text)
{
    bool as_it_is = false;

    while (*text) {
        size_t n = strcspn(text, "\n");
        bool block = n > 2 && text[0] == ' ' && text[1] == ' ';
        if (block != as_it_is) {
            puts(block ? ".PP\n.nf\n.RS 4" : ".RE\n.fi\n.PP");
            as_it_is = block;
        }
        if (n == 0) {
            puts(".PP");
        } else {
            print_escaped(text + (block ? 2 : 0), n - (block ? 2 : 0));
            putchar('\n');
        }
        text += n + (text[n] == '\n');
    }
    if (as_it_is) {
        puts(".RE\n.fi");
    }
}

static void print_options_page(const struct option *options)
{
    for (; options->name; options++) {
        fputs(".TP\n\\fB", stdout);
        print_escaped(options->name, strlen(options->name));
        fputs("\\fR", stdout);
        if (options->argument) {
            printf(" \\fI%s\\fR", options->argument);
        }
        putchar('\n');
        print_text(options->sentence);
    }
}

static void print_command_page(const struct command *c)
{
    printf(".SS %s %s\n", c->name, c->arguments);
    print_text(c->manual);
    print_options_page(c->options);
    if (c->json) {
        puts(".PP\n\\fB\\-\\-json\\fR prints");
        print_text(c->json);
    }
}

void manual_page(void)
{
    printf(".TH FILMYFLY 1 \"\" \"FilmyFly %s\" \"User Commands\"\n.SH NAME\nfilmyfly \\- %s\n"
           ".SH SYNOPSIS\n\\fBfilmyfly\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.SH DESCRIPTION\n",
           FILMYFLY_RELEASE, purpose);
    print_text(
        "It reads the run directory, in which every instance of a stage keeps a socket, a lock, its counters, its "
        "settings and its latest log lines; so it works alike under ./run, compose and systemd, and whoever may "
        "read the directory may look. STAGE is gateway, cacher, renderer or dbproxy; INSTANCE is a stage and a "
        "name, such as renderer/1.");
    puts(".SH OPTIONS");
    print_options_page(common_options);
    puts(".SH COMMANDS");
    for (const struct command *c = commands; c->name; c++) {
        print_command_page(c);
    }
    puts(".SH EXIT STATUS");
    print_text("0: done, and all is well. 1: something is not as it should be, or what was asked could not be done. 2: "
               "FilmyFly does not run, or cannot be reached. 64: the command line is wrong.");
    puts(".SH ENVIRONMENT");
    print_text("FILMYFLY_RUN_DIR: the run directory. NO_COLOR: when set and not empty, no colours.");
}

/* Completion. */

static bool takes_instances(const struct command *c)
{
    return strstr(c->arguments, "INSTANCE") != NULL;
}

void manual_completion(void)
{
    puts("# bash completion for filmyfly; made by `filmyfly --completion`.\n"
         "_filmyfly() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=''\n"
         "    if [ \"$before\" = --run-dir ]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n"
         "        return\n"
         "    fi\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        words='", stdout);
    for (const struct command *c = commands; c->name; c++) {
        printf("%s ", c->name);
    }
    puts("--help --version'\n    else\n        case ${COMP_WORDS[1]} in");
    for (const struct command *c = commands; c->name; c++) {
        printf("        %s)\n            words='", c->name);
        if (takes_instances(c)) {
            for (size_t i = 0; stage_names[i]; i++) {
                printf("%s ", stage_names[i]);
            }
        }
        for (const struct option *o = c->options; o->name; o++) {
            printf("%s ", o->name);
        }
        for (const struct option *o = common_options; o->name; o++) {
            printf("%s%s", o->name, o[1].name ? " " : "'\n");
        }
        if (takes_instances(c)) {
            puts("            words+=\" $(\"${COMP_WORDS[0]}\" --instances 2>/dev/null)\"");
        }
        puts("            ;;");
    }
    puts("        esac\n    fi\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "}\n"
         "complete -F _filmyfly filmyfly");
}
