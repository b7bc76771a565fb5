/* A module for LD_AUDIT: it sees every library and binding, and allocates meanwhile. */
#include <link.h>
#include <stdlib.h>

unsigned la_version(unsigned version)
{
    free(malloc(100));
    return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie)
{
    (void)map, (void)space, (void)cookie;
    free(malloc(200));
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
