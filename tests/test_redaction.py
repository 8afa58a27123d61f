from __future__ import annotations

import itertools
import logging
import re
import time
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging import redaction
from llama_logging.capture import frames, messages
from llama_logging.capture.capturing import capture
from llama_logging.formatters import ConsoleFormatter, JsonFormatter
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.redaction import clean, own, redact, redact_data
from llama_logging.redaction.credentials import REDACTED
from llama_logging.redaction.encoded import may_be_encoded
from llama_logging.redaction.keys import is_secret
from llama_logging.redaction.own import also, safe_pattern
from llama_logging.stores import urls

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\nqqq\n-----END RSA PRIVATE KEY-----"

SECRETS = {
    "postgresql://app:hunter2@db:5432/shop": "hunter2",
    "redis://:p4ssw0rd@cache": "p4ssw0rd",
    "GET /login?next=https%3A%2F%2Fbob%3Aplanted%40shop.example%2Fcart": "planted",
    "DSN postgresql%3a%2f%2fapp%3ap%40lanted%40db%3A5432%2fshop": "lanted",
    "proxy https%253A%252F%252Fbob%253Aplanted%2540proxy": "planted",
    "Authorization: Bearer abcdef0123456789": "abcdef0123456789",
    "authorization: basic dXNlcjpwYXNz=": "dXNlcjpwYXNz",
    f"token {JWT} expired": "dozjgNryP4J3",
    PEM: "MIIEpAIBAAKCAQEA7bq",
    "key AKIAIOSFODNN7EXAMPLE is not valid": "AKIAIOSFODNN7EXAMPLE",
    "Incorrect API key provided: sk-proj-abcdefghijklmnop": "sk-proj-abcdefghijklmnop",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_abcdefghijklmnop",
    "xoxb-123456789012-abcdefghijkl": "xoxb-123456789012",
    "AIzaSyA-1234567890abcdefghijklmnopqrstuv": "AIzaSyA-1234567890",
    "hf_abcdefghijklmnopqrstuvwxyz": "hf_abcdefghijkl",
    "login failed: password=hunter2, user=bob": "hunter2",
    "{'api_key': 'abc-def-ghi'}": "abc-def-ghi",
    'DB_PASSWORD="battery horse"': "horse",
    "GET /cb?access_token=zyx987&state=1": "zyx987",
    "client_secret: s3cr3tvalue": "s3cr3tvalue",
    "paid with 4111 1111 1111 1111": "4111 1111 1111 1111",
    "card 5500-0000-0000-0004 declined": "5500-0000-0000-0004",
    "pwd=letmein;": "letmein",
    "GET /a with Cookie: theme=dark; sid=0a1b2c3d, failed": "0a1b2c3d",
    "> cookie: a=b;csrf=planted": "planted",
    "Set-Cookie: sid=planted-cookie; Path=/; HttpOnly": "planted-cookie",
    'Set-Cookie: sid="planted cookie"; Secure': "planted cookie",
    "curl -H 'Cookie: auth=planted' http://x": "planted",
    "<RequestsCookieJar[<Cookie auth=planted for x.example/>]>": "planted",
    "session_id=abcdefghij is unknown": "abcdefghij",
    "PHPSESSID=abcdefghij": "abcdefghij",
    "GET /a?sessionid=xyzxyz&b=1": "xyzxyz",
    "session-id: 0123abcd": "0123abcd",
    "mysql --user root --password letmein --host db": "letmein",
    "mysql --password letmein\n": "letmein",
    "run --access-token 0a1b2c3d now": "0a1b2c3d",
    "Command '['mysql', '--password', 'letmein']' returned 1": "letmein",
    "Command 'mysql --db-password letmein' returned 1": "letmein",
    'deploy --api-key "battery horse" --now': "horse",
    "deploy --secret pa$$word --now": "pa$$word",
    "connect(('password', 'hunter2'))": "hunter2",
    "[(b'X-Auth-Token', b'planted'), (b'host', b'x')]": "planted",
    'os.environ.setdefault("DB_PASSWORD", "planted")': "planted",
    '[["host", "x"], ["api_key", "planted"]]': "planted",
    "[['api_key', 'planted',]]": "planted",
    "<user>bob</user><password>hunter2</password>": "hunter2",
    '<wsse:Password Type="text">hunter2</wsse:Password>': "hunter2",
    "<ClientSecret><![CDATA[hunter2]]></ClientSecret>": "hunter2",
    "host=db user=bob pass=hunter2": "hunter2",
    "GET /login?user=bob&pass=123456": "123456",
    "DB_PASS=hunter2": "hunter2",
    "imap refused: pass='battery horse'": "horse",
    "Command '['false', '-u', 'app:planted']' returned 1": "planted",
    "curl --user bob:planted http://x": "planted",
    'curl -u "bob:planted" http://x': "planted",
    "1 error for S\napi_key\n  Bad, is it? [type=int, input_value='a, planted', input_type=str]\n  x": "planted",
    "age\n  Missing [type=missing, input_value={'user': 'bob', 'passwo...': 'planted'}, input_type=dict]": "planted",
    "x\n  Bad [type=x, input_value=Login(user='bob', pass...planted', n=1), input_type=Login]": "planted",
    'S\n  Invalid JSON [type=x, input_value=\'{"user": "bob", "pass...planted"\', input_type=str]': "planted",
    "'planted' is too short\n\nFailed validating 'x'\n\nOn instance['users'][3]['password']:\n    'planted'": "planted",
    "\"'planted' is too short\\n\\nOn instance['token'][0]:\\n    'planted'\"": "planted",
    "{'a': 'planted'} is not of type 'string'\n\nOn instance['token']:\n    {'a': 'planted'}": "planted",
    "9182736455 is too short\n\nOn instance['password']:\n    9182736455": "9182736455",
    "Illegal header value b'planted\\n'": "planted",
    "InvalidHeader: Invalid leading whitespace in header value: 'planted '": "planted",
    'E11000 duplicate key error collection: a.u index: x dup key: { name: "bob", token: "planted" }': "planted",
    "run(['mysql', '--password', f'planted'])": "planted",
    "X-Vault-Token: planted": "planted",
    "token = planted1": "planted1",
    "token = 'planted'": "planted",
    'd["password"] = "planted"': "planted",
    'd["token"] = "planted"': "planted",
    "postgresql://u:p/planted@w/h": "planted",
    "password%3Dplanted%26x": "planted",
    "user[password]=planted&x=1": "planted",
    "user%5Bpassword%5D=planted": "planted",
    "password2='planted'": "planted",
    "password_confirmation=planted": "planted",
    "{'password_confirmation': 'planted'}": "planted",
    "PASSWORDS = {'bob': 'planted'}": "planted",
    "passcode=planted": "planted",
    "AccountName=x;AccountKey=planted==;E=core": "planted",
    "OPENAI_KEY=planted": "planted",
    "SecretString='planted'": "planted",
    "{'SMTP_PASS': 'planted'}": "planted",
    "GET https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature=planted1 403": "planted1",
    "https://storage.googleapis.com/b/o?x-goog-expires=9&x-goog-signature=planted1": "planted1",
    "https://a.blob.core.windows.net/c?sv=2022-11-02&sig=planted%2Bx%3D&se=x": "planted",
    "https://d1.cloudfront.net/a?Expires=5&Signature=planted~x__&Key-Pair-Id=K2": "planted",
    "next=https%3A%2F%2Fa%2Fc%3Fsv%3D1%26sig%3Dplanted1": "planted1",
    r'{"url": "https://a/c?sv=1\u0026sig=planted1\u0026se=2"}': "planted1",
    "fields: {'policy': 'x', 'x-amz-signature': 'planted'}": "planted",
    "POST https://hooks.slack.com/services/T0ABCDEFG/B0ABCDEFG/plantedplantedplanted 404": "planted",
    "HTTPSConnectionPool(host='discord.com', port=443): Max retries exceeded with url: "
    f"/api/webhooks/987654321098765432/{'planted-_' * 7} (Caused by x)": "planted",
    "https://x.webhook.office.com/webhookb2/1-2@3-4/IncomingWebhook/plantedplanted00/a1b2c3d4-planted": "planted",
    "url: https://api.telegram.org/bot987654321:AAplanted-planted_plantedplantedxx/getMe": "planted",
    f"SENDGRID is SG.{'planted_' * 3}.{'planted-' * 5}": "planted",
    f"vault says hvs.{'planted-' * 12}": "planted",
    f"got ya29.a0{'planted-' * 5}": "planted",
    f"got dapi{'0123abcd' * 4}": "0123abcd",
    "SECRET_KEY_BASE=planted": "planted",
    "{'secret_key_base': 'planted'}": "planted",
    '{"private_key": "-----BEGIN PRIVATE KEY-----\\nplanted': "planted",
    "private_key=-----BEGIN PRIVATE KEY-----\\nplanted\\n-----END PRIVATE KEY-----\\n": "planted",
    '{"token": {"value": "planted"}}': "planted",
    '{"credentials": {"user": "a", "key": "planted"}}': "planted",
    '{"secret": [1, "planted"]}': "planted",
    "{'session': {'k': 'planted'}}": "planted",
    "{'token': ('a', b'planted')}": "planted",
    r"{\"token\": {\"value\": \"planted\"}}": "planted",
    '{\n  "token": {\n    "issued": 1,\n    "value": "planted"\n  },\n  "n": 1\n}': "planted",
    '{\n  "password": {\n  "salt": "a",\n    "value": "planted"\n  }}': "planted",
    '{"token": {"value": "planted': "planted",
    "next=%3Ftoken%3Dplanted": "planted",
    "token%3dplanted": "planted",
    "Key (password)=(planted) already exists.": "planted",
    "Key (email, token)=(bob@example.com, planted) already exists.": "planted",
    "Key (password, tenant)=(planted, 7) already exists.": "planted",
    "GET /a?sid=planted1&x=1": "planted",
    "connect.sid=s%3Aplanted1": "planted",
    "auth='planted1'": "planted",
    "requests.get(url, auth=('bob', 'planted'))": "planted",
    "get(url, auth=httpx.BasicAuth('bob', 'planted'))": "planted",
    "POST /acs SAMLResponse=plantedplanted&RelayState=x": "planted",
    "grant_type=authorization_code&code_verifier=planted1&x=1": "planted",
    "client_assertion=planted&client_id=x": "planted",
    "GET /callback?code=planted-planted_planted/1&state=x": "planted",
    "POST number=1&cvv=planted1&x": "planted",
    "cvc='planted'": "planted",
    "pin=73914": "73914",
    "login with otp=739142 failed": "739142",
    '{"cvv": "planted", "a": 1}': "planted",
    "{'mnemonic': 'planted winner thank year'}": "planted",
    "ssn=078-05-1120": "078-05",
    "ssn: 078 05 1120 is taken": "078 05",
    "the SSN of bob: 078051120": "078051120",
    "Ocp-Apim-Subscription-Key: planted": "planted",
    "x-functions-key: planted": "planted",
    "SERVICE_ROLE_KEY=planted": "planted",
    "{'aes_key': 'planted', 'session_key': 'planted'}": "planted",
    "passwort=planted": "planted",
    "Passwort: planted": "planted",
    "mot de passe : planted": "planted",
    "{'kennwort': 'planted', 'senha': 'planted'}": "planted",
    "?senha=planted&mdp=planted": "planted",
    "\u043f\u0430\u0440\u043e\u043b\u044c: planted": "planted",
    "\u041f\u0410\u0420\u041e\u041b\u042c='\u043f\u043b\u0430\u043d'": "\u043f\u043b\u0430\u043d",
    "\u5bc6\u7801\uff1aplanted\uff0c": "planted",
    "\u30d1\u30b9\u30ef\u30fc\u30c9=planted, \ube44\ubc00\ubc88\ud638: planted": "planted",
    "contrase\u00f1a=planted, has\u0142o=planted": "planted",
    "CONTRASE\u00d1A=planted, HAS\u0141O=planted": "planted",
    "[{'name': 'DB_PASSWORD', 'value': 'planted'}]": "planted",
    '{"name":"DB_PASSWORD","value":"planted"}': "planted",
    "{'Name': 'db_password', 'Version': 2, 'Value': 'planted'}": "planted",
    '{"Name": "/shop/db_password", "Type": "SecureString", "Value": "planted", "Version": 2}': "planted",
    '{\\"key\\": \\"API_TOKEN\\", \\"value\\": \\"planted\\"}': "planted",
    "env:\n- name: DB_PASSWORD\n  value: planted\n": "planted",
    "name: DB_PASSWORD\nvalue: planted": "planted",
    "{'name': 'DB_PASSWORD',\n                 'value': 'planted',\n 'value_from': None}": "planted",
    '<input type="hidden" name="csrfmiddlewaretoken" value="planted">': "planted",
    "<input name=password class=a value=planted>": "planted",
    '<add key="ApiKey" value="planted" />': "planted",
    "Command 'openssl rsa -in a.pem -passin pass:planted' returned 1": "planted",
    "['openssl', 'rsa', '-passout', 'pass:planted']": "planted",
    "openssl enc -aes-256-cbc -pass pass:planted": "planted",
    "keytool -srcstorepass planted": "planted",
    "keytool -keypass 'planted'": "planted",
    "Command '['mysqldump', '-u', 'root', '-pplanted', 'shop']' returned 2": "planted",
    "mariadb --host db -pplanted shop": "planted",
    "sshpass -p planted ssh bob@host": "planted",
    "['sshpass', '-p', 'planted', 'ssh']": "planted",
    "sshpass -pplanted ssh bob@host": "planted",
    "curl -s -ubob:planted http://x": "planted",
    "{'body': '{\"session\": \"planted\"}', 'n': 1}": "planted",
    '{\'body\': b\'{"a": {"jwt": "planted"}}\'}': "planted",
    "connection_string='DefaultEndpointsProtocol=https;AccountName=x;AccountKey=planted=='": "planted",
    "conn_str: Endpoint=sb://x/;SharedAccessKeyName=y;SharedAccessKey=planted": "planted",
}

