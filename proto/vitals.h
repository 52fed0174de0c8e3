/*
 * The signs of life of this process, for those who look from outside: gauges in the counters' file (process.alive,
 * .cpu, .anonymous, .state), and what systemd is told where it asks to be (NOTIFY_SOCKET, sd_notify(3)): READY,
 * STOPPING, STATUS, and WATCHDOG as long as the work really goes on. It also ends a process that has grown too large,
 * gracefully.
 *
 * One thread uses it: that of the loop, the main thread in the gateway. Nothing here waits for the supervisor.
 */
#ifndef FILMYFLY_VITALS_H
#define FILMYFLY_VITALS_H

#include <stdint.h>

/* As process.state shows it. */
enum vitals_state {
    VITALS_STARTING, /* no work is taken yet */
    VITALS_SERVING,  /* registered, takes work */
    VITALS_LEAVING,  /* finishes what it holds, then ends */
    VITALS_DRAINED,  /* takes no work, has finished what it held, and waits for what it is told next */
};

/* Once, before the work begins: state is VITALS_STARTING. memory_max: bytes of anonymous memory (FILMYFLY_MEMORY_MAX).
 */
void vitals_open(uint64_t memory_max);

/* A sentence for `systemctl status`. */
void vitals_status(const char *sentence);

void vitals_set_state(enum vitals_state state);

/*
 * To be called at every tick, 20 to 50 ms; it does something once a second. progressed: CLOCK_MONOTONIC, ns, when the
 * work last went on; where several loops work, the oldest of theirs. The watchdog is only fed when that is later than
 * at the last feeding, so whoever hangs or spins is ended by it.
 *
 * With more anonymous memory than allowed it asks for a restart: stage_exit_status, stage_leaving.
 */
void vitals_tick(uint64_t now, uint64_t progressed);

#endif
