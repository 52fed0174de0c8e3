/*
 * CDN-Cache-Control (RFC 9213): directives for caches like ours, which then ignore Cache-Control and Expires. It is a
 * structured field, a dictionary (RFC 8941 section 3.2), and one mistake makes all of it void.
 */
#ifndef FILMYFLY_HTTP_TARGETED_H
#define FILMYFLY_HTTP_TARGETED_H

#include "http_control.h"

/* True when there is a valid, not empty CDN-Cache-Control; control is filled from it. False: look at Cache-Control;
 * control is untouched. */
bool targeted_read(struct control *control, const struct headers *headers);

#endif
