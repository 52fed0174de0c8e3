"""Texts that break out, break in, or break apart where something is careless: as a title, a name, a query, an address.

What would run shows itself by a dialog, by the attribute data-ran, or by asking the host evil.invalid for something.
"""

RUN = "document.documentElement.dataset.ran=1;alert(1)"
TEN_THOUSAND = "a" * 10000

TEXTS = [
    # elements and ways out of attributes, comments, raw text
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"--><script>{RUN}</script><!--",
    f"]]><script>{RUN}</script><![CDATA[",
    f"<img src=x onerror={RUN}>",
    f'"><img src=x onerror="{RUN}">',
    f"'><svg onload='{RUN}'>",
    f'" onmouseover="{RUN}" x="',
    f"' autofocus onfocus='{RUN}' x='",
    f"` onerror={RUN} `",
    f"<svg><script>{RUN}</script></svg>",
    '<iframe src="//evil.invalid/"></iframe>',
    '<link rel=stylesheet href="//evil.invalid/x.css"><base href="//evil.invalid/">',
    '<meta http-equiv="refresh" content="0;url=//evil.invalid/">',
    "<style>*{background:url(//evil.invalid/x)}</style>",
    '<form action="//evil.invalid/"><button>go</button></form>',
    f"<scr<script>ipt>{RUN}</script>",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "<b>bold</b> & <i>not</i> &amp; &lt;script&gt; &#60; &#x3c; &bogus; &",
    "<!--", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", "<?xml version='1.0'?>", "<?php echo 1 ?>",
    # quotes, JSON, templates, formats, shells
    "\"", "'", "`", "\\", "\\\"", "\"}],\"x\":[{\"", "\\u003cscript\\u003e", "{\"$gt\": \"\"}", "[]", "{}", "null", "undefined", "NaN", "true",
    "{{7*7}}", "{{{site}}}", "{{>layout}}", "{{<layout}}{{/layout}}", "{{=<% %>=}}", "}}", "{{#movies}}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "%s%s%s%n%n", "%d %x", "$(reboot)", "`reboot`", "| ls; ls &", "{0} {name}", "%00", "%0d%0aSet-Cookie:%20x=1", "%252e%252e",
    # SQL and full-text search
    "'; DROP TABLE filmyfly.movies; --", "' OR '1'='1", "\" OR \"\"=\"", "1 UNION SELECT password_hash FROM filmyfly.users", "$1", "$$ $$", "E'\\x27'",
    "a & b | !c", "!", "&", "|", "(", ")", "((((", "<->", "a <-> b", "a:*", ":*", ":A", "*", "a:b:c", "'a' & ''", "!!!!!a", "%", "_", "%%%", "\\%",
    # paths and addresses
    "../../../../etc/passwd", "..\\..\\windows", "/etc/passwd", "//evil.invalid/", "http://evil.invalid/", ".", "..", "%2e%2e%2f", "file:///etc/passwd",
    "con", "?page=2", "#fragment", "a?b=c&d=e", "a;b",
    # numbers and nothing
    "0", "-1", "1e309", "9223372036854775808", "0x10", "007", "1/0", " ", "\u00a0", "-", "--", "...", "true or false", "nil",
    # letters
    "Ünïcödé Amélie Œuvre Þór", "Красная палатка", "千と千尋の神隠し", "서울의 봄", "مرحبا بالعالم", "שלום עולם", "ไทย ทดสอบ", "हिन्दी",
    "ﬁligree ﬀ ½ ⅷ ™", "İstanbul ıI", "ẞß", "e\u0301le\u0300ve", "Z\u0351\u036b\u0343a\u0334\u0315l\u0348\u0353g\u0489o\u035c" + "\u0301" * 60,
    "emoji 🎬🍿 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪", "\U0001f4a9", "\U0010fffd", "\ufffd", "\ufffe", "\ufeffmark", "zero\u200bwidth\u200djoin\u2060er", "soft\u00adhyphen",
    "\u200e\u200fmarks", "\u202eright to left\u202c", "\u2066isolated\u2069", "\u2028line\u2029paragraph", "ﷺ﷽" * 20,
    # control characters
    "tab\there", "line\nbreak", "carriage\rreturn", "bell\x07", "escape\x1b[31m red", "nul\x00nul", "delete\x7f", "c1\x85\x9b", "\x01\x02\x03\x0b\x0c",
    # length
    "a" * 300, "ä" * 300, "🎬" * 200, "word " * 59 + "word", "x" * 5000, TEN_THOUSAND, "<" * 300, "&" * 300, "\"" * 300, "'" * 300, "(" * 1000, "a b " * 2500,
]

# As they stand in an address, already escaped: what is no text at all.
ESCAPED = [
    "%00", "a%00b", "%ff", "%c0%ae%c0%ae", "%c0%af", "%e0%80%af", "%f0%80%80%af", "%f8%a1%a1%a1%a1", "%ed%a0%80", "%ed%b0%80", "%f4%90%80%80",
    "%e2%82", "%80", "%fe%ff", "%", "%1", "%zz", "%%32%65", "%25%30%30", "%u0041", "+", "%2B", "%20", "%0a", "%0d%0aX: y", "%09", "%7f", "%c2%85",
    "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5c", "%2f%2fevil.invalid", "%3Cscript%3Ealert(1)%3C/script%3E", "%26page=2", "a%26b", "%23",
    "a" * 10000, "%61" * 3000,
]
