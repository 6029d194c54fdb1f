/* The framebuffer, by the Graphics Output Protocol. */
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/units.h"

typedef EFI_GRAPHICS_OUTPUT_PROTOCOL gop_t;
typedef EFI_GRAPHICS_OUTPUT_MODE_INFORMATION gop_mode_t;

static bool mask_format(const EFI_PIXEL_BITMASK *mask, uint8_t *format)
{
    static const struct {
        uint32_t red, green, blue;
        uint8_t format;
    } known[] = {
        {0x00ff0000, 0x0000ff00, 0x000000ff, BOOTBOOT_FB_ARGB},
        {0xff000000, 0x00ff0000, 0x0000ff00, BOOTBOOT_FB_RGBA},
        {0x000000ff, 0x0000ff00, 0x00ff0000, BOOTBOOT_FB_ABGR},
        {0x0000ff00, 0x00ff0000, 0xff000000, BOOTBOOT_FB_BGRA},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (mask->RedMask == known[i].red && mask->GreenMask == known[i].green &&
            mask->BlueMask == known[i].blue) {
            *format = known[i].format;
            return true;
        }
    }
    return false;
}

/* Whether a mode has 32-bit pixels in memory, and how their colours lie. */
static bool mode_format(const gop_mode_t *mode, uint8_t *format)
{
    switch (mode->PixelFormat) {
    case PixelBlueGreenRedReserved8BitPerColor:
        *format = BOOTBOOT_FB_ARGB;
        return true;
    case PixelRedGreenBlueReserved8BitPerColor:
        *format = BOOTBOOT_FB_ABGR;
        return true;
    case PixelBitMask:
        return mask_format(&mode->PixelInformation, format);
    default:
        return false;
    }
}

static bool is_large_enough(const gop_mode_t *mode, uint32_t width, uint32_t height)
{
    return mode->HorizontalResolution >= width && mode->VerticalResolution >= height;
}

static uint64_t pixels(const gop_mode_t *mode)
{
    return (uint64_t)mode->HorizontalResolution * mode->VerticalResolution;
}

/* The smallest usable mode of at least this size, MaxMode when there is none. */
static UINT32 find_mode(gop_t *gop, uint32_t width, uint32_t height)
{
    UINT32 best = gop->Mode->MaxMode;
    uint64_t best_pixels = UINT64_MAX;
    for (UINT32 i = 0; i < gop->Mode->MaxMode; i++) {
        gop_mode_t *mode;
        UINTN bytes;
        uint8_t format;
        if (EFI_ERROR(gop->QueryMode(gop, i, &bytes, &mode))) {
            continue;
        }
        if (mode_format(mode, &format) && is_large_enough(mode, width, height) &&
            pixels(mode) < best_pixels) {
            best = i;
            best_pixels = pixels(mode);
        }
        services->FreePool(mode);
    }
    return best;
}

/* Switch to the mode that the configuration asks for; without one, leave the firmware's if it can be used. */
static void choose_mode(gop_t *gop, const struct settings *settings)
{
    uint8_t format;
    bool is_usable = gop->Mode->Info != NULL && mode_format(gop->Mode->Info, &format);
    uint32_t width = settings->screen_width != 0 ? settings->screen_width : SCREEN_WIDTH_LEAST;
    uint32_t height = settings->screen_height != 0 ? settings->screen_height : SCREEN_HEIGHT_LEAST;
    if (settings->screen_width == 0 && is_usable && is_large_enough(gop->Mode->Info, width, height)) {
        return;
    }
    UINT32 mode = find_mode(gop, width, height);
    if (mode == gop->Mode->MaxMode && !is_usable) {
        mode = find_mode(gop, 0, 0);
    }
    if (mode != gop->Mode->MaxMode && mode != gop->Mode->Mode) {
        gop->SetMode(gop, mode);
    }
}

static void clear(gop_t *gop)
{
    EFI_GRAPHICS_OUTPUT_BLT_PIXEL black = {0, 0, 0, 0};
    gop->Blt(gop, &black, EfiBltVideoFill, 0, 0, 0, 0, gop->Mode->Info->HorizontalResolution,
             gop->Mode->Info->VerticalResolution, 0);
}

/* Firmware can offer several; that of the console comes first, since it is the one people look at. */
static gop_t *find_gop(void)
{
    static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    gop_t *gop;
    if (!EFI_ERROR(services->HandleProtocol(firmware->ConsoleOutHandle, &guid, (void **)&gop)) ||
        !EFI_ERROR(services->LocateProtocol(&guid, NULL, (void **)&gop))) {
        return gop;
    }
    return NULL;
}

void screen_open(struct handover *handover)
{
    struct bootboot *bootboot = handover->bootboot;
    uint8_t format;
    gop_t *gop = handover->policy.is_headless ? NULL : find_gop();
    if (gop == NULL || gop->Mode == NULL) {
        return;
    }
    choose_mode(gop, &handover->settings);
    const gop_mode_t *mode = gop->Mode->Info;
    if (mode == NULL || !mode_format(mode, &format) || gop->Mode->FrameBufferBase == 0) {
        return;
    }
    clear(gop);
    bootboot->fb_type = format;
    bootboot->fb_ptr = gop->Mode->FrameBufferBase;
    bootboot->fb_size = (uint32_t)align_up(gop->Mode->FrameBufferSize, PAGE_SIZE);
    bootboot->fb_width = mode->HorizontalResolution;
    bootboot->fb_height = mode->VerticalResolution;
    bootboot->fb_scanline = mode->PixelsPerScanLine * 4;
}
