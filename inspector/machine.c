#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void look_at_memory(struct machine *machine)
{
    const struct {
        const char *name;
        uint64_t *value;
    } lines[] = {{"MemTotal:", &machine->memory},
                 {"MemAvailable:", &machine->memory_available},
                 {"SwapTotal:", &machine->swap},
                 {"SwapFree:", &machine->swap_free}};
    char line[256], name[64];
    uint64_t kilobytes;
    FILE *file = fopen("/proc/meminfo", "re");

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%63s %" SCNu64, name, &kilobytes) != 2) {
            continue;
        }
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
            if (strcmp(name, lines[i].name) == 0) {
                *lines[i].value = kilobytes * 1024;
            }
        }
    }
    if (file) {
        fclose(file);
    }
}

void machine_look(struct machine *machine, const char *const paths[DISKS])
{
    struct statvfs disk_of;
    struct stat st;
    dev_t first = 0;

    memset(machine, 0, sizeof(*machine));
    if (getloadavg(machine->load, 3) < 3) {
        memset(machine->load, 0, sizeof(machine->load));
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    machine->processors = processors > 0 ? (unsigned)processors : 1;
    look_at_memory(machine);
    for (int i = 0; i < DISKS; i++) {
        if (!paths[i] || stat(paths[i], &st) < 0 || (machine->n_disks > 0 && st.st_dev == first) ||
            statvfs(paths[i], &disk_of) < 0) {
            continue;
        }
        first = st.st_dev;
        struct disk *disk = &machine->disk[machine->n_disks++];
        snprintf(disk->path, sizeof(disk->path), "%s", paths[i]);
        disk->total = (uint64_t)disk_of.f_blocks * disk_of.f_frsize;
        disk->available = (uint64_t)disk_of.f_bavail * disk_of.f_frsize;
    }
}
