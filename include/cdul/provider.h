/* Where ONNX Runtime computes a network: one of its execution providers, built into the library or loaded as
 * a plug-in. */
#ifndef CDUL_PROVIDER_H
#define CDUL_PROVIDER_H

#include "cdul/strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* {0} is the CPU. Whoever is given one copies what it keeps. */
typedef struct cdul_provider {
    /* ONNX Runtime's name without "ExecutionProvider", in any case: "cpu", "cuda", "openvino"; after a colon
     * the number of a device, "cuda:1". NULL = "cpu". Of a plug-in's devices, which are numbered in the order
     * in which it lists them, the first that is a CPU is taken, or else the first. */
    const char *name;
    const char *library;  /* path of the plug-in that brings the provider, NULL = built in                 */
    cdul_strings options; /* the provider's own, each "key=value"; ONNX Runtime hands them on              */
} cdul_provider;

#ifdef __cplusplus
}
#endif
#endif
