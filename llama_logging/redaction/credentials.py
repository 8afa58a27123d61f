"""What credentials look like, and what stands around them.

Each pattern starts at a literal or at few characters, looks back from there, and runs over a character once.
"""

from __future__ import annotations

from llama_logging.patterns import regex

REDACTED = "[redacted]"

LONGEST = 4_096
"""Characters of a secret; a PEM block of an RSA key of 4,096 bits has 3,272."""

# What follows a word like "password": the end of its quotes, and `=` or `:`; then the value, in quotes
# or without, before it the type that source code may give it. Not what another name is compared with.
_IS = (
    r"(?:\\{0,4}['\"])?(?:\]|%\d[dD](?==|%))?+\s{0,3}(?!==\s{0,3}[a-zA-Z_.]{1,64}+(?![\w'\"]))"
    r"(?:[=:]{1,2}+>?+|%\d[dD])\s{0,3}+)"
)
_AGAIN = r"(?:[_-]?(?:\d{1,3}|(?i:confirm(?:ation)?|repeat(?:ed)?|again|hash)))?"
# To the end of its quotes: one after a backslash is none, unless the opening one was written so, too; then
# so many backslashes end it.
_ESCAPED = "|".join(
    rf"\\{{{count}}}{quote}[^\n]*?(?<!\\)\\{{{count}}}{quote}" for count in range(1, 5) for quote in "'\""
)
QUOTED = (
    r"(?:\"\"\"(?:[^\"]|\"(?!\"\")){1,4096}+\"\"\"|'''(?:[^']|'(?!'')){1,4096}+'''|\"\"\"[^\n]++|'''[^\n]++"
    rf"|\"(?:[^\"\n\\]|\\.)+\"|'(?:[^'\n\\]|\\.)+'|{_ESCAPED}|\\{{1,4}}(?:\"[^\"\n]+\"|'[^'\n]+'))"
)
PREFIX = r"[bBrRfFuU]{0,2}"
_VALUE = (
    r"(?!\[redacted\])(?:[\w.\[\]|]{1,40}(?:\s\|\sNone)?\s{0,3}=\s{0,3})?"
    rf"(?:{PREFIX}{QUOTED}|\{{[^{{}}\n'\"]{{1,256}}+\}}|[\[({{]{{1,3}}\s{{0,3}}(?={PREFIX}\\{{0,4}}['\"])"
    rf"|(?:{PREFIX}\\{{0,4}}['\"])?(?!\[redacted\])[^\s'\",;&)}}\]]{{3,}})"
)
# What stands behind `--password`, as a word of its own or as the next of a list. Not the next option, a
# variable of the shell, a place to fill in, or the name of the value in a usage.
_WORD = (
    r"(?!\[redacted\]|\\{0,4}['\"]?-|\$[A-Z_{(]|%[s(]|[<{]|[A-Z_]{1,64}+(?!\w)"
    r"|(?:arg(?:ument)?|option|flag|parameter|value|given|needed|required|missing)s?\b)"
    # Prose says "--password is needed": letters alone are a secret at the end, and before the next option.
    rf"(?:{QUOTED}|(?=[^\s'\",;&)}}\]]{{0,256}}?(?:\d|[a-z][A-Z]|[!#$%*+=?@^~]\w))[^\s'\",;&)}}\]]{{3,}}"
    r"|[a-zA-Z_/-]{3,128}+(?=\s{1,3}-|[\\'\"]|[ \t]{0,3}(?:\n|\Z)))"
)
_PAIR = r"[\w.!#$%&*+^`|~-]{1,128}+"
# `Digest username="a", response="b"`: not the quote behind `Basic dXNlcjpw=`, which ends all of it.
_NAMED = r"[\w-]{1,64}+=(?:\"[^\"\n]*\"|[^\s;,&'\"]++)"
_PARAMETER = r"[ ,\t][\w-]{1,64}+=\\{0,4}\"[^\"\n]*\"(?=[ \t]*+(?:,|[\\'\"]|\n|\Z))"
_QUALIFIED_KEY = "|".join(
    f"(?<=(?i:{word})key)|(?<=(?i:{word})[_-]key)".replace("key", "[kK][eE][yY]")
    for word in (
        "api",
        "access",
        "secret",
        "private",
        "signing",
        "encryption",
        "account",
        "master",
        "openai",
        "anthropic",
        "stripe",
    )
)
_QUALIFIED_TOKEN = "|".join(
    f"(?<=(?i:{word}token))|(?<=(?i:{word}[_-]token))" for word in ("auth", "access", "refresh", "api", "bearer", "id")
)

