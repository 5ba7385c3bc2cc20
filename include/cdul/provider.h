/* Where ONNX Runtime computes a network: one of its execution providers, built into the library or
 * loaded as a plug-in. */
#ifndef CDUL_PROVIDER_H
#define CDUL_PROVIDER_H

#include "cdul/strings.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* {0} is the CPU. Whoever is given one copies what it keeps. */
typedef struct cdul_provider {
    /* ONNX Runtime's name without "ExecutionProvider", in any case: "cpu", "cuda", "openvino";
     * after a colon the number of a device, "cuda:1". NULL = "cpu". Of a plug-in's devices, which
     * are numbered in the order in which it lists them, the first that is a CPU is taken, or else
     * the first. */
    const char *name;
    const char *library; /* path of the plug-in that brings the provider, NULL = built in */
    cdul_strings options; /* the provider's own, each "key=value"; ONNX Runtime hands them on */
    /* compute a float32 graph in bfloat16: OpenVINO on a processor that has it; with others opening
     * is CDUL_ERR_USAGE */
    bool bfloat16;
} cdul_provider;

/* Which numbers a network computes in. */
typedef enum cdul_inference {
    CDUL_INFERENCE_AUTO, /* the fastest of these that agrees with float32 on the images in hand */
    CDUL_INFERENCE_FP32,
    CDUL_INFERENCE_BF16, /* as cdul_provider.bfloat16 */
    CDUL_INFERENCE_INT8, /* the graph's own variant in eight bits, a file beside it */
} cdul_inference;

#ifdef __cplusplus
}
#endif
#endif
