/*
 * gate_default.c - the gates that are used until one is fitted: without a
 * reading model, and with it.
 *
 * Data, made by fitting the gate on the default encoder, index and generator;
 * docs/GROUNDING.md says from which questions and how well it does.
 */
#include "generate/generate_int.h"

const char rag_gate_default_json[] =
#include "generate/gate_default.inc"
    ;

const char rag_gate_read_json[] =
#include "generate/gate_read.inc"
    ;
