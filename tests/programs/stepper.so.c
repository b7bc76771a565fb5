/* For ctypes: single-steps whatever Python runs between on() and off(). Each step's handler maps
 * and unmaps a page: an event with a Python stack, in the middle of any instruction of the
 * interpreter and of the hooks. */
#include "interrupt.h"

#include <signal.h>

static unsigned long made, wrong;

static void makes_map(int number)
{
    (void)number;
    wrong += !interrupt_maps();
    made++;
}

int on(void)
{
    struct sigaction action = {.sa_handler = makes_map, .sa_flags = SA_ONSTACK};
    sigaction(SIGTRAP, &action, NULL);
    interrupt_on();
    return INTERRUPT_POSSIBLE;
}

void off(void) { interrupt_off(); }

unsigned long steps(void) { return made; }
unsigned long errors(void) { return wrong; }
