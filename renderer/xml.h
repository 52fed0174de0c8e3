/*
 * Writes texts as XML 1.0, for the feed and the sitemaps.
 */
#ifndef FILMYFLY_XML_H
#define FILMYFLY_XML_H

#include "buffer.h"

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/*
 * Appends the text so that it can stand between tags or in a quoted attribute. What XML has no place for at all, not
 * even as a reference (section 2.2: most control characters, U+FFFE and U+FFFF), is left out; a byte that is no part of
 * valid UTF-8 becomes U+FFFD.
 */
void xml_write_text(struct buffer *out, struct str s);

/* Appends "<name>text</name>" and a line end. */
void xml_write_element(struct buffer *out, struct str name, struct str text);

#endif
