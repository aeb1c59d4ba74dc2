/* Model cards are files from elsewhere: any bytes give a card or an error. */
#include "generate/generate_int.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_card *card = NULL;
    rag_error err;
    if (rag_card_parse((const char *)data, size, "fuzz", &card, &err) == 0) {
        const char *text = "<start_of_turn> [1] 2영업일이 걸립니다.";
        rag_evidence ev = {.n = 1};
        ev.items[0] = (rag_evidence_item){.text = text, .end = strlen(text)};
        for (int l = 0; l < 2; l++) {
            rag_prompt p;
            if (rag_prompt_build(card, l ? "ko" : "en", "q?", &ev, &p, &err) ==
                0)
                rag_prompt_free(&p);
        }
    } else if (card) {
        abort();
    }
    rag_card_free(card);
    return 0;
}
