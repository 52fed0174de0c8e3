/* filmyfly purge: pages that the cache shall forget. */
#ifndef FILMYFLY_PURGE_H
#define FILMYFLY_PURGE_H

#include "command.h"

int purge_run(const struct invocation *invocation);

#endif
