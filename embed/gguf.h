/*
 * gguf.h - reads GGUF model files: metadata and tensors over a mapped file.
 *
 * A GGUF file is foreign bytes: every count, length, offset and type is
 * checked against the file's size and the limits below before it is used, so
 * that whatever is returned here lies inside the map. Format: the "GGUF"
 * specification, version 3 (version 2 has the same layout and is read too).
 *
 * Private to embed/. Immutable once open: any number of threads may read.
 */
#ifndef RAG_EMBED_GGUF_H
#define RAG_EMBED_GGUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_GGUF_KEYS_MAX 4096u /* metadata entries */
#define RAG_GGUF_TENSORS_MAX 16384u /* tensors */
#define RAG_GGUF_NAME_MAX 256u /* bytes of a key or name */
#define RAG_GGUF_STRING_MAX (1u << 20) /* bytes of one string */
#define RAG_GGUF_ITEMS_MAX (16u << 20) /* items of one array */
#define RAG_GGUF_DIMS_MAX 4u /* dimensions of a tensor */
#define RAG_GGUF_ALIGNMENT_MAX (1u << 20) /* bytes */
#define RAG_LORA_RANK_MAX 256u /* rows of a matrix of low rank */

typedef enum rag_gguf_kind {
    RAG_GGUF_U8 = 0,
    RAG_GGUF_I8 = 1,
    RAG_GGUF_U16 = 2,
    RAG_GGUF_I16 = 3,
    RAG_GGUF_U32 = 4,
    RAG_GGUF_I32 = 5,
    RAG_GGUF_F32 = 6,
    RAG_GGUF_BOOL = 7,
    RAG_GGUF_STRING = 8,
    RAG_GGUF_ARRAY = 9,
    RAG_GGUF_U64 = 10,
    RAG_GGUF_I64 = 11,
    RAG_GGUF_F64 = 12
} rag_gguf_kind;

/* How a tensor's numbers are stored: ggml's numbering. */
typedef enum rag_gguf_type {
    RAG_GGUF_T_F32 = 0,
    RAG_GGUF_T_F16 = 1,
    RAG_GGUF_T_Q4_0 = 2,
    RAG_GGUF_T_Q4_1 = 3,
    RAG_GGUF_T_Q5_0 = 6,
    RAG_GGUF_T_Q5_1 = 7,
    RAG_GGUF_T_Q8_0 = 8,
    RAG_GGUF_T_Q4_K = 12,
    RAG_GGUF_T_Q6_K = 14,
    RAG_GGUF_T_BF16 = 30
} rag_gguf_type;

typedef struct rag_gguf rag_gguf;

typedef struct rag_gguf_value {
    const char *key; /* not NUL-terminated */
    uint32_t key_len;
    rag_gguf_kind kind; /* RAG_GGUF_ARRAY for arrays */
    rag_gguf_kind item; /* kind of an array's items, else kind */
    uint64_t count; /* items; 1 for a single value */
    const unsigned char *data; /* encoded items, unaligned, little-endian */
    size_t size; /* bytes of data */
} rag_gguf_value;

typedef struct rag_gguf_tensor {
    const char *name; /* not NUL-terminated */
    uint32_t name_len;
    rag_gguf_type type;
    uint32_t ndims;
    uint64_t dims[RAG_GGUF_DIMS_MAX]; /* fastest first; unused ones are 1 */
    uint64_t rows; /* product of all but the first */
    size_t row_size; /* bytes of dims[0] numbers */
    const unsigned char *data;
    size_t size;
} rag_gguf_tensor;

/* Maps and checks the file. */
int rag_gguf_open(const char *path, rag_gguf **out, rag_error *err);
/* The same over memory that stays until close; name is for messages. */
int rag_gguf_open_memory(const void *data, size_t len, const char *name,
                         rag_gguf **out, rag_error *err);
void rag_gguf_close(rag_gguf *g);
/* Gives back the memory of what was read of a file; see rag_file_map_forget. */
void rag_gguf_forget(const rag_gguf *g);

/* The path or name it was opened with; until close. */
const char *rag_gguf_name(const rag_gguf *g);
/* The whole file, and where its header (metadata and tensor list) ends. */
const unsigned char *rag_gguf_bytes(const rag_gguf *g, size_t *len,
                                    size_t *header_len);
size_t rag_gguf_tensor_count(const rag_gguf *g);
const rag_gguf_tensor *rag_gguf_tensor_at(const rag_gguf *g, size_t i);

/* NULL when there is none. */
const rag_gguf_value *rag_gguf_find(const rag_gguf *g, const char *key);
const rag_gguf_tensor *rag_gguf_tensor_find(const rag_gguf *g,
                                            const char *name);

/*
 * Typed values. A missing key gives the default; one of another kind, or out
 * of [min,max], is RAG_E_CORRUPT naming file and key. Strings come as a
 * pointer into the map with their length (a string with a NUL is refused).
 */
int rag_gguf_uint(const rag_gguf *g, const char *key, uint64_t def,
                  uint64_t min, uint64_t max, uint64_t *out, rag_error *err);
int rag_gguf_float(const rag_gguf *g, const char *key, double def, double *out,
                   rag_error *err);
int rag_gguf_bool(const rag_gguf *g, const char *key, bool def, bool *out,
                  rag_error *err);
int rag_gguf_string(const rag_gguf *g, const char *key, const char *def,
                    const char **out, size_t *len, rag_error *err);
/* Array of `item`s (strings too) with count items; NULL and 0 when missing. */
int rag_gguf_array(const rag_gguf *g, const char *key, rag_gguf_kind item,
                   const rag_gguf_value **out, rag_error *err);

/* Walks the strings of an array: *at starts at 0; false at the end. */
bool rag_gguf_next_string(const rag_gguf_value *v, size_t *at, const char **s,
                          size_t *len);

/* One row as float32: dims[0] numbers. row < t->rows. */
void rag_gguf_row(const rag_gguf_tensor *t, uint64_t row, float *out);

/* The tensor of a given shape (rows 0: any), RAG_E_CORRUPT when it has another
 * or is missing; *out NULL when it is optional and missing. */
int rag_gguf_shaped(const rag_gguf *g, const char *name, size_t columns,
                    size_t rows, bool optional, const rag_gguf_tensor **out,
                    rag_error *err);

/*
 * For small files of numbers beside a model (adapters).
 *
 * The key's text must be `want`, else RAG_E_UNSUPPORTED.
 */
int rag_gguf_expect(const rag_gguf *g, const char *key, const char *want,
                    rag_error *err);
/* The tensor of F32 or F16, checked for shape (rows 0: any up to
 * RAG_LORA_RANK_MAX); NULL when it is missing, an error unless optional. */
int rag_gguf_matrix(const rag_gguf *g, const char *name, size_t columns,
                    size_t rows, bool optional, const rag_gguf_tensor **out,
                    rag_error *err);
/* All its numbers, row after row; RAG_E_CORRUPT for one that is none. */
int rag_gguf_matrix_read(const rag_gguf *g, const rag_gguf_tensor *t,
                         float *out, rag_error *err);

/* Name of a tensor type for messages ("Q4_0"), "?" when unknown. */
const char *rag_gguf_type_name(rag_gguf_type t);
/* Numbers in a block and its bytes; false for a type not supported. */
bool rag_gguf_type_block(uint32_t type, uint32_t *numbers, uint32_t *bytes);
/* n numbers (whole blocks) of type at p to float32. */
void rag_gguf_dequantise(rag_gguf_type type, const unsigned char *p, size_t n,
                         float *out);

#endif
