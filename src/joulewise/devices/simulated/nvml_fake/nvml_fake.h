/* What the files of the stand-in share: codes of NVML, the page, and the begin of every call. */
#ifndef JOULEWISE_NVML_FAKE_H
#define JOULEWISE_NVML_FAKE_H

#define _GNU_SOURCE
#include "page.h"

#include <stddef.h>
#include <string.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    VERSION_MISMATCH = 25,
    UNKNOWN = 999,
};
enum { UNSIGNED_INT = 1, UNSIGNED_LONG_LONG = 3, CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEMORY = 2, CLOCK_VIDEO = 3 };

typedef int nvml;
typedef void *handle;
#define API __attribute__((visibility("default"))) nvml

extern struct page *page; /* NULL until the first nvmlInit */
extern int initialised;   /* nvmlInit less nvmlShutdown */

nvml open_page(void);
nvml injected(const struct gpu *gpu, const char *call);     /* what a call is told to answer, or 0 */
struct gpu *gpu_of(handle device);                          /* NULL if it is none */
struct slice *slice_of(handle device, struct gpu **board);  /* NULL if it is none */
nvml give(unsigned *out, uint32_t value);                   /* NOT_SUPPORTED if absent */
nvml give_text(char *out, unsigned length, const char *text);
nvml ask(struct gpu *gpu, enum request kind, uint32_t low, uint32_t high); /* tell the twin, wait for its answer */

/* Begin of a call on a GPU: who it is, or why not. MIG slices support none of these. */
#define ON_GPU(gpu, device)                                         \
    if (!initialised) return UNINITIALIZED;                         \
    struct gpu *gpu = gpu_of(device);                               \
    if (!gpu) return slice_of(device, NULL) ? NOT_SUPPORTED : INVALID_ARGUMENT; \
    do {                                                            \
        nvml code_ = injected(gpu, __func__);                       \
        if (code_) return code_;                                    \
    } while (0)
#define NEED(pointer) \
    if (!(pointer)) return INVALID_ARGUMENT

#endif
