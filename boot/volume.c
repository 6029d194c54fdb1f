#include "boot/volume.h"

#include "lib/units.h"

#define READ_STEP (8 * MIB) /* some firmware fails on larger reads */
#define INFO_ROOM 1024

static EFI_FILE_HANDLE open_root(void)
{
    static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE_HANDLE root;
    if (EFI_ERROR(services->HandleProtocol(image, &image_guid, (void **)&loaded)) ||
        EFI_ERROR(services->HandleProtocol(loaded->DeviceHandle, &volume_guid, (void **)&volume)) ||
        EFI_ERROR(volume->OpenVolume(volume, &root))) {
        return NULL;
    }
    return root;
}

static bool file_size(EFI_FILE_HANDLE file, uint64_t *size, bool *is_directory)
{
    static EFI_GUID info_guid = EFI_FILE_INFO_ID;
    _Alignas(EFI_FILE_INFO) uint8_t room[INFO_ROOM];
    UINTN bytes = sizeof(room);
    if (EFI_ERROR(file->GetInfo(file, &info_guid, &bytes, room))) {
        return false;
    }
    const EFI_FILE_INFO *info = (const void *)room;
    *size = info->FileSize;
    *is_directory = (info->Attribute & EFI_FILE_DIRECTORY) != 0;
    return true;
}

static bool read_all(EFI_FILE_HANDLE file, uint8_t *to, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        UINTN step = size - at < READ_STEP ? size - at : READ_STEP;
        if (EFI_ERROR(file->Read(file, &step, to + at)) || step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

static bool read_file(EFI_FILE_HANDLE file, const char *name, uint64_t limit, EFI_MEMORY_TYPE type,
                      uint8_t **data, uint64_t *size)
{
    bool is_directory = false;
    if (!file_size(file, size, &is_directory) || is_directory) {
        return fail(name, is_directory ? "it is a directory" : "the firmware cannot tell its size");
    }
    if (*size > limit) {
        return fail(name, "it has %llu bytes, more than the %llu that it may have", *size, limit);
    }
    *data = *size > 0 ? memory_take(*size, type) : NULL;
    if (*size > 0 && *data == NULL) {
        return fail(name, "there is no memory for its %llu bytes below 4 GiB", *size);
    }
    if (!read_all(file, *data, *size)) {
        memory_give(*data, *size);
        return fail(name, "the firmware cannot read all of it");
    }
    return true;
}

enum volume_result volume_read(const CHAR16 *path, const char *name, uint64_t limit, EFI_MEMORY_TYPE type,
                               uint8_t **data, uint64_t *size)
{
    EFI_FILE_HANDLE root = open_root();
    EFI_FILE_HANDLE file;
    if (root == NULL) {
        fail(name, "the firmware cannot open the volume that the loader was started from");
        return VOLUME_FAILED;
    }
    EFI_STATUS status = root->Open(root, &file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (status == EFI_NOT_FOUND) {
        return VOLUME_ABSENT;
    }
    if (EFI_ERROR(status)) {
        fail(name, "the firmware cannot open it (status %llx)", (unsigned long long)status);
        return VOLUME_FAILED;
    }
    bool is_read = read_file(file, name, limit, type, data, size);
    file->Close(file);
    return is_read ? VOLUME_READ : VOLUME_FAILED;
}
