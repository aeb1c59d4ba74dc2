/*
 * ingest_int.h - what the files of ingest/ share; nobody else includes it
 * (but the room's own tests and fuzz targets).
 */
#ifndef RAG_INGEST_INGEST_INT_H
#define RAG_INGEST_INGEST_INT_H

#include "ingest/ingest.h"

/* ---- one file being read ------------------------------------------------ */

typedef enum rag_format {
    RAG_FORMAT_TEXT,
    RAG_FORMAT_MARKDOWN,
    RAG_FORMAT_HTML,
    RAG_FORMAT_CSV,
    RAG_FORMAT_TSV,
    RAG_FORMAT_JSONL,
    RAG_FORMAT_UNKNOWN /* not to be read; a reason says why */
} rag_format;

typedef struct rag_source {
    const char *path; /* absolute; of what the documents come from */
    const char *root; /* absolute */
    const rag_ingest_options *opt;
    rag_document_fn on_document;
    rag_problem_fn on_problem;
    void *user;
} rag_source;

/* By the first bytes, then by the name. For RAG_FORMAT_UNKNOWN *why is a
 * static string for a person. */
rag_format rag_format_of(const char *path, const char *bytes, size_t n,
                         const char **why);

/*
 * Reads documents out of the bytes of one file and hands them on. What is
 * wrong with the file goes to on_problem; nonzero only when a callback
 * stopped it or memory ran out.
 */
int rag_ingest_parse(const rag_source *src, rag_format format,
                     const char *bytes, size_t n, rag_error *err);

/* The formats; text is valid UTF-8 without NUL. Same return as above. */
int rag_ingest_text(const rag_source *src, const char *text, size_t n,
                    rag_error *err);
int rag_ingest_markdown(const rag_source *src, const char *text, size_t n,
                        rag_error *err);
int rag_ingest_html(const rag_source *src, const char *text, size_t n,
                    rag_error *err);
int rag_ingest_csv(const rag_source *src, char delimiter, const char *text,
                   size_t n, rag_error *err);
int rag_ingest_jsonl(const rag_source *src, const char *text, size_t n,
                     rag_error *err);

void rag_source_problem(const rag_source *src, size_t line, rag_code code,
                        const char *fmt, ...) RAG_PRINTF(4, 5);

/* ---- decoding ----------------------------------------------------------- */

/*
 * Appends bytes as UTF-8: byte order marks, UTF-8, UTF-16, UTF-32, CP949
 * (EUC-KR), Windows-1252 and what uchardet knows; with html also the charset
 * the page declares. Valid UTF-8 is passed on byte for byte (less a byte
 * order mark). RAG_E_DATA with a reason for what is binary or undecodable,
 * RAG_E_LIMIT when the text is over max bytes.
 */
int rag_decode(const char *bytes, size_t n, bool html, size_t max, rag_buf *out,
               rag_error *err);

/* ---- documents ---------------------------------------------------------- */

/* What a file or record says about itself, as it says it. */
typedef enum rag_meta_key {
    RAG_META_TITLE,
    RAG_META_ID,
    RAG_META_LANG,
    RAG_META_URL,
    RAG_META_CATEGORY,
    RAG_META_VALID_FROM,
    RAG_META_VALID_UNTIL,
    RAG_META_QUESTION,
    RAG_META_ANSWER,
    RAG_META_VARIANTS,
    RAG_META_NONE
} rag_meta_key;

/* Which field a key or column name means ("valid_from", "시행일"); case,
 * spaces, "-" and "_" do not matter. */
rag_meta_key rag_meta_key_of(const char *name, size_t n);
/* True for our own names of the two dates: what they hold must be a date. */
bool rag_meta_is_strict(const char *name, size_t n);

/* A date as people write it (2026-03-01, 2026.3.1, 2026년 3월 1일, 20260301,
 * 1 March 2026, or ISO with time) to seconds; RAG_E_DATA otherwise. */
int rag_meta_time(const char *s, size_t n, bool end_of_day, int64_t *out,
                  rag_error *err);

/* Sets one field of doc; an empty value is left out. */
int rag_document_set(rag_document *doc, rag_meta_key key, const char *v,
                     size_t n, rag_error *err);

/* Adds a question to a FAQ (cleaned; empty and repeated ones left out). */
int rag_document_add_question(rag_document *doc, const char *s, size_t n,
                              rag_error *err);

/*
 * Completes doc (id, source, root, collection, language, hash; title from
 * the file's name when it has none and is no FAQ) and hands it on; frees
 * what the receiver leaves. A text that is empty or over RAG_INGEST_TEXT_MAX
 * is reported instead.
 */
int rag_document_emit(const rag_source *src, rag_document *doc, size_t line,
                      rag_error *err);

/* ---- structure of a text ------------------------------------------------ */

typedef enum rag_block_kind {
    RAG_BLOCK_HEADING,
    RAG_BLOCK_PARAGRAPH,
    RAG_BLOCK_LIST,
    RAG_BLOCK_TABLE,
    RAG_BLOCK_CODE,
    RAG_BLOCK_MARKUP /* front matter, rules, comments: not content */
} rag_block_kind;

typedef struct rag_block {
    rag_block_kind kind;
    int level; /* heading: 1-6 */
    size_t start, end; /* whole lines, without the last line end;
                                      * a heading inside its paragraph's line
                                      * is empty */
    size_t title_start, title_end; /* heading: its words */
} rag_block;

/*
 * Blocks of text in order; what is no white space is in one of them. markdown:
 * read as CommonMark does it; otherwise only what is plain in a text file too.
 * *out: free with free().
 */
int rag_outline(const char *text, size_t n, bool markdown, rag_block **out,
                size_t *count, rag_error *err);

/* Length of a list marker at the start of line[0..n) (indentation counted),
 * 0 when it begins no item. */
size_t rag_outline_marker(const char *line, size_t n);
/* True when line[0..n) is the row of dashes below a table's header. */
bool rag_outline_delimiter_row(const char *line, size_t n);
/* Bytes of YAML front matter at the start of text, 0 when there is none. */
size_t rag_outline_front_matter(const char *text, size_t n);
/* True when doc's text is Markdown or was written as such by a reader. */
bool rag_outline_is_markdown(const rag_document *doc);

/* Appends one line or paragraph without markup signs (emphasis, code ticks,
 * links, tags, entities), white space as single spaces, not trimmed. */
int rag_passage_tidy(const char *s, size_t n, rag_buf *out, rag_error *err);

#endif
