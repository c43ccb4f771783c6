/* The page through which the simulated GPUs and the stand-in for libnvidia-ml.so.1 meet.
 *
 * A publisher (nvml_bridge.py) writes readings a thousand times a second, and answers requests; any number of
 * processes read them through the library. Layout: one header, then `gpu_count` GPUs. All fields have their natural
 * alignment and native byte order, and each is written at once, so that no reader sees half of one; readings of
 * different fields may be one step of the publisher apart. nvml_page.py mirrors this file, and the header carries the
 * sizes, so that a mismatch is refused at nvmlInit.
 *
 * A request: the library locks the page's file (flock), fills in what is wanted, and raises `request_seq` last; the
 * publisher carries it out on the twin, updates the readings, and sets `answer_code`, then `answer_seq`.
 */
#ifndef JOULEWISE_NVML_PAGE_H
#define JOULEWISE_NVML_PAGE_H

#include <stdint.h>

#define PAGE_MAGIC 0x4c4d564e2d57414aull
#define PAGE_VERSION 1
#define ABSENT UINT32_MAX /* of a 32-bit reading: the GPU does not have it, NVML_ERROR_NOT_SUPPORTED */
#define ABSENT_64 UINT64_MAX

enum { MAX_CLOCKS = 256, MAX_MEMORY_CLOCKS = 16, MAX_ERRORS = 32, MAX_PROCESSES = 16, MAX_SLICES = 7 };

enum request { SET_POWER_LIMIT = 1, LOCK_CORE = 2, UNLOCK_CORE = 3, LOCK_MEMORY = 4, UNLOCK_MEMORY = 5, PERSIST = 6 };

/* What a call answers instead of its reading: `call` is the name as exported ("nvmlDeviceGetPowerUsage"), "field:186"
 * or "field:186:1" for a field value (of scope 1), or "*" for every call. */
struct injected_error {
    char call[60];
    int32_t code;
};

struct process {
    uint64_t memory_bytes;
    uint32_t pid;
    uint32_t busy_percent; /* of the time in which it computes */
};

struct slice { /* a MIG slice */
    char uuid[96];
    uint64_t memory_bytes;
    uint32_t gpu_instance;
    uint32_t compute_instance;
};

struct gpu {
    char uuid[96];
    char name[96];
    char serial[32];
    char bus_id[32]; /* 00000000:07:00.0 */
    uint32_t pci_domain, pci_bus, pci_device, pci_device_id, pci_subsystem_id;
    uint32_t architecture; /* nvmlDeviceArchitecture_t */
    uint32_t compute_major, compute_minor;
    /* readings */
    uint64_t energy_mj;
    uint64_t throttle_reasons; /* bits of nvmlClocksEventReasons */
    uint64_t memory_total_bytes, memory_used_bytes;
    uint32_t plain_power_mw;   /* nvmlDeviceGetPowerUsage */
    uint32_t average_power_mw; /* field 185 */
    uint32_t instant_power_mw; /* field 186 */
    uint32_t module_power_mw;  /* fields 185 and 186 of scope 1 */
    uint32_t core_clock_mhz, memory_clock_mhz;
    uint32_t temperature_c;
    uint32_t core_busy_percent, memory_busy_percent;
    uint32_t persistence;
    /* power limits */
    uint32_t limit_minimum_mw, limit_maximum_mw, limit_default_mw, limit_requested_mw, limit_enforced_mw;
    uint32_t slice_count; /* MIG is on if there are slices */
    uint32_t core_clock_count, memory_clock_count, process_count, error_count;
    uint32_t core_clocks_mhz[MAX_CLOCKS];          /* falling */
    uint32_t memory_clocks_mhz[MAX_MEMORY_CLOCKS]; /* falling */
    struct process processes[MAX_PROCESSES];
    struct slice slices[MAX_SLICES];
    struct injected_error errors[MAX_ERRORS];
    /* requests */
    uint32_t request_kind, request_low, request_high; /* mW, or MHz, or 0 and 1 */
    uint32_t request_seq, answer_seq;
    int32_t answer_code; /* nvmlReturn_t */
};

struct page {
    uint64_t magic;
    uint32_t version, header_size, gpu_size, gpu_count;
    int32_t init_code;   /* what nvmlInit answers: 0, or 9 for a driver that is not loaded */
    int32_t cuda_driver; /* 12080 for CUDA 12.8 */
    char driver_version[80];
    char nvml_version[80];
    uint64_t beat_ns; /* CLOCK_MONOTONIC of the publisher's last step */
    struct gpu gpus[];
};

#endif
