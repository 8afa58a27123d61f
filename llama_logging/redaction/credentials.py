"""What credentials look like, and what stands around them.

Each pattern starts at a literal or at few characters, looks back from there, and runs over a character once.
"""

from __future__ import annotations

from llama_logging.patterns import regex

REDACTED = "[redacted]"

LONGEST = 4_096
"""Characters of a secret; a PEM block of an RSA key of 4,096 bits has 3,272."""
# How long a name is at most, and how far is looked for what must come.
_NAME = r"{1,64}"
FAR = r"{0,256}"

GAP = r"\s{0,3}"
# Before and behind what stands in columns; and as GAP.
ALIGNED = r"[ \t]{0,40}+\s{0,3}+"
BLANKS = r"[ \t]{0,3}"
# A text in quotes may stand within another, and that in one more.
QUOTE = r"\\{0,4}['\"]"
PREFIX = r"[bBrRfFuU]{0,2}"
_BETWEEN = r"(?:\s|\\{1,4}[nrt]){0,80}+"
LINE = r"\n|\\{1,4}n"
# What follows a word like "password": the end of its quotes, and `=` or `:`; then the value, in quotes
# or without, before it the type that source code may give it. Not what another name is compared with.
# PostgreSQL has the names in brackets, then the values: `Key (user, password)=(bob, x) already exists.`
_IS = (
    rf"(?:{QUOTE})?(?:\]|%\d[dD](?==|%)|(?:,[^()\n]{FAR}+)?\)(?==\())?+{ALIGNED}(?!=={ALIGNED}[a-zA-Z_.]{_NAME}+(?![\w'\"]))"
    rf"(?:[=:]{{1,2}}+>?+|%\d[dD]){ALIGNED})"
)
_AGAIN = r"(?:[_-]?(?:\d{1,3}|(?i:confirm(?:ation)?|repeat(?:ed)?|again|hash)))?"
# To the end of its quotes: one after a backslash is none, unless the opening one was written so, too; then
# so many backslashes end it.
_ESCAPED = "|".join(
    rf"\\{{{count}}}{quote}[^\n]*?(?<!\\)\\{{{count}}}{quote}" for count in range(1, 5) for quote in "'\""
)
QUOTED = (
    rf"(?>\"\"\"(?:[^\"]|\"(?!\"\")){{1,{LONGEST}}}+\"\"\"|'''(?:[^']|'(?!'')){{1,{LONGEST}}}+'''"
    rf"|\"\"\"[^\n]++|'''[^\n]++|\"(?:[^\"\n\\]|\\.)+\"|'(?:[^'\n\\]|\\.)+'"
    rf"|{_ESCAPED}|\\{{1,4}}(?:\"[^\"\n]+\"|'[^'\n]+'))"
)
# A character of a value that is in no quotes.
_PLAIN = r"[^\s'\",;&)}\]]"
# Not of a value: the next name, which may have blanks behind a semicolon, `a;Data Source=b`.
_NO_NAME = rf"(?!(?:amp;)?[\w.%\[\]-]{_NAME}+{GAP}[=:]|(?<=;)\w{_NAME}+(?: \w{_NAME}+){{1,2}}=)"
# Of a value: what would part it from the next one, did a blank follow, or a sign behind a bracket.
_INNER = rf"[,;&)}}\]]{{1,3}}+(?=\w|(?<=[,;&])[^\s'\",;&)}}\]({{\[<\\]){_NO_NAME}"
_UNQUOTED = (
    rf"(?:{_PLAIN}{{1,2}}(?:{_INNER}{_PLAIN}++)++"
    rf"|(?:[\w.!#$%*+/@^~-]{_NAME}+['\"](?=\w){_NO_NAME}{_PLAIN}++|{_PLAIN}{{3,}}+)(?:{_INNER}{_PLAIN}++)*+)"
)
_VALUE = (
    rf"(?!\[redacted\])(?:[\w.\[\]|]{_NAME}(?:\s\|\sNone)?{ALIGNED}={ALIGNED})?"
    rf"(?:{PREFIX}{QUOTED}|\{{[^{{}}\n'\"]{FAR}+\}}|[\[({{]{{1,3}}{GAP}(?={PREFIX}{QUOTE})"
    rf"|(?:{PREFIX}{QUOTE})?(?!\[redacted\]){_UNQUOTED})"
)
# What stands behind `--password`, as a word of its own or as the next of a list. Not the next option, a
# variable of the shell, a place to fill in, or the name of the value in a usage.
_WORD = (
    rf"(?!\[redacted\]|(?:{QUOTE})?-|\$[A-Z_{{(]|%[s(]|[<{{]|[A-Z_]{_NAME}+(?!\w)"
    r"|(?:arg(?:ument)?|option|flag|parameter|value|given|needed|required|missing)s?\b)"
    # Prose says "--password is needed": letters alone are a secret at the end, and before the next option.
    rf"(?:{PREFIX}{QUOTED}|(?={_PLAIN}{FAR}(?:\d|[a-z][A-Z]|[!#$%*+=?@^~]\w)){_UNQUOTED}"
    rf"|[a-zA-Z_/-]{{3,}}+(?={GAP}-|[\\'\"]|{BLANKS}(?:\n|\Z)))"
)
# Names whose values stand behind the `=` of a form or a query, and what else is asked for. Parted by their
# last letter: most names have another, and are done with there.
_WORD_BEFORE, _COUNT, _CODE = r"(?<![a-zA-Z])", r"(?=['\"]?\d{4,8}(?!\w))", rf"(?=[^\s'\",;&<>]{{20}})(?=\S{FAR}\d)"
_RARELY = "|".join(
    rf"(?<=[{last}{last.upper()}]=)(?:{'|'.join(rf'(?<={before}(?i:{name}=)){more}' for before, name, more in names)})"
    for last, names in {
        "e": (("[?&]", "code", _CODE), ("", "samlresponse", "")),
        "r": (("", "code_verifier", ""),),
        "n": ((_WORD_BEFORE, "pin", _COUNT), ("", "client_assertion", "")),
        "p": (
            (_WORD_BEFORE, "otp", _COUNT),
            (_WORD_BEFORE, "totp", _COUNT),
            (_WORD_BEFORE, "mdp", ""),
        ),
        "cv2": ((_WORD_BEFORE, "cv[vc]", ""), (_WORD_BEFORE, "cv[vc]2", "")),
        "adt": (
            ("", "senha", ""),
            ("", "contrasena", ""),
            ("", "wachtwoord", ""),
            ("", "kennwort", ""),
        ),
    }.items()
)
_COOKIE = r"[\w.!#$%&*+^`|~-]++"
_IS_COOKIE = rf"=(?:\"[^\"\n]{{0,{LONGEST}}}\"|[^\s;,'\"]*+)"
# `Digest username="a", response="b"`: not the quote behind `Basic dXNlcjpw=`, which ends all of it.
_NAMED = rf"[\w-]{_NAME}+=(?:\"[^\"\n]*\"|[^\s;,&'\"]++)"
_PARAMETER = rf"[ ,\t][\w-]{_NAME}+=\\{{0,4}}\"[^\"\n]*\"(?=[ \t]*+(?:,|[\\'\"]|\n|\Z))"
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
        "subscription",
        "functions",
        "hmac",
        "aes",
        "fernet",
        "symmetric",
        "role",
    )
)
_QUALIFIED_TOKEN = "|".join(
    f"(?<=(?i:{word}token))|(?<=(?i:{word}[_-]token))" for word in ("auth", "access", "refresh", "api", "bearer", "id")
)
_PEM = r"[A-Z ]{0,40}KEY(?: BLOCK)?-----"
# What a parameter of a URL stands behind, and its first letter: also quoted, or escaped in HTML or JSON.
_IN_QUERY = r"(?:(?<=[?&].)|(?<=%\d[\dfF].)|(?<=&amp;.)|(?<=\\u\d{4}.))"

