/* What a simulated GPU senses, as NVML tells it. */
#include "nvml_fake.h"

#include <stdio.h>
#include <time.h>

API nvmlDeviceGetPowerUsage(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, gpu->plain_power_mw);
}
API nvmlDeviceGetTotalEnergyConsumption(handle device, unsigned long long *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (gpu->energy_mj == ABSENT_64) return NOT_SUPPORTED;
    *out = gpu->energy_mj;
    return SUCCESS;
}
API nvmlDeviceGetTemperature(handle device, unsigned sensor, unsigned *out) {
    ON_GPU(gpu, device);
    return sensor == 0 ? give(out, gpu->temperature_c) : INVALID_ARGUMENT;
}
struct temperature {
    unsigned version, sensor;
    int temperature_c;
};
API nvmlDeviceGetTemperatureV(handle device, struct temperature *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (out->version != (sizeof *out | 1u << 24)) return VERSION_MISMATCH;
    if (out->sensor != 0) return INVALID_ARGUMENT;
    unsigned value;
    nvml code = give(&value, gpu->temperature_c);
    if (!code) out->temperature_c = (int)value;
    return code;
}
struct utilisation {
    unsigned core, memory;
};
API nvmlDeviceGetUtilizationRates(handle device, struct utilisation *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (gpu->core_busy_percent == ABSENT || gpu->slice_count) return NOT_SUPPORTED;
    out->core = gpu->core_busy_percent;
    out->memory = gpu->memory_busy_percent == ABSENT ? 0 : gpu->memory_busy_percent;
    return SUCCESS;
}
API nvmlDeviceGetCurrentClocksEventReasons(handle device, unsigned long long *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (gpu->throttle_reasons == ABSENT_64) return NOT_SUPPORTED;
    *out = gpu->throttle_reasons;
    return SUCCESS;
}
API nvmlDeviceGetCurrentClocksThrottleReasons(handle device, unsigned long long *out) {
    return nvmlDeviceGetCurrentClocksEventReasons(device, out);
}
API nvmlDeviceGetSupportedClocksEventReasons(handle device, unsigned long long *out) {
    ON_GPU(gpu, device);
    NEED(out);
    if (gpu->throttle_reasons == ABSENT_64) return NOT_SUPPORTED;
    *out = 0x1ff;
    return SUCCESS;
}
API nvmlDeviceGetPerformanceState(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, 0);
}

struct memory {
    unsigned long long total, free, used;
};
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
static struct memory memory_of(handle device) {
    struct gpu *gpu = gpu_of(device);
    struct slice *slice = gpu ? NULL : slice_of(device, NULL);
    if (slice) return (struct memory){slice->memory_bytes, slice->memory_bytes, 0};
    return (struct memory){gpu->memory_total_bytes, gpu->memory_total_bytes - gpu->memory_used_bytes,
                           gpu->memory_used_bytes};
}
API nvmlDeviceGetMemoryInfo(handle device, struct memory *out) {
    if (!slice_of(device, NULL)) {
        ON_GPU(gpu, device);
        if (!gpu->memory_total_bytes) return NOT_SUPPORTED;
    }
    NEED(out);
    *out = memory_of(device);
    return SUCCESS;
}
API nvmlDeviceGetMemoryInfo_v2(handle device, struct memory_v2 *out) {
    NEED(out);
    struct memory memory;
    nvml code = nvmlDeviceGetMemoryInfo(device, &memory);
    if (!code) *out = (struct memory_v2){out->version, memory.total, 0, memory.free, memory.used};
    return code;
}