HARMLESS = [
    "basic authentication failed",
    "Unexpected token: foo",
    "max_tokens=512 and prompt_tokens: 26",
    "order 1234567890123456 not found",
    "http://127.0.0.1:11434/api/generate refused",
    "user@example.com is unknown",
    "the secret of the llama is out",
    "pass=120 fail=3, pass=7, bypass=everything, if pass==other",
    "['TOKEN', 'WANTED'] are not ['session', 'user', 'cart'], ('user', 'token'), ('a', 'b')",
    "<b>password</b> is <i>needed</i>, 3 </ 4",
    "key error: 'name'",
    "see https://docs.example/a@b",
    "[SQL: SELECT u.password FROM u WHERE u.name = ? AND x IN (?)]\n[parameters: ('bob', 'a')]\n('b', 'c')",
    "[SQL: INSERT INTO u (name, password) VALUES (?, NULL)]\n[parameters: ('bob',)], [parameters: ('a', 'b')]",
    "the cookie: it was stale",
    "cookie_count=3, cookies: 4",
    "Cookie: none, Set-Cookie: none",
    "the session id: unknown; session: 5, session_id: the one of bob",
    "def load(session_id: str) -> Session:",
    "if session_id == other.session_id:",
    "sessions=512, session_idle=300, inside=planted",
    "--password is needed, and --token was not given",
    "argument --token: expected one argument",
    "there is no --token option",
    "Command 'deploy' has no --password argument'",
    "usage: app [--token TOKEN] [--api-key KEY] --password PASSWORD --secret <secret> --user NAME",
    "app --token-file /run/secrets/token1 --password-stdin --max-tokens 512",
    "app --password $DB_PASSWORD --token ${TOKEN1} --secret %s --api-key %(key1)s --token {token1}",
    "the options '--password', '--token' exclude each other",
    "-p 8080:80 --- password 1234abc ---",
    "docker run -u 1000:1000 app, python -u http://x:80, docs -u see: x, non-unique a:b",
    "token = next(tokens), token: str, primary_key=5, max_tokens = 5, if token == other",
    "http://127.0.0.1:11434/a@b, http://h:80/x?m=a@b, http://h:8080, a@b.c, http://[::1]:80/a@b",
    "PWD=/home/user OLDPWD=/home {'PWD': '/home/user', 'x': 1}",
    "if password == other: or pwd == self.pwd and secret==that",
    "the secrets: none, bypass=1, compass: x",
    "1 error for S\nname\n  Not a number [type=int, input_value='a', input_type=str]\n  x",
    "S\n  Missing [type=x, input_value=[1, 22...8, 9], input_type=list], input_value='a long...text', x",
    "'a' is too short\n\nFailed validating 'x' in schema['password']\n\nOn instance['name']:\n    'a'",
    "Access denied for user 'root'@'localhost' (using password: YES), dup key: { name: \"bob\" }",
    "On instance: 'a', On instance['password'], a header value is missing",
    "f(sig=inspect.signature(f), signature=str(signature)), sig = abcdefgh12, signal=SIGTERM9 & design=a1b2c3d4e5",
    "url += f'&X-Amz-Signature={signature}', '?sig=<signature>&signature=$(signature)&sig=[signature]'",
    "GET /verify?signed=a1b2c3d4e5f6&designature=a1b2c3d4e5f6&sigma=a1b2c3d4e5f6",
    "id 123e4567-e89b-12d3-a456-426614174000 of d41d8cd98f00b204e9800998ecf8427e, x-amz-request-id=4442587FB7D0A2F9",
    "npm_config_registry_of_the_whole_company=x, npm_package_dependencies_of_everything, pypi-server-of-the-company1",
    "SG.module.name_of_something, svc.hvs.internal.example.com, hvs.example, ya29.x, display.json, dapi, SG.",
    "GET /services/status/of/a/very_long_name_of_a_service, /services/TENANTS/BACKUPS/x",
    "https://hooks.example/webhooks/17/deliveries, /bot/17, /bot17:8080/index.html, IncomingWebhook/short",
    "lin_api_version_of_the_server_that_is_asked_for, shpat_, dop_v1_, dckr_pat_x, user_r8_x, r8_of_the_llamas_there",
    'private_key_id=abcdef0123, \'"private_key_id": "abcdef0123"\', key_base=abcdef, GOCSPX-x, AGE-SECRET-KEY-1',
    "pplx-70b-online, whsec_of_the_webhook_of_the_whole_shop, rubygems_of_the_whole_company_and_everybody_else, ATATT",
    "xai-sdk-of-the-whole-company-and-everybody-else, xapp-of-everybody-else, NRAK-1, PMAK-1, sntrys_x, AK-47",
    "expected 'token': [ but got '}' at 5, 'token': { here, 'auth': [user, word], 'session': (",
    "{'token': {}, 'session': [ ], 'cookies': (), 'keys': {'a': 'b'}, 'tokens': [1, 2]}, PASSWORD) = (a",
    "Key (email)=(bob@example.com) already exists, f(password), (token, a) = (b, c), %3Ftokens%3Dabcdef",
    "auth=none, auth=basic, auth=oauth2, auth=(user, password), sid=12345678, sid=ORCL, inside=planted1",
    "author=planted1, auth=None, auth=auth, auth=HTTPBasicAuth(user, secret)",
    "sid=self.session_identifier, jwt=jwt, unauth=planted1",
    "GET /sk-analytics-dashboard-page, sk-learn-of-the-whole-company",
    "password: must be at least 8 characters, password: required; pwd: expected str",
    "/etc/passwd: Permission denied, POST /v1/password: Forbidden, password: failed",
    "secret: missing, access_key: invalid!",
    "password=None, has_password=True, PASSWORD=null&x=1, {password: false}, f(secret=None), auth_token=undefined",
    "token=next_token(), password = self.form.password()\npassword=getpass(); (password: str, api_key: SecretStr)",
    "next token=EOF, token=OPEN_BRACKET, (token=EOF)",
    "api_key=api_key, connect(password=password, db_password=db_password, PASSWD=PASSWD, token=token)",
    "api_key=api_key",
    "name        password        email        token        :",
    "if token    == other:    or primary_key      = 5    or max_tokens    = 5",
    "status_code=404&code=404, ?code=E_NOT_FOUND_IN_DATABASE, ?code=invalid_request_of_the_user, error_code=12345678",
    "pin=17 spin=123456, pin=D4, pin=1234ab, otp=26, mnemonic=mov, pw=10, &span=1234, ?otp=26.1, cvv=required, cvs=abc",
    "?x=1&cv=abcdef",
    "ssn=None, the class number 078-05-1120, ssn: 12-34, lessn: 078-05-1120, ssn=1234567890",
    "Passwort: falsch, \u5bc6\u7801\uff1a\u9519\u8bef, \u043f\u0430\u0440\u043e\u043b\u044c: \u043d\u0435\u0442",
    "passenger: bob, impasse=abc, mot_de_passe: invalide, KeyError: key, rolekeys: abc, 'pin': 17",
    "[{'name': 'password', 'type': 'str', 'default': 'value'}, {'name': 'LANG', 'value': 'de'}], name: a\n  value: b",
    "mysql -h db -P 3306 -p; mysql -p, mysql --protocol=tcp, docker run -p 80:80 mysql, pip-mysql -x, -passin file:/a",
    "curl -u, curl -unquiet http://a:80, <input name=user value=bob>, name=password values=5, oracle:thin:@//db:1521/x",
    "{'password': ['This field cannot be blank.'], 'token': [\"Ensure it has at most 5 characters (it has 9).\"]}",
    '{"password": ["This field is required.", "It isn\'t long enough."]}, set "stripe.api_key = <API-KEY>"',
    "connection_string=Server=db;Database=shop, conn_str='host=db dbname=shop'",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_secrets_are_taken_out_of_text(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(f"before {text} after")
    assert REDACTED in redact(text)
    assert redact(redact(text)) == redact(text)


def test_what_is_named_in_a_tuple_is_known_by_its_name() -> None:
    login = namedtuple("login", "user password")
    assert redaction.clean_data(login("bob", "planted")) == {"user": "bob", "password": REDACTED}
    assert redaction.clean_data([ValueError("password=planted")]) == [f"ValueError('password={REDACTED}')"]


def test_of_headers_the_cookies_alone_are_taken_out() -> None:
    text = "Cookie: a=b; c=d;\r\nHost: shop.example\r\nSet-Cookie: sid=1; Secure\nno cookie:\nuser=5"
    assert redact(text) == (f"Cookie: {REDACTED};\r\nHost: shop.example\r\nSet-Cookie: {REDACTED}\nno cookie:\nuser=5")


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_the_same_object(text: str) -> None:
    assert redact(text) is text


FAR = ". " * 2500 + "\n"
FOUR = "\\" * 4
"""Before a quote in JSON within JSON within JSON."""
EXACTLY = {
    "jdbc:oracle:thin:scott/planted@//db:1521/x": "jdbc:oracle:thin:scott/[redacted]@//db:1521/x",
    "SID=abcdef12, AUTH=abcdef12, AUTH=BasicAuth('b', 'x')": "SID=[redacted], AUTH=[redacted], AUTH=[redacted]",
    '{"sid":"abc","n":5}': '{"sid":[redacted],"n":5}',
    "app --password a1b now": "app --password [redacted] now",
    "app --password 1b now": "app --password 1b now",
    f"app --password {FOUR}'-x9{FOUR}'": f"app --password {FOUR}'-x9{FOUR}'",
    "session_id: abc1, x": "session_id: [redacted], x",
    "session_id   :   abc1, x": "session_id   :   [redacted], x",
    "app --API-KEY a1b2 --Db-Password a1b2": "app --API-KEY [redacted] --Db-Password [redacted]",
    "{'sid': rb'abc'}": "{'sid': [redacted]}",
    "app --password letters   \n": "app --password [redacted]   \n",
    "app --password letters    \n": "app --password letters    \n",
    "Cookie:a=b; c=d, x": "Cookie:[redacted], x",
    "{'session': 'x'}": "{'session': [redacted]}",
    "{'session'   :   'x'}": "{'session'   :   [redacted]}",
    "{'session'    : 'x'}": "{'session'    : [redacted]}",
    "{'session': '[redacted]'}": "{'session': '[redacted]'}",
    f"{{'{'x' * 59}token': 'x'}}": f"{{'{'x' * 59}token': {REDACTED}}}",
    f"{{'{'x' * 60}token': 'x'}}": f"{{'{'x' * 60}token': 'x'}}",
    "password=one, password=two; pwd: three": "password=[redacted], password=[redacted]; pwd: [redacted]",
    "password: list[str]   =   'hunter2'": "password: [redacted]",
    "password: str='a'": "password: [redacted]",
    f"password: {'x' * 40} = 'a b'": "password: [redacted]",
    f"password: {'x' * 41} = 'a b'": "password: [redacted]",
    "password: Optional[str] = None, x='abc'": "password: [redacted], x='abc'",
    "password=f'a b'": "password=[redacted]",
    "password=\\\\\\\\'abcdef": "password=[redacted]",
    "PASSWORD=abc; PassPhrase=abc; PWD=abc; SECRET=abc; Token=abc": (
        "PASSWORD=[redacted]; PassPhrase=[redacted]; PWD=[redacted]; SECRET=[redacted]; Token=[redacted]"
    ),
    "signingKEY=abcd; AUTH_TOKEN: abcd": "signingKEY=[redacted]; AUTH_TOKEN: [redacted]",
    "AUTHORIZATION: BASIC abcd": "AUTHORIZATION: [redacted]",
    "authorization:   token   abcd efgh": "authorization:   [redacted]",
    "eyJabcdefgh.ijklmnop.qrs x": "[redacted] x",
    "eyJabcdefgh.ijklmnop. x": "[redacted] x",
    "eyJabcdefg.ijklmnop x": "eyJabcdefg.ijklmnop x",
    "password=rb'abcd": "password=[redacted]",
    f"password={FOUR}'a b{FOUR}' c": "password=[redacted] c",
    f"{{'sid': {FOUR}'[redacted]{FOUR}'}}": f"{{'sid': {FOUR}'[redacted]{FOUR}'}}",
    f"-----BEGIN {'A' * 40}KEY-----x": "[redacted]",
    f"-----BEGIN {'A' * 41}KEY-----x": f"-----BEGIN {'A' * 41}KEY-----x",
    "{\"sid\": u'abc'}": '{"sid": [redacted]}',
    "{'tokens': 'x', 'user': 'y'}": "{'tokens': 'x', 'user': 'y'}",
    '{\\"api_key\\": \\"a b\\", x': '{\\"api_key\\": [redacted], x',
    "password=hunter2 next": "password=[redacted] next",
    "password: str = 'hunter2'": "password: [redacted]",
    "password: str | None = 'hunter2')": "password: [redacted])",
    "password='a' x": "password=[redacted] x",
    'passwd="a b" c': "passwd=[redacted] c",
    "password := abc": "password := [redacted]",
    "password:=abc": "password:=[redacted]",
    "password   =   abc": "password   =   [redacted]",
    "password    =abc": "password    =[redacted]",
    "password\t\t\t\t=\t\t\t\tabc": "password\t\t\t\t=\t\t\t\t[redacted]",
    f"password{' ' * 40}={' ' * 40}abc": f"password{' ' * 40}={' ' * 40}[redacted]",
    f"password{' ' * 44}=abc": f"password{' ' * 44}=abc",
    f"password={' ' * 44}abc": f"password={' ' * 44}abc",
    "password:\n        abc": "password:\n        abc",
    "    password     = 'abc' + 1": "    password     = [redacted] + 1",
    "password     : str     = 'abc'": "password     : [redacted]",
    "'session'\t\t: 'x', 'jwt':\t\t\t\t'x'": "'session'\t\t: [redacted], 'jwt':\t\t\t\t[redacted]",
    "('password',     'x')": "('password',     [redacted])",
    "token        = abc1": "token        = [redacted]",
    "session_id        :   abc1": "session_id        :   [redacted]",
    "api_key      == other_key, password     == self.password": (
        "api_key      == other_key, password     == self.password"
    ),
    "Authorization      :     Basic abc": "Authorization      :     [redacted]",
    "authorization      =     abc": "authorization      =     [redacted]",
    "Cookie      : a=b": "Cookie      : [redacted]",
    "password=ab": "password=ab",
    "password=)abc": "password=)abc",
    "password(x)": "password(x)",
    "password = [redacted]": "password = [redacted]",
    "token==[redacted], secret:=[redacted], pwd=>[redacted]": "token==[redacted], secret:=[redacted], pwd=>[redacted]",
    "Authorization:: [redacted]": "Authorization:: [redacted]",
    "password=[redacted] = x": "password=[redacted] = x",
    "passphrase: abc def": "passphrase: [redacted] def",
    'password=None or "abc"': "password=[redacted]",
    'password = getenv() or "abc", password = "None"': "password = [redacted], password = [redacted]",
    "password=required1, password=nonesuch, password=None,x": (
        "password=[redacted], password=[redacted], password=[redacted]"
    ),
    "password: none, password=abc, password: none": "password: none, password=[redacted], password: none",
    "api_key=key, password=db_password, password=Password, password=word, db_password=password": (
        "api_key=key, password=[redacted], password=[redacted], password=[redacted], db_password=password"
    ),
    "token=EOFEOFEOFEOFEOFE token=EOFEOFEOFEOFEOFEF token=EOF1 token=Eof auth_token=EOF TOKEN=EOF token=___": (
        "token=EOFEOFEOFEOFEOFE token=[redacted] token=[redacted] token=[redacted] auth_token=[redacted]"
        " TOKEN=[redacted] token=[redacted]"
    ),
    "password=f(x)() token=f().x password=12()": "password=[redacted]() token=f().x password=[redacted]",
    "sk-abcdefghijkl-mnop, sk-abcdefghijklm-nop": "sk-abcdefghijkl-mnop, [redacted]",
    "sk-abcdefgh-ijklmno1, sk-abcdefgh-ijklmno_p": "[redacted], [redacted]",
    '{"token": {"a": {"b": "}"}}, "n": 1}': '{"token": [redacted], "n": 1}',
    "{'token': {\n'a': [1,\n2]\n}, 'n': 1}": "{'token': [redacted], 'n': 1}",
    "{'secret': [redacted], 'token': {'a': 1}}": "{'secret': [redacted], 'token': [redacted]}",
    f"{{'token': [{'1, ' * 2000}": f"{{'token': [redacted]{('1, ' * 2000)[4096:]}",
    "Key (user, password)=(bob, abc) already exists.": "Key (user, password)=[redacted] already exists.",
    "sid=abcdef12, x": "sid=[redacted], x",
    "sid=abcde12, auth=abcdefgh, auth=12345678": "sid=abcde12, auth=abcdefgh, auth=12345678",
    "auth=f(a)('b', 'c') x": "auth=f(a)('b', 'c') x",
    "auth=f.g('b', h('c')) x": "auth=[redacted] x",
    "pwd = abc, x": "pwd = [redacted], x",
    "secret => abcd": "secret => [redacted]",
    "secret::abcd": "secret::[redacted]",
    'secret="" x': 'secret="" x',
    'secret\\\\"=\\\\"abc\\\\"': 'secret\\\\"=[redacted]',
    "api_key=b'abc'": "api_key=[redacted]",
    "apiKey: 'a'": "apiKey: [redacted]",
    "API-KEY=abcd": "API-KEY=[redacted]",
    "accesskey=abc; secret-key=abc": "accesskey=[redacted]; secret-key=[redacted]",
    "private_key = abcd": "private_key = [redacted]",
    "signing_key: abcd": "signing_key: [redacted]",
    "encryptionkey:abcd": "encryptionkey:[redacted]",
    "key=abcdef, mykey=abcdef": "key=abcdef, mykey=abcdef",
    "token=abc": "token=[redacted]",
    "token=abcd&x=1": "token=[redacted]&x=1",
    "token: abc": "token: abc",
    "auth_token: abcd": "auth_token: [redacted]",
    "id-token: abcd": "id-token: [redacted]",
    "refreshToken: abcd": "refreshToken: [redacted]",
    "accesstoken: abcd; api-token: abcd; bearer_token: abcd": (
        "accesstoken: [redacted]; api-token: [redacted]; bearer_token: [redacted]"
    ),
    "Authorization: Digest abcd": "Authorization: [redacted]",
    "Authorization: Token abcd": "Authorization: [redacted]",
    "authorization=abcd": "authorization=[redacted]",
    "MYSQL_PWD=/abc; pwd=/abc; PWD=abc": "MYSQL_PWD=[redacted]; pwd=[redacted]; PWD=[redacted]",
    "assert password == 'abc', secret == abc1": "assert password == [redacted], secret == [redacted]",
    "password=Box('a', b={'c': 'd'}), x=1": "password=[redacted], x=1",
    "password=Box(a=[1, 'b'], x\nnext": "password=[redacted]\nnext",
    'password = os.environ.get("PW", "abc")': "password = [redacted]",
    'password = getenv("X") or "abc"': "password = [redacted]",
    'password = getenv("X") or getenv("Y", "abc") # x': "password = [redacted] # x",
    'password = default or "abc"': "password = [redacted]",
    'password = "a" + "abc"; x': "password = [redacted]; x",
    'password = "a" if x else "abc"': "password = [redacted]",
    'password = "abc" "def"': "password = [redacted]",
    '{"password": "a" + "b", "x": 1}': '{"password": [redacted], "x": 1}',
    '{"q": "password=\'a b\'", "user": "bob"}': '{"q": "password=[redacted]", "user": "bob"}',
    "curl -d 'password=abc' x 'y'": "curl -d 'password=[redacted]' x 'y'",
    '{"body": "{\\"password\\": \\"a\\\\\\"b\\"}", "x": 1}': '{"body": "{\\"password\\": [redacted]}", "x": 1}',
    "{'password': bytearray(b'abc'), 'x': 1}": "{'password': [redacted], 'x': 1}",
    "{'password': <Secret abc>, 'x': 1}": "{'password': [redacted], 'x': 1}",
    "{'password': <Secret abc\n": "{'password': [redacted]\n",
    '{"password": ["a", "b"], "x": 1}': '{"password": [redacted], "x": 1}',
    "{'password': {'a': ('b',)}, 'x': 1}": "{'password': [redacted], 'x': 1}",
    "Uid=a;Pwd={ab;c};Server=x": "Uid=a;Pwd=[redacted];Server=x",
    'password: Annotated[str, X] = "abc"': "password: [redacted]",
    'password = """my abc""" x': "password = [redacted] x",
    'password = """my abc': "password = [redacted]",
    "password = '''my\nabc''' x": "password = [redacted] x",
    "Proxy-Authorization: ApiKey hunter2 x\r\nHost: a": "Proxy-Authorization: [redacted]\r\nHost: a",
    'Authorization: Digest username="a", response="b", c="d"\nx': "Authorization: [redacted]\nx",
    "Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c": "Authorization: [redacted]",
    'curl -H \'Authorization: Hawk id="1", mac="b"\' http://x': "curl -H 'Authorization: [redacted]' http://x",
    '["Authorization: Basic xx=", "b"]': '["Authorization: [redacted]", "b"]',
    "b'Authorization: NTLM a\\r\\nHost: x'": "b'Authorization: [redacted]\\r\\nHost: x'",
    "{'Authorization': 'Digest a=\"b\", c=\"d\"', 'x': 'y'}": "{'Authorization': [redacted], 'x': 'y'}",
    '{"raw": "Authorization: Digest a=\\"b\\", c=\\"d\\"", "x": 1}': '{"raw": "Authorization: [redacted]", "x": 1}',
    "{'authorization': None, 'x': 'y'}": "{'authorization': None, 'x': 'y'}",
    "def f(authorization: str, x: int)": "def f(authorization: str, x: int)",
    "authorization=GoogleLogin auth=abc x": "authorization=[redacted] x",
    'authorization=Digest a="b", c=d, x y': "authorization=[redacted], x y",
    "authorization=AWS4-HMAC-SHA256 a=b, c=d": "authorization=[redacted]",
    "GET /?authorization=abc&x=1": "GET /?authorization=[redacted]&x=1",
    "bearer 1234567": "bearer 1234567",
    "bearer 12345678": "bearer [redacted]",
    "BEARER\tabcdefgh1.": "BEARER\t[redacted]",
    "xbearer 12345678": "xbearer 12345678",
    "Basic abcdefgh": "Basic abcdefgh",
    "Basic abcdefg=": "Basic [redacted]",
    "basic   abcdefgh1": "basic   [redacted]",
    "basic    abcdefgh1": "basic    abcdefgh1",
    "://a@b": "://[redacted]@b",
    "x://:@b": "x://[redacted]@b",
    "http://a b@c": "http://a b@c",
    "http://a/b@c": "http://a/b@c",
}


@pytest.mark.parametrize(("text", "expected"), EXACTLY.items())
def test_only_the_secret_goes(text: str, expected: str) -> None:
    """What is around it is what people need to understand the rest; also far from where the text begins."""
    assert redact(text) == expected
    assert redact(f"{FAR}{text}") == f"{FAR}{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3782 822463 10005", REDACTED),
        ("378282246310005", REDACTED),
        ("6036000000000000008", REDACTED),
        ("4222222222222", REDACTED),
        ("1 4222222222222", f"1 {REDACTED}"),
        ("6304-0000-0000-0000", REDACTED),
        ("4111-1111-1111-1112", "4111-1111-1111-1112"),
        ("4111111111111111x", f"{REDACTED}x"),
        ("7 4111 1111 1111 1111", f"7 {REDACTED}"),
        ("4111 1111 1111 1111 99", f"{REDACTED} 99"),
        ("5 3782 822463 10005", f"5 {REDACTED}"),
        ("4111 1111-1111 1111 1", "4111 1111-1111 1111 1"),
        ("\uff14111111111111111", REDACTED),
        ("14111111111111111111", "14111111111111111111"),
        ("4111111111111111-1", f"{REDACTED}-1"),
        ("411111111111", "411111111111"),
        ("4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", REDACTED),
        ("4111  1111  1111  1111", "4111  1111  1111  1111"),
        ("-4111111111111111", "-4111111111111111"),
        ("1-4111111111111111", f"1-{REDACTED}"),
        ("x4111111111111111", f"x{REDACTED}"),
        ("2223003122003222", REDACTED),
        ("30569309025904", REDACTED),
        ("3530111333300000", REDACTED),
        ("6011111111111117", REDACTED),
        ("1234567890123452", "1234567890123452"),
        ("1700000000000000004", "1700000000000000004"),
        ("7992739871399992", "7992739871399992"),
        ("2221000000000009993", "2221000000000009993"),
        ("41111111111111113", "41111111111111113"),
        ("1 603600000000000005", f"1 {REDACTED}"),
        ("4012888888881881", REDACTED),
        ("4395872439587244", REDACTED),
        ("7 3056 930902 5904", f"7 {REDACTED}"),
        ("größe 4222222222222", f"größe {REDACTED}"),
        ("größe 4 2 2 2 2 2 2 2 2 2 2 2 2", f"größe {REDACTED}"),
    ],
)
def test_cards_are_known_by_their_check_digit_however_they_are_printed(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "number",
    ["5000000000005", "5100000000000008", "5599000000000006", "2221000000000009", "2230000000000008",
     "2300000000000003", "2719000000000008", "2720000000000005", "30000000000004", "3000000000000000007",
     "3500000000000009", "3500000000000000006", "4000000000000000006"],
)  # fmt: skip
def test_every_issuer_has_numbers_of_its_own(number: str) -> None:
    assert redact(f"card {number}.") == f"card {REDACTED}."


