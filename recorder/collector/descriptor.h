/* Descriptors that the collector holds for long.
 * Why not as many as it may have: without one to spare no new image is answered, and each of them
 * would wait and then go unrecorded; what these descriptors are for can be had without them, or
 * is given up first. Not here: those it cannot do without (collect.h). */
#ifndef RECORDER_COLLECTOR_DESCRIPTOR_H
#define RECORDER_COLLECTOR_DESCRIPTOR_H

/* Of so many, the last below the limit, none is held for long: for callers, and for files of /proc
 * that are read at once. */
#define DESCRIPTORS_SPARE 4

/* Returns fd, which is to be held for long, or where it is one of the last closes it and returns
 * -1, errno EMFILE. -1 is returned as it is, errno kept. Any thread. */
int descriptor_hold(int fd);

#endif
