/*
 * html.c - HTML pages to text.
 *
 * libxml2's HTML parser builds the tree (no network, no entities from
 * outside, at most its 256 levels of nesting); one walk writes what a reader
 * sees as text with light Markdown signs, which chunk.c reads again: "## "
 * headings, "- " and "1. " items, "| a | b |" rows with a row of dashes below
 * a header. Left out: scripts, styles, navigation, controls, comments, and
 * what is hidden.
 *
 * Called by read.c. libxml2's parser is safe with one context a thread.
 */
#include "ingest/ingest_int.h"

#include <ctype.h>
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 300 /* of our own walk; the parser stops before */
#define COLUMNS_MAX 64 /* cells of a row that are read */
#define SPAN_MAX 1000 /* rows that a cell may span */
#define ATTRIBUTES_MAX 512 /* of one tag; more is an attack on the parser */
#define PREFIX_MAX 160 /* indentation and mark of an item */

typedef struct writer {
    rag_buf *out;
    rag_error *err;
    int rc;
    int breaks; /* line ends owed before the next word: 0, 1, 2 */
    bool space; /* a space owed before the next word */
    bool one_line; /* in headings and cells a break is a space */
    bool pre; /* white space counts */
    int lists; /* how many lists we are in */
    char prefix[PREFIX_MAX]; /* written before the next word */
    rag_buf title; /* of <title> */
    rag_document *doc;
} writer;

static void walk_children(writer *w, xmlNode *node, int depth);

/* ---- writing ------------------------------------------------------------ */

static void put(writer *w, const char *s, size_t n) {
    if (w->rc || n == 0)
        return;
    if (w->out->len > 0 && w->breaks > 0)
        w->rc = rag_buf_append(w->out, "\n\n", (size_t)w->breaks, w->err);
    else if (w->out->len > 0 && w->space)
        w->rc = rag_buf_append_char(w->out, ' ', w->err);
    w->breaks = 0;
    w->space = false;
    if (!w->rc && w->prefix[0]) {
        w->rc = rag_buf_append_str(w->out, w->prefix, w->err);
        w->prefix[0] = '\0';
    }
    if (!w->rc)
        w->rc = rag_buf_append(w->out, s, n, w->err);
}

static bool is_html_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A no-break space at s, which ends with a NUL. */
static bool is_nbsp(const char *s) {
    return s[0] == '\xC2' && s[1] == '\xA0';
}

/* Text with its white space collapsed (and no-break spaces plain). */
static void put_text(writer *w, const char *s) {
    if (w->pre && !w->one_line) {
        put(w, s, strlen(s));
        return;
    }
    while (*s) {
        size_t n = 0;
        while (s[n] && !is_html_space(s[n]) && !is_nbsp(s + n))
            n++;
        put(w, s, n);
        s += n;
        while (is_html_space(*s) || is_nbsp(s)) {
            w->space = true;
            s += *s == '\xC2' ? 2 : 1;
            if (!*s)
                return;
        }
    }
}

static void need_break(writer *w, int n) {
    if (w->one_line)
        w->space = true;
    else if (w->breaks < n)
        w->breaks = n;
}

/* ---- what is seen ------------------------------------------------------- */

static bool is(const xmlNode *n, const char *name) {
    return n->type == XML_ELEMENT_NODE &&
           !strcasecmp((const char *)n->name, name);
}

static bool is_any(const xmlNode *n, const char *const *names) {
    for (; *names; names++)
        if (is(n, *names))
            return true;
    return false;
}

/* An attribute's value into out, "" when absent; cut to cap. */
static bool attribute(xmlNode *n, const char *name, char *out, size_t cap) {
    out[0] = '\0';
    xmlChar *v = xmlGetProp(n, (const xmlChar *)name);
    if (!v)
        return false;
    snprintf(out, cap, "%s", (const char *)v);
    xmlFree(v);
    return true;
}

/* A style's property that is zero: "font-size:0", "0px", but not "0.9em". */
static bool is_zero(const char *style, const char *property) {
    size_t k = strlen(property);
    for (const char *p = strstr(style, property); p;
         p = strstr(p + 1, property)) {
        if (p > style && (isalnum((unsigned char)p[-1]) || p[-1] == '-'))
            continue; /* line-height is not height */
        const char *v = p + k;
        if (*v == '0' && v[1] != '.' && !isdigit((unsigned char)v[1]))
            return true;
    }
    return false;
}

/* Text that the page's author hides from readers is no content: it would let
 * a page say one thing to people and another to a search. */
