/* OpenVINO computes on any x86-64 processor, but its plug-in for ONNX Runtime offers it for those
 * by Intel alone. This plug-in stands before the one that CDUL_OPENVINO names and tells it that
 * every processor is by Intel, so that provider.sh runs on any machine. For that test, and for no
 * one's work. */
#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdlib.h>
#include <string.h>

OrtStatus *CreateEpFactories(const char *name, const OrtApiBase *base, const OrtLogger *logger,
                             OrtEpFactory **factories, size_t room, size_t *count);
OrtStatus *ReleaseEpFactory(OrtEpFactory *factory);

static struct {
    const OrtApiBase *real;
    OrtApiBase base;
    struct {
        OrtApi api;
        void *newer[64]; /* functions later than our header, which the plug-in may know */
    } copy;
    void *library;
} shim;

static uint32_t ORT_API_CALL intel(const OrtHardwareDevice *device) {
    (void)device;
    return 0x8086;
}

static const OrtApi *ORT_API_CALL get_api(uint32_t version) {
    const OrtApi *api = shim.real->GetApi(version);
    if (!api) return NULL;
    memcpy(&shim.copy, (const void *)api, sizeof shim.copy);
    shim.copy.api.HardwareDevice_VendorId = intel;
    return &shim.copy.api;
}

static void *symbol(const char *name) { return shim.library ? dlsym(shim.library, name) : NULL; }

OrtStatus *CreateEpFactories(const char *name, const OrtApiBase *base, const OrtLogger *logger,
                             OrtEpFactory **factories, size_t room, size_t *count) {
    CreateEpApiFactoriesFn create = NULL;
    const char *path = getenv("CDUL_OPENVINO");
    shim.real = base;
    shim.base = *base;
    shim.base.GetApi = get_api;
    if (path) shim.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *found = symbol("CreateEpFactories");
    if (!found)
        return base->GetApi(ORT_API_VERSION)->CreateStatus(ORT_FAIL, "CDUL_OPENVINO: no plug-in");
    memcpy(&create, &found, sizeof create);
    return create(name, &shim.base, logger, factories, room, count);
}

OrtStatus *ReleaseEpFactory(OrtEpFactory *factory) {
    ReleaseEpApiFactoryFn release = NULL;
    void *found = symbol("ReleaseEpFactory");
    memcpy(&release, &found, sizeof release);
    return release(factory);
}
