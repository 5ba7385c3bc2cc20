/* The safetensors format: eight bytes of header length, a JSON header, raw little-endian tensors.
 * Reference: github.com/huggingface/safetensors, README "Format". Metadata values are strings. */
#pragma once

#include "base/file.h"
#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CDUL_MAX_RANK 8
/* The reference implementation refuses longer headers. */
#define CDUL_SAFETENSORS_HEADER_BYTES 100000000u
#define CDUL_METADATA_KEY             "__metadata__"

typedef enum cdul_dtype {
    CDUL_F32,
    CDUL_F16,
    CDUL_BF16,
    CDUL_F64,
    CDUL_I64,
    CDUL_I32,
    CDUL_U8,
    CDUL_BOOL,
    CDUL_I8,
    CDUL_I16,
    CDUL_U16,
    CDUL_U32,
    CDUL_U64
} cdul_dtype;

size_t cdul_dtype_size(cdul_dtype dtype);
const char *cdul_dtype_name(cdul_dtype dtype); /* "F32", as in the file's header */
bool cdul_dtype_find(const char *name, cdul_dtype *out);
/* Elements and bytes of a shape (rank 0: one element); false if they exceed size_t. */
bool cdul_tensor_bytes(cdul_dtype dtype, size_t rank, const size_t *shape, size_t *elements,
                       size_t *bytes);

/* --- Reading: the file is memory-mapped, tensors are views into the map --- */

typedef struct cdul_tensor_view {
    const char *name;
    cdul_dtype dtype;
    size_t rank;
    size_t shape[CDUL_MAX_RANK];
    size_t elements;
    /* Perhaps not aligned to the element size: use memcpy or the functions below. */
    const void *data;
} cdul_tensor_view;

typedef struct cdul_safetensors {
    char *path;
    cdul_tensor_view *tensors; /* [count], in order of offset */
    size_t count;
    cdul_index names; /* of the tensors */
    cdul_mapping map; /* the whole file; cdul_mapping_release gives back what was read of it */
    struct cJSON *header; /* owns the names and the metadata */
    const struct cJSON *metadata; /* NULL: none */
} cdul_safetensors;

/* Checks the whole header: offsets inside the file, no overlaps or holes, sizes equal to shape x
 * dtype, no duplicate names, known dtypes. CDUL_ERR_INPUT names the tensor and the byte. */
cdul_status cdul_safetensors_open(const char *path, cdul_safetensors **out,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* NULL if there is none. */
const cdul_tensor_view *cdul_safetensors_find(const cdul_safetensors *file, const char *name);
const char *cdul_safetensors_metadata(const cdul_safetensors *file, const char *key);
const char *cdul_safetensors_path(const cdul_safetensors *file);
/* Frees the metadata, which may be most of the header. */
void cdul_safetensors_drop_metadata(cdul_safetensors *file);
/* Reads all of a sealed file (below) and compares. CDUL_ERR_INPUT: damaged, or without a seal. */
cdul_status cdul_safetensors_check(const cdul_safetensors *file, cdul_error *err) CDUL_MUST_CHECK;
void cdul_safetensors_close(cdul_safetensors *file);

/* Finds tensor `name`, of `rank` dimensions, F32, F16, BF16 or F64. Where shape[i] is not 0, it
 * must be the file's; then the file's shape is written there. Else CDUL_ERR_INPUT. */
cdul_status cdul_safetensors_expect(const cdul_safetensors *file, const char *name, size_t rank,
                                    size_t *shape, cdul_tensor_view *out,
                                    cdul_error *err) CDUL_MUST_CHECK;
/* Elements [first, first + count) of a view that `expect` found, as float32. */
void cdul_tensor_to_f32(const cdul_tensor_view *view, size_t first, size_t count, float *out);
/* Index of the first element that is NaN or infinite; view->elements if there is none. */
size_t cdul_tensor_first_bad(const cdul_tensor_view *view);

/* --- Writing: declare everything, then stream the data in the declared order, then commit --- */

typedef struct cdul_tensor_decl {
    const char *name;
    cdul_dtype dtype;
    size_t rank;
    size_t shape[CDUL_MAX_RANK];
} cdul_tensor_decl;

typedef struct cdul_metadata {
    const char *key;
    const char *value;
} cdul_metadata;

/* The last tensor of a sealed file: XXH3-64 of all bytes before its own. */
#define CDUL_SEAL ((cdul_tensor_decl){"checksum", CDUL_U64, 1, {1}})

typedef struct cdul_safetensors_writer cdul_safetensors_writer;

/* CDUL_ERR_INPUT for what could not be read again: a name or key that occurs twice, too many
 * dimensions, too long a header. Data begins at a multiple of 8: wide dtypes first stay aligned. */
cdul_status cdul_safetensors_create(const char *path, const cdul_metadata *metadata,
                                    size_t n_metadata, const cdul_tensor_decl *tensors,
                                    size_t n_tensors, cdul_safetensors_writer **out,
                                    cdul_error *err) CDUL_MUST_CHECK;
/* Appends bytes of the tensor that is being written; may cross into the next one. */
cdul_status cdul_safetensors_append(cdul_safetensors_writer *writer, const void *data, size_t bytes,
                                    cdul_error *err) CDUL_MUST_CHECK;
/* Appends the tensor CDUL_SEAL, which was declared last. */
cdul_status cdul_safetensors_seal(cdul_safetensors_writer *writer, cdul_error *err) CDUL_MUST_CHECK;
/* Fails unless exactly the declared bytes were appended. Atomic. Frees and clears *writer. */
cdul_status cdul_safetensors_commit(cdul_safetensors_writer **writer,
                                    cdul_error *err) CDUL_MUST_CHECK;
void cdul_safetensors_discard(cdul_safetensors_writer **writer);

/* IEEE half precision, round to nearest even. */
uint16_t cdul_f32_to_f16(float value);
float cdul_f16_to_f32(uint16_t value);
/* `count` halves at `halves`, which need not be aligned. */
void cdul_f16s_to_f32s(const void *halves, size_t count, float *out);
