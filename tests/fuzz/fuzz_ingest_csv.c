/* fuzz_ingest_csv.c - CSV files of any bytes are read, cut and made passages of
 * without harm; see fuzz_ingest_common.h. */
#include "tests/fuzz/fuzz_ingest_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_ingest("f.csv", data, size);
    return 0;
}
