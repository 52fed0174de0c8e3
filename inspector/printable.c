#include "printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The bytes of the character at text, or 0 when that is no UTF-8 (RFC 3629). */
static size_t read_character(const unsigned char *text, size_t n, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = text[0] < 0x80   ? 1
                   : text[0] < 0xc2 ? 0
                   : text[0] < 0xe0 ? 2
                   : text[0] < 0xf0 ? 3
                   : text[0] < 0xf5 ? 4
                                    : 0;

    if (bytes == 0 || bytes > n) {
        return 0;
    }
    *character = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        *character = *character << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *character >= 0xd800 && *character <= 0xdfff;
    return *character < least[bytes] || *character > 0x10ffff || surrogate ? 0 : bytes;
}

static bool is_harmless(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x061c && !(c >= 0x200b && c <= 0x200f) &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff &&
           !(c >= 0xfff0 && c <= 0xfffb);
}

size_t printable(char *out, size_t size, const char *text, size_t n)
{
    size_t written = 0;

    for (size_t i = 0; i < n;) {
        uint32_t character = 0;
        size_t bytes = read_character((const unsigned char *)text + i, n - i, &character);
        bool good = bytes > 0 && is_harmless(character);
        size_t wanted = good ? bytes : 1;
        if (written + wanted >= size) {
            break;
        }
        memcpy(out + written, good ? text + i : "?", wanted);
        written += wanted;
        i += bytes > 0 ? bytes : 1;
    }
    out[written] = '\0';
    return written;
}
