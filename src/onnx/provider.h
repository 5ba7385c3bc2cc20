/* Execution providers: built into ONNX Runtime (provider.c) or of plug-ins (plugin.c). */
#pragma once

#include "cdul/provider.h"
#include "onnx/ort.h"

/* Bytes of a provider's name in messages: "CUDA", "OpenVINO on CPU"; "" = the CPU alone. */
#define CDUL_PROVIDER_NAME 80

/* Bytes of any list of providers; what does not fit is cut. */
#define CDUL_PROVIDER_LIST 400

/* What this ONNX Runtime was built with: "Tensorrt, CUDA, CPU". */
cdul_status cdul_provider_list(char *text, size_t size, cdul_error *err) CDUL_MUST_CHECK;
/* ONNX Runtime's name without "ExecutionProvider"; returns `text`. */
const char *cdul_provider_short(const char *name, char *text, size_t size);

/* The provider's options as ONNX Runtime takes them. */
typedef struct cdul_provider_pairs {
    const char **keys, **values; /* [count], with room for one more: both point into `text` */
    size_t count;
    cdul_strings text;
} cdul_provider_pairs;

/* Free after a failure as well. */
cdul_status cdul_provider_pairs_read(const cdul_strings *options, cdul_provider_pairs *out,
                                     cdul_error *err) CDUL_MUST_CHECK;
void cdul_provider_pairs_free(cdul_provider_pairs *pairs);
/* NULL if the user did not give the key. */
const char *cdul_provider_pairs_get(const cdul_provider_pairs *pairs, const char *key);
/* Adds a key that the user did not give; there is room for one. `key` and `value` are borrowed. */
void cdul_provider_pairs_default(cdul_provider_pairs *pairs, const char *key, const char *value);

/* Fails: this provider or processor has no bfloat16. */
cdul_status cdul_provider_refuse_bfloat16(const cdul_ort *ort, cdul_error *err) CDUL_MUST_CHECK;

/* Appends the built-in provider of that name, and writes its name in messages to
 * said [CDUL_PROVIDER_NAME]. */
cdul_status cdul_provider_append(const cdul_ort *ort, OrtSessionOptions *options,
                                 const char *wanted, cdul_provider_pairs *pairs, char *said,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* The same for the provider that `from` names, of its plug-in library. `threads` is told to
 * providers that do not see the session's number. */
cdul_status cdul_plugin_append(const cdul_ort *ort, OrtSessionOptions *options,
                               const cdul_provider *from, cdul_provider_pairs *pairs, int threads,
                               char *said, cdul_error *err) CDUL_MUST_CHECK;