@pytest.mark.parametrize(
    "number",
    ["2220000000000000", "2721000000000004", "3000000000007", "3100000000000003", "350000000000006", "40000000000002",
     "400000000000000002"],
)  # fmt: skip
def test_what_no_issuer_gives_out_is_no_card(number: str) -> None:
    """Though it adds up."""
    assert redact(f"card {number}.") == f"card {number}."


def test_several_private_keys_go_and_what_is_between_them_stays() -> None:
    assert redact(f"a {PEM} b {PEM} c") == f"a {REDACTED} b {REDACTED} c"
    assert redact(f"a {PEM[:50]}") == f"a {REDACTED}"
    block = PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK")
    assert redact(f"a {block} b") == f"a {REDACTED} b"
    assert redact("a -----BEGIN KEY-----\nabc\n-----END KEY----- b") == f"a {REDACTED} b"


@pytest.mark.parametrize("length", [1001, 5000, 9113, 20_000, 10**6])
def test_a_long_text_says_how_much_of_it_was_cut(length: int) -> None:
    text = "".join(f"{number}," for number in range(length))[:length]
    cleaned = clean(text, 1000)
    begin, count, end = re.split(r"\.\.\. (\d+) characters cut \.\.\. *", cleaned)
    assert (text.startswith(begin), text.endswith(end), len(cleaned) <= 1000) == (True, True, True)
    assert int(count) == length - len(begin) - len(end)
    assert 450 < len(begin) < 500 > len(end) > 450


