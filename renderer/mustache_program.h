/*
 * What a template is compiled to, between mustache_compile.c, which writes it, and mustache_render.c, which runs it:
 * one array of instructions that point into the template's text.
 *
 * Indentation follows the lines of the text. Each line of it that renders to anything begins with an OP_TEXT marked
 * OP_LINE_HEAD, empty where the line begins with a tag; there the renderer takes away the indentation of an argument's
 * own place and puts that of the place where it is used.
 */
#ifndef FILMYFLY_MUSTACHE_PROGRAM_H
#define FILMYFLY_MUSTACHE_PROGRAM_H

#include "mustache.h"

enum op_kind {
    OP_TEXT,     /* the text from at, n bytes */
    OP_ESCAPED,  /* {{name}} */
    OP_RAW,      /* {{{name}}}, {{&name}} */
    OP_SECTION,  /* {{#name}}, its content up to end */
    OP_INVERTED, /* {{^name}}, the same */
    OP_PARTIAL,  /* {{>name}} */
    OP_PARENT,   /* {{<name}}: its arguments are among the instructions up to end, which never run in their order */
    OP_BLOCK,    /* {{$name}}: a parameter, its default up to end */
    OP_ARGUMENT, /* {{$name}} directly in a parent: its content up to end */
};

enum op_flag {
    OP_LINE_HEAD = 1,  /* TEXT: begins a line of the source */
    OP_STANDALONE = 2, /* PARTIAL, PARENT, BLOCK: alone on its line. ARGUMENT: its content begins on the next line */
    OP_DYNAMIC = 4,    /* PARTIAL, PARENT: the name is looked up in the data */
};

struct op {
    uint8_t kind, flags;
    uint16_t parts;    /* how many of the program's names make up the dotted name; 0 for {{.}} */
    uint32_t name;     /* the first of them */
    uint32_t at;       /* place in the source, for text and errors */
    uint32_t n;        /* TEXT: bytes */
    uint32_t end;      /* the instruction after this one and its content */
    uint32_t indent;   /* PARTIAL, PARENT, BLOCK: place in the source of the indentation to put; */
    uint32_t indent_n; /* how long that is. ARGUMENT: how much to take away at the head of each line */
};

struct mustache {
    char *title; /* what errors call it; NUL-terminated */
    struct str source;
    struct op *ops;
    uint32_t ops_n;
    struct str *names;
    uint32_t names_n;
};

/* Where an error is to be written. */
struct mustache_error {
    char *text;
    size_t size;
};

/* Line and column, both from 1, of a place in the source. */
void mustache_locate(const struct mustache *template, uint32_t at, unsigned *line, unsigned *column);

/* Writes "title:line:column: " and the rest by printf; returns false. */
bool mustache_fail(const struct mustache *template, uint32_t at, struct mustache_error error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
