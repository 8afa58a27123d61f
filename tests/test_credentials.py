"""What of a text is a credential, to its last character; what is one too short or too far is none."""

from __future__ import annotations

import re

import pytest

from llama_logging.redaction import redact

FOUR = "\\" * 4
BOUNDS = {
    # Names and values.
    "password_confirm=abc, password-CONFIRMATION=abc": "password_confirm=[redacted], password-CONFIRMATION=[redacted]",
    "password_repeat=abc, secret_Repeated=abc": "password_repeat=[redacted], secret_Repeated=[redacted]",
    "password123=abc, password1234=abc": "password123=[redacted], password1234=abc",
    "user%5Bpassword%5D=planted&x=1": "user%5Bpassword%5D=[redacted]&x=1",
    "MYOLDPWD=/abc, OLDPWD=/abc": "MYOLDPWD=[redacted], OLDPWD=/abc",
    "Pwd={a;b};Server=x": "Pwd=[redacted];Server=x",
    f"password == {'x' * 64}, y": f"password == {'x' * 64}, y",
    f"password == {'x' * 65}, y": "password == [redacted], y",
    "pass=12345 pass=123456": "pass=12345 pass=[redacted]",
    "pass=ab pass=abc": "pass=ab pass=[redacted]",
    # Parameters of a statement: by the place that each has in it, or by their names.
    "[SQL: INSERT INTO u (a, secret) VALUES (?, lower(?)), (?, ?)]\n[parameters: (1, 'b,(', 2, 3)] 'x'": (
        "[SQL: INSERT INTO u (a, secret) VALUES (?, lower(?)), (?, ?)]\n"
        "[parameters: (1, [redacted], 2, [redacted])] 'x'"
    ),
    "[SQL: INSERT INTO u (a, secret) VALUES (?, ?)]\n[parameters: [(1, 'b'), (2, None)  ... of 9 ...  (3, 'c')]]": (
        "[SQL: INSERT INTO u (a, secret) VALUES (?, ?)]\n"
        "[parameters: [(1, [redacted]), (2, None)  ... of 9 ...  (3, [redacted])]]"
    ),
    "[SQL: INSERT INTO u (secret) VALUES ($1) ON CONFLICT DO UPDATE SET a = $2]\n[parameters: ('b', 'c')]": (
        "[SQL: INSERT INTO u (secret) VALUES ($1) ON CONFLICT DO UPDATE SET a = $2]\n[parameters: ([redacted], 'c')]"
    ),
    "[SQL: WHERE b='?' AND a = :1 AND `u`.`secret` NOT IN (:2, :3) AND c > :4]\n[parameters: ('a', 'b', 'c', 4)]": (
        "[SQL: WHERE b='?' AND a = :1 AND `u`.`secret` NOT IN (:2, :3) AND c > :4]\n"
        "[parameters: ('a', [redacted], [redacted], 4)]"
    ),
    "[SQL: INSERT INTO u (a, token) x]\n[parameters: {'a__0': 1, 'token__0': 'c', 'token_1': 'd', 'tokens': 5}]": (
        "[SQL: INSERT INTO u (a, token) x]\n"
        "[parameters: {'a__0': 1, 'token__0': [redacted], 'token_1': [redacted], 'tokens': 5}]"
    ),
    # Behind what was left out no place is known.
    "[SQL: UPDATE u SET secret=? WHERE a IN (?)]\n[parameters: ('b', 'c' ... 5 parameters truncated ... 'd', 'e')]": (
        "[SQL: UPDATE u SET secret=? WHERE a IN (?)]\n[parameters: ([redacted], [redacted], [redacted])]"
    ),
    "[SQL: UPDATE u SET a=? WHERE b IN (?)]\n[parameters: ('b', 'c' ... 5 parameters truncated ... 'd', 'e')]": (
        "[SQL: UPDATE u SET a=? WHERE b IN (?)]\n[parameters: ('b', 'c' ... 5 parameters truncated ... 'd', 'e')]"
    ),
    "[SQL: SELECT 1 WHERE [a]=@P1 AND [secret] like @P2 AND b = @P3]\n[parameters: ('b', 'c', 'd')]": (
        "[SQL: SELECT 1 WHERE [a]=@P1 AND [secret] like @P2 AND b = @P3]\n[parameters: ('b', [redacted], 'd')]"
    ),
    "[SQL: select 1 where a = '' and secret not like ? and b in (?) and c = '']\n[parameters: ('b', 'c')]": (
        "[SQL: select 1 where a = '' and secret not like ? and b in (?) and c = '']\n[parameters: ([redacted], 'c')]"
    ),
    "[SQL: INSERT INTO u (a, secret) VALUES (coalesce(%s, %s), %s)]\n[parameters: ('b', 'c', 'd')]": (
        "[SQL: INSERT INTO u (a, secret) VALUES (coalesce(%s, %s), %s)]\n[parameters: ('b', 'c', [redacted])]"
    ),
    "[SQL: UPDATE u SET secret=?]\n[parameters: ('b', 'c": "[SQL: UPDATE u SET secret=?]\n[parameters: ([redacted], 'c",
    # Quotes.
    f'password = """{"x" * 4096}""" y': "password = [redacted] y",
    f'password = """{"x" * 4097}""" y': "password = [redacted]",
    "password = '''my abc\nx": "password = [redacted]\nx",
    r"{\"password\": \"\", \"user\": \"bob\"}": r"{\"password\": [redacted], \"user\": \"bob\"}",
    r'password=\"a b" c': "password=[redacted] c",
    f"password={FOUR}'a b' c": "password=[redacted] c",
    rf'password={FOUR}"a {FOUR}{FOUR}\"b {FOUR}" c': "password=[redacted] c",
    "password=['This field is required.'], token=['planted'], pwd=x": (
        "password=['This field is required.'], token=[redacted], pwd=x"
    ),
    "password=['This field is required.'], pwd=planted": "password=['This field is required.'], pwd=[redacted]",
    "token=['This field is required.'], token=planted": "token=['This field is required.'], token=[redacted]",
    # What goes on behind a value, and what does not.
    "password=f(g(a),h(b,'c'),'d'), x": "password=[redacted], x",
    "password='a(b', x=1": "password=[redacted], x=1",
    "Pwd={a)b};Server=x": "Pwd=[redacted];Server=x",
    'password = "a"   "b" x': "password = [redacted] x",
    'password = "a" + ("b") x': "password = [redacted] x",
    'password="abc" order("x")': 'password=[redacted] order("x")',
    'password="abc" iffy else "x"': 'password=[redacted] iffy else "x"',
    'password="abc" if x elsewhere("y")': 'password=[redacted] if x elsewhere("y")',
    'password="abc" if x orelse "y"': 'password=[redacted] if x orelse "y"',
    # What would part it from the next value is a part of it, if no other name follows and no blank.
    "password=a,b2, x": "password=[redacted], x",
    "password=abc,d2;e)f&g!; x": "password=[redacted]; x",
    "password=abc,$d x": "password=[redacted] x",
    "password=ab,;)c x": "password=[redacted] x",
    "password=ab,,,,c x": "password=ab,,,,c x",
    "password=abc'd2' x": "password=[redacted]' x",
    'password=abc"d2,e x': "password=[redacted] x",
    "f(password=abc)x y": "f(password=[redacted] y",
    "password=abc,user=me;x:1&y [a]=b": "password=[redacted],user=me;x:1&y [a]=b",
    "password=ab,user=me, password=ab;x:1, pwd=a&b=c": "password=ab,user=me, password=ab;x:1, pwd=a&b=c",
    "password=abc;user[name]=me, password=abc,a.b-c%5B = d": (
        "password=[redacted];user[name]=me, password=[redacted],a.b-c%5B = d"
    ),
    "pwd=abc;Data Source=x;password=abc;Initial =x": "pwd=[redacted];Data Source=x;password=[redacted];Initial =x",
    "?password=abc&amp;x=1&password=abc&x=1": "?password=[redacted]&amp;x=1&password=[redacted]&x=1",
    "[f(password=abc), {password:abc}, (password=abc)[0], f(password=abc).x]": (
        "[f(password=[redacted]), {password:[redacted]}, (password=[redacted])[0], f(password=[redacted]).x]"
    ),
    "{password:abc}{x}, f(password=abc)(x), password=abc,(x), password=abc,'x'": (
        "{password:[redacted]}{x}, f(password=[redacted])(x), password=[redacted],(x), password=[redacted],'x'"
    ),
    '{password:abc,\'x\':1}, \'{"q":"password=abc","x":1}\'': (
        '{password:[redacted],\'x\':1}, \'{"q":"password=[redacted]","x":1}\''
    ),
    "'password=abc','x', \"password=abc\"": "'password=[redacted]','x', \"password=[redacted]\"",
    "?pass=ab,c2&x=1": "?pass=[redacted]&x=1",
    # Options.
    "app --password -v2a now": "app --password -v2a now",
    "app --password value1 now": "app --password [redacted] now",
    "there is no --token arg": "there is no --token arg",
    "app --secret pa$word now": "app --secret [redacted] now",
    "app --apikey 1abc now": "app --apikey [redacted] now",
    "app --password   a1b now": "app --password   [redacted] now",
    "app --one-two-three-four-five-password a1b now": "app --one-two-three-four-five-password [redacted] now",
    "app --password abc": "app --password [redacted]",
    "app --password ab": "app --password ab",
    "app --password abc1,d;e)f, x": "app --password [redacted], x",
    "(app --password abc1), x": "(app --password [redacted]), x",
    f"app --password {'x' * 300}": "app --password [redacted]",
    f"app --password {'x' * 256}1 now": "app --password [redacted] now",
    f"app --password {'x' * 257}1 now": f"app --password {'x' * 257}1 now",
    "curl -u a:bcd x": "curl -u a:[redacted] x",
    "curl -u   a:bcd x": "curl -u   a:[redacted] x",
    "curl -u :bcd x": "curl -u :[redacted] x",
    "docker run -u 1000:1 app, -u 1000:1x app": "docker run -u 1000:1 app, -u 1000:[redacted] app",
    # Headers.
    "AUTHORIZATION=abc, authorization=ab": "AUTHORIZATION=[redacted], authorization=ab",
    "authorization=Basic   abc x": "authorization=[redacted] x",
    'authorization=Digest a="b c" x': "authorization=[redacted] x",
    'authorization=Digest a="", b=c, x y': "authorization=[redacted], x y",
    'Authorization: Digest a="", b="c"\nx': "Authorization: [redacted]\nx",
    f'Authorization: Digest a={FOUR}"b{FOUR}", c\nx': "Authorization: [redacted]\nx",
    "COOKIE: a=; b=c, x": "COOKIE: [redacted], x",
    'Cookie: a=""; Secure; b="c d"; e, x': "Cookie: [redacted], x",
    f"Cookie: {'x' * 300}=a, x": "Cookie: [redacted], x",
    # What a URL is signed with.
    "?sig=abcdefg&Sig=abcdefgh&x=1": "?sig=abcdefg&Sig=[redacted]&x=1",
    "a?SIGNATURE=abcdefgh#x, a?signature=abcdefg": "a?SIGNATURE=[redacted]#x, a?signature=abcdefg",
    "a&amp;sig=abcdefgh&amp;x": "a&amp;sig=[redacted]&amp;x",
    r"a\u0026sig=abcdefgh\u0026x&": r"a\u0026sig=[redacted]\u0026x&",
    r"a\u026sig=abcdefgh&": r"a\u026sig=abcdefgh&",
    "%3Fsig%3Dabcdefgh, %3fsig%3dabcdefgh, %26sig%3Dabcdefgh": (
        "%3Fsig%3D[redacted], %3fsig%3d[redacted], %26sig%3D[redacted]"
    ),
    "?x, sig=abcdefgh; sig=abcdefgh, %sig=abcdefgh": "?x, sig=abcdefgh; sig=abcdefgh, %sig=abcdefgh",
    '"a?sig=a+b%2F/c==", <a?sig=abcdefgh>': '"a?sig=[redacted]", <a?sig=[redacted]>',
    "(?sig=abcdefgh), [?sig=abcdefgh], {?sig=abcdefgh}": "(?sig=[redacted]), [?sig=[redacted]], {?sig=[redacted]}",
    "?x-AMZ-signature=abcdefgh&X-Goog-Signature%3Dabcdefgh": (
        "?x-AMZ-signature=[redacted]&X-Goog-Signature%3D[redacted]"
    ),
    "X-Amz-Security-Token%3Dabcdefgh&X-Amz-Signature=x": "X-Amz-Security-Token%3D[redacted]&X-Amz-Signature=x",
    # The paths of webhooks, whose host may be told elsewhere.
    **{
        f"hook: /{begin}/{secret}{rest}": f"hook: /{begin}/[redacted]{rest}"
        for begin, secret, rest in (
            ("services/TABCDEF/BABCDE", "x" * 16, "/y"),
            (f"services/T{'A' * 16}/B{'0' * 23}", "x" * 16, ""),
            ("workflows/EABCDEF/ABCDEF/012345", "x" * 24, ""),
            ("triggers/TABCDEF/012345", "x" * 32, '"'),
            ("webhooks/123456789012345", "x-_0" * 10, "?wait=true"),
            (f"webhooks/{'1' * 24}", "x" * 40, "/slack"),
            ("IncomingWebhook", "x" * 16, "/y"),
            ("IncomingWebhook", f"{'x' * 16}/{'-y' * 8}/{'z' * 16}", "/z"),
        )
    },
    **{
        f"hook: /{path}": f"hook: /{path}"
        for path in (
            f"services/TABCDEF/BABCDE/{'x' * 15}",
            f"services/TABCDE/BABCDE/{'x' * 16}",
            f"services/AABCDEF/BABCDE/{'x' * 16}",
            f"services/T{'A' * 17}/BABCDE/{'x' * 16}",
            f"services/TABCDEF/BABCD/{'x' * 16}",
            f"services/TABCDEF/B{'A' * 24}/{'x' * 16}",
            f"services/TABCDEF/{'x' * 16}",
            f"services/TABCDEF/ABCDEF/ABCDEF/ABCDEF/{'x' * 16}",
            f"webhooks/12345678901234/{'x' * 40}",
            f"webhooks/{'1' * 25}/{'x' * 40}",
            f"webhooks/123456789012345/{'x' * 39}",
            f"IncomingWebhook/{'x' * 15}",
            f"bot12345:{'x' * 30}",
            f"bot{'1' * 17}:{'x' * 30}",
            f"bot123456:{'x' * 29}",
        )
    },
    f"/bot123456:{'x-_' * 10}/getMe": "/bot123456:[redacted]/getMe",
    f": /bot{'1' * 16}%3A{'x' * 30}": f": /bot{'1' * 16}%3A[redacted]",
    f": /bot123456%3a{'x' * 30}": ": /bot123456%3a[redacted]",
    # By the prefix of who gave it out.
    f"SG.{'x' * 15}.{'x' * 32}, SG.{'x' * 65}.{'x' * 32}": f"SG.{'x' * 15}.{'x' * 32}, SG.{'x' * 65}.{'x' * 32}",
    f"dapi{'a' * 33}, dapi{'a' * 32}g, dapi{'a' * 32}-2": f"dapi{'a' * 33}, dapi{'a' * 32}g, [redacted]",
    f"ya29.1.{'x' * 20}, ya29.aa.{'x' * 20}": f"[redacted], ya29.aa.{'x' * 20}",
    f"größe r8_{'x' * 37}": "größe [redacted]",
    **{
        f"token {token} is wrong": "token [redacted] is wrong"
        for token in (
            *[
                f"gl{kind}-{'x1' * 10}"
                for kind in ("pat", "dt", "rt", "cbt", "ptt", "ft", "soat", "imt", "agent", "oas")
            ],
            f"glpat-{'x1' * 13}.01.{'x1' * 4}",
            f"xoxc-{'1' * 10}-{'x' * 16}",
            f"xoxe.xoxp-1-{'x' * 40}",
            f"sk_org_live_{'x1' * 10}",
            f"dckr_oat_{'x' * 32}",
            *[f"shp{kind}_{'a1' * 16}" for kind in ("ca", "pa", "ss")],
            f"lin_oauth_{'a1' * 32}",
            f"LS0tLS1CRUdJTi{'x1' * 20}==",
            f"ATCTT3xFfGF0{'x' * 40}=0A1B2C3D",
            f"hvb.{'x' * 30}",
            f"ghs_{'x' * 30}.{'y' * 30}.{'z' * 30}",
            f"ABSK{'x1/+' * 11}==",
            f"sntrys_{'x1+/' * 10}==",
            f"eyJhbGciOiJkaXIi..{'x' * 16}.{'y' * 16}.{'z' * 16}",
            f"eyJhbGciOiJSU0Ei.{'w' * 16}.{'x' * 16}.{'y' * 16}.{'z' * 16}",
        )
    },
    **{
        f"token {prefix}{'x1' * 12} is wrong": f"token {re.sub('(?:eyJ|x1|x1x1)$', '', prefix)}[redacted] is wrong"
        for prefix in (
            "glsa_",
            "glc_",
            "sbp_",
            "sb_secret_",
            "pscale_tkn_",
            "pscale_pw_",
            "pscale_oauth_",
            "ntn_",
            "napi_",
            "figd_",
            "pcsk_",
            "lsv2_pt_",
            "lsv2_sk_",
            "phx_",
            "phs_",
            "CCIPAT_",
            "tgp_v1_",
            "vercel_blob_rw_",
            "cfut_",
            "nvapi-",
            "tvly-",
            "xkeysib-",
            "tskey-auth-",
            "tskey-api-",
            "tskey-client-",
            "CFPAT-",
            "HRKU-",
            "bedrock-api-key-",
            "fm2_",
            "rnd_x1x1",
            "rpa_x1x1",
            "vcp_",
            "ops_eyJ",
            "sq0atp-",
            "sq0csp-",
            "dp.pt.x1",
            "dp.ct.x1",
            "dp.sa.x1",
            "dp.st.dev.x1",
            "dp.st.dev_main.x1",
            "a1b2c3.atlasv1.x1",
            f"dt0c01.{'A1' * 12}.x1",
            "v4.local.x1",
            "v2.public.x1",
            "AQ.x1",
            f"MTA4{'x' * 22}.Gabcde.x1",
        )
    },
    f"re_x1x1x1x1_{'x1' * 12}": "re_[redacted]",
    f"fm2_{'x1+/' * 6}== a": "fm2_[redacted] a",
    f"nvapi-{'x1' * 10}, nvapi-{'x' * 18}1": f"nvapi-[redacted], nvapi-{'x' * 18}1",
    f"The token `1234567890:AA{'x-_' * 11}` was rejected": "The token `1234567890:[redacted]` was rejected",
    f"at 12345678:AA{'x' * 35}, 1234567:AA{'x' * 33}, 12345678:AA{'x' * 35}": (
        f"at 12345678:AA{'x' * 35}, 1234567:AA{'x' * 33}, 12345678:AA{'x' * 35}"
    ),
    "re_compile_the_1st_pattern_of_all, rnd_state_of_the_1st_worker_there, vcr_cassette_of_the_1st_test_of_all": (
        "re_compile_the_1st_pattern_of_all, rnd_state_of_the_1st_worker_there, vcr_cassette_of_the_1st_test_of_all"
    ),
    "v1.public.x1, http.v1.publications_of_the_1st_author, AQ.name_of_something, shop.dp.something_of_the_1st_shop": (
        "v1.public.x1, http.v1.publications_of_the_1st_author, AQ.name_of_something, shop.dp.something_of_the_1st_shop"
    ),
    f"mailgun key-{'a1' * 16}": "mailgun key-[redacted]",
    f"secret abc8Q~{'x.' * 17}": "secret abc[redacted]",
    **{
        text: text
        for text in (
            "ntn_a_name_of_a_function_of_somebody, glc_only_letters_are_in_this, nvapi-only_letters_are_in_this",
            f"glft-only_letters_are_in_this, a-key-{'a1' * 16}, key-{'a1' * 15}, key-{'a1' * 16}b",
            f"abcd8Q~{'x' * 34}, abc8Q~{'x' * 35}, single-{'x1' * 10}",
        )
    },
    "ALTER USER bob WITH PASSWORD 'it''s' VALID; CREATE USER a IDENTIFIED by 'b'; password 'x": (
        "ALTER USER bob WITH PASSWORD [redacted] VALID; CREATE USER a IDENTIFIED by [redacted]; password 'x"
    ),
    "ALTER ROLE a LOGIN PASSWORD\n  'b'; ALTER USER a PASSWORD  E'b' PASSWORD $$b$$": (
        "ALTER ROLE a LOGIN PASSWORD\n  [redacted]; ALTER USER a PASSWORD  [redacted] PASSWORD [redacted]"
    ),
    "SET PASSWORD FOR 'a'@'%' = PASSWORD('b'), SET PASSWORD FOR a = 'b'": (
        "SET PASSWORD FOR 'a'@'%' = PASSWORD([redacted]), SET PASSWORD FOR a = [redacted]"
    ),
    "set password for a='b'": "set password for a=[redacted]",
    "SET PASSWORD FOR a = PASSWORD ( 'b' )": "SET PASSWORD FOR a = PASSWORD ( [redacted] )",
    "IDENTIFIED  WITH sha256_password BY 'b', IDENTIFIED BY \"b\"": (
        "IDENTIFIED  WITH sha256_password BY [redacted], IDENTIFIED BY [redacted]"
    ),
    "IDENTIFIED BY VALUES 'b', IDENTIFIED WITH x AS 'b'": (
        "IDENTIFIED BY VALUES [redacted], IDENTIFIED WITH x AS [redacted]"
    ),
    "CREATE USER a IDENTIFIED BY tiger; ALTER USER a IDENTIFIED BY t": (
        "CREATE USER a IDENTIFIED BY [redacted]; ALTER USER a IDENTIFIED BY [redacted]"
    ),
    "create user a identified by tiger; alter user a identified by password 'b'": (
        "create user a identified by [redacted]; alter user a identified by password [redacted]"
    ),
    "a user is identified by id, the user a identified by name; reset password for a = 'b'": (
        "a user is identified by id, the user a identified by name; reset password for a = 'b'"
    ),
    # A private key in a value that has no end.
    '"private_key": "-----BEGIN PRIVATE KEY-----\\nabc': '"private_key": "[redacted]',
    "secret_key_base=abc, SECRETKEYBASE=abc, SECRET_KEY_BASEMENT=abc": (
        "secret_key_base=[redacted], SECRETKEYBASE=[redacted], SECRET_KEY_BASEMENT=abc"
    ),
    # What is written by others.
    **{
        f"{said} is not of type 'string'\n\nOn instance['token']:\n    {printed}\nx": (
            "[redacted] is not of type 'string'\n\nOn instance['token']:\n    [redacted]\nx"
        )
        for said, printed in (
            ("{'a': ['b', 1]}", "{'a': ['b', 1]}"),
            ("{'a': 'b', 'c': 'd e'}", "{'a': 'b',\n     'c': 'd '\n          'e'}"),
            ("'a b'", "('a '\n     'b')"),
        )
    },
    **{
        f"(\"'{name}' must {said})\", Attribute(name='{name}', default={value}, type=None), {rule}, {value}) x": (
            f"(\"'{name}' must {told})\", Attribute(name='{name}', [redacted])) x"
        )
        for name, rule, value, said, told in (
            ("token", "['a']", "'b'", "be in ['a'] (got 'b'", "be in ['a'] (got [redacted]"),
            (
                "db_password",
                "re.compile('(a)')",
                "'b'",
                "match regex '(a)' ('b' doesn't",
                "match regex '(a)' ([redacted] doesn't",
            ),
            (
                "pwd",
                "<class 'str'>",
                "{'a': 1}",
                "be <class 'str'> (got {'a': 1} that is a",
                "be <class 'str'> (got [redacted] that is a",
            ),
            (
                "secret",
                "<class 'str'>",
                "12",
                "be <class 'str'> (got 12 that is a",
                "be <class 'str'> (got [redacted] that is a",
            ),
        )
    },
    "('user' must be in [1] (got 2)), [Attribute(name='user', default=1), Attribute(name='token', default=1)] x": (
        "('user' must be in [1] (got 2)), [Attribute(name='user', default=1), Attribute(name='token', [redacted])] x"
    ),
    "'a' must be (b), 'token' must be in [1] (got 2)": "'a' must be (b), 'token' must be in [1] (got [redacted])",
    "argument -p/--password: invalid int value: 'a b' x": "argument -p/--password: invalid int value: [redacted] x",
    "argument --max-tokens: invalid int value: 'a'": "argument --max-tokens: invalid int value: 'a'",
    'spec.db.password: Invalid value: "a": must be b': "spec.db.password: Invalid value: [redacted]: must be b",
    "Invalid value for '--api-key' / '-k' (env var: 'A_KEY'): 'a' is b": (
        "Invalid value for '--api-key' / '-k' (env var: 'A_KEY'): [redacted] is b"
    ),
    "Invalid value for '--user' (env var: 'A_SECRET'): 'a' is b": (
        "Invalid value for '--user' (env var: 'A_SECRET'): [redacted] is b"
    ),
    "invalid value 'a' for '--password <PASSWORD>': b": "invalid value [redacted] for '--password <PASSWORD>': b",
    "invalid value 'a' for port, token or the like": "invalid value [redacted] for port, token or the like",
    "invalid value 'a' for the port, max_tokens: 1": "invalid value 'a' for the port, max_tokens: 1",
    "[Attribute(name='token', default=1), Attribute(name='user', default=1)] x": (
        "[Attribute(name='token', [redacted])] x"
    ),
    r"['a', 'b'] is too short\n\nOn instance['token']:\n    ['a',\n     'b']'": (
        r"[redacted] is too short\n\nOn instance['token']:\n    [redacted]'"
    ),
    "http://host:/a@b, http://host:65535/a@b": "http://host:/a@b, http://host:65535/a@b",
    "https://abcdef@host/7, redis://app:p@ss@db": "https://[redacted]@host/7, redis://[redacted]@db",
    "http://a:123456/a@b": "http://[redacted]@b",
    "-----BEGIN KEY-----a": "[redacted]",
    "<password>x</password>": "<password>[redacted]</password>",
    "<password>bub</password>": "<password>[redacted]</password>",
    "<password>hunter2</password>": "<password>[redacted]</password>",
    "api_key\n  No, input_value='a, input_value=b', input_type=x": (
        "api_key\n  No, input_value=[redacted], input_type=x"
    ),
    r"x\napi_key\n  No, input_value='a', input_type=str": r"x\napi_key\n  No, input_value=[redacted], input_type=str",
    f"x{FOUR}napi_key{FOUR}n  No, input_value='a', input_type=str": (
        f"x{FOUR}napi_key{FOUR}n  No, input_value=[redacted], input_type=str"
    ),
}


FAR = ". " * 2500 + "\n"


@pytest.mark.parametrize(("text", "expected"), BOUNDS.items())
def test_a_credential_goes_to_its_last_character(text: str, expected: str) -> None:
    """Also far from where the text begins."""
    assert redact(text) == expected
    assert redact(expected) == expected
    assert redact(f"{FAR}{text}") == f"{FAR}{expected}"