def test_what_was_taken_out_makes_a_cut_text_no_longer() -> None:
    """What stands in its place may be longer than a secret."""
    told = clean("pwd=abc " * 10_000, 1000)
    begin, count, end = re.split(r"\.\.\. (\d+) characters cut \.\.\.", told)
    assert (len(begin), len(end)) == (480, 480)
    assert int(count) == 80_000 - 960
    assert begin.startswith(f"pwd={REDACTED} pwd=")


@pytest.mark.parametrize("secret", [f"sk-{'Q' * 60}", PEM.replace("qqq", "Q" * 3200), f"password=u{'Q' * 300}"])
@pytest.mark.parametrize("length", [5000, 9100, 9200, 20_000])
def test_no_part_of_a_secret_is_left_where_the_middle_is_cut(secret: str, length: int) -> None:
    room = length - len(secret)
    for place in {*range(300, 600, 23), *range(room - 600, room - 300, 23), *range(0, room, 499)}:
        text = f"{'. ' * (place // 2)} {secret} {'. ' * ((room - place) // 2)}"
        assert "Q" not in clean(text, 1000), place


@pytest.mark.parametrize("last", [False, True])
def test_nor_where_others_before_it_have_made_the_end_shorter(last: bool) -> None:
    """What was taken out made room for what lies beyond the part that is kept."""
    for length in range(4500, 4600):
        long, cut = f"password={'a' * (length - 10)}", f"AKIA{'Q' * 16}"
        text = f"{'. ' * 5000}{cut} {long}" if last else f"{long} {cut}{' .' * 5000}"
        assert "Q" not in clean(text, 1000), length


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are redacted, each as often as it is; none of them holds a secret."""
    seen: list[str] = []

    def spy(text: str) -> str:
        seen.append(text)
        return text

    monkeypatch.setattr(redaction, "redact", spy)
    redaction._harmless.clear()
    return seen


def test_of_a_long_text_the_ends_alone_are_looked_at(looked_at: list[str]) -> None:
    """A million characters cost no more than ten thousand."""
    assert clean("x" * 10**6, 1000) == f"{'x' * 480}... {10**6 - 960} characters cut ...{'x' * 480}"
    assert [len(text) for text in looked_at] == [480 + 4096] * 2


def test_a_short_text_is_looked_at_once_whatever_its_digits_are(looked_at: list[str]) -> None:
    once = ["order 17", "Order 17", "x" * 200, "2026-03-01 12:00:00,123 http://127.0.0.1:11434"]
    for _ in range(3):
        for text in (*once, "order 23"):
            assert clean(text) == text
    assert looked_at == once
    also(keys=["badge"])
    assert [clean("order 29"), clean("order 31")] == ["order 29", "order 31"]
    assert looked_at == [*once, "order 29"]


@pytest.mark.parametrize("text", ["x" * 201, "gr\xf6\xdfe", "1234567890123", "1-23456789 012-3"])
def test_what_is_long_or_may_be_a_card_is_looked_at_each_time(looked_at: list[str], text: str) -> None:
    assert clean(text) == clean(text) == text
    assert looked_at == [text] * 2


def test_nothing_is_known_to_be_harmless_to_a_pattern_of_ones_own(looked_at: list[str]) -> None:
    also(patterns=[re.compile("EMP-12")])
    assert clean("EMP-11") == clean("EMP-11") == "EMP-11"
    assert looked_at == ["EMP-11"] * 2


def test_so_many_short_texts_are_remembered_and_no_more(looked_at: list[str]) -> None:
    texts = ["x" * length + end for length in range(1, 190) for end in "abcdefghijklmnopqrs"]
    for text in texts:
        clean(text)
    assert len(redaction._harmless) == len(texts) % 2048


@pytest.mark.parametrize("more", [0, 3_000, 9_000, 100_000])
def test_nor_where_bytes_are_cut(more: int) -> None:
    secret = b" postgresql://app:QQQQQQQQ-very-secret-QQQQQQQQ@db/shop "
    for place in range(140, 840, 5):
        given = b"x" * place + secret + b"y" * more
        for value in (given, bytearray(given[::-1].replace(secret[::-1], secret))):
            cleaned = redaction.clean_data({"payload": value})["payload"]
            assert "Q" not in cleaned, place
            assert len(cleaned) < 900


@pytest.mark.parametrize("limit", [300, 500, 1000, 8192])
@pytest.mark.parametrize("length", [5_000, 10_000, 30_000])
def test_nor_of_a_secret_that_is_longer_than_most(limit: int, length: int) -> None:
    lines = "\n".join(["Q" * 64] * (length // 65))
    for text in (
        f"Bearer eyJ1{'Q' * length}",
        f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----",
        f"password={'Q' * length}",
        f"{{'token': '{'Q' * length}'}}",
    ):
        assert "Q" not in clean(text, limit)
        assert "Q" not in clean(f"begin {text}, end", limit)
        assert "Q" not in redaction.clean_data({"payload": text.encode()})["payload"]


def test_of_many_bytes_both_ends_are_told_and_how_many_there_are() -> None:
    cleaned = redaction.clean_data(b"x" * 50_000 + b"y" * 50_000)
    assert (cleaned[:4], cleaned[-20:]) == ("b'xx", "yyy', of 100000 bytes"[-20:])


def test_a_text_that_would_say_what_it_is_not_asked_is_cut_all_the_same() -> None:
    class Text(str):
        def __getitem__(self, key: Any) -> str:
            raise AssertionError("code of the application")

    assert len(clean(Text("password=hunter2 " * 1000), 1000)) <= 1000


def test_a_text_that_will_not_say_how_long_it_is_is_taken_as_it_is() -> None:
    class Text(str):
        def __len__(self) -> int:
            raise SystemExit

    assert clean(Text("hello")) == "hello"
    assert redaction.clean_data({"k": Text("v"), "n": [Text("password=hunter2")]}) == {
        "k": "v",
        "n": [f"password={REDACTED}"],
    }


def test_headers_are_known_in_every_form_they_come_in() -> None:
    pairs = [["X-Api-Key", "abc"], ["b'cookie'", "b'sid=abc'"], ["Accept", "*/*"], ["password", None]]
    assert redact_data({"headers": pairs})["headers"] == [
        ["X-Api-Key", REDACTED], ["b'cookie'", REDACTED], ["Accept", "*/*"], ["password", None],
    ]  # fmt: skip
    assert redact_data({"HTTP_COOKIE": "sid=abc", "HTTP_HOST": "shop"}) == {
        "HTTP_COOKIE": REDACTED,
        "HTTP_HOST": "shop",
    }
    assert redact_data(["password", "email"]) == ["password", "email"]


def test_what_is_no_secret_stays_under_the_key_of_one() -> None:
    """Whether there is one is worth knowing."""
    values: dict[str, Any] = {"password": None, "token": "", "secret": False, "api_key": True, "pwd": [], "jwt": 1}
    assert redact_data(values) == {**values, "pwd": REDACTED, "jwt": REDACTED}
    assert redact_data({"user password=hunter2": [b"", 1.5, None]}) == {f"user password={REDACTED}": [b"", 1.5, None]}


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SHORTEST = [
    f"eyJ{LETTERS[:8]}.{LETTERS[:8]}",
    "AKIA0123456789ABCDEF",
    "ASIA0123456789ABCDEF",
    f"sk-{LETTERS[:16]}",
    *(f"gh{kind}_{LETTERS[:20]}" for kind in "pousr"),
    f"github_pat_{LETTERS[:20]}",
    f"hf_{LETTERS[:20]}",
    *(f"{kind}_{LETTERS[:10]}" for kind in ("sk_live", "rk_test", "gsk")),
    *(f"xox{kind}-{LETTERS[:10]}" for kind in "abeoprs"),
    f"AIza{LETTERS[:30]}",
    f"glpat-{LETTERS[:16]}",
    f"pypi-AgE{LETTERS[:32]}",
    f"GOCSPX-{LETTERS[:20]}",
    f"ya29.{LETTERS[:20]}",
    f"ya29.c.{LETTERS[:20]}",
    f"AGE-SECRET-KEY-1{(2 * LETTERS[10:].upper())[:50]}",
    f"SG.{LETTERS[:16]}.{LETTERS[:32]}",
    f"SG.{(2 * LETTERS)[:64]}.{LETTERS[:32]}",
    f"hvs.{LETTERS[:24]}",
    f"dapi{'0123456789abcdef' * 2}",
    f"npm_{LETTERS}",
    f"dckr_pat_{LETTERS[:20]}",
    f"shpat_{'0123456789abcdef' * 2}",
    f"lin_api_{LETTERS[:32]}",
    *(f"do{kind}_v1_{'0123456789abcdef' * 4}" for kind in "op"),
    f"r8_{LETTERS}x",
    f"xai-{LETTERS[:32]}",
    f"pplx-{LETTERS[:32]}",
    f"rubygems_{'0123456789abcdef' * 3}",
    f"xapp-1-A01B2C3D4E5-{LETTERS[:4]}",
    f"whsec_{LETTERS[:23]}+",
    f"ATATT{LETTERS[:32]}=1",
    f"NRAK-{(2 * LETTERS[10:].upper())[:27]}",
    *(f"sntry{kind}_{LETTERS[:32]}" for kind in "su"),
    f"PMAK-{'0123456789ab' * 2}-{'0123456789abcdef' * 2}",
    f"ABSK{(2 * LETTERS)[:40]}",
    f"ATBB{LETTERS[:32]}",
    f"EAA{(2 * LETTERS)[:58]}",
]


@pytest.mark.parametrize("token", SHORTEST)
def test_a_token_is_known_by_its_beginning_and_its_length(token: str) -> None:
    """All of it goes; what is shorter, or the middle of a word, is something else."""
    assert redact(f"({token})") == f"({REDACTED})"
    assert redact(token) == REDACTED
    for other in (token[:-1], f"x{token}", f"x-{token}"):
        assert redact(f"({other})") == f"({other})"


@pytest.mark.parametrize(
    "key",
    ["password", "Api-Key", "X-AUTH-TOKEN", "db.password", "client_secret", "Set-Cookie", "pass", "db_pass",
     "SMTP_PASS", "b'smtp-pass'", "user[pass]", "password2", "password_confirmation", "passwords", "passcode",
     "user[password]", "password_confirm", "secret-repeat", "api_key_repeated", "password123",
     "AccountKey", "OPENAI_KEY", "SecretString", "auth_header", "Password:",
     "Ocp-Apim-Subscription-Key", "x_functions_key", "hmac_key", "session_key", "cvv", "card_cvc", "otp", "totp-code",
     "mnemonic", "seed_phrase", "recovery_codes", "code_verifier", "SAMLResponse", "client_assertion", "pw",
     "Passwort", "db_kennwort", "mot_de_passe", "mdp", "contrasena", "contrase\u00f1a", "senha", "wachtwoord",
     "\u043f\u0430\u0440\u043e\u043b\u044c", "\u041f\u0410\u0420\u041e\u041b\u042c", "\u5bc6\u7801",
     "\u30d1\u30b9\u30ef\u30fc\u30c9",
     "SECRET_KEY_BASE", "x-amz-signature", "X-Goog-Signature", "webhook_secret", "signing_secret", "encryption_key"],
)  # fmt: skip
def test_secrets_are_known_by_their_key(key: str) -> None:
    assert is_secret(key)
    assert redact_data({"a": [{key: "x"}]}) == {"a": [{key: REDACTED}]}


@pytest.mark.parametrize(("name", "value"), [("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value")])
def test_what_stands_beside_its_name_is_known_by_it(name: str, value: str) -> None:
    """As containers have their environment, and clouds their parameters."""
    given: list[dict[str, Any]] = [
        {name: "DB_PASSWORD", "Type": "String", value: "x"},
        {name: "LANG", value: "de"},
        {name: 5, value: "x"},
    ]
    assert redact_data({"env": given}) == {"env": [{**given[0], value: REDACTED}, *given[1:]]}
    assert redact_data([{name: "token", value: None}, {value: "x"}]) == [{name: "token", value: None}, {value: "x"}]


def test_what_is_wrong_with_a_secret_is_told() -> None:
    """As forms and schemas tell it, in sentences: no other text."""
    said = {"password": ["This field cannot be blank.", "It has 5 characters, not 8."], "a": 1}
    assert redact_data(said) == said
    for other in (["This field is required", "planted"], ["correct horse battery staple."], ["Hunter2."], []):
        assert redact_data({"password": other}) == {"password": REDACTED}
    assert redact("{'password': ['This field is required.', 'planted']}") == f"{{'password': {REDACTED}}}"
    assert redact("password=<PLANTED1>, password=<Planted>") == f"password={REDACTED}, password={REDACTED}"


def test_the_folder_of_a_shell_is_no_secret() -> None:
    assert redact_data({"PWD": "/home/bob", "OLDPWD": "/", "pwd": "/a", "MYSQL_PWD": "/b"}) == {
        "PWD": "/home/bob",
        "OLDPWD": "/",
        "pwd": REDACTED,
        "MYSQL_PWD": REDACTED,
    }


def test_the_count_of_what_has_passed_is_no_secret() -> None:
    assert redact_data({"pw": 17, "otp": 26, "cvv": 123}) == {"pw": 17, "otp": 26, "cvv": REDACTED}
    assert redact_data({"pass": 12, "db_pass": "12", "password": 12}) == {
        "pass": 12,
        "db_pass": REDACTED,
        "password": REDACTED,
    }


@pytest.mark.parametrize(
    "key",
    ["tokens", "max_tokens", "keyboard", "secretary", "author", "monkey", "passenger", "compass", "bypass", "by-pass",
     "pass_rate", "primary_key", "token2", "secrets", "password1234",
     "private_key_id", "signature", "connection_string", "conn_str", "code", "spin", "pin", "pins", "cv", "optional",
     "role", "subscription", "functions", "function_key_id"],
)  # fmt: skip
def test_other_keys_are_left_alone(key: str) -> None:
    assert not is_secret(key)


@given(st.text())
def test_any_text_is_redacted_without_fail(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "hostile",
    ["a." * 4000, "eyJ-" * 2000, "://" * 2700, "password" * 1000, "Bearer " * 1100, "-----BEGIN KEY-----" * 400,
     "1 " * 4000, "sk-" * 2700, "token=" * 1300, "-" * 8000, "0x" * 4000, "xoxb-" * 1600, "bearer\t" * 1100,
     "?sig=" * 1600, "SG.a" * 2000, "hvs." * 2000,
     "://hook/services/TAAAAAA/AAAAAA" * 260, "/IncomingWebhook/:" * 450, ":/bot123456:" * 700, "npm_" * 2000,
     "dapi0" * 1600, "r8_a" * 2000, "dop_v1_" * 1100, "ya29.a." * 1100, "pypi-AgE" * 1000, "AGE-SECRET-KEY-1" * 500],
)  # fmt: skip
def test_hostile_text_is_no_harm(hostile: str) -> None:
    """What makes a careless pattern run for minutes; the test's own time limit would end it."""
    for _ in range(20):
        redact(hostile)


