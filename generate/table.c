/*
 * table.c - a row of a table belongs to a header: which one.
 *
 * Called by ground_ctx_open for every row among the evidence, and by ragd's
 * pipeline for passages that begin inside a table; any thread, no state.
 * Tables are stored as lines that begin with a bar, whatever format they
 * came from: a header row, a row of dashes, then the rows.
 */
#include "generate/generate_int.h"

#include <string.h>

static bool is_row(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t'))
        i++;
    return i < n && s[i] == '|';
}

bool rag_table_dashes(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!s[i] || !strchr("|-: \t\r", s[i]))
            return false;
    return memchr(s, '-', n) != NULL;
}

bool rag_table_row(const char *s, size_t n) {
    return is_row(s, n) && !memchr(s, '\n', n) && !rag_table_dashes(s, n);
}

bool rag_table_header(const char *text, size_t n, size_t *start, size_t *len,
                      bool *open) {
    bool dashes = false;
    size_t at = n;
    *open = false;
    if (n && text[n - 1] != '\n')
        return false;
    while (at > 0) {
        const char *nl = memrchr(text, '\n', at - 1);
        size_t from = nl ? (size_t)(nl - text) + 1 : 0, to = at - 1;
        while (to > from && strchr(" \t\r", text[to - 1]))
            to--;
        while (from < to && strchr(" \t", text[from]))
            from++;
        if (!is_row(text + from, to - from))
            return false;
        *start = from;
        *len = to - from;
        if (dashes)
            return *len <= RAG_TABLE_HEADER_MAX;
        dashes = rag_table_dashes(text + from, to - from);
        at = nl ? (size_t)(nl - text) + 1 : 0;
    }
    *open = true;
    return false;
}

bool rag_table_cell(const char *row, size_t n, size_t k, size_t *start,
                    size_t *end) {
    size_t i = 0;
    for (size_t cell = 0; i < n; cell++) {
        const char *bar = memchr(row + i, '|', n - i);
        size_t to = bar ? (size_t)(bar - row) : n;
        if (cell == k) {
            *start = i;
            *end = to;
            return true;
        }
        i = to + 1;
    }
    return false;
}

size_t rag_table_column(const char *row, size_t at) {
    size_t k = 0;
    for (size_t i = 0; i < at; i++)
        k += row[i] == '|';
    return k;
}
