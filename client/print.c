/*
 * print.c - text for people: wrapped, coloured where that is wanted, and
 * harmless to the terminal whatever a document holds.
 */
#include "client/client.h"

#include "base/json.h"
#include "base/unicode.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MAX 100 /* longer lines are hard to read */
#define WIDTH_MIN 20

static size_t terminal_width(FILE *f) {
    struct winsize w;
    long columns = 0;
    const char *env = getenv("COLUMNS");
    if (ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col)
        columns = w.ws_col;
    else if (!env || rag_str_to_long(env, 1, 10000, &columns, NULL))
        columns = 80;
    if (columns > WIDTH_MAX)
        columns = WIDTH_MAX;
    return columns < WIDTH_MIN ? WIDTH_MIN : (size_t)columns;
}

void rag_printer_init(rag_printer *p, FILE *file) {
    memset(p, 0, sizeof *p);
    p->file = file;
    rag_buf_init(&p->word, 0);
    if (!isatty(fileno(file)))
        return;
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    p->width = terminal_width(file);
    p->colour = !(no && *no) && term && strcmp(term, "dumb") != 0;
}

void rag_printer_free(rag_printer *p) {
    rag_buf_free(&p->word);
}

static void new_line(rag_printer *p) {
    fputc('\n', p->file);
    for (size_t i = 0; i < p->indent; i++)
        fputc(' ', p->file);
    p->column = p->indent;
    p->started = p->space = false;
}

/* Prints the held word, on the next line when it does not fit, cut when it
 * is longer than a line. */
static void flush_word(rag_printer *p) {
    if (!p->word.len)
        return;
    size_t w = rag_unicode_width(p->word.data, p->word.len);
    if (p->width && p->column + p->space + w > p->width &&
        p->column > p->indent)
        new_line(p);
    if (p->space) {
        fputc(' ', p->file);
        p->column++;
        p->space = false;
    }
    for (size_t i = 0; i < p->word.len;) {
        uint32_t cp;
        size_t n = rag_utf8_next(p->word.data + i, p->word.len - i, &cp);
        size_t cw = rag_unicode_width(p->word.data + i, n);
        if (p->width && p->column + cw > p->width && p->column > p->indent)
            new_line(p);
        fwrite(p->word.data + i, 1, n, p->file);
        p->column += cw;
        i += n;
    }
    p->started = true;
    rag_buf_clear(&p->word);
}

/* What could move the cursor, forge a line or turn the reading direction. */
static bool harmful(uint32_t cp) {
    return cp == RAG_CP_INVALID || cp < 0x20 || (cp >= 0x7F && cp < 0xA0) ||
           (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
}

void rag_printer_text(rag_printer *p, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == '\n') {
            flush_word(p);
            new_line(p);
        } else if (cp == ' ' || cp == '\t') {
            flush_word(p);
            p->space = p->started;
        } else if (!harmful(cp) && rag_buf_append(&p->word, s + i, k, NULL)) {
            flush_word(p); /* no memory to hold it back: print as it comes */
        }
        i += k;
    }
}

void rag_printer_end(rag_printer *p) {
    flush_word(p);
    fputc('\n', p->file);
    p->column = 0;
    p->started = p->space = false;
    fflush(p->file);
}

void rag_printer_style(rag_printer *p, rag_style s) {
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m",
                                        "\033[32m", "\033[31m"};
    if (!p->colour)
        return;
    flush_word(p);
    fputs(codes[s], p->file);
}

/* ---- messages ------------------------------------------------------------------------ */

int rag_complain(int status, const char *fmt, ...) {
    char line[RAG_ERROR_MESSAGE_MAX + 64];
    rag_printer p;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fflush(stdout);
    rag_printer_init(&p, stderr);
    p.width = 0; /* a message is one line: it may be searched for */
    rag_printer_text(&p, "rag: ", 5);
    rag_printer_text(&p, line, strlen(line));
    rag_printer_end(&p);
    rag_printer_free(&p);
    return status;
}

int rag_complain_error(const rag_error *err) {
    return rag_complain(rag_code_exit_status(err->code), "%s", err->message);
}

int rag_print_json(const json_t *v, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_json_dump(v, &b, err);
    if (!rc)
        rc = rag_buf_append_char(&b, '\n', err);
    if (!rc && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)))
        rc = rag_error_set(err, RAG_E_IO, "cannot write to standard output");
    rag_buf_free(&b);
    return rc;
}

const char *rag_field(const json_t *v, const char *key) {
    const char *s = json_string_value(json_object_get(v, key));
    return s ? s : "";
}