static bool is_hidden(xmlNode *n) {
    char v[1024], style[1024];
    if (!n->properties)
        return false;
    if (attribute(n, "hidden", v, sizeof v))
        return strcasecmp(v, "until-found") != 0;
    if (attribute(n, "role", v, sizeof v) && !strcasecmp(v, "navigation"))
        return true;
    if (!attribute(n, "style", v, sizeof v))
        return false;
    size_t k = 0;
    for (size_t i = 0; v[i]; i++)
        if (!isspace((unsigned char)v[i]))
            style[k++] = (char)tolower((unsigned char)v[i]);
    style[k] = '\0';
    return strstr(style, "display:none") ||
           strstr(style, "visibility:hidden") || is_zero(style, "font-size:") ||
           is_zero(style, "opacity:") ||
           ((is_zero(style, "height:") || is_zero(style, "width:")) &&
            strstr(style, "overflow:hidden"));
}

static const char *const SKIPPED[] = {
    "script",   "style",  "nav",    "noscript", "template", "svg",
    "math",     "iframe", "object", "embed",    "applet",   "canvas",
    "audio",    "video",  "map",    "button",   "select",   "textarea",
    "datalist", "dialog", "head",   "frameset", NULL};

static const char *const BLOCKS[] = {
    "p",          "div",     "section",    "article", "main",
    "header",     "footer",  "aside",      "figure",  "address",
    "body",       "html",    "center",     "form",    "fieldset",
    "details",    "summary", "blockquote", "caption", "legend",
    "figcaption", "hgroup",  "dl",         "hr",      NULL};

/* ---- tables ------------------------------------------------------------- */

typedef struct carried {
    char *text; /* of a cell that spans rows; owned */
    int rows; /* how many more */
} carried;

static int span_of(xmlNode *cell, const char *name, int max) {
    char v[16];
    if (!attribute(cell, name, v, sizeof v))
        return 1;
    long n = strtol(v, NULL, 10);
    return n < 1 ? 1 : n > max ? max : (int)n;
}

/* A cell's words on one line, bars inside replaced; owned by the caller. */
static char *cell_text(writer *w, xmlNode *cell, int depth) {
    rag_buf text;
    rag_buf_init(&text, RAG_INGEST_TEXT_MAX);
    writer inner = {.out = &text, .err = w->err, .one_line = true};
    walk_children(&inner, cell, depth);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '|')
            text.data[i] = '/';
    char *out = NULL;
    w->rc = inner.rc ? inner.rc : rag_buf_steal(&text, &out, NULL, w->err);
    rag_buf_free(&text);
    return out;
}

/*
 * One row: its cells, and those that span it from above, which are said
 * again, so that every row can be read by itself. Returns its columns.
 */
static size_t put_row(writer *w, xmlNode *row, carried *above, int depth,
                      bool *all_th) {
    size_t col = 0;
    char *cells[COLUMNS_MAX] = {NULL};
    bool any = false;
    *all_th = true;
    for (xmlNode *c = row->children; c && !w->rc; c = c->next) {
        bool th = is(c, "th");
        if ((!th && !is(c, "td")) || is_hidden(c))
            continue;
        while (col < COLUMNS_MAX && above[col].rows > 0)
            col++;
        if (col >= COLUMNS_MAX)
            break;
        *all_th &= th;
        cells[col] = cell_text(w, c, depth);
        any |= cells[col] && cells[col][0];
        int rows = span_of(c, "rowspan", SPAN_MAX);
        if (rows > 1 && cells[col]) {
            free(above[col].text);
            above[col].text = NULL;
            int rc = rag_str_dup(cells[col], &above[col].text, w->err);
            w->rc = w->rc ? w->rc : rc;
            above[col].rows = rows; /* counted down below, this row too */
        }
        col += (size_t)span_of(c, "colspan", COLUMNS_MAX);
    }
    if (col > COLUMNS_MAX)
        col = COLUMNS_MAX;
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        if (above[i].rows > 0) {
            if (i >= col)
                col = i + 1;
            any |= above[i].text && above[i].text[0];
        }
    need_break(w, 1);
    for (size_t i = 0; i < col && any; i++) {
        const char *t = cells[i]            ? cells[i]
                        : above[i].rows > 0 ? above[i].text
                                            : "";
        put(w, i == 0 ? "| " : " ", i == 0 ? 2 : 1);
        put(w, t ? t : "", t ? strlen(t) : 0);
        put(w, " |", 2);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        free(cells[i]);
        if (above[i].rows > 0)
            above[i].rows--;
    }
    return any ? col : 0;
}

