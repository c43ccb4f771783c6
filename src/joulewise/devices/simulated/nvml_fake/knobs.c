/* What a simulated GPU can be told: power limit, persistence, locked clocks. */
#include "nvml_fake.h"

enum { CLOCK_CODES = 0xffffff00 };

/* ---- power limit ---- */

API nvmlDeviceGetPowerManagementMode(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->limit_requested_mw == ABSENT ? ABSENT : 1);
}
API nvmlDeviceGetPowerManagementLimit(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->limit_requested_mw);
}
API nvmlDeviceGetPowerManagementDefaultLimit(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->limit_default_mw);
}
API nvmlDeviceGetEnforcedPowerLimit(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->limit_enforced_mw);
}
API nvmlDeviceGetPowerManagementLimitConstraints(handle device, unsigned *minimum, unsigned *maximum) {
    ON_GPU(gpu, device);
    nvml code = give(minimum, gpu->limit_minimum_mw);
    return code ? code : give(maximum, gpu->limit_maximum_mw);
}
static nvml set_limit(struct gpu *gpu, unsigned limit_mw) {
    if (gpu->limit_requested_mw == ABSENT) return NOT_SUPPORTED;
    if (limit_mw < gpu->limit_minimum_mw || limit_mw > gpu->limit_maximum_mw) return INVALID_ARGUMENT;
    return ask(gpu, SET_POWER_LIMIT, limit_mw, limit_mw);
}
API nvmlDeviceSetPowerManagementLimit(handle device, unsigned limit_mw) {
    ON_GPU(gpu, device);
    return set_limit(gpu, limit_mw);
}
struct power_value {
    unsigned version, scope, limit_mw;
};
API nvmlDeviceSetPowerManagementLimit_v2(handle device, struct power_value *wanted) {
    ON_GPU(gpu, device);
    NEED(wanted);
    return wanted->scope == 0 ? set_limit(gpu, wanted->limit_mw) : NOT_SUPPORTED;
}
API nvmlDeviceGetPersistenceMode(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->persistence);
}
API nvmlDeviceSetPersistenceMode(handle device, unsigned mode) {
    ON_GPU(gpu, device);
    return mode <= 1 ? ask(gpu, PERSIST, mode, mode) : INVALID_ARGUMENT;
}

/* ---- clocks ---- */

static nvml clock_of(unsigned kind, uint32_t core_mhz, uint32_t memory_mhz, unsigned *out) {
    if (kind > CLOCK_VIDEO) return INVALID_ARGUMENT;
    return give(out, kind == CLOCK_MEMORY ? memory_mhz : core_mhz);
}
API nvmlDeviceGetClockInfo(handle device, unsigned kind, unsigned *out) {
    ON_GPU(gpu, device);
    return clock_of(kind, gpu->core_clock_mhz, gpu->memory_clock_mhz, out);
}
API nvmlDeviceGetMaxClockInfo(handle device, unsigned kind, unsigned *out) {
    ON_GPU(gpu, device);
    return clock_of(kind, gpu->core_clock_count ? gpu->core_clocks_mhz[0] : ABSENT,
                    gpu->memory_clock_count ? gpu->memory_clocks_mhz[0] : ABSENT, out);
}
static nvml give_list(const uint32_t *values, uint32_t held, unsigned *count, unsigned *out) {
    NEED(count);
    if (!held) return NOT_SUPPORTED;
    unsigned room = *count;
    *count = held;
    if (!out || room < held) return INSUFFICIENT_SIZE;
    memcpy(out, values, held * sizeof *out);
    return SUCCESS;
}
API nvmlDeviceGetSupportedMemoryClocks(handle device, unsigned *count, unsigned *out) {
    ON_GPU(gpu, device);
    return give_list(gpu->memory_clocks_mhz, gpu->memory_clock_count, count, out);
}
API nvmlDeviceGetSupportedGraphicsClocks(handle device, unsigned memory_mhz, unsigned *count, unsigned *out) {
    ON_GPU(gpu, device);
    for (uint32_t i = 0; i < gpu->memory_clock_count; ++i)
        if (gpu->memory_clocks_mhz[i] == memory_mhz)
            return give_list(gpu->core_clocks_mhz, gpu->core_clock_count, count, out);
    return NOT_FOUND;
}
/* Codes in place of a clock: 0xffffff01 is the clock of the TDP, 0xffffff02 no limit; both are the highest here. */
static nvml lock(struct gpu *gpu, enum request kind, unsigned low, unsigned high, const uint32_t *held, uint32_t count) {
    if (!count) return NOT_SUPPORTED;
    low = low >= CLOCK_CODES ? held[0] : low;
    high = high >= CLOCK_CODES ? held[0] : high;
    return low <= high ? ask(gpu, kind, low, high) : INVALID_ARGUMENT;
}
API nvmlDeviceSetGpuLockedClocks(handle device, unsigned low, unsigned high) {
    ON_GPU(gpu, device);
    return lock(gpu, LOCK_CORE, low, high, gpu->core_clocks_mhz, gpu->core_clock_count);
}
API nvmlDeviceResetGpuLockedClocks(handle device) {
    ON_GPU(gpu, device);
    return gpu->core_clock_count ? ask(gpu, UNLOCK_CORE, 0, 0) : NOT_SUPPORTED;
}
API nvmlDeviceSetMemoryLockedClocks(handle device, unsigned low, unsigned high) {
    ON_GPU(gpu, device);
    return lock(gpu, LOCK_MEMORY, low, high, gpu->memory_clocks_mhz, gpu->memory_clock_count);
}
API nvmlDeviceResetMemoryLockedClocks(handle device) {
    ON_GPU(gpu, device);
    return gpu->memory_clock_count ? ask(gpu, UNLOCK_MEMORY, 0, 0) : NOT_SUPPORTED;
}
