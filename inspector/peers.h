/* filmyfly peers: who sends work to whom. */
#ifndef FILMYFLY_PEERS_H
#define FILMYFLY_PEERS_H

#include "command.h"

int peers_run(const struct invocation *invocation);

#endif