/* Rows below node (through thead, tbody, tfoot). */
static void put_rows(writer *w, xmlNode *node, carried *above, int depth,
                     size_t *rows) {
    for (xmlNode *n = node->children; n && !w->rc; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || is_hidden(n))
            continue;
        if (is(n, "thead") || is(n, "tbody") || is(n, "tfoot")) {
            if (depth < DEPTH_MAX)
                put_rows(w, n, above, depth + 1, rows);
        } else if (is(n, "tr")) {
            bool all_th;
            size_t cols = put_row(w, n, above, depth + 1, &all_th);
            if (cols == 0)
                continue;
            if (++*rows == 1 && (all_th || is(node, "thead"))) {
                need_break(w, 1);
                for (size_t i = 0; i < cols; i++)
                    put(w, i == 0 ? "|---|" : "---|", i == 0 ? 5 : 4);
            }
        }
    }
}

/* A table that lays out a page, not one that holds facts: it has headings,
 * lists or tables in its cells. */
static bool is_layout(xmlNode *table, int depth) {
    static const char *const SIGNS[] = {"table", "h1", "h2", "h3",  "h4",
                                        "ul",    "ol", "dl", "pre", NULL};
    for (xmlNode *n = table->children; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE &&
            (is_any(n, SIGNS) ||
             (depth < DEPTH_MAX && is_layout(n, depth + 1))))
            return true;
    return false;
}

static void put_table(writer *w, xmlNode *table, int depth) {
    if (w->one_line || is_layout(table, depth)) {
        need_break(w, 2);
        walk_children(w, table, depth + 1);
        need_break(w, 2);
        return;
    }
    carried *above = calloc(COLUMNS_MAX, sizeof *above);
    if (!above) {
        w->rc = rag_error_set(w->err, RAG_E_NOMEM, "no memory for a table");
        return;
    }
    need_break(w, 2);
    for (xmlNode *n = table->children; n; n = n->next)
        if (is(n, "caption") && !is_hidden(n)) {
            walk_children(w, n, depth + 1);
            need_break(w, 2);
        }
    size_t rows = 0;
    put_rows(w, table, above, depth + 1, &rows);
    need_break(w, 2);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        free(above[i].text);
    free(above);
}

/* ---- lists, headings and the rest --------------------------------------- */

static void put_list(writer *w, xmlNode *list, int depth) {
    bool ordered = is(list, "ol");
    long number = 1;
    char v[16];
    if (ordered && attribute(list, "start", v, sizeof v))
        number = strtol(v, NULL, 10);
    if (number < 0 || number > 100000)
        number = 1;
    bool outer = w->lists == 0;
    w->lists++;
    need_break(w, outer ? 2 : 1);
    for (xmlNode *n = list->children; n && !w->rc; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || is_hidden(n))
            continue;
        if (!is(n, "li")) {
            if (depth < DEPTH_MAX && (is(n, "ul") || is(n, "ol")))
                put_list(w, n, depth + 1);
            continue;
        }
        need_break(w, 1);
        int indent = (w->lists - 1) * 3;
        if (indent > 60)
            indent = 60;
        if (w->one_line)
            w->prefix[0] = '\0';
        else if (ordered)
            snprintf(w->prefix, sizeof w->prefix, "%*s%ld. ", indent, "",
                     number);
        else
            snprintf(w->prefix, sizeof w->prefix, "%*s- ", indent, "");
        number++;
        walk_children(w, n, depth + 1);
        w->prefix[0] = '\0';
    }
    w->lists--;
    need_break(w, outer ? 2 : 1);
}

/* Terms and what they mean: "- term: meaning". */
static void put_definitions(writer *w, xmlNode *dl, int depth) {
    bool after_term = false, first = true;
    need_break(w, 2);
    for (xmlNode *n = dl->children; n && !w->rc; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || is_hidden(n))
            continue;
        if (is(n, "dt")) {
            need_break(w, 1);
            if (!w->one_line)
                snprintf(w->prefix, sizeof w->prefix, "- ");
            walk_children(w, n, depth + 1);
            w->prefix[0] = '\0';
            after_term = true;
        } else if (is(n, "dd")) {
            bool one_line = w->one_line;
            w->breaks = 0;
            w->space = false;
            if (!first || after_term)
                put(w, after_term ? ":" : ";", 1);
            w->space = true;
            w->one_line = true;
            walk_children(w, n, depth + 1);
            w->one_line = one_line;
            after_term = false;
        } else if (depth < DEPTH_MAX) {
            put_definitions(w, n, depth + 1); /* <div> around a pair */
        }
        first = false;
    }
    need_break(w, 2);
}