PATTERNS = {
    name: regex(text)
    for name, text in {
        # Also with a slash in the password, where no port stands before that.
        "user info": r"://(?:[^\s/]+@|(?!\[)[^\s/:@'\"]{0,128}:(?!\d{0,5}(?:[/?#]|\Z))[^\s'\"<>@]{1,256}+@)",
        "PEM": r"-----BEGIN [A-Z ]{0,40}KEY(?: BLOCK)?-----",
        # `Authorization: Basic dXNlcjpw`; a digit or = is asked for, or "basic authentication" would be one.
        "bearer": r"([bB](?<!\w.)(?i:earer|asic)\s{1,3})(?=\S{0,256}[\d=])[A-Za-z0-9._~+/=-]{8,}",
        "JWT": r"eyJ(?<![\w-]...)[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*)?",
        "AWS": r"A(?<![\w-].)(?:KIA|SIA)[0-9A-Z]{16}",
        "sk-": r"sk-(?<![\w-]...)[\w-]{16,}",
        "GitHub": r"g(?<![\w-].)(?:h[pousr]_|ithub_pat_)\w{20,}",
        "Hugging Face": r"hf_(?<![\w-]...)[A-Za-z0-9]{20,}",
        "Stripe, Groq": r"[srg](?<![\w-].)(?:k_(?:live|test)_|sk_)\w{10,}",
        "Slack": r"xox(?<![\w-]...)[abeoprs]-[\w-]{10,}",
        "Google": r"AIza(?<![\w-]....)[\w-]{30,}",
        "GitLab": r"glpat-(?<![\w-]......)[\w-]{16,}",
        # `password = x`, `"api_key": "x"`, `token=x`; a bare `token: x` is what parsers say.
        "password": rf"([pP](?i:ass(?:word|wd|phrase|code)s?){_AGAIN}{_IS}{_VALUE}",
        # Not the folder of a shell.
        "pwd": rf"([pP](?i:wd)(?!(?:(?<=\bPWD)|(?<=\bOLDPWD))['\"]?[=:]\s?['\"]?/){_IS}{_VALUE}",
        "secret": rf"([sS](?i:ecret(?:[_-]?string)?){_AGAIN}{_IS}{_VALUE}",
        # A header has it to the end of its line or of its quotes, whatever the scheme. `authorization: str` is source.
        "authorization": r"([aA](?i:uthorization)(?:\\{0,4}['\"])?\]?\s{0,3}:{1,2}+(?!=)\s{0,3}+)"
        r"(?!\[redacted\]|(?:str|bytes|None|null)\s{0,3}[,)}])"
        rf"(?:[bBrRuU]{{0,2}}{QUOTED}|(?:{_PARAMETER}|[^\s,'\"\\]++|[^\n\r'\"\\]|\\++(?![rn'\"]))++)",
        "authorization=": r"([aA](?i:uthorization)(?:\\{0,4}['\"])?\]?\s{0,3}:?=(?!=)>?\s{0,3}+)(?!\[redacted\])"
        rf"(?:[bBrRfFuU]{{0,2}}{QUOTED}|(?:\\{{0,4}}['\"])?"
        rf"(?:(?:AWS4-HMAC-SHA256|OAuth2?|[a-zA-Z-]{{2,24}})[ \t]{{1,3}})?"
        rf"(?:{_NAMED}(?:,[ \t]{{0,3}}{_NAMED})*+"
        r"|[^\s'\",;&)}\]]{3,}))",
        "key": rf"([kK](?i:ey)(?:{_QUALIFIED_KEY}){_IS}{_VALUE}",
        "token": rf"([tT](?i:oken)(?:{_QUALIFIED_TOKEN}|(?<=\w-(?i:token))(?=:)|(?==)|(?=['\"]\]\s{{0,3}}=(?!=))"
        rf"|(?=\s{{1,3}}=(?!=)\s{{0,3}}(?:{PREFIX}\\{{0,4}}['\"]|[^\s'\"(]{{0,256}}\d))){_IS}{_VALUE}",
        # `Cookie: a=b; c=d`, and as requests prints one of its own.
        "cookie": rf"([cC](?i:ookies?)(?:[ \t]{{0,3}}[=:][ \t]{{0,3}}|(?<=<.{{6}})\s))"
        rf"{_PAIR}=(?:\"[^\"\n]{{0,4096}}\"|[^\s;,'\"]*+)"
        rf"(?:;[ \t]{{0,3}}{_PAIR}(?:=(?:\"[^\"\n]{{0,4096}}\"|[^\s;,'\"]*+))?)*+",
        # Behind a colon it must have a digit: `session_id: str` is source code.
        "session": r"([sS](?i:ess(?:ion)?[_.-]?id)(?:(?==(?!=))|(?=\s{0,3}:\s{0,3}[^\s'\",;&]{0,64}\d))"
        rf"{_IS}{_VALUE}",
        "option": r"(--(?<!-..)(?:[a-zA-Z0-9]{1,24}[_-]){0,3}"
        r"(?i:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|secret|private)[_-]?key)"
        rf"(?:\\{{0,4}}['\"],\s{{0,3}}|\s{{1,3}})){_WORD}",
        # `curl -u user:password`, also as a list; neither the numbers of a user and a group, nor a URL.
        "user": r"(-(?<![\w-].)(?:u|-user|-proxy-user)(?:\\{0,4}['\"],\s{0,3}|[ \t=]{1,3})"
        r"(?:\\{0,4}['\"])?(?!\d+:\d+(?!\w))[^\s:'\"]{1,128}:)(?!\[redacted\]|//)[^\s'\"\\]+",
        # As pydantic tells of a field: its name stands in the line above.
        "field": r"((?:\A|\n|\\{1,4}n)([\w.\[\]-]{1,128})(?:\n|\\{1,4}n) {2}(?! )[^\n]{0,256}?, input_value=)"
        r"(?!\[redacted\])(?:[^\n,]|,(?! input_type=))+",
        # `'session': 'x'`: data that was made text.
        "quoted key": r"(['\"]([^'\"\n\\]{1,64})\\{0,4}['\"]\s{0,3}:\s{0,3})"
        rf"[bBrRuU]{{0,2}}(?!\\{{0,4}}['\"]\[redacted\]){QUOTED}",
        # `('password', 'x')`: a name and what stands under it, or what a call is given; a list within one, too.
        "pair": r"((?:\(|\[(?:(?<=[\[,]\[)|(?<=,\s\[)))[bBuU]?\\{0,4}['\"]([^'\"\n\\]{1,64})\\{0,4}['\"],\s{0,3})"
        rf"[bBrRuU]{{0,2}}(?!\\{{0,4}}['\"]\[redacted\]){QUOTED}(?=,?\s{{0,3}}[)\]])",
        # `<password>x</password>`; also with a prefix, attributes, or as CDATA.
        "element": r"(<([\w:.-]{1,64})(?:\s[^<>]{0,256})?>(?:<!\[CDATA\[)?)(?!\[redacted\])[^<]{1,4096}(?=</|\]\]>)",
        # Not `bypass=`, nor the count of a test's passes.
        "pass": rf"([pP](?<![a-zA-Z0-9].)(?i:ass)=(?!=|\s|\d{{1,5}}(?!\w)))"
        rf"(?:{QUOTED}|(?!\[redacted\])[^\s'\",;&)}}\]]{{3,}})",
        "card": r"\d(?<![\d-].)(?:[ -]?\d){12,18}(?![\d-])",
    }.items()
}
PEM_END = regex(r"-----END [A-Z ]{0,40}KEY(?: BLOCK)?-----")