def test_patterns_and_keys_of_ones_own(own_place: Path) -> None:
    handler = RegistryHandler(redact=[r"EMP-\d{6}"], redact_keys=["Employee No"])
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "EMP-123456 is locked", None, None)
    record.__dict__["employee_no"] = 7
    handler.handle(record)
    opened = open_registry(urls.default())
    (context,) = opened.errors()
    opened.close()
    assert context.error_message == f"{REDACTED} is locked"
    assert context.additional_context == {"employee_no": REDACTED}


def test_patterns_of_ones_own_reach_what_was_logged_before(own_place: Path) -> None:
    """Of a place and a message that are known, text that was redacted without them is remembered."""
    logger = logging.getLogger("app.late")
    logger.propagate = False

    def log() -> None:
        logger.error("customer CUST-4711 is not known")
        try:
            raise ValueError("no")  # CUST-4711
        except ValueError:
            logger.exception("could not bill CUST-4711")

    first, second = RegistryHandler(store="sqlite:///first.db"), RegistryHandler(store="sqlite:///second.db")
    logger.addHandler(first)
    log()
    logger.removeHandler(first)
    also(patterns=[re.compile(r"CUST-\d{4}")])
    logger.addHandler(second)
    log()
    told = []
    for handler in (first, second):
        opened = open_registry(handler.pipeline.url)
        told.append(repr([(error, error.stack_trace) for error in opened.errors()]))
        opened.close()
    assert [text.count("CUST-4711") > 0 for text in told] == [True, False]
    assert REDACTED in told[1]


