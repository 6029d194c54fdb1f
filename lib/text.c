/* Text without a C library; memory functions are in memory.c. */
#include "lib/text.h"

#include <limits.h>

bool text_equal(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] != 0 && a[i] == b[i]) {
        i++;
    }
    return a[i] == b[i];
}

bool text_matches(const char *data, size_t bytes, const char *text)
{
    size_t i = 0;
    while (i < bytes && text[i] != 0 && data[i] == text[i]) {
        i++;
    }
    return i == bytes && text[i] == 0;
}

static unsigned digit_value(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    return lower >= 'a' && lower <= 'z' ? (unsigned)(lower - 'a') + 10 : UINT_MAX;
}

bool text_to_number(const char *data, size_t bytes, uint64_t *number)
{
    bool hexadecimal = bytes > 2 && data[0] == '0' && (data[1] | 0x20) == 'x';
    uint64_t base = hexadecimal ? 16 : 10;
    uint64_t sum = 0;
    if (bytes == 0) {
        return false;
    }
    for (size_t i = hexadecimal ? 2 : 0; i < bytes; i++) {
        uint64_t digit = digit_value(data[i]);
        if (digit >= base || sum > (UINT64_MAX - digit) / base) {
            return false;
        }
        sum = sum * base + digit;
    }
    *number = sum;
    return true;
}

/* Where the text goes. `length` counts all of it, also what does not fit. */
struct output {
    char *buffer;
    size_t size;
    size_t length;
};

/* One conversion, after its "%" has been read. */
struct conversion {
    bool left;
    bool zeros;
    size_t width;
    size_t precision; /* SIZE_MAX: none */
    char length;      /* 'l', 'L' for ll, 'z', or 0 */
    char letter;
};

static void put(struct output *output, char c)
{
    if (output->length + 1 < output->size) {
        output->buffer[output->length] = c;
    }
    output->length++;
}

static void put_repeated(struct output *output, char c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(output, c);
    }
}

/* Sign or 0x, digits or text, and the padding that the conversion asks for. */
static void put_field(struct output *output, const struct conversion *conversion, const char *prefix,
                      const char *body, size_t body_length)
{
    size_t prefix_length = strlen(prefix);
    size_t used = prefix_length + body_length;
    size_t padding = conversion->width > used ? conversion->width - used : 0;
    bool zeros = conversion->zeros && !conversion->left;
    if (!conversion->left && !zeros) {
        put_repeated(output, ' ', padding);
    }
    for (size_t i = 0; i < prefix_length; i++) {
        put(output, prefix[i]);
    }
    if (zeros) {
        put_repeated(output, '0', padding);
    }
    for (size_t i = 0; i < body_length; i++) {
        put(output, body[i]);
    }
    if (conversion->left) {
        put_repeated(output, ' ', padding);
    }
}

static void put_number(struct output *output, const struct conversion *conversion, const char *prefix,
                       uint64_t number, unsigned base)
{
    const char *digits = conversion->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char body[20];
    size_t at = sizeof(body);
    do {
        body[--at] = digits[number % base];
        number /= base;
    } while (number > 0);
    put_field(output, conversion, prefix, body + at, sizeof(body) - at);
}

static void put_text(struct output *output, struct conversion *conversion, const char *text)
{
    size_t length = 0;
    text = text != NULL ? text : "(null)";
    while (length < conversion->precision && text[length] != 0) {
        length++;
    }
    conversion->zeros = false;
    put_field(output, conversion, "", text, length);
}

/* The arguments travel in a struct, so that a pointer to them is the same thing on every ABI. */
struct arguments {
    va_list list;
};

static uint64_t next_unsigned(struct arguments *arguments, char length)
{
    switch (length) {
    case 'l':
        return va_arg(arguments->list, unsigned long);
    case 'L':
        return va_arg(arguments->list, unsigned long long);
    case 'z':
        return va_arg(arguments->list, size_t);
    default:
        return va_arg(arguments->list, unsigned);
    }
}

