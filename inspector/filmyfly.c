/* filmyfly: looks into the running pipeline, and tells it a few things. This is the table of its commands. */
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "config.h"
#include "control.h"
#include "logs.h"
#include "manual.h"
#include "peers.h"
#include "pipeline.h"
#include "purge.h"
#include "status.h"
#include "tap.h"
#include "top.h"

const struct command commands[] = {
    {
        .name = "status",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "what runs, and how it fares",
        .manual =
            "A line for each instance: its state (serving; starting; leaving: it finishes what it has; drained: it "
            "lives "
            "and takes no work; hung: it lives, but its loop does nothing; dead), process, release, time since its "
            "start, "
            "restarts since the run directory was made (RST), processor time (100% is one processor), anonymous "
            "memory, "
            "requests a second, requests it holds and how many each of its left neighbours may give it (IN FLIGHT), "
            "requests that wait because nobody to the right has room (QUEUED), the time from a request to its answer "
            "that "
            "half (P50) and 99 of 100 (P99) kept below, and how many answers of its life were failures. A gateway's "
            "times "
            "are those of what it asked the cacher; pages from the store take it microseconds.\n"
            "\n"
            "Then the cache: its size, and how many pages of the last minutes it had without asking a renderer; the "
            "database, as the dbproxies see it; the machine. Rates and times are those of about a second, and where "
            "nothing happened in it, of the instance's whole life.\n"
            "\n"
            "What is wrong is said in a line each on standard error, with what to do. The exit status tells the "
            "health: 0, "
            "every stage has an instance that serves and none is dead or hung; 1, something is wrong; 2, nothing runs. "
            "With a STAGE or INSTANCE only that is judged.",
        .json =
            "  {\"health\": \"good\"|\"degraded\"|\"absent\", \"problems\": [SENTENCE...],\n"
            "   \"instances\": [{\"stage\", \"instance\", \"state\", \"pid\", \"release\", \"uptime\", \"restarts\", "
            "\"cpu\",\n"
            "     \"memory\", \"requests_per_second\", \"requests\", \"in_flight\", \"credit\", \"queued\", \"p50\",\n"
            "     \"p99\", \"errors\"}...],\n"
            "   \"cache\": {\"bytes\", \"limit\", \"entries\", \"hit_rate\": {\"1m\", \"5m\", \"60m\"}},\n"
            "   \"database\": {\"connections\", \"waiting\", \"p50\", \"p99\"},\n"
            "   \"system\": {\"load\": [1, 5, 15 minutes], \"processors\", \"memory\": {\"total\", \"available\"},\n"
            "     \"swap\": {\"total\", \"free\"}, \"disks\": [{\"path\", \"total\", \"available\"}...]}}\n"
            "Times are seconds, sizes bytes; cpu is processors (0.5: half of one); a hit rate is a part of 1, or null "
            "when "
            "no page was asked for. An instance that does not live has only the first four. With a STAGE or INSTANCE "
            "cache, database and system are left out.",
        .run = status_run,
        .options = {{"--quiet", NULL, "Print nothing: the exit status says it. For health checks."}},
    },
    {
        .name = "top",
        .arguments = "",
        .sentence = "the same, live, on the whole screen",
        .manual =
            "Requests, hit rate, waits and processor time as they go on, the instances, and the latest log lines; 80 "
            "columns and 24 lines are enough. Keys: 1 to 4 or the arrows choose a stage, 0 all of them; q ends it. "
            "With --json it prints a line every second instead, until it is ended.",
        .json = "  {\"time\": SECONDS, \"health\", \"requests_per_second\", \"hit_rate\", \"p50\", \"p99\", \"cpu\",\n"
                "   \"errors\"}\n"
                "a line each second: of the gateways; hit_rate of the last minute; cpu of all stages.",
        .run = top_run,
    },
    {
        .name = "logs",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "what the stages logged, in one stream",
        .manual =
            "The last lines of all instances, ordered by time. Each keeps its last 512 in the run directory "
            "(INSTANCE.log), also over its death and restart; FILMYFLY_LOG_LEVEL says what it logs at all. A line "
            "of more than 480 bytes is cut here, and whole in what the supervisor keeps. With -f it goes on with "
            "what is logged from now on, through restarts and with instances that come.",
        .json = "  {\"time\", \"instance\": \"renderer/1\", \"pid\", \"level\", \"text\"}\n"
                "a line each.",
        .run = logs_run,
        .options = {{"-f", NULL, "Follow: go on until interrupted."},
                    {"--follow", NULL, "The same."},
                    {"--level", "LEVEL", "Only lines at least that bad: error, warning, info or debug."},
                    {"--grep", "RE", "Only lines that match the extended regular expression."},
                    {"--lines", "N", "The last N lines, or all; 100 if not said."}},
    },
    {
        .name = "tap",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "the messages between the stages as they pass",
        .manual =
            "A line for each message: the time, who saw it, to (->) or from (<-) whom, its type, the request's id, "
            "and what matters most of it; \"+14021 B\" is the length of its body. Between two instances that are "
            "both tapped it is seen twice. A gateway has a tap for each loop (gateway/1.0). What could not be read "
            "is BAD, with the reason.\n"
            "\n"
            "Cookies, credentials, tokens, and parameters of statements never leave the stage: they are (hidden), or "
            "only their length is told. Long texts and lists are cut. A reader who is too slow misses some "
            "messages, and is told how many; the stages wait for nobody.",
        .json =
            "  {\"time\", \"instance\", \"side\": \"left\"|\"right\"|..., \"way\": \"in\"|\"out\", \"peer\", "
            "\"type\",\n"
            "   \"head_bytes\", \"body_bytes\", \"dropped\", \"id\", FIELDS OF THE TYPE..., \"body\"}\n"
            "a line each. The fields are those of the protocol (proto/PROTOCOL.md): headers are a list of [name, "
            "value], a batch one of {\"statement\", \"parameters\"}. dropped counts what the instance could not show "
            "since it began; body is the beginning of a body that may be shown. BAD has \"error\" instead.",
        .run = tap_run,
        .options = {{"--type", "TYPES", "Only these, such as REQUEST,RESPONSE; all: heartbeats too."},
                    {"--count", "N", "End after N messages."}},
    },
    {
        .name = "peers",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "who sends work to whom",
        .manual =
            "A line for each connection, as the one who asks sees it: to whom, its state (connecting; connected: it "
            "has "
            "not answered yet; ready; hung: silent, gets nothing new; leaving; foreign: speaks no common protocol), "
            "its process and release, the protocol in use, requests in flight and the credit that it gave, and how "
            "long the connection has been there. A gateway has connections of its own for each loop (gateway/1.0); "
            "\"changes/1\" is the socket of dbproxy/1 on which the cacher asks what changed.",
        .json = "  [{\"from\", \"to\", \"state\", \"pid\", \"release\", \"protocol\", \"in_flight\", \"credit\", "
                "\"seconds\"}...]",
        .run = peers_run,
    },
    {
        .name = "config",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "the settings in force",
        .manual =
            "What each instance that runs was started with, as lines VARIABLE=value; instances with equal settings "
            "share a heading. Passwords and addresses that hold one are (hidden).",
        .json = "  {\"renderer/1\": {\"FILMYFLY_PAGE_TTL\": \"30m\", ...}, ...}",
        .run = config_run,
    },
    {
        .name = "purge",
        .arguments = "[URL]",
        .most = 1,
        .sentence = "make pages of the cache stale, or take them away",
        .manual =
            "Which pages: that of one address (https://HOST/PATH, as visitors use it), or what an option says. A page "
            "that is stale is made anew when it is next asked for, and is still given when that fails.",
        .json = "  {\"purged\": \"url\"|\"prefix\"|\"tag\"|\"all\", \"value\", \"hard\", \"done\"}\n"
                "done is false while a purge by prefix goes on; it takes milliseconds for some thousand pages.",
        .run = purge_run,
        .options = {{"--tag", "TAG", "All pages with this tag, such as movie:17 or movies."},
                    {"--prefix", "URL", "All pages whose address begins so; at least https://HOST/."},
                    {"--all", NULL, "Every page."},
                    {"--hard", NULL, "They are never given again, not even when no new ones can be made."}},
    },
    {
        .name = "restart",
        .arguments = "[STAGE|INSTANCE]",
        .most = 1,
        .sentence = "replace instances, one after the other, losing nothing",
        .manual =
            "Each is told to leave: it takes no new work, finishes what it has, and ends with the status that makes "
            "its "
            "supervisor (systemd, runit of ./run, compose) start it again. The next one is only told when the new one "
            "serves; if it does not within 105 s, the others are left as they are. Without an argument all stages "
            "are restarted, from dbproxy to gateway.",
        .json = "  [{\"instance\": \"renderer/1\", \"was\": PID, \"pid\": PID, \"seconds\"}...]",
        .run = restart_run,
    },
    {
        .name = "drain",
        .arguments = "INSTANCE",
        .least = 1,
        .most = 1,
        .sentence = "let an instance finish its work and take no more",
        .manual =
            "It stays alive and idle, for whoever wants to look at it, until \"filmyfly restart INSTANCE\" or SIGTERM.",
        .json = "  {\"drained\": \"renderer/1\", \"pid\", \"seconds\"}",
        .run = drain_run,
        .options = {{"--force", NULL, "Also the last one of its stage that serves."}},
    },
    {.name = NULL},
};