struct process_info {
    unsigned pid;
    unsigned long long memory_bytes;
    unsigned gpu_instance, compute_instance;
};
API nvmlDeviceGetComputeRunningProcesses_v3(handle device, unsigned *count, struct process_info *out) {
    ON_GPU(gpu, device);
    NEED(count);
    unsigned room = *count;
    *count = gpu->process_count;
    if (room < gpu->process_count) return INSUFFICIENT_SIZE;
    if (gpu->process_count) NEED(out);
    for (uint32_t i = 0; i < gpu->process_count; ++i)
        out[i] = (struct process_info){gpu->processes[i].pid, gpu->processes[i].memory_bytes, ABSENT, ABSENT};
    return SUCCESS;
}
API nvmlDeviceGetComputeRunningProcesses_v2(handle device, unsigned *count, struct process_info *out) {
    return nvmlDeviceGetComputeRunningProcesses_v3(device, count, out);
}

struct process_sample {
    unsigned pid;
    unsigned long long at_us;
    unsigned busy_percent, memory_percent, encoder_percent, decoder_percent;
};
API nvmlDeviceGetProcessUtilization(handle device, struct process_sample *out, unsigned *count,
                                    unsigned long long since_us) {
    ON_GPU(gpu, device);
    NEED(count);
    if (gpu->slice_count) return NOT_SUPPORTED;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned long long at_us = now.tv_sec * 1000000ull + now.tv_nsec / 1000;
    unsigned busy = 0, room = *count;
    for (uint32_t i = 0; i < gpu->process_count; ++i) {
        if (!gpu->processes[i].busy_percent) continue;
        if (out && busy < room)
            out[busy] = (struct process_sample){gpu->processes[i].pid, at_us, gpu->processes[i].busy_percent, 0, 0, 0};
        ++busy;
    }
    *count = busy;
    if (!busy || at_us <= since_us) return NOT_FOUND;
    return out && busy <= room ? SUCCESS : INSUFFICIENT_SIZE;
}
API nvmlDeviceGetGraphicsRunningProcesses_v3(handle device, unsigned *count, struct process_info *out) {
    ON_GPU(gpu, device);
    (void)out;
    return give(count, 0);
}

/* Field values carry a code of their own; an old driver leaves some unsupported. */
struct field_value {
    uint32_t field, scope;
    int64_t timestamp_us, latency_us;
    uint32_t value_type;
    nvml code;
    union {
        unsigned ui;
        unsigned long long ull;
        double d;
    } value;
};
static void read_field(const struct gpu *gpu, struct field_value *out) {
    char named[60];
    snprintf(named, sizeof named, out->scope ? "field:%u:%u" : "field:%u", out->field, out->scope);
    out->value_type = UNSIGNED_INT;
    out->value.ull = 0;
    out->code = injected(gpu, named);
    if (out->code) return;
    if (out->scope > 1 || (out->scope == 1 && out->field != 185 && out->field != 186)) {
        out->code = NOT_SUPPORTED;
        return;
    }
    uint32_t value = ABSENT;
    switch (out->field) {
    case 83:
        out->value_type = UNSIGNED_LONG_LONG;
        out->value.ull = gpu->energy_mj;
        out->code = gpu->energy_mj == ABSENT_64 ? NOT_SUPPORTED : SUCCESS;
        return;
    case 185: value = out->scope ? gpu->module_power_mw : gpu->average_power_mw; break;
    case 186: value = out->scope ? gpu->module_power_mw : gpu->instant_power_mw; break;
    case 187: value = gpu->limit_minimum_mw; break;
    case 188: value = gpu->limit_maximum_mw; break;
    case 189: value = gpu->limit_default_mw; break;
    case 190: value = gpu->limit_enforced_mw; break;
    case 192: value = gpu->limit_requested_mw; break;
    default: break;
    }
    out->code = give(&out->value.ui, value);
}
API nvmlDeviceGetFieldValues(handle device, int count, struct field_value *values) {
    ON_GPU(gpu, device);
    NEED(values);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < count; ++i) {
        values[i].timestamp_us = now.tv_sec * 1000000ll + now.tv_nsec / 1000;
        values[i].latency_us = 0;
        read_field(gpu, &values[i]);
    }
    return SUCCESS;
}
