/* Where ONNX Runtime computes a network: one of its execution providers, built into the library or
 * loaded as a plug-in.
 *
 * Microsoft's builds of ONNX Runtime keep, from 1.29 on, a mark of the machine in the home folder
 * and report what is run. This library switches that off as soon as it can, which is after the
 * first report. A program that wants none at all sets the environment variable
 * ORT_DISABLE_TELEMETRY to 1 before it has a second thread or opens a network, as cdul's do. */
#pragma once

#include "cdul/strings.h"

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
    const char *library; /* path of the plug-in that brings the provider; NULL = built in */
    cdul_strings options; /* the provider's own, each "key=value" */
    /* Compute a float32 graph in bfloat16: for OpenVINO on a processor that has it. With others
     * opening is CDUL_ERR_USAGE. */
    bool bfloat16;
} cdul_provider;

/* Which numbers a network computes in. */
typedef enum cdul_inference {
    CDUL_INFERENCE_AUTO, /* the fastest of these that agrees with float32 on the images in hand */
    CDUL_INFERENCE_FP32,
    CDUL_INFERENCE_BF16, /* as cdul_provider.bfloat16 */
    CDUL_INFERENCE_INT8, /* the graph's own variant in eight bits, a file beside it */
} cdul_inference;

/* Whether it is ONNX Runtime's own CPU provider. */
bool cdul_provider_is_cpu(const cdul_provider *provider);

/* In which a network may be faster: INT8 (if it has the variant) or BF16; FP32 if in none. */
cdul_inference cdul_provider_reduced(const cdul_provider *provider);

#ifdef __cplusplus
}
#endif
