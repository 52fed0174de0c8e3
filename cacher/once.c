#include "once.h"

bool once_may(struct once *once, struct hash key, uint64_t now)
{
    uint64_t place = key.a % ONCE_PLACES;
    if (once->place[place].key == key.b && now >= once->place[place].at && now - once->place[place].at < ONCE_EVERY)
        return false;
    once->place[place].key = key.b;
    once->place[place].at = now;
    return true;
}
