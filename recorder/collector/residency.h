/* How many bytes of a range of another process's memory are resident, as /proc/PID/pagemap tells.
 * Why two ways: PAGEMAP_SCAN (Linux 6.7) passes over what was never touched, however large; reading
 * the file costs 8 bytes a page, so there only ranges up to RESIDENCY_READ_BYTES are looked at. Not
 * here: which ranges, and when (sample.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_RESIDENCY_H
#define RECORDER_COLLECTOR_RESIDENCY_H

#include <stdbool.h>
#include <stdint.h>

#define RESIDENCY_READ_BYTES (UINT64_C(4) << 30)

/* pagemap: an open /proc/PID/pagemap. heartbeat is moved while it takes long. *out: at most length.
 * Returns false when it cannot be told. */
bool residency_of(int pagemap, _Atomic uint32_t *heartbeat, uint64_t address, uint64_t length,
                  uint64_t *out);

#endif
