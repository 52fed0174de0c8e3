/*
 * libFuzzer: any bytes as the head of a message. What is accepted must be within the limits: it packs again, and what
 * was packed reads back and packs to the same bytes.
 */
#include <stdlib.h>

#include "buffer.h"
#include "messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message; /* large: as in the stages, not on the stack */
    struct buffer first = {.limit = 2 * LIMIT_HEAD_BYTES}, second = {.limit = 2 * LIMIT_HEAD_BYTES};
    if (!message_unpack(data, size, &message)) {
        uint32_t protocol = message.protocol;
        if (message.type == MESSAGE_HELLO)
            protocol = PROTOCOL_OLDEST; /* always written so */
        if (!message_pack(&message, protocol, &first))
            abort();
        if (message_unpack(first.p, first.n, &message) || !message_pack(&message, protocol, &second))
            abort();
        if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0)
            abort();
    }
    buffer_release(&first);
    buffer_release(&second);
    return 0;
}
