/* libFuzzer: any bytes through every call of the bounded reader, the first bytes choosing the calls. It may refuse; it
 * may not read beyond. */
#include <stdlib.h>

#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t calls = size < 16 ? size : 16;
    struct reader r = reader_of(data + calls, size - calls);
    struct reader_item item;
    struct str s = STR_NONE;
    uint64_t number;
    uint32_t n;
    for (size_t i = 0; i < calls; i++) {
        const unsigned char *before = r.p;
        bool failed = r.error != NULL, read = false;
        switch (data[i] % 6) {
        case 0:
            read = reader_item(&r, &item);
            if (read && item.kind == READ_STR)
                s = item.as.str;
            break;
        case 1:
            read = reader_array(&r, data[i], &n);
            if (n > data[i])
                abort();
            break;
        case 2:
            read = reader_uint(&r, &number);
            break;
        case 3:
            read = reader_str(&r, data[i], &s);
            break;
        case 4:
            read = reader_str_or_nil(&r, data[i], &s);
            break;
        case 5:
            read = reader_skip(&r);
            break;
        }
        if (read ? failed || r.p <= before : !r.error)
            abort();
        if (s.p && ((const unsigned char *)s.p < data || (const unsigned char *)s.p + s.n > data + size))
            abort();
    }
    r = reader_of(data, size);
    while (reader_skip(&r))
        ;
    return 0;
}
