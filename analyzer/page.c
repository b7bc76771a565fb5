/* Writing a page (page.h). Why digests and no nonce: the same trace makes the same bytes. */
#include "analyzer/page.h"

#include "analyzer/digest.h"
#include "analyzer/glyph.h"
#include "format/plain.h"
#include <string.h>

static void put_character(int32_t code, const char *bytes, size_t taken, FILE *out)
{
    if (code < 0)
        fprintf(out, "\\x%02x", (unsigned char)*bytes);
    else if (plain_control(code) || code == 0xFFFE || code == 0xFFFF)
        fprintf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else if (strchr("&<>\"'", code) && code)
        fprintf(out, "&#%d;", (int)code);
    else
        fwrite(bytes, 1, taken, out);
}

void page_text(const char *bytes, size_t length, FILE *out)
{
    size_t taken;
    for (size_t i = 0; i < length; i += taken) {
        int32_t code = glyph_decode(bytes + i, length - i, &taken);
        put_character(code, bytes + i, taken, out);
    }
}

static void put_digest(const char *const *texts, FILE *out)
{
    struct digest digest;
    uint8_t bytes[DIGEST_BYTES];
    digest_init(&digest);
    for (; *texts; texts++)
        digest_add(&digest, *texts, strlen(*texts));
    digest_end(&digest, bytes);
    fputs("'sha256-", out);
    base64_write(bytes, sizeof bytes, out);
    fputs("'", out);
}

static void put_head(const struct page *page, FILE *out)
{
    const char *styles[] = {web_page_css, 0};
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src ",
          out);
    put_digest(page->scripts, out);
    fputs("; style-src ", out);
    put_digest(styles, out);
    fputs("; img-src data:; base-uri 'none'; form-action 'none'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
          out);
    page_text(page->title, strlen(page->title), out);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n", web_page_css);
}

int page_write(const struct page *page, FILE *out)
{
    put_head(page, out);
    fputs(page->markup, out);
    fputs("<script type=\"application/octet-stream\" id=\"data\">", out);
    int rc = pack_write(page->data, out);
    fputs("</script>\n<script>", out);
    for (const char *const *script = page->scripts; *script; script++)
        fputs(*script, out);
    fputs("</script>\n</body>\n</html>\n", out);
    return rc;
}

size_t page_frame_bytes(const struct page *page)
{
    size_t bytes = 2048 + 6 * strlen(page->title) + strlen(page->markup) + strlen(web_page_css);
    for (const char *const *script = page->scripts; *script; script++)
        bytes += strlen(*script);
    return bytes;
}
