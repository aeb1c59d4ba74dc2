/*
 * fuzz_config.c - a configuration file of any bytes is read or refused.
 *
 * What is accepted must also be completed and compared without harm.
 */
#include "daemon/config.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *user, const char *name, bool reloadable) {
    (void)user;
    (void)name;
    (void)reloadable;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    rag_error err = {0};
    rag_config *c = NULL, *plain = NULL;
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        goto out;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (rag_config_new(&c, &err) || rag_config_new(&plain, &err))
        goto out;
    if (rag_config_read(c, path, &err) == 0) {
        rag_config_finish(c, NULL, &err);
        rag_config_diff(plain, c, ignore, NULL);
    }
out:
    if (fd >= 0)
        close(fd);
    rag_config_unref(c);
    rag_config_unref(plain);
    return 0;
}
