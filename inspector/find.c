#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "registry.h"

/* A name of an instance, and dots between the parts: nothing else goes to a terminal. */
static bool is_plain(const char *entry)
{
    return entry[0] != '.' && entry[strspn(entry, INSTANCE_CHARACTERS ".")] == '\0';
}

/* Name and path of the entry, when it is one of those. */
static bool is_wanted(const char *folder, const char *entry, unsigned stage, const struct target *target,
                      const char *suffix, struct found *found)
{
    char base[NAME_SIZE];
    size_t n = strlen(entry), end = strlen(suffix), name = strcspn(entry, ".");

    if (!is_plain(entry) || n <= end || strcmp(entry + n - end, suffix) != 0 || name >= sizeof(base)) {
        return false;
    }
    snprintf(base, sizeof(base), "%.*s", (int)name, entry);
    return target_has(target, stage, base) &&
           (size_t)snprintf(found->name, sizeof(found->name), "%s/%.*s", stage_names[stage], (int)(n - end), entry) <
               sizeof(found->name) &&
           (size_t)snprintf(found->path, sizeof(found->path), "%s/%s", folder, entry) < sizeof(found->path);
}

static bool refused;

static int find_in_stage(const char *run_dir, unsigned stage, const struct target *target, const char *suffix,
                         find_file *on_file, void *user)
{
    char folder[FOUND_PATH];
    struct found found;
    int n = 0;

    snprintf(folder, sizeof(folder), "%s/%s", run_dir, stage_names[stage]);
    DIR *dir = opendir(folder);
    if (!dir) {
        if (errno != ENOENT && !refused) {
            refused = true;
            complain(0, "%s cannot be read: %s; run this as its owner or as a member of its group", folder,
                     strerror(errno));
        }
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_wanted(folder, entry->d_name, stage, target, suffix, &found)) {
            on_file(user, &found);
            n++;
        }
    }
    closedir(dir);
    return n;
}

int find_files(const char *run_dir, const struct target *target, const char *suffix, find_file *on_file, void *user)
{
    int n = 0;

    for (unsigned stage = 0; stage < STAGES; stage++) {
        if (target->stage < 0 || target->stage == (int)stage) {
            n += find_in_stage(run_dir, stage, target, suffix, on_file, user);
        }
    }
    return n;
}

bool find_was_refused(void)
{
    return refused;
}
