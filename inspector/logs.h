/* filmyfly logs: the last lines of all instances in one stream, ordered by time. */
#ifndef FILMYFLY_LOGS_H
#define FILMYFLY_LOGS_H

#include "command.h"

int logs_run(const struct invocation *invocation);

#endif