# What tokens of their issuers begin with.
_WITH_UNDERSCORE = [
    r"glsa",
    r"glc",
    r"sbp",
    r"sb_secret",
    r"pscale_tkn",
    r"pscale_pw",
    r"pscale_oauth",
    r"ntn",
    r"napi",
    r"figd",
    r"pcsk",
    r"lsv\d_pt",
    r"lsv\d_sk",
    r"phx",
    r"phs",
    r"CCIPAT",
    r"tgp_v\d",
    r"vercel_blob_rw",
    r"cfut",
    r"fm\d",
]
_WITH_HYPHEN = [
    "nvapi",
    "tvly",
    "xkeysib",
    "tskey-auth",
    "tskey-api",
    "tskey-client",
    "CFPAT",
    "HRKU",
    "bedrock-api-key",
    r"sq\datp",
    r"sq\dcsp",
]
# Behind the last of their dots.
_WITH_DOT = [
    *(rf"dp\.{kind}" for kind in ("pt", "ct", "sa", *(rf"st\.[\w-]{{{length}}}" for length in range(2, 9)))),
    r"dt\dc\d\d\.[A-Z\d]{24}",
    r"v\d\.local",
    r"v\d\.public",
    "AQ",
    # The id of a bot of Discord, whose digits are in Base64.
    *(rf"[MNO][TDjz][\w-]{{{length}}}\.[\w-]{{6}}" for length in range(21, 27)),
]
_ISSUED, _ISSUED_HYPHEN, _ISSUED_DOT = (
    "|".join(rf"(?<=(?<![\w-]){name}{end})" for name in names)
    for end, names in (("_", _WITH_UNDERSCORE), ("-", _WITH_HYPHEN), (r"\.", _WITH_DOT))
)
# Of those whose names others have as well: Render, RunPod, Vercel; Resend; 1Password, of a service account.
_ISSUED_ALIKE = "|".join(
    rf"(?<=(?<![\w-]){name}_)(?={begin})"
    for name, begin in (
        ("rnd", r"[a-zA-Z\d]{28}"),
        ("rpa", r"[a-zA-Z\d]{28}"),
        ("vc[akipr]", r"[a-zA-Z\d]{24}"),
        ("re", r"[a-zA-Z\d]{8}_[a-zA-Z\d]{24}(?!\w)"),
        ("ops", "eyJ"),
    )
)

