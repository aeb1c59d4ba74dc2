/*
 * gate_default.c - the gate that is used until one is fitted.
 *
 * Data, made by the fitting command; see docs/GROUNDING.md for from what.
 * Retrieval scores have weight 0 in it, as they depend on index and encoder.
 */
#include "generate/generate_int.h"

const char rag_gate_default_json[] =
#include "generate/models/default-gate.inc"
    ;