static void put_heading(writer *w, xmlNode *n, int level, int depth) {
    bool one_line = w->one_line;
    need_break(w, 2);
    if (!one_line)
        snprintf(w->prefix, sizeof w->prefix, "%.*s ", level, "######");
    w->one_line = true;
    walk_children(w, n, depth + 1);
    w->one_line = one_line;
    w->prefix[0] = '\0';
    w->space = false;
    need_break(w, 2);
}

static void put_pre(writer *w, xmlNode *n, int depth) {
    if (w->one_line) {
        walk_children(w, n, depth + 1);
        return;
    }
    need_break(w, 2);
    put(w, "```", 3);
    need_break(w, 1);
    w->pre = true;
    walk_children(w, n, depth + 1);
    w->pre = false;
    while (w->out->len > 0 && w->out->data[w->out->len - 1] == '\n')
        w->out->data[--w->out->len] = '\0';
    w->breaks = 1;
    put(w, "```", 3);
    need_break(w, 2);
}

static void put_element(writer *w, xmlNode *n, int depth) {
    char alt[400];
    const char *name = (const char *)n->name;
    if (is_any(n, SKIPPED) || is_hidden(n))
        return;
    if (strlen(name) == 2 && tolower((unsigned char)name[0]) == 'h' &&
        name[1] >= '1' && name[1] <= '6')
        put_heading(w, n, name[1] - '0', depth);
    else if (is(n, "br"))
        need_break(w, 1);
    else if (is(n, "ul") || is(n, "ol") || is(n, "menu"))
        put_list(w, n, depth);
    else if (is(n, "dl"))
        put_definitions(w, n, depth);
    else if (is(n, "table"))
        put_table(w, n, depth);
    else if (is(n, "pre"))
        put_pre(w, n, depth);
    else if (is(n, "img")) {
        if (attribute(n, "alt", alt, sizeof alt) && alt[0]) {
            w->space = true;
            put_text(w, alt);
            w->space = true;
        }
    } else if (is_any(n, BLOCKS)) {
        int gap = w->lists > 0 ? 1 : 2;
        need_break(w, gap);
        walk_children(w, n, depth + 1);
        need_break(w, gap);
    } else {
        bool cell = is(n, "td") || is(n, "th") || is(n, "tr") || is(n, "dd");
        if (cell)
            need_break(w, 1);
        walk_children(w, n, depth + 1);
        if (cell)
            need_break(w, 1);
    }
}

static void walk_children(writer *w, xmlNode *node, int depth) {
    if (depth > DEPTH_MAX)
        return;
    for (xmlNode *n = node->children; n && !w->rc; n = n->next) {
        if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE)
            put_text(w, n->content ? (const char *)n->content : "");
        else if (n->type == XML_ELEMENT_NODE)
            put_element(w, n, depth + 1);
    }
}

/* ---- the page ----------------------------------------------------------- */

/* <title>, and <meta name="valid_until" content="...">. */
static void read_head(writer *w, xmlNode *node, int depth) {
    for (xmlNode *n = node->children; n && depth < 8 && !w->rc; n = n->next) {
        if (is(n, "title") && w->title.len == 0) {
            writer inner = {.out = &w->title, .err = w->err, .one_line = true};
            walk_children(&inner, n, 0);
            w->rc = inner.rc;
        } else if (is(n, "meta")) {
            char name[128], content[512];
            attribute(n, "name", name, sizeof name);
            attribute(n, "content", content, sizeof content);
            rag_meta_key key = rag_meta_key_of(name, strlen(name));
            if (key != RAG_META_VALID_FROM && key != RAG_META_VALID_UNTIL &&
                key != RAG_META_CATEGORY)
                continue;
            rag_error why = {0};
            int rc =
                rag_document_set(w->doc, key, content, strlen(content), &why);
            if (rc == RAG_E_NOMEM ||
                (rc && rag_meta_is_strict(name, strlen(name)))) {
                w->rc = rc;
                if (w->err)
                    *w->err = why;
            }
        } else if (is(n, "html") || is(n, "head") || is(n, "body")) {
            read_head(w, n, depth + 1);
        }
    }
}

