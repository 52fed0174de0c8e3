#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "store_format.h"

/* This life's; false when the system does not tell. */
static bool boot_id(char id[64])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool read = file && fgets(id, 64, file);
    if (file)
        fclose(file);
    if (read)
        id[strcspn(id, "\n")] = '\0';
    return read;
}

enum store_marker store_read_marker(const char *folder)
{
    char path[PATH_MAX + 16], line[2][100] = {{0}}, id[64];
    snprintf(path, sizeof(path), "%s/marker", folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return MARKER_NONE;
    for (int i = 0; i < 2 && fgets(line[i], sizeof(line[i]), file); i++)
        line[i][strcspn(line[i], "\n")] = '\0';
    fclose(file);
    if (strcmp(line[0], STORE_MARKER) != 0 || !boot_id(id))
        return MARKER_NONE;
    return strcmp(line[1], id) == 0 ? MARKER_GOOD : MARKER_OTHER_LIFE;
}

bool store_write_marker(const char *folder)
{
    char path[PATH_MAX + 16], temporary[PATH_MAX + 16], id[64];
    if (!boot_id(id))
        return false;
    snprintf(path, sizeof(path), "%s/marker", folder);
    snprintf(temporary, sizeof(temporary), "%s/marker.new", folder);
    FILE *file = fopen(temporary, "we");
    if (!file)
        return false;
    bool written = fprintf(file, STORE_MARKER "\n%s\n", id) > 0;
    written = fchmod(fileno(file), 0640) == 0 && written;
    written = fclose(file) == 0 && written;
    return written && rename(temporary, path) == 0;
}

bool store_move_marker(const char *folder, bool aside)
{
    char path[PATH_MAX + 16], other[PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/marker", folder);
    snprintf(other, sizeof(other), "%s/marker.aside", folder);
    return rename(aside ? path : other, aside ? other : path) == 0;
}

bool store_remove_files(const char *folder)
{
    static const char *const names[] = {"marker", "marker.aside", "data.mdb", "lock.mdb"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            return false;
    }
    return true;
}

void store_remove_others(const char *directory)
{
    char path[PATH_MAX];
    DIR *dir = opendir(directory);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, "store.v", 7) != 0 || strcmp(entry->d_name, STORE_FOLDER) == 0 ||
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >= (int)sizeof(path))
            continue;
        if (store_remove_files(path) && rmdir(path) == 0)
            log_info("the store %s was of another format and is removed", path);
    }
    if (dir)
        closedir(dir);
}