PATTERNS = {
    name: regex(text)
    for name, text in {
        # Also with a slash in the password, where no port stands before that.
        "user info": rf"://(?:[^\s/]+@|(?!\[)[^\s/:@'\"]{FAR}:(?!\d{{0,5}}(?:[/?#]|\Z))[^\s'\"<>@]{FAR}+@)",
        # Of a URL within a URL, up to its path or query.
        "user info in a query": r"(%3[aA]%2[fF]%2[fF])(?:[^\s%&'\"<>@/]|%(?!2[fF]|3[fF]|23)){1,256}(?=%40)",
        "user of Oracle": rf"(:thin:[^\s/:@'\"]{_NAME}/)(?!\[redacted\])[^\s/'\"@]{FAR}(?=@)",
        "PEM": rf"-----BEGIN {_PEM}",
        # `Authorization: Basic dXNlcjpw`; a digit or = is asked for, or "basic authentication" would be one.
        "bearer": rf"([bB](?<!\w.)(?i:earer|asic)\s{{1,3}})(?=\S{FAR}[\d=])[A-Za-z0-9._~+/=-]{{8,}}",
        # Signed, or encrypted in five parts, of which the second may be empty.
        "JWT": r"eyJ(?<![\w-]...)[\w-]{8,}+\.(?:[\w-]{8,}+|(?=\.[\w-]{8}))(?:\.[\w-]*+){0,3}",
        "AWS": r"A(?<![\w-].)(?:KIA|SIA)[0-9A-Z]{16}",
        # Not the words of an address: `/sk-analytics-dashboard`.
        "sk-": r"sk-(?<![\w-]...)(?!(?:[a-z]{1,12}-)+[a-z]{1,12}(?![\w-]))[\w-]{16,}",
        "GitHub": r"g(?<![\w-].)(?:h[pousr]_|ithub_pat_)\w{20,}(?:\.[\w-]{20,})*",
        "Hugging Face": r"hf_(?<![\w-]...)[A-Za-z0-9]{20,}",
        "Stripe, Groq": r"[srg](?<![\w-].)(?:k_(?:org_)?(?:live|test)_|sk_)\w{10,}",
        "Slack": r"xox(?<![\w-]...)[abcdeoprs](?:-|\.xox[bp]-)[\w-]{10,}",
        "Google": r"AIza(?<![\w-]....)[\w-]{30,}",
        "GitLab": r"gl(?<![\w-]..)(?:pat-|(?:dt|rtr?|cbt|ptt|ft|soat|imt|agent|oas|ffct|wt)-"
        rf"(?=[\w-]{FAR}\d))[\w-]{{16,}}(?:\.[\w-]{{2,}})*",
        "PyPI": r"pypi-AgE(?<![\w-]........)[\w-]{32,}",
        "Google client": r"GOCSPX-(?<![\w-].......)[\w-]{20,}",
        # `ya29.`; no pattern tells one digit from another (see `clean`).
        "Google OAuth": r"ya\d\d\.(?<![\w-].....)(?:[a-z\d]\.)?[\w-]{20,}",
        "age": r"AGE-SECRET-KEY-\d(?<![\w-].{16})[A-Z0-9]{50,}",
        "SendGrid": r"SG\.(?<![\w-]...)[\w-]{16,64}\.[\w-]{32,}",
        "Vault": r"hv[sb]\.(?<![\w-]....)[\w-]{24,}",
        "Databricks": r"dapi(?<![\w-]....)[a-f0-9]{32}(?![a-zA-Z0-9])(?:-\d)?",
        "npm": r"npm_(?<![\w-]....)[A-Za-z0-9]{36,}",
        "Docker": r"dckr_[po]at_(?<![\w-].{9})[\w-]{20,}",
        "Shopify": r"shp(?<![\w-]...)(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}",
        "Linear": r"lin_(?<![\w-]....)(?:api|oauth)_[A-Za-z0-9]{32,}",
        # Of many, with a digit; what says whose it is stays.
        "with an underscore": rf"(_(?=[\w+/=-]{{24}})(?:{_ISSUED}|{_ISSUED_ALIKE})"
        rf"(?=[\w-]{FAR}\d))(?!\[redacted\])[\w+/=-]++",
        "with a hyphen": rf"(-(?=[\w-]{{20}})(?:{_ISSUED_HYPHEN})(?=[\w-]{FAR}\d)"
        r"|-(?<=(?<![\w-])key-)(?=[a-f\d]{32}(?!\w)))[\w-]++",
        "with a dot": rf"(\.(?=[\w-]{{26}})(?:{_ISSUED_DOT}|(?<=\.atlasv\d\.))(?=[\w-]{FAR}\d))[\w-]++",
        # Bedrock, Bitbucket; Facebook and Square.
        "with an A": r"[AE](?<![\w-].)(?:(?<=A)(?:BSK[a-zA-Z\d+/]{40,}+=*|TBB[\w-]{32,})|(?<=E)AA[\w-]{58,})",
        # Of a bot of Telegram, as it is told to be the wrong one.
        "bot": r"(:(?=AA)(?<=\d{8}:)(?=[\w-]{33,36}(?![\w-])))[\w-]++",
        # `abc8Q~...`, as it is told to be the wrong one.
        "Azure": r"\dQ~(?<=[\w~.-]{3}...)(?<![\w~.-]{4}...)[\w~.-]{31,34}(?![\w~-])",
        # A private key, or the certificates before it, within data.
        "PEM in Base64": r"LS\dtLS\dCRUdJTi[A-Za-z0-9+/=]{16,}",
        "DigitalOcean": r"do[op]_v\d_(?<![\w-].{7})[a-f0-9]{64,}",
        "Replicate": r"r\d_(?<![\w-]...)[A-Za-z0-9]{37,}",
        "xAI": r"xai-(?<![\w-]....)[A-Za-z0-9]{32,}",
        "Perplexity": r"pplx-(?<![\w-].{5})[A-Za-z0-9]{32,}",
        "RubyGems": r"rubygems_(?<![\w-].{9})[a-f0-9]{48,}",
        "Slack, of an app": r"xapp-\d-(?<![\w-].{7})[\w-]{16,}",
        "Stripe, of a webhook": r"whsec_(?<![\w-].{6})[A-Za-z0-9+/=]{24,}",
        "Atlassian": r"AT(?<![\w-].{2})[AC]TT[\w-]{32,}=\w{1,16}",
        "New Relic": r"NRAK-(?<![\w-].{5})[A-Z0-9]{27,}",
        "Sentry": r"sntry[su]_(?<![\w-].{7})[\w+/=-]{32,}",
        "Postman": r"PMAK-(?<![\w-].{5})[a-f0-9]{24}-[a-f0-9]{32,}",
        # The path is the secret, and what it begins with says whose it is: Slack, Discord, Telegram. Also
        # without the host, as urllib3 tells a path.
        "webhook": r"(/(?:(?:services|workflows|triggers)/[ET][A-Z0-9]{6,16}(?:/[A-Z0-9]{6,24}){1,2}/(?=\w{16})"
        r"|webhooks/\d{15,24}/(?=[\w-]{40})|bot\d{6,16}(?::|%\d[aA])(?=[\w-]{30})))[\w-]+",
        "webhook of Teams": r"(/IncomingWebhook/)\w{16,}(?:/[\w-]{16,})*",
        # Of a query alone: `sig=inspect.signature(f)` is source, and `&sig={signature}`.
        "signature": rf"([sSxX](?:(?i:-(?:amz|goog)-(?:signature|security-token))|{_IN_QUERY}(?i:ig(?:nature)?))"
        r"(?:=|%\d[dD]))(?!\[redacted\])[^\s'\",;&(){}[\]\\<>#]{8,}",
        # `password = x`, `"api_key": "x"`, `token=x`; a bare `token: x` is what parsers say.
        "password": rf"([pP](?i:ass(?:word|wd|phrase|code|wort)s?|(?<=mot.de.p)asse){_AGAIN}{_IS}{_VALUE}",
        # Not the folder of a shell.
        "pwd": rf"([pP](?i:wd)(?!(?:(?<=\bPWD)|(?<=\bOLDPWD))['\"]?[=:]\s?['\"]?/){_IS}{_VALUE}",
        "secret": rf"([sS](?i:ecret(?:[_-]?string)?){_AGAIN}{_IS}{_VALUE}",
        # A header has it to the end of its line or of its quotes, whatever the scheme. `authorization: str` is source.
        "authorization": rf"([aA](?i:uthorization)(?:{QUOTE})?\]?{ALIGNED}:{{1,2}}+(?!=){ALIGNED})"
        rf"(?!\[redacted\]|(?:str|bytes|None|null){GAP}[,)}}])"
        rf"(?:{PREFIX}{QUOTED}|(?:{_PARAMETER}|[^\s,'\"\\]++|[^\n\r'\"\\]|\\++(?![rn'\"]))++)",
        "authorization=": rf"([aA](?i:uthorization)(?:{QUOTE})?\]?{ALIGNED}:?=(?!=)>?{ALIGNED})(?!\[redacted\])"
        rf"(?:{PREFIX}{QUOTED}|(?:{QUOTE})?(?:(?:AWS4-HMAC-SHA256|OAuth2|[a-zA-Z-]{_NAME})[ \t]{{1,3}})?"
        rf"(?:{_NAMED}(?:,{BLANKS}{_NAMED})*+|{_PLAIN}{{3,}}))",
        "key": rf"([kK](?i:ey)(?=[_bB\s=:%\\'\"\],)])(?:{_QUALIFIED_KEY})(?i:_?base)?{_IS}{_VALUE}",
        "token": rf"([tT](?i:oken)(?:{_QUALIFIED_TOKEN}|(?<=\w-(?i:token))(?=:)|(?==|%\d[dD]|\)=\()"
        rf"|(?=['\"]\]{ALIGNED}=(?!=))|(?={ALIGNED}=(?!=){ALIGNED}(?:{PREFIX}{QUOTE}|[^\s'\"(]{FAR}\d))){_IS}{_VALUE}",
        # `Cookie: a=b; c=d`, and as requests prints one of its own.
        "cookie": rf"([cC](?i:ookies?)(?:{ALIGNED}[=:]{BLANKS}|(?<=<.{{6}})\s))"
        rf"{_COOKIE}{_IS_COOKIE}(?:;{BLANKS}{_COOKIE}(?:{_IS_COOKIE})?)*+",
        # Behind a colon it must have a digit: `session_id: str` is source code.
        "session": rf"([sS](?i:ess(?:ion)?[_.-]?id)(?:(?==(?!=))|(?={ALIGNED}:{ALIGNED}[^\s'\",;&]{FAR}\d))"
        rf"{_IS}{_VALUE}",
        "option": r"(--(?<!-..)(?:[a-zA-Z0-9]++[_-])*"
        r"(?i:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|secret|private)[_-]?key)"
        rf"(?:{QUOTE},{GAP}|\s{{1,3}})){_WORD}",
        # `curl -u user:password`, also as a list; neither the numbers of a user and a group, nor a URL.
        "user": rf"(-(?<![\w-].)(?:u|-user|-proxy-user)(?:{QUOTE},{GAP}|[ \t=]{{1,3}})"
        rf"(?:{QUOTE})?(?!\d+:\d+(?!\w))[^\s:'\"]{FAR}:)(?!\[redacted\]|//)[^\s'\"\\]+",
        # `openssl -passin pass:x`, `keytool -storepass x`.
        "pass option": rf"(-(?<![\w-].)(?:pass(?:in|out)?(?:{QUOTE},{GAP}|[ \t]{{1,3}})(?:{QUOTE})?pass:"
        rf"|(?:src|dest)?(?:store|key)pass(?:{QUOTE},{GAP}|[ \t]{{1,3}})))(?!\[redacted\])(?:{QUOTED}|[^\s'\"\\]++)",
        # `mysqldump -px`, with other options before; `sshpass -p x`.
        "mysql": rf"((?:[mM](?:y[sS][qQ][lL]|aria-?db)[^\n]{FAR}?[\s'\"]-p"
        rf"(?=[^\s'\"\\,;)])(?!ass(?:in|out|word)|ort|rint)"
        rf"|sshpass(?:{QUOTE},)?{GAP}(?:{QUOTE})?-p(?:{QUOTE},)?+\s{{0,3}}+))"
        rf"(?!\[redacted\])(?:{QUOTED}|[^\s'\"\\]++)",
        # `curl -ubob:x`.
        "curl": rf"([cC]url[^\n]{FAR}?[\s'\"]-u(?:{QUOTE})?[^\s:'\"\\=-][^\s:'\"\\]{FAR}:)"
        r"(?!\[redacted\]|//)[^\s'\"\\]++",
        # As pydantic tells of a field: its name stands in the line above.
        "field": rf"((?:\A|{LINE})([\w.\[\]-]++)(?:{LINE}) {{2}}(?! )[^\n]{FAR}?, input_value=)"
        r"(?!\[redacted\])(?:[^\n,]|,(?! input_type=))+",
        # Its middle cut out, the key with it: `{'user': 'bob', 'pass...ord': 'x'}, input_type=dict`.
        "cut field": rf"(input_value=(?:b?{QUOTE}\s{{0,8}})?(?:[a-zA-Z_][\w.]{_NAME})?[\[({{]"
        rf"(?:(?!\.\.\.)[^\n]){FAR}\.\.\.)(?=[^\n]{{0,32}}?['\"])(?!\[redacted\])(?:[^\n,]|,(?! ['\"\w]))++",
        # As jsonschema tells of an instance, whose value stands in its first line, too.
        "instance": rf"(On instance(?:\[[^\[\]\n]{_NAME}\]){{0,16}}?\[{QUOTE}([^'\"\n\\]{_NAME}){QUOTE}\]"
        rf"(?:\[\d{{1,9}}\])?:(?:{LINE}) {{4}})"
        rf"(?!\[redacted\])(?:{PREFIX}{QUOTED}|[\w.+-]++|(?:(?!\\{{1,4}}n)[^\n])++)",
        # As attrs tells of a value, `'pin' must be in [1] (got 2)` or `... ('x' doesn't)`, and with it the attribute.
        "validated": rf"({QUOTE}([^'\"\n\\]{_NAME}){QUOTE} must (?:(?! must )[^\n]){FAR}?"
        rf"\((?:got |(?={PREFIX}{QUOTED} doesn)))(?!\[redacted\])(?:{PREFIX}{QUOTED}|[^\s()]+)",
        # As argparse, click and Kubernetes tell of a value, behind the name of its option or field; as clap and prose
        # do, before it.
        "invalid": rf"[iI]nvalid (?:(?:choice|(?:[\w<>.]{_NAME}+ )?value): (?P<under>{PREFIX}{QUOTED})"
        rf"|value for (?P<option>(?:{QUOTE}[^'\"\n\\]{_NAME}+{QUOTE}(?: / )?){{1,4}}+"
        rf"(?: \(env var: {QUOTE}[^'\"\n\\]{_NAME}+{QUOTE}\))?): (?P<given>{PREFIX}{QUOTED})"
        rf"|value (?P<value>{PREFIX}{QUOTED}) for (?P<name>[^\n:]{_NAME}+))",
        "attribute of attrs": rf"(Attribute\(name={QUOTE}([^'\"\n\\]{_NAME}){QUOTE}, )(?=default=)",
        # One that may not stand in a header; which one that is, is not said. `Illegal header value b'x\n'`.
        "header value": rf"(header value:? )(?!\[redacted\]){PREFIX}{QUOTED}",
        # `'session': 'x'`, `"token": {`: data that was made text.
        "quoted key": rf"(['\"]([^'\"\n\\]{_NAME}){QUOTE}{ALIGNED}:{ALIGNED})(?!{PREFIX}{QUOTE}\[redacted\])"
        rf"(?:{PREFIX}{QUOTED}|[(\[{{](?=(?:\s|\\{{1,4}}[nrt]){{0,64}}+(?:{PREFIX}{QUOTE}|[\d(\[{{<-])))",
        # `('password', 'x')`: a name and what stands under it, or what a call is given; a list within one, too.
        "pair": rf"((?:\(|\[(?:(?<=[\[,]\[)|(?<=,\s\[))){PREFIX}{QUOTE}([^'\"\n\\]{_NAME}){QUOTE},{ALIGNED})"
        rf"{PREFIX}(?!{QUOTE}\[redacted\]){QUOTED}(?=,?{GAP}[)\]])",
        # `{'name': 'DB_PASSWORD', 'value': 'x'}`: what the one says is the name of the other.
        "named value": rf"({QUOTE}(?:(?:[nN]ame|[kK]ey){QUOTE}{ALIGNED}:{ALIGNED}"
        rf"{PREFIX}{QUOTE}([^'\"\n\\]{_NAME}){QUOTE},{_BETWEEN}"
        rf"(?:{QUOTE}\w{_NAME}{QUOTE}:{BLANKS}(?:{QUOTE}[^'\"\n\\]{FAR}{QUOTE}|[\w.]{_NAME}+),{_BETWEEN}){{0,2}}"
        rf"{QUOTE}[vV]alue{QUOTE}{ALIGNED}:{ALIGNED}))(?!{PREFIX}{QUOTE}\[redacted\]){PREFIX}{QUOTED}",
        # The same in YAML; and as attributes: `<input name="csrf_token" value="x">`.
        "named line": rf"([nN]ame:[ ]{{1,3}}['\"]?([\w.-]{_NAME})['\"]?(?:{LINE})[ \t]{{0,40}}+[vV]alue:[ ]{{1,3}})"
        r"(?!\[redacted\])(?:(?!\\{1,4}n)[^\n])++",
        "attribute": rf"((?:name|key)={QUOTE}?([\w.:-]{_NAME}){QUOTE}?\s{{1,8}}+"
        rf"(?:[\w:-]{_NAME}+=(?:{QUOTE})?[^\s<>'\"\\]{FAR}+(?:{QUOTE})?\s{{1,8}}+){{0,3}}?value=)"
        rf"(?!\[redacted\])(?:{QUOTED}|[^\s<>'\"\\]++)",
        # What MongoDB has already, `dup key: { token: "x" }`: its keys stand in no quotes.
        "shell": rf"([{{,]{BLANKS}([\w.$-]{_NAME}):{BLANKS})(?!\[redacted\]){QUOTED}",
        # `<password>x</password>`; also with a prefix, attributes, or as CDATA.
        "element": rf"(<([\w:.-]{_NAME})(?:\s[^<>]{FAR})?>(?:<!\[CDATA\[)?)"
        rf"(?!\[redacted\])[^<]{{1,{LONGEST}}}(?=</|\]\]>)",
        # What only stands behind the `=` of an environment, a form, or a query.
        "behind =": rf"(=(?!=)(?:{_RARELY}))(?!\[redacted\]){_VALUE}",
        # Written in letters that English has not; then a letter of it, a digit, or a quote.
        "abroad": rf"((?:[\u043f\u041f](?i:\u0430\u0440\u043e\u043b\u044c)|\u5bc6[\u7801\u78bc]|\u53e3\u4ee4"
        r"|\u30d1\u30b9\u30ef\u30fc\u30c9|\ube44\ubc00\ubc88\ud638"
        r"|[\u00f1\u00d1](?<=(?i:contrase\u00f1))[aA]|[\u0142\u0141](?<=(?i:has\u0142))[oO])"
        rf"{_IS}(?={PREFIX}{QUOTE}|{_PLAIN}{FAR}[\da-zA-Z]){_VALUE}",
        # Of the United States, in digits; also as "SSN of bob: 078-05-1120".
        "SSN": r"([sS](?<![a-zA-Z].)(?i:sn)(?![a-zA-Z])[^\n\d,;:=]{0,32}[:=][^\n\d,;]{0,8})"
        r"\d{3}[- ]?\d\d[- ]?\d{4}(?!\d)",
        # Not `bypass=`, nor the count of a test's passes.
        "pass": rf"([pP](?<![a-zA-Z0-9].)(?i:ass)=(?!=|\s|\d{{1,5}}(?!\w)))"
        rf"(?:{QUOTED}|(?!\[redacted\]){_UNQUOTED})",
        # A letter and a digit are asked for; and what makes up a value of its own: `auth=("bob", "x")`.
        "short": rf"([sSaA](?<![a-zA-Z0-9].)(?i:(?<=s)id|(?<=a)uth)=)(?!\[redacted\]|=)"
        rf"(?:(?:{PREFIX}{QUOTE})?(?={_PLAIN}{FAR}\d)(?={_PLAIN}{FAR}[a-zA-Z]){_PLAIN}{{8,}}"
        rf"|(?<=(?i:auth)=)[\w.]{FAR}\({GAP}(?={PREFIX}{QUOTE}))",
        # `ALTER USER bob PASSWORD 'x'`, `CREATE USER bob IDENTIFIED WITH sha256_password BY 'x'`, `SET PASSWORD FOR
        # bob = 'x'`: a database tells the statement. Oracle's stand in double quotes, or in none.
        "of a user": r"([pP](?i:assword)"
        r"(?:(?<=(?<![a-zA-Z])(?i:set.password))\s{1,8}(?i:for)\s{1,8}\S{1,64}\s{0,3}=\s{0,3}"
        r"(?:(?i:password)\s{0,3}\(\s{0,3})?|\s{1,8})(?=(?:[eEnN]|[uU]&)?['$])"
        r"|[iI](?i:dentified)\s{1,8}(?:(?i:with)\s{1,8}\S{1,64}\s{1,8})?(?i:by|as)\s{1,8}(?:(?i:values)\s{1,8})?"
        r"(?=['\"$])"
        r"|[uU](?:(?<=(?i:create.u))|(?<=(?i:alter.u)))(?i:ser)\s{1,8}\S{1,64}\s{1,8}(?i:identified)\s{1,8}(?i:by)\s{1,8}"
        r"(?=[\w#])(?!(?i:password|values)\s))(?!['\"]\[redacted\])"
        r"(?:(?:[eEnN]|[uU]&)?'(?:[^'\n]|''){1,256}+'|\"[^\"\n]{1,256}+\"|\$\$[^$\n]{1,256}+\$\$|[\w#]{1,128})",
        "card": r"\d(?<![\d-].)(?:[ -]?\d){12,18}(?![\d-])",
    }.items()
}
PEM_END = regex(rf"-----END {_PEM}")
