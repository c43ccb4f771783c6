/* A stand-in for libnvidia-ml.so.1 whose GPUs are simulated: it answers from the page of page.h.
 *
 * Names, argument orders and structures follow NVML as its Python binding nvidia-ml-py 13 asks for them. What is not
 * exported here is NVML_ERROR_FUNCTION_NOT_FOUND there, as on an old driver. It needs no headers but those of C and
 * POSIX. The page is the file named by JOULEWISE_NVML_PAGE; without it, nvmlInit says that the driver is not loaded.
 */
#include "nvml_fake.h"

#include <stdio.h>
#include <strings.h>

/* ---- the library ---- */

API nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!page) {
        nvml code = open_page();
        if (code) return code;
    }
    if (page->init_code) return page->init_code;
    ++initialised;
    return SUCCESS;
}
API nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
API nvmlInit(void) { return nvmlInitWithFlags(0); }
API nvmlShutdown(void) {
    if (!initialised) return UNINITIALIZED;
    --initialised; /* the page stays: handles into it must not dangle */
    return SUCCESS;
}

__attribute__((visibility("default"))) const char *nvmlErrorString(nvml code) {
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case TIMEOUT: return "Timeout";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

API nvmlSystemGetDriverVersion(char *out, unsigned length) {
    return initialised ? give_text(out, length, page->driver_version) : UNINITIALIZED;
}
API nvmlSystemGetNVMLVersion(char *out, unsigned length) {
    return initialised ? give_text(out, length, page->nvml_version) : UNINITIALIZED;
}
API nvmlSystemGetCudaDriverVersion_v2(int *out) {
    if (!initialised) return UNINITIALIZED;
    NEED(out);
    *out = page->cuda_driver;
    return SUCCESS;
}
API nvmlSystemGetCudaDriverVersion(int *out) { return nvmlSystemGetCudaDriverVersion_v2(out); }

/* ---- who ---- */

API nvmlDeviceGetCount_v2(unsigned *out) {
    if (!initialised) return UNINITIALIZED;
    return give(out, page->gpu_count);
}
API nvmlDeviceGetCount(unsigned *out) { return nvmlDeviceGetCount_v2(out); }

static nvml hand_out(struct gpu *gpu, handle *out, const char *call) {
    NEED(out);
    nvml code = injected(gpu, call);
    if (!code) *out = gpu;
    return code;
}
API nvmlDeviceGetHandleByIndex_v2(unsigned index, handle *out) {
    if (!initialised) return UNINITIALIZED;
    return index < page->gpu_count ? hand_out(&page->gpus[index], out, __func__) : INVALID_ARGUMENT;
}
API nvmlDeviceGetHandleByUUID(const char *uuid, handle *out) {
    if (!initialised) return UNINITIALIZED;
    NEED(uuid);
    NEED(out);
    for (uint32_t i = 0; i < page->gpu_count; ++i) {
        struct gpu *gpu = &page->gpus[i];
        if (strcmp(gpu->uuid, uuid) == 0) return hand_out(gpu, out, __func__);
        for (uint32_t j = 0; j < gpu->slice_count; ++j)
            if (strcmp(gpu->slices[j].uuid, uuid) == 0) {
                *out = &gpu->slices[j];
                return SUCCESS;
            }
    }
    return NOT_FOUND;
}
API nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, handle *out) {
    if (!initialised) return UNINITIALIZED;
    NEED(bus_id);
    for (uint32_t i = 0; i < page->gpu_count; ++i) {
        const char *own = page->gpus[i].bus_id;
        if (strcasecmp(own, bus_id) == 0 || (strlen(own) > 4 && strcasecmp(own + 4, bus_id) == 0))
            return hand_out(&page->gpus[i], out, __func__);
    }
    return NOT_FOUND;
}
API nvmlDeviceGetIndex(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, (uint32_t)(gpu - page->gpus));
}
API nvmlDeviceGetMinorNumber(handle device, unsigned *out) { return nvmlDeviceGetIndex(device, out); }
API nvmlDeviceGetUUID(handle device, char *out, unsigned length) {
    if (!initialised) return UNINITIALIZED;
    struct slice *slice = slice_of(device, NULL);
    if (slice) return give_text(out, length, slice->uuid);
    ON_GPU(gpu, device);
    return give_text(out, length, gpu->uuid);
}
API nvmlDeviceGetName(handle device, char *out, unsigned length) {
    if (!initialised) return UNINITIALIZED;
    struct gpu *board = gpu_of(device);
    if (!board && !slice_of(device, &board)) return INVALID_ARGUMENT;
    nvml code = injected(board, __func__);
    return code ? code : give_text(out, length, board->name);
}
API nvmlDeviceGetSerial(handle device, char *out, unsigned length) {
    ON_GPU(gpu, device);
    return gpu->serial[0] ? give_text(out, length, gpu->serial) : NOT_SUPPORTED;
}

struct pci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
API nvmlDeviceGetPciInfo_v3(handle device, struct pci *out) {
    ON_GPU(gpu, device);
    NEED(out);
    memset(out, 0, sizeof *out);
    strcpy(out->bus_id, gpu->bus_id);
    snprintf(out->bus_id_legacy, sizeof out->bus_id_legacy, "%.15s", strlen(gpu->bus_id) > 4 ? gpu->bus_id + 4 : "");
    out->domain = gpu->pci_domain;
    out->bus = gpu->pci_bus;
    out->device = gpu->pci_device;
    out->device_id = gpu->pci_device_id;
    out->subsystem_id = gpu->pci_subsystem_id;
    return SUCCESS;
}
API nvmlDeviceGetArchitecture(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->architecture);
}
API nvmlDeviceGetCudaComputeCapability(handle device, int *major, int *minor) {
    ON_GPU(gpu, device);
    NEED(major);
    NEED(minor);
    *major = (int)gpu->compute_major;
    *minor = (int)gpu->compute_minor;
    return SUCCESS;
}

/* ---- MIG ---- */

API nvmlDeviceGetMigMode(handle device, unsigned *current, unsigned *pending) {
    ON_GPU(gpu, device);
    if (gpu->compute_major < 8 || gpu->compute_minor) return NOT_SUPPORTED; /* A100, H100, B200 have it */
    nvml code = give(current, gpu->slice_count ? 1 : 0);
    return code ? code : give(pending, gpu->slice_count ? 1 : 0);
}
API nvmlDeviceGetMaxMigDeviceCount(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->compute_major < 8 || gpu->compute_minor ? 0 : MAX_SLICES);
}
API nvmlDeviceGetMigDeviceHandleByIndex(handle device, unsigned index, handle *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (index >= gpu->slice_count) return NOT_FOUND;
    *out = &gpu->slices[index];
    return SUCCESS;
}
API nvmlDeviceIsMigDeviceHandle(handle device, unsigned *out) {
    if (!initialised) return UNINITIALIZED;
    return give(out, slice_of(device, NULL) ? 1 : 0);
}
API nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle device, handle *out) {
    NEED(out);
    struct gpu *board;
    if (!slice_of(device, &board)) return INVALID_ARGUMENT;
    *out = board;
    return SUCCESS;
}
API nvmlDeviceGetGpuInstanceId(handle device, unsigned *out) {
    struct slice *slice = slice_of(device, NULL);
    return slice ? give(out, slice->gpu_instance) : NOT_SUPPORTED;
}
API nvmlDeviceGetComputeInstanceId(handle device, unsigned *out) {
    struct slice *slice = slice_of(device, NULL);
    return slice ? give(out, slice->compute_instance) : NOT_SUPPORTED;
}
