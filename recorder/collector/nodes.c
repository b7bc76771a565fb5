/* Pages of nodes (nodes.h). A page keeps to its rule until a number breaks it; then it gets an
 * array. */
#include "recorder/collector/nodes.h"
#include "format/grow.h"
#include "recorder/failpoint.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PAGES 16u

/* Makes room for number `node`; new pages say that nothing is defined. */
static bool reach(struct nodes *n, uint32_t node)
{
    uint32_t page = node / NODES_PAGE;
    if (!nodes_may_define(n, node))
        return false;
    return page < n->page_capacity ||
           FAILPOINT(node_memory, GROW_TO(n->pages, n->page_capacity, page, FIRST_PAGES), false);
}

/* Gives a page an array of its stacks, of which `filled` are defined. */
static bool spread_stacks(struct nodes *n, struct node_page *page, uint32_t filled)
{
    if (page->stacks)
        return true;
    page->stacks = FAILPOINT(node_stacks, calloc(NODES_PAGE, sizeof *page->stacks), NULL);
    n->arrays += page->stacks != NULL;
    for (uint32_t i = 0; page->stacks && i < filled; i++)
        page->stacks[i] = page->first_stack + i * page->step;
    return page->stacks != NULL;
}

static bool spread_outermosts(struct nodes *n, struct node_page *page)
{
    if (page->outermosts)
        return true;
    page->outermosts =
        FAILPOINT(node_outermosts, malloc(NODES_PAGE * sizeof *page->outermosts), NULL);
    n->arrays += page->outermosts != NULL;
    for (uint32_t i = 0; page->outermosts && i < NODES_PAGE; i++)
        page->outermosts[i] = page->outermost;
    return page->outermosts != NULL;
}

/* Numbers from count up to `node` are left out: they stay undefined. */
static bool skip_to(struct nodes *n, uint32_t node)
{
    uint32_t filled = n->count % NODES_PAGE;
    if (n->count >= node)
        return true;
    if (filled && !spread_stacks(n, &n->pages[n->count / NODES_PAGE], filled))
        return false;
    n->count = node;
    return true;
}

static bool put_stack(struct nodes *n, struct node_page *page, uint32_t place, uint32_t filled,
                      uint32_t stack)
{
    if (place == 0 && filled == 0 && !page->stacks) {
        page->first_stack = stack;
        page->step = 1;
        return true;
    }
    if (!page->stacks && stack == page->first_stack + place * page->step)
        return true;
    if (!spread_stacks(n, page, filled))
        return false;
    page->stacks[place] = stack;
    return true;
}

static bool put_outermost(struct nodes *n, struct node_page *page, uint32_t place, uint32_t filled,
                          uint32_t code)
{
    if (filled == 0 && !page->outermosts)
        page->outermost = code;
    if (!page->outermosts && code == page->outermost)
        return true;
    if (!spread_outermosts(n, page))
        return false;
    page->outermosts[place] = code;
    return true;
}

bool nodes_define(struct nodes *n, uint32_t node, uint32_t stack, uint32_t outermost)
{
    if (!reach(n, node) || !skip_to(n, node))
        return false;
    struct node_page *page = &n->pages[node / NODES_PAGE];
    uint32_t place = node % NODES_PAGE, in_page = n->count - (node - place),
             filled = in_page < NODES_PAGE ? in_page : NODES_PAGE;
    if (!put_outermost(n, page, place, filled, outermost) ||
        !put_stack(n, page, place, filled, stack))
        return false;
    if (node == n->count)
        n->count++;
    return true;
}

static bool copy_array(uint32_t **to, const uint32_t *from)
{
    *to = from ? FAILPOINT(node_array, malloc(NODES_PAGE * sizeof **to), NULL) : NULL;
    if (*to)
        memcpy(*to, from, NODES_PAGE * sizeof **to);
    return *to || !from;
}

bool nodes_copy(struct nodes *to, const struct nodes *from)
{
    uint32_t pages = (from->count + NODES_PAGE - 1) / NODES_PAGE;
    *to = (struct nodes){
        .pages = FAILPOINT(node_pages, calloc(pages ? pages : 1, sizeof *to->pages), NULL)};
    if (!to->pages)
        return false;
    to->page_capacity = pages ? pages : 1;
    for (uint32_t i = 0; i < pages; i++) {
        struct node_page *page = &to->pages[i];
        *page = from->pages[i];
        page->outermosts = NULL;
        if (!copy_array(&page->stacks, from->pages[i].stacks) ||
            !copy_array(&page->outermosts, from->pages[i].outermosts)) {
            nodes_release(to);
            return false;
        }
    }
    to->count = from->count;
    to->arrays = from->arrays;
    return true;
}

void nodes_release(struct nodes *n)
{
    for (uint32_t i = 0; i < n->page_capacity; i++) {
        free(n->pages[i].stacks);
        free(n->pages[i].outermosts);
    }
    free(n->pages);
    *n = (struct nodes){0};
}
