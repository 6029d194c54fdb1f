/*
 * Text on the framebuffer; see screen.h.
 */
#include "kernel/debug/screen.h"

#include "font.h"
#include "kernel/mm/heap.h"
#include "lib/text.h"

#define CURSOR 0x80 /* in `shown`: the cell is drawn inverted; no colour uses the bit */

static struct screen_mode mode;
static unsigned columns, rows;
static unsigned cursor_column, cursor_row;
static struct cell *wanted, *shown;
static uint64_t *dirty; /* a bit for each row */

/* The 16 colours of a VGA text screen as 0xRRGGBB. */
static const uint32_t palette[16] = {
    0x101418, 0xc04040, 0x40a050, 0xb08030, 0x5080d0, 0xa060b0, 0x40a0a8, 0xc8ccd0,
    0x606468, 0xff6060, 0x60d070, 0xf0c050, 0x70a8ff, 0xd080e0, 0x60d0d8, 0xffffff,
};

/* fb_type: 0 ARGB, 1 RGBA, 2 ABGR, 3 BGRA, named from the highest byte down. */
static uint32_t pixel_of(uint32_t rgb)
{
    uint32_t r = rgb >> 16 & 0xff, g = rgb >> 8 & 0xff, b = rgb & 0xff;
    switch (mode.type) {
    case 1:
        return r << 24 | g << 16 | b << 8;
    case 2:
        return b << 16 | g << 8 | r;
    case 3:
        return b << 24 | g << 16 | r << 8;
    default:
        return rgb;
    }
}

static void cell_draw(unsigned column, unsigned row, struct cell cell, bool inverted)
{
    uint32_t ink = pixel_of(palette[cell.colour & 15]);
    uint32_t paper = pixel_of(palette[cell.colour >> 4 & 7]);
    if (inverted) {
        uint32_t swap = ink;
        ink = paper;
        paper = swap;
    }
    volatile uint32_t *at =
        mode.pixels + (uint64_t)row * FONT_HEIGHT * mode.line + (uint64_t)column * FONT_WIDTH;
    const unsigned char *glyph = font_glyphs[cell.glyph];
    /* Pixels two by two, the left one in the lower half, by the two bits that say which of them are ink. */
    const uint64_t pairs[4] = {(uint64_t)paper << 32 | paper, (uint64_t)ink << 32 | paper,
                               (uint64_t)paper << 32 | ink, (uint64_t)ink << 32 | ink};
    for (unsigned y = 0; y < FONT_HEIGHT; y++, at += mode.line) {
        volatile uint64_t *two = (volatile uint64_t *)(volatile void *)at;
#pragma clang loop unroll(full)
        for (unsigned x = 0; x < FONT_WIDTH / 2; x++) {
            two[x] = pairs[glyph[y] >> (FONT_WIDTH - 2 - 2 * x) & 3];
        }
    }
}

static void mark(unsigned row)
{
    dirty[row / 64] |= (uint64_t)1 << row % 64;
}

/* 128 at a time, with a store for two: a boot waits for this. */
static void fill(volatile uint32_t *pixels, uint32_t count, uint32_t paper)
{
    uint64_t pair = (uint64_t)paper << 32 | paper;
    for (; count >= 128; count -= 128, pixels += 128) {
        volatile uint64_t *two = (volatile uint64_t *)(volatile void *)pixels;
#pragma clang loop unroll(full)
        for (unsigned i = 0; i < 64; i++) {
            two[i] = pair;
        }
    }
    while (count-- > 0) {
        *pixels++ = paper;
    }
}

static void clear_pixels(void)
{
    for (uint32_t y = 0; y < mode.height; y++) {
        fill(mode.pixels + (uint64_t)y * mode.line, mode.width, pixel_of(palette[0]));
    }
}

bool screen_setup(const struct screen_mode *new_mode)
{
    unsigned new_columns = new_mode->width / FONT_WIDTH, new_rows = new_mode->height / FONT_HEIGHT;
    uint64_t cells = (uint64_t)new_columns * new_rows;
    if (cells == 0 || new_mode->line < new_mode->width) {
        return false;
    }
    wanted = heap_alloc_zeroed(cells * sizeof(*wanted));
    shown = heap_alloc_zeroed(cells * sizeof(*shown));
    dirty = heap_alloc_zeroed((new_rows / 64 + 1) * sizeof(*dirty));
    if (wanted == NULL || shown == NULL || dirty == NULL) {
        return false;
    }
    mode = *new_mode;
    for (uint64_t i = 0; i < cells; i++) {
        wanted[i] = shown[i] = (struct cell){' ', COLOUR_NORMAL};
    }
    clear_pixels();
    columns = new_columns;
    rows = new_rows;
    return true;
}

unsigned screen_columns(void)
{
    return columns;
}

unsigned screen_rows(void)
{
    return rows;
}

void screen_put(unsigned column, unsigned row, struct cell cell)
{
    if (column < columns && row < rows) {
        wanted[row * columns + column] = cell;
        mark(row);
    }
}

void screen_scroll(void)
{
    memmove(wanted, wanted + columns, (size_t)columns * (rows - 1) * sizeof(*wanted));
    for (unsigned column = 0; column < columns; column++) {
        wanted[(rows - 1) * columns + column] = (struct cell){' ', COLOUR_NORMAL};
    }
    for (unsigned row = 0; row < rows; row++) {
        mark(row);
    }
}

void screen_cursor(unsigned column, unsigned row)
{
    if (columns == 0) {
        return;
    }
    mark(cursor_row);
    cursor_column = column < columns ? column : columns - 1;
    cursor_row = row < rows ? row : rows - 1;
    mark(cursor_row);
}

static void row_update(unsigned row)
{
    for (unsigned column = 0; column < columns; column++) {
        struct cell cell = wanted[row * columns + column];
        bool cursor = row == cursor_row && column == cursor_column;
        struct cell key = {cell.glyph, (uint8_t)(cell.colour | (cursor ? CURSOR : 0))};
        struct cell *now = &shown[row * columns + column];
        if (now->glyph != key.glyph || now->colour != key.colour) {
            cell_draw(column, row, cell, cursor);
            *now = key;
        }
    }
}

void screen_update(void)
{
    for (unsigned row = 0; row < rows; row++) {
        if ((dirty[row / 64] >> row % 64 & 1) != 0) {
            row_update(row);
        }
    }
    for (unsigned i = 0; rows > 0 && i <= rows / 64; i++) {
        dirty[i] = 0;
    }
}
