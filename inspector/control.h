/* filmyfly restart and drain: what an instance is told over its inspection socket (PROTOCOL.md). */
#ifndef FILMYFLY_CONTROL_H
#define FILMYFLY_CONTROL_H

#include "command.h"

int restart_run(const struct invocation *invocation);
int drain_run(const struct invocation *invocation);

#endif