static const struct command *find(const char *name)
{
    for (const struct command *c = commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* Names for the completion of bash. */
static int print_instances(void)
{
    char error[4400];
    struct invocation invocation;
    char *none[] = {NULL};
    struct pipeline *pipeline =
        arguments_read(&invocation, commands, 1, none) ? pipeline_look(invocation.run_dir, error, sizeof(error)) : NULL;

    for (size_t i = 0; pipeline && i < pipeline->n; i++) {
        if (instance_lives(&pipeline->instance[i])) {
            printf("%s/%s\n", stage_names[pipeline->instance[i].stage], pipeline->instance[i].name);
        }
    }
    pipeline_free(&pipeline);
    return EXIT_GOOD;
}

/* --help, --version, and what the build and the completion ask for. False: the word is none of these. */
static bool print_what_is_asked(const char *word)
{
    if (strcmp(word, "--help") == 0) {
        manual_help();
    } else if (strcmp(word, "--version") == 0) {
        printf("filmyfly %s\n", FILMYFLY_RELEASE);
    } else if (strcmp(word, "--man") == 0) {
        manual_page();
    } else if (strcmp(word, "--completion") == 0) {
        manual_completion();
    } else if (strcmp(word, "--instances") == 0) {
        print_instances();
    } else {
        return false;
    }
    return true;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct invocation invocation;

    if (argc < 2) {
        manual_help();
        return EXIT_USAGE;
    }
    if (print_what_is_asked(argv[1])) {
        return EXIT_GOOD;
    }
    const struct command *command = find(argv[1]);
    if (!command) {
        return complain(EXIT_USAGE, "\"%s\" is no command; filmyfly --help lists them", argv[1]);
    }
    if (asks_for_help(argc - 1, argv + 1)) {
        manual_help_of(command);
        return EXIT_GOOD;
    }
    if (!arguments_read(&invocation, command, argc - 1, argv + 1)) {
        return EXIT_USAGE;
    }
    return command->run(&invocation);
}
