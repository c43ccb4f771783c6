/* Two AMD GPUs behind AMD's own Python binding: what is not here is generated as "not supported" by the test.
 * Both draw 303 W, or their cap if that is lower; the second one's energy counter stands still. */
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, INVALID = 1, NO_PERMISSION = 10 };
static uint64_t cap_uw[2] = {750000000, 750000000};

static int number_of(void *gpu) { return (int)(intptr_t)gpu - 1; }
static double power_w(void *gpu) { double cap_w = cap_uw[number_of(gpu)] * 1e-6; return cap_w < 303 ? cap_w : 303; }

int amdsmi_init(uint64_t flags) { (void)flags; return SUCCESS; }

int amdsmi_get_socket_handles(uint32_t *count, void **sockets) {
    if (sockets) sockets[0] = (void *)1;
    *count = 1;
    return SUCCESS;
}

int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **gpus) {
    (void)socket;
    for (int i = 0; gpus && i < 2; i++) gpus[i] = (void *)(intptr_t)(i + 1);
    *count = 2;
    return SUCCESS;
}

/* function: 3 bits, device: 5, bus: 8, domain: 48 */
int amdsmi_get_gpu_device_bdf(void *gpu, uint64_t *bdf) {
    *bdf = (uint64_t)(gpu == (void *)1 ? 0xc1 : 0x05) << 8;
    return SUCCESS;
}

int amdsmi_get_gpu_device_uuid(void *gpu, uint32_t *length, char *uuid) {
    (void)length;
    strcpy(uuid, gpu == (void *)1 ? "c1ff74a1-0000-1000-8000-000000000001" : "05ff74a1-0000-1000-8000-000000000002");
    return SUCCESS;
}

int amdsmi_get_energy_count(void *gpu, uint64_t *ticks, float *tick_uj, uint64_t *at_ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    *tick_uj = 15.259f;
    *ticks = gpu == (void *)1 ? (uint64_t)(power_w(gpu) * (double)*at_ns * 1e-3 / 15.259) : 12345678u;
    return SUCCESS;
}

int amdsmi_get_power_info(void *gpu, void *info) {
    uint32_t present = (uint32_t)power_w(gpu), none = 0xFFFF;
    memcpy((char *)info + 8, &present, 4);
    memcpy((char *)info + 12, &none, 4);
    return SUCCESS;
}

int amdsmi_get_power_cap_info(void *gpu, uint32_t sensor, uint64_t *info) {
    (void)sensor;
    info[0] = cap_uw[number_of(gpu)], info[1] = 750000000, info[2] = 0, info[3] = 100000000, info[4] = 750000000;
    return SUCCESS;
}

int amdsmi_set_power_cap(void *gpu, uint32_t sensor, uint64_t cap) {
    (void)sensor;
    if (gpu == (void *)2) return NO_PERMISSION;
    if (cap < 100000000 || cap > 750000000) return INVALID;
    cap_uw[number_of(gpu)] = cap;
    return SUCCESS;
}
