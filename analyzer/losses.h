/* Why events, stacks or names are missing, in words (FORMAT.md 7).
 * Not here: damage of the file (replay/reader.h). Thread-safe. */
#ifndef ANALYZER_LOSSES_H
#define ANALYZER_LOSSES_H

/* "the ring was full …"; never NULL, also for reasons that this version does not know. Static
 * storage. */
const char *loss_words(unsigned reason);
/* "ring_full" and so on, for JSON. */
const char *loss_key(unsigned reason);

#endif
