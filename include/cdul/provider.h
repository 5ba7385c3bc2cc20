/* Where ONNX Runtime computes a network: one of its execution providers, built into the library or
 * loaded as a plug-in.
 *
 * Microsoft's builds of ONNX Runtime keep, from 1.29 on, a mark of the machine in the home folder
 * and report what is run. This library switches that off as soon as it can, which is after the
 * first report. A program that wants no report at all sets the environment variable
 * ORT_DISABLE_TELEMETRY to 1, before it has a second thread and before it opens a network, as
 * cdul's own programs do. The library itself never writes the environment. */
#pragma once

#include "cdul/strings.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* {0} is the CPU. Whoever is given one copies what it keeps. */
typedef struct cdul_provider {
    /* ONNX Runtime's name without "ExecutionProvider", in any case: "cpu", "cuda", "openvino";
     * after a colon the number of a device, "cuda:1". NULL = "cpu". A plug-in numbers its devices
     * in the order in which it lists them; without a number the first that is a CPU is taken, or
     * else the first. */
    const char *name;
    /* Path of the plug-in that brings the provider; NULL = built in. */
    const char *library;
    /* The provider's own options, each "key=value", which ONNX Runtime hands on. */
    cdul_strings options;
    /* Compute a float32 graph in bfloat16: for OpenVINO on a processor that has it. With others
     * opening is CDUL_ERR_USAGE. */
    bool bfloat16;
} cdul_provider;

/* Which numbers a network computes in. */
typedef enum cdul_inference {
    /* The fastest of these that agrees with float32 on the images in hand. */
    CDUL_INFERENCE_AUTO,
    CDUL_INFERENCE_FP32,
    /* As cdul_provider.bfloat16. */
    CDUL_INFERENCE_BF16,
    /* The graph's own variant in eight bits, a file beside it. */
    CDUL_INFERENCE_INT8,
} cdul_inference;

/* Whether it is ONNX Runtime's own CPU provider. */
bool cdul_provider_is_cpu(const cdul_provider *provider);

/* The precision in which a network may be faster than in FP32: INT8, if it has such a variant, or
 * BF16; FP32 if there is none. */
cdul_inference cdul_provider_reduced(const cdul_provider *provider);

#ifdef __cplusplus
}
#endif
