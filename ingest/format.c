/*
 * format.c - what a file is, by its first bytes and its name, and the way
 * from its bytes to the reader of its format. Called by read.c; no state.
 */
#include "ingest/ingest_int.h"

#include "base/file.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *magic;
    unsigned char len, at;
    const char *why;
} MAGIC[] = {
    {"%PDF-", 5, 0, "PDF files are not supported yet"},
    {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, 0,
     "old Office and HWP files are not supported; save it as text, Markdown "
     "or HTML"},
    {"HWP Document File", 17, 0, "HWP files are not supported"},
    {"PK\x03\x04", 4, 0,
     "zip files (also docx, xlsx, pptx, hwpx, odt, epub) are not supported; "
     "save it as text, Markdown or HTML"},
    {"PK\x05\x06", 4, 0, "it is an empty zip file"},
    {"\x1F\x8B", 2, 0, "gzip files are not supported; unpack it first"},
    {"BZh", 3, 0, "bzip2 files are not supported; unpack it first"},
    {"\xFD"
     "7zXZ",
     5, 0, "xz files are not supported; unpack it first"},
    {"7z\xBC\xAF", 4, 0, "7z files are not supported; unpack it first"},
    {"Rar!", 4, 0, "rar files are not supported; unpack it first"},
    {"ustar", 5, 255, "tar files are not supported; unpack it first"},
    {"\x89PNG", 4, 0, "pictures are not supported"},
    {"\xFF\xD8\xFF", 3, 0, "pictures are not supported"},
    {"GIF8", 4, 0, "pictures are not supported"},
    {"II*\0", 4, 0, "pictures are not supported"},
    {"MM\0*", 4, 0, "pictures are not supported"},
    {"\x7F"
     "ELF",
     4, 0, "it is a program"},
    {"MZ\x90", 3, 0, "it is a program"},
    {"SQLite format 3", 15, 0, "it is a database"},
    {"{\\rtf", 5, 0, "RTF files are not supported; save it as text"},
    {"%!PS", 4, 0, "PostScript files are not supported"},
    {"ID3", 3, 0, "sound files are not supported"},
    {"ftyp", 4, 4, "films are not supported"},
};

static const struct {
    const char *ext;
    rag_format format;
} EXTENSIONS[] = {
    {".txt", RAG_FORMAT_TEXT},       {".text", RAG_FORMAT_TEXT},
    {".md", RAG_FORMAT_MARKDOWN},    {".markdown", RAG_FORMAT_MARKDOWN},
    {".mdown", RAG_FORMAT_MARKDOWN}, {".mkd", RAG_FORMAT_MARKDOWN},
    {".html", RAG_FORMAT_HTML},      {".htm", RAG_FORMAT_HTML},
    {".xhtml", RAG_FORMAT_HTML},     {".csv", RAG_FORMAT_CSV},
    {".tsv", RAG_FORMAT_TSV},        {".jsonl", RAG_FORMAT_JSONL},
    {".ndjson", RAG_FORMAT_JSONL},
};

/* "<!DOCTYPE html" or "<html" behind white space and comments' start. */
static bool looks_html(const char *s, size_t n) {
    size_t i = 0;
    if (n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3))
        i = 3;
    while (i < n && isspace((unsigned char)s[i]))
        i++;
    return n - i >= 14 && (!strncasecmp(s + i, "<!doctype html", 14) ||
                           (!strncasecmp(s + i, "<html", 5) &&
                            (s[i + 5] == '>' || s[i + 5] == ' ')));
}

rag_format rag_format_of(const char *path, const char *bytes, size_t n,
                         const char **why) {
    *why = NULL;
    for (size_t i = 0; i < sizeof MAGIC / sizeof *MAGIC; i++) {
        size_t at = MAGIC[i].at == 255 ? 257 : MAGIC[i].at;
        if (n >= at + MAGIC[i].len &&
            !memcmp(bytes + at, MAGIC[i].magic, MAGIC[i].len)) {
            *why = MAGIC[i].why;
            return RAG_FORMAT_UNKNOWN;
        }
    }
    const char *dot = strrchr(rag_path_base(path), '.');
    for (size_t i = 0; dot && i < sizeof EXTENSIONS / sizeof *EXTENSIONS; i++)
        if (!strcasecmp(dot, EXTENSIONS[i].ext))
            return EXTENSIONS[i].format;
    return looks_html(bytes, n) ? RAG_FORMAT_HTML : RAG_FORMAT_TEXT;
}

/* JSON lines are UTF-8 by definition; each line is checked by itself, so that
 * one bad byte costs one line. Only what is not bytes at all is converted. */
static bool is_wide(const char *b, size_t n) {
    return n >= 2 && (!memcmp(b, "\xFF\xFE", 2) || !memcmp(b, "\xFE\xFF", 2) ||
                      b[0] == '\0' || b[1] == '\0');
}

int rag_ingest_parse(const rag_source *src, rag_format format,
                     const char *bytes, size_t n, rag_error *err) {
    if (format == RAG_FORMAT_JSONL && !is_wide(bytes, n)) {
        bool mark = n >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3);
        return rag_ingest_jsonl(src, bytes + (mark ? 3 : 0), n - (mark ? 3 : 0),
                                err);
    }
    rag_buf text;
    size_t max = src->opt->file_max ? src->opt->file_max : RAG_INGEST_FILE_MAX;
    max = max > ((size_t)512 << 20) ? max : max * 3;
    rag_buf_init(&text, max + 4096);
    rag_error why = {0};
    int rc = rag_decode(bytes, n, format == RAG_FORMAT_HTML, max, &text, &why);
    if (rc) {
        rag_buf_free(&text);
        if (rc == RAG_E_NOMEM)
            return rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
        rag_source_problem(src, 0, why.code, "%s", why.message);
        return RAG_OK;
    }
    const char *s = rag_buf_str(&text);
    switch (format) {
    case RAG_FORMAT_MARKDOWN:
        rc = rag_ingest_markdown(src, s, text.len, err);
        break;
    case RAG_FORMAT_HTML:
        rc = rag_ingest_html(src, s, text.len, err);
        break;
    case RAG_FORMAT_CSV:
        rc = rag_ingest_csv(src, 0, s, text.len, err);
        break;
    case RAG_FORMAT_TSV:
        rc = rag_ingest_csv(src, '\t', s, text.len, err);
        break;
    case RAG_FORMAT_JSONL:
        rc = rag_ingest_jsonl(src, s, text.len, err);
        break;
    default:
        rc = rag_ingest_text(src, s, text.len, err);
    }
    rag_buf_free(&text);
    return rc;
}