@pytest.mark.parametrize("module", [messages, frames])
def test_patterns_of_ones_own_reach_what_is_just_being_remembered(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another thread, which has cleaned it without them."""

    def clean_and_add(text: str, limit: int = 1000) -> str:
        cleaned = clean(text, limit)
        if "CUST-4712" in text:
            also(patterns=[re.compile(r"CUST-\d{4}")])
        return cleaned

    def told() -> str:
        try:
            raise ValueError("no")  # CUST-4712
        except ValueError as error:
            exc_info = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "no CUST-4712", None, exc_info)
        context = capture(record)
        assert context is not None
        return repr((context, context.stack_trace))

    also(keys=[module.__name__])  # nothing is known of another test
    monkeypatch.setattr(module, "clean", clean_and_add)
    assert "CUST-4712" in told()
    assert "CUST-4712" not in told()


def test_a_key_of_ones_own_is_secret_though_it_was_asked_for_before() -> None:
    assert not is_secret("badge")
    also(keys=["Badge"])
    assert is_secret("badge")
    is_secret.cache_clear()


@pytest.mark.parametrize("text", [*SECRETS, *HARMLESS])
def test_no_pattern_tells_one_digit_from_another(text: str) -> None:
    """But that of cards; so of texts that differ in their digits alone `clean` looks at one."""
    other = text.translate(str.maketrans("0123456789", "1234567890"))
    if sum(map(str.isdigit, text)) < 13 and not may_be_encoded(text):
        assert (redact(other) is other) == (redact(text) is text)
        assert (clean(other) is other) == (clean(text) is text)


def test_a_value_that_has_the_name_of_its_key_but_for_the_digits_is_none() -> None:
    assert clean("password1=password1") == clean("password1=password2") == f"password1={REDACTED}"


def test_a_card_is_found_though_another_number_in_its_place_was_none() -> None:
    assert clean("paid with 4111111111111112") == "paid with 4111111111111112"
    assert clean("paid with 4111111111111111") == f"paid with {REDACTED}"


def test_a_url_in_a_query_is_found_though_the_same_with_other_digits_was_none() -> None:
    assert clean("next=https%4A%2F%2Fbob%3Aplanted%40shop") == "next=https%4A%2F%2Fbob%3Aplanted%40shop"
    assert clean("next=https%3A%2F%2Fbob%3Aplanted%40shop") == f"next=https%3A%2F%2F{REDACTED}%40shop"


def test_what_was_harmless_is_looked_at_anew_with_patterns_and_keys_of_ones_own() -> None:
    for text in ("{'k8s': 'planted'}", "{'k9s': 'planted'}", "EMP-12 is locked"):
        assert clean(text) == text
    also(keys=["k8s"])
    assert clean("{'k9s': 'planted'}") == "{'k9s': 'planted'}"
    assert clean("{'k8s': 'planted'}") == f"{{'k8s': {REDACTED}}}"
    also(patterns=[re.compile(r"EMP-\d\d")])
    assert clean("EMP-12 is locked") == f"{REDACTED} is locked"


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b$", "([a-z]+)*=", "x+y+z", r"(\d+)*x", "(", "a*", "",
     r"(?:emp-\d+ ?|emp-\d+)+;", "(?:ab|abab)+c", r"(?:no\.\d{3}|no\.\d\d\d)+x", r"(?:[-x]y|[^a]y)+z",
     r"(?P<n>a.(?:b\s)*|a.b )+c"],
)  # fmt: skip
def test_a_pattern_that_could_hang_the_application_is_refused(pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"takes too long|not a regular|empty text"):
        safe_pattern(pattern)
    RegistryHandler(redact=[pattern])
    assert "RegistryHandler: redact[0]: " in capsys.readouterr().err
    assert redact("aaaa") == "aaaa"


def test_a_text_is_told_on_which_a_pattern_takes_too_long() -> None:
    with pytest.raises(ValueError, match=r"takes too long on text such as 'aaaaaaaa'\.\.\.: bound it, as in \{1,64\}"):
        safe_pattern("(a+)+$")


@pytest.mark.parametrize(
    "pattern",
    [r"EMP-\d{6}", r"(?i)iban\s*:\s*\w+", r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b", "x{1,40}y+z", r"[\]\[{}()^]{3}",
     r"a{,3}\{b", "(?:ab|ba){1,9}c", r"(?<=cust-)\w{4,}(?!\w)"],
)  # fmt: skip
def test_an_ordinary_pattern_is_accepted(pattern: str) -> None:
    assert safe_pattern(pattern).pattern == pattern


def test_a_pattern_is_accepted_however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it what it is for would go to the disk."""
    seconds = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    assert safe_pattern("x{1,40}y+z").pattern == "x{1,40}y+z"


def test_a_pattern_that_was_slow_once_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have been busy."""
    times = itertools.chain([0.02], itertools.repeat(0.001))
    monkeypatch.setattr(own, "_seconds", lambda *_: next(times))
    assert safe_pattern("x+").pattern == "x+"


@pytest.mark.parametrize(
    "pattern",
    [r"K(?:[0-4]+|[3-9]+)+z", r"<([^<>]|[^<>]+)+>;", r"acct(?:[-_ ]?\d*)*q", r"(\x41|\x41\x41)+B", "Ä(ö|öö)+ü",
     r"(?i)staff ?(?:id|no)?[: ]*([0-9 -]+)+Z", r"(?<=id )(?>(?:\w|\d\d?)+;)", r"(?P<a>b)?(?(a)(?:c|cc)+|d)e",
     r"CUST-\d+.*\d+.*\d+.*X", "(?s)BEGIN.*?END.*?STOP"],
)  # fmt: skip
def test_a_pattern_takes_too_long_wherever_its_careless_part_stands(pattern: str) -> None:
    """Behind what leads to it, and on characters that only one of its alternatives has."""
    with pytest.raises(ValueError, match="takes too long"):
        safe_pattern(pattern)


class Failing(Exception):
    pass


def log_all(logger: logging.Logger) -> None:
    """Log an error that carries every secret in every place there is."""
    for text in SECRETS:
        try:
            try:
                raise KeyError(text)
            except KeyError as cause:
                error = Failing(text)
                error.add_note(text)
                raise error from cause
        except Failing:
            logger.exception("failed: %s", text, extra={"detail": {"nested": [text]}, "password": "planted-by-key"})
        logger.error(text)


def test_no_secret_reaches_a_disk_or_a_screen(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger: Any = logging.getLogger("app.secrets")
    logger.propagate = False
    handlers: list[logging.Handler] = [RegistryHandler(), logging.FileHandler("app.jsonl"), logging.StreamHandler()]
    handlers[1].setFormatter(JsonFormatter())
    handlers[2].setFormatter(ConsoleFormatter(colour=False))
    for handler in handlers:
        logger.addHandler(handler)
    log_all(logger)
    handlers[1].close()
    opened = open_registry(urls.default())
    assert sum(group.count for group in opened.groups(limit=1000)) == 2 * len(SECRETS)
    opened.close()
    seen = capsys.readouterr().err
    for path in own_place.rglob("*"):
        if path.is_file():
            seen += path.read_bytes().decode("utf-8", "replace")
    assert REDACTED in seen
    # A few digits alone may be a part of some moment or id.
    for secret in ["planted-by-key", *(text if found.isdigit() else found for text, found in SECRETS.items())]:
        assert secret not in seen, secret


def test_what_is_on_the_record_is_the_applications(own_place: Path) -> None:
    """Its own handlers get the text that they would have got without us."""
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "x", None, None)
    try:
        raise Failing("password=hunter2")
    except Failing as error:
        record.exc_info = (Failing, error, error.__traceback__)
    RegistryHandler().handle(record)
    assert record.exc_text is not None
    assert record.exc_text.endswith("Failing: password=hunter2")


@pytest.mark.parametrize("text", ['{"password": "hun\\"ter2"}', "password='hun\\'ter2'", 'secret="a\\\\b\\"ter2"'])
def test_a_quote_within_a_secret_does_not_end_it(text: str) -> None:
    assert "ter2" not in redact(text)


def test_of_what_stands_below_a_redacted_line_the_carets_alone_go() -> None:
    text = "Traceback:\n    call(password='hunter2')\n    ^^^^^^^^^^^^\n  in f\n    call(a ^ b)\n         ^^^^^\n"
    assert redact(text) == "Traceback:\n    call(password=[redacted])\n  in f\n    call(a ^ b)\n         ^^^^^\n"
    assert redact("password=hunter2\n\na ^ b") == "password=[redacted]\n\na ^ b"


def test_a_pair_may_be_a_name_and_a_number() -> None:
    assert redact_data([["password", 1234], ["port", 80], [1, "password"]]) == [
        ["password", REDACTED],
        ["port", 80],
        [1, "password"],
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mysql", "--password", "battery 'horse'", "-h", "db"], ["mysql", "--password", REDACTED, "-h", "db"]),
        (["app", "--db-token", "$3cret"], ["app", "--db-token", REDACTED]),
        (["keytool", "-storepass", "battery horse"], ["keytool", "-storepass", REDACTED]),
        (
            ["openssl", "-passin", "pass:a 'b'", "-passout", "pass:c"],
            ["openssl", "-passin", f"pass:{REDACTED}", "-passout", f"pass:{REDACTED}"],
        ),
        (["openssl", "-passin", "file:/a", "pass:x", "--rule", "pass:all"], None),
        (["curl", "-u", "bob:battery horse"], ["curl", "-u", f"bob:{REDACTED}"]),
        (["curl", "--user", ":horse", "http://x"], ["curl", "--user", f":{REDACTED}", "http://x"]),
        (["app", "--token", "--password", "--secret"], ["app", "--token", "--password", "--secret"]),
        (["docker", "-u", "1000:1000", "-u", "http://x:80", "-u", "bob"], None),
        (["app", "--password", "", "--token", 5, "--max-tokens", "5", "--token-file", "/a"], None),
        (["-p", "8080:80", "--", "password", "-", "x"], None),
        (["--user", "AKIAIOSFODNN7EXAMPLE"], ["--user", REDACTED]),
    ],
)
def test_words_of_a_command_are_known_in_a_list(words: list[Any], expected: list[Any] | None) -> None:
    """As in the text of one; whatever is in them."""
    assert redact_data({"cmd": words}) == {"cmd": expected or words}
    assert redact_data(expected or words) == (expected or words)


@pytest.mark.parametrize("value", ["hunter2", "p4 ss", "bob@horse", 1234])
def test_a_pair_may_stand_alone(value: str | int) -> None:
    assert redact_data({"kv": ["password", value]}) == {"kv": ["password", REDACTED]}
    assert redact_data({"kv": ["user", value]}) == {"kv": ["user", value]}


@pytest.mark.parametrize(
    "names",
    [["password", "email"], ["password", "password2"], ["token", "expires at"], ["secret", "api_key"],
     ["password", None], ["token", ["a"]], ["password", True], ["password", "hunter2", "x"], ["password"]],
)  # fmt: skip
def test_two_names_are_no_pair(names: list[Any]) -> None:
    assert redact_data({"fields": names}) == {"fields": names}
