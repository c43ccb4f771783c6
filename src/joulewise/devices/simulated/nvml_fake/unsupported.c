/* What simulated GPUs do not have, or of which there is nothing to tell: monitors ask for it all the same, and take
 * NotSupported more calmly than a function that is not there. */
#include "nvml_fake.h"

#define ABSENT_ON_GPU(name, ...)       \
    API name(handle device, __VA_ARGS__) { \
        ON_GPU(gpu, device);           \
        return NOT_SUPPORTED;          \
    }

ABSENT_ON_GPU(nvmlDeviceGetBAR1MemoryInfo, void *out)
ABSENT_ON_GPU(nvmlDeviceGetConfComputeMemSizeInfo, void *out)
ABSENT_ON_GPU(nvmlDeviceGetCurrPcieLinkGeneration, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetCurrPcieLinkWidth, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetDecoderUtilization, unsigned *out, unsigned *period_us)
ABSENT_ON_GPU(nvmlDeviceGetDisplayActive, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetDisplayMode, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetDriverModel, unsigned *current, unsigned *pending)
ABSENT_ON_GPU(nvmlDeviceGetDriverModel_v2, unsigned *current, unsigned *pending)
ABSENT_ON_GPU(nvmlDeviceGetEccMode, unsigned *current, unsigned *pending)
ABSENT_ON_GPU(nvmlDeviceGetEncoderUtilization, unsigned *out, unsigned *period_us)
ABSENT_ON_GPU(nvmlDeviceGetFanSpeed, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetNumFans, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetPcieThroughput, unsigned counter, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetSamples, unsigned kind, unsigned long long since, unsigned *type, unsigned *count, void *out)
ABSENT_ON_GPU(nvmlDeviceGetTemperatureThreshold, unsigned which, unsigned *out)
ABSENT_ON_GPU(nvmlDeviceGetTotalEccErrors, unsigned kind, unsigned counter, unsigned long long *out)
ABSENT_ON_GPU(nvmlDeviceGetC2cModeInfoV, void *out)

/* Any process may compute. */
API nvmlDeviceGetComputeMode(handle device, unsigned *out) {
    ON_GPU(gpu, device);
    return give(out, 0);
}
/* No process shares a GPU through MPS. */
API nvmlDeviceGetMPSComputeRunningProcesses_v3(handle device, unsigned *count, void *out) {
    ON_GPU(gpu, device);
    (void)out;
    return give(count, 0);
}
