/* Finding the page, and talking to whoever publishes it. */
#include "nvml_fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_WITHIN_S = 5 };

struct page *page;
int initialised;

nvml open_page(void) {
    const char *path = getenv("JOULEWISE_NVML_PAGE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    int access = PROT_READ | PROT_WRITE;
    if (file < 0 && path) {
        file = open(path, O_RDONLY | O_CLOEXEC);
        access = PROT_READ;
    }
    struct stat about;
    if (file < 0 || fstat(file, &about) != 0 || (size_t)about.st_size < sizeof(struct page)) {
        if (file >= 0) close(file);
        return DRIVER_NOT_LOADED;
    }
    struct page *found = mmap(NULL, (size_t)about.st_size, access, MAP_SHARED, file, 0);
    close(file);
    if (found == MAP_FAILED) return UNKNOWN;
    if (found->magic != PAGE_MAGIC || found->version != PAGE_VERSION || found->header_size != sizeof(struct page) ||
        found->gpu_size != sizeof(struct gpu) ||
        (size_t)about.st_size < sizeof(struct page) + found->gpu_count * sizeof(struct gpu)) {
        munmap(found, (size_t)about.st_size);
        return 18; /* library and driver of different versions */
    }
    page = found;
    return SUCCESS;
}

nvml injected(const struct gpu *gpu, const char *call) {
    uint32_t count = gpu->error_count;
    for (uint32_t i = 0; i < count && i < MAX_ERRORS; ++i) {
        const struct injected_error *error = &gpu->errors[i];
        if (strcmp(error->call, call) == 0 || strcmp(error->call, "*") == 0) return error->code;
    }
    return SUCCESS;
}

struct gpu *gpu_of(handle device) {
    for (uint32_t i = 0; page && i < page->gpu_count; ++i)
        if (device == &page->gpus[i]) return &page->gpus[i];
    return NULL;
}

struct slice *slice_of(handle device, struct gpu **board) {
    for (uint32_t i = 0; page && i < page->gpu_count; ++i)
        for (uint32_t j = 0; j < page->gpus[i].slice_count; ++j)
            if (device == &page->gpus[i].slices[j]) {
                if (board) *board = &page->gpus[i];
                return &page->gpus[i].slices[j];
            }
    return NULL;
}

nvml give(unsigned *out, uint32_t value) {
    NEED(out);
    if (value == ABSENT) return NOT_SUPPORTED;
    *out = value;
    return SUCCESS;
}

nvml give_text(char *out, unsigned length, const char *text) {
    NEED(out);
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

/* Tell the twin, and wait for what it answers. */
nvml ask(struct gpu *gpu, enum request kind, uint32_t low, uint32_t high) {
    const char *path = getenv("JOULEWISE_NVML_PAGE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1; /* opened anew, so that flock also parts threads */
    if (file < 0) return NO_PERMISSION;
    if (flock(file, LOCK_EX) != 0) {
        close(file);
        return UNKNOWN;
    }
    uint32_t seq = __atomic_load_n(&gpu->request_seq, __ATOMIC_ACQUIRE) + 1;
    gpu->request_kind = kind;
    gpu->request_low = low;
    gpu->request_high = high;
    __atomic_store_n(&gpu->request_seq, seq, __ATOMIC_RELEASE);
    nvml code = TIMEOUT;
    const struct timespec nap = {0, 200000};
    for (int naps = 0; naps < ANSWER_WITHIN_S * 5000; ++naps) {
        if (__atomic_load_n(&gpu->answer_seq, __ATOMIC_ACQUIRE) == seq) {
            code = gpu->answer_code;
            break;
        }
        nanosleep(&nap, NULL);
    }
    close(file);
    return code;
}