/*
 * The page's first heading of level 1 is its title when it has none, or when
 * the title is the same with the site's name added.
 */
static int title_from_text(rag_document *doc, rag_error *err) {
    const char *p = doc->text;
    while (p && !rag_str_starts(p, "# "))
        if ((p = strchr(p, '\n')) != NULL)
            p++;
    if (!p)
        return RAG_OK;
    p += 2;
    size_t n = strcspn(p, "\n");
    if (doc->title && (n < 4 || !memmem(doc->title, strlen(doc->title), p, n)))
        return RAG_OK;
    return rag_document_set(doc, RAG_META_TITLE, p, n, err);
}

/*
 * The parser compares each attribute of a tag with all before it: a tag with
 * a million of them would keep it busy for hours. Counts words outside of
 * quotes, as an upper bound.
 */
static bool has_monster_tag(const char *s, size_t n) {
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] != '<' || !isalpha((unsigned char)s[i + 1]))
            continue;
        size_t words = 0;
        for (i++; i < n && s[i] != '>'; i++) {
            if ((s[i] == '"' || s[i] == '\'') && s[i - 1] == '=') {
                const char *q = memchr(s + i + 1, s[i], n - i - 1);
                if (!q)
                    break;
                i = (size_t)(q - s);
                words++;
            } else if ((is_html_space(s[i]) || s[i] == '/') &&
                       !is_html_space(s[i - 1])) {
                words++;
            }
            if (words > ATTRIBUTES_MAX)
                return true;
        }
    }
    return false;
}

static void ignore_error(void *ctx, const xmlError *e) {
    (void)ctx;
    (void)e;
}

/* Parses and writes; what is wrong comes back as an error. */
static int extract(const char *text, size_t n, writer *w, rag_error *err) {
    if (n > INT_MAX / 2)
        return rag_error_set(err, RAG_E_LIMIT, "the page is too large");
    if (has_monster_tag(text, n))
        return rag_error_set(err, RAG_E_LIMIT,
                             "one of its tags has over %d attributes",
                             ATTRIBUTES_MAX);
    htmlParserCtxt *ctxt = htmlNewParserCtxt();
    if (!ctxt)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a page");
    xmlSetStructuredErrorFunc(NULL, (xmlStructuredErrorFunc)ignore_error);
    htmlDocPtr page = htmlCtxtReadMemory(
        ctxt, text, (int)n, NULL, "UTF-8",
        HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
            HTML_PARSE_NONET | HTML_PARSE_COMPACT);
    int rc = RAG_OK;
    if (ctxt->errNo == XML_ERR_NO_MEMORY)
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for a page");
    else if (ctxt->disableSAX)
        rc = rag_error_set(err, RAG_E_LIMIT,
                           "its elements are nested too deeply, or one of its "
                           "texts is over 10 MiB");
    else if (!page)
        rc = rag_error_set(err, RAG_E_DATA, "it holds no page");
    if (!rc) {
        xmlNode *all = (xmlNode *)page;
        read_head(w, all, 0);
        if (!w->rc)
            walk_children(w, all, 0);
        rc = w->rc;
    }
    xmlFreeDoc(page);
    xmlSetStructuredErrorFunc(NULL, NULL);
    htmlFreeParserCtxt(ctxt);
    return rc;
}

int rag_ingest_html(const rag_source *src, const char *text, size_t n,
                    rag_error *err) {
    rag_document doc;
    rag_document_init(&doc);
    rag_buf out;
    rag_buf_init(&out, RAG_INGEST_TEXT_MAX);
    rag_error why = {0};
    writer w = {.out = &out, .err = &why, .doc = &doc};
    rag_buf_init(&w.title, 1u << 16);
    int rc = extract(text, n, &w, &why);
    if (!rc && out.len > 0)
        rc = rag_buf_append_char(&out, '\n', &why);
    if (!rc)
        rc = rag_buf_steal(&out, &doc.text, &doc.text_len, &why);
    if (!rc)
        rc = rag_document_set(&doc, RAG_META_TITLE, rag_buf_str(&w.title),
                              w.title.len, &why);
    if (!rc)
        rc = title_from_text(&doc, &why);
    rag_buf_free(&w.title);
    rag_buf_free(&out);
    if (!rc)
        return rag_document_emit(src, &doc, 0, err);
    rag_document_free(&doc);
    if (rc == RAG_E_NOMEM)
        return rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
    rag_source_problem(src, 0, why.code, "%s", why.message);
    return RAG_OK;
}