static int64_t next_signed(struct arguments *arguments, char length)
{
    switch (length) {
    case 'l':
        return va_arg(arguments->list, long);
    case 'L':
        return va_arg(arguments->list, long long);
    case 'z':
        return (int64_t)va_arg(arguments->list, size_t);
    default:
        return va_arg(arguments->list, int);
    }
}

static void put_signed(struct output *output, const struct conversion *conversion, int64_t number)
{
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    put_number(output, conversion, number < 0 ? "-" : "", magnitude, 10);
}

/* False for a letter that is not known, which is then shown as it stands. */
static bool put_conversion(struct output *output, struct conversion *conversion, struct arguments *arguments)
{
    switch (conversion->letter) {
    case 'd':
    case 'i':
        put_signed(output, conversion, next_signed(arguments, conversion->length));
        return true;
    case 'u':
        put_number(output, conversion, "", next_unsigned(arguments, conversion->length), 10);
        return true;
    case 'x':
    case 'X':
        put_number(output, conversion, "", next_unsigned(arguments, conversion->length), 16);
        return true;
    case 'p':
        put_number(output, conversion, "0x", (uintptr_t)va_arg(arguments->list, void *), 16);
        return true;
    case 's':
        put_text(output, conversion, va_arg(arguments->list, const char *));
        return true;
    case 'c': {
        char c = (char)va_arg(arguments->list, int);
        conversion->zeros = false;
        put_field(output, conversion, "", &c, 1);
        return true;
    }
    case '%':
        put(output, '%');
        return true;
    default:
        return false;
    }
}

/* A width or precision: digits, or "*" for an argument. */
static const char *read_size(const char *at, struct arguments *arguments, int64_t *size)
{
    if (*at == '*') {
        *size = va_arg(arguments->list, int);
        return at + 1;
    }
    *size = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        *size = *size < INT_MAX / 10 ? *size * 10 + (*at - '0') : INT_MAX;
    }
    return at;
}

/* A negative width means left; a negative precision means none. */
static const char *read_sizes(const char *at, struct arguments *arguments, struct conversion *conversion)
{
    int64_t width, precision;
    at = read_size(at, arguments, &width);
    conversion->left |= width < 0;
    conversion->width = (size_t)(width < 0 ? -width : width);
    if (*at == '.') {
        at = read_size(at + 1, arguments, &precision);
        conversion->precision = precision < 0 ? SIZE_MAX : (size_t)precision;
    }
    return at;
}

static const char *read_length(const char *at, char *length)
{
    *length = 0;
    if (at[0] == 'l' && at[1] == 'l') {
        *length = 'L';
        return at + 2;
    }
    if (*at == 'l' || *at == 'z') {
        *length = *at;
        return at + 1;
    }
    return at;
}

static const char *read_conversion(const char *at, struct arguments *arguments, struct conversion *conversion)
{
    *conversion = (struct conversion){.precision = SIZE_MAX};
    for (; *at == '0' || *at == '-'; at++) {
        conversion->zeros |= *at == '0';
        conversion->left |= *at == '-';
    }
    at = read_sizes(at, arguments, conversion);
    at = read_length(at, &conversion->length);
    conversion->letter = *at;
    return *at != 0 ? at + 1 : at;
}

size_t text_format_list(char *buffer, size_t size, const char *format, va_list list)
{
    struct output output = {buffer, size, 0};
    struct arguments next;
    va_copy(next.list, list);
    for (const char *at = format; *at != 0;) {
        struct conversion conversion;
        const char *begin = at++;
        if (*begin != '%') {
            put(&output, *begin);
            continue;
        }
        at = read_conversion(at, &next, &conversion);
        if (!put_conversion(&output, &conversion, &next)) {
            for (; begin < at; begin++) {
                put(&output, *begin);
            }
        }
    }
    va_end(next.list);
    if (size > 0) {
        buffer[output.length < size ? output.length : size - 1] = 0;
    }
    return output.length;
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    size_t length = text_format_list(buffer, size, format, list);
    va_end(list);
    return length;
}

size_t text_format_line(char *buffer, size_t size, const char *format, va_list list)
{
    size_t length = text_format_list(buffer, size, format, list);
    length = length < size - 1 ? length : size - 1;
    buffer[length] = '\n';
    return length + 1;
}
