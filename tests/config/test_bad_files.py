"""Files that must be refused, each with the exact words for it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

Faults = Callable[..., list[str]]

VENDOR = "upstream: {api_key: k}\n"
CLIENT = "keys: [{name: a, key: abcdefgh}]\n"
UNFIT = "must be ASCII without spaces and control characters"
UNNAMED = "a malformed variable; use ${NAME}, ${NAME:-default} or ${NAME:?message}"
DOLLAR = "a dollar sign alone; write $$ for the sign itself, ${NAME} for a variable"
NO_URL = "must be an absolute URL that starts with https:// or http://"
NO_HOST = "must be a host name or an address, without https://, port or path"
NO_LEDGER = "must be sqlite:///…, or memory:// where nothing need be remembered"
NO_PATH = "must be sqlite:/// and a file's path, such as sqlite:///data/state.db"
NO_FILE = "must name a file, not a folder, such as sqlite:///data/state.db"
NO_POSTGRES = (
    "postgresql:// comes with support for several replicas in a later version; "
    "this one has sqlite:///… and memory://"
)
DEFAULT = "requests.default_model:"
NO_MODEL = "neither a model nor an alias"
NO_CREDENTIAL = "is required (or key_file, or id and sha256)"
KEY_NAMES = (
    "name, key, id, sha256, expires, disabled, also, models, max_tier, max_quality, max_n, "
    "weight, keepalive, webhook_secret, limits, key_file, webhook_secret_file"
)
PLAIN_HTTP = "must start with https://; plain http is for this machine only"

REQUIRED = """
upstream: {api_key: vendor-key}
keys: [{name: studio, key: client-key}]
"""


class Bad(NamedTuple):
    """A file's text, and what is told of it; ``whole`` means nothing is added to the text."""

    what: str
    text: str
    faults: list[str]
    whole: bool = False


SYNTAX = [
    Bad(
        "a tab as indentation",
        "server:\n\tport: 1\n",
        ["2: a tab where indentation belongs; use spaces"],
    ),
    Bad("an open quote", 'server:\n  host: "x\n', ["2: a quote that is never closed"]),
    Bad(
        "a colon in a value",
        "server:\n  host: a: b\n",
        ["2: a colon that does not fit; quote a value that holds ': '"],
    ),
    Bad(
        "a name without a colon",
        "server:\n  host 127.0.0.1\n  port: 80\n",
        ["3: a colon that does not fit; quote a value that holds ': '"],
    ),
    Bad(
        "a last name without a colon",
        "server: {}\nport\n",
        ["2: a line without a colon after its name"],
    ),
    Bad(
        "indentation that goes back halfway",
        "server:\n    port: 1\n  host: x\n",
        ["3: indentation that does not fit the lines above"],
    ),
    Bad(
        "an open bracket",
        "server: {port: 1\nops: {}\n",
        ["2: a comma or a closing bracket is missing"],
    ),
    Bad(
        "an at sign in front",
        "server: {host: @x}\n",
        ["1: a value that must be quoted: it starts with a special sign"],
    ),
    Bad(
        "a backtick in front",
        "server:\n  host: `x`\n",
        ["2: a value that must be quoted: it starts with a special sign"],
    ),
    Bad(
        "an unknown escape",
        'server: {host: "\\q"}\n',
        ["1: an unknown escape in double quotes; use single quotes or \\\\"],
    ),
    Bad(
        "a cut escape",
        'server: {host: "\\x1"}\n',
        ["1: a malformed escape in double quotes; use single quotes or \\\\"],
    ),
    Bad(
        "an escape beyond Unicode",
        'server: {host: "\\UFFFFFFFF"}\n',
        ["1: holds an escape that is no character"],
    ),
    Bad(
        "a control character",
        "server: {}\nops: {host: \x01}\n",
        ["2: holds a character that YAML does not allow"],
    ),
    Bad(
        "a reference to nothing",
        "ops: {token: *anchor}\n",
        ["1: a reference (*…) to nothing above; quote a value starting with *"],
    ),
    Bad(
        "a reference to itself",
        "server: &a\n  bounds: *a\n",
        ["2: a reference (*…) to nothing above; quote a value starting with *"],
    ),
    Bad(
        "a standard tag",
        "server: {port: !!int 1}\n",
        ["1: a tag (!…); quote the value if it starts with !"],
    ),
    Bad(
        "a Python tag",
        "server: !!python/object/apply:os.system [id]\n",
        ["1: a tag (!…); quote the value if it starts with !"],
    ),
    Bad(
        "a tag of nobody",
        "log: {level: !secret x}\n",
        ["1: a tag (!…); quote the value if it starts with !"],
    ),
    Bad(
        "an undefined tag handle",
        "log: {level: !x!y z}\n",
        ["1: a tag (!…) or directive; quote a value that starts with !"],
    ),
    Bad(
        "a directive of the future",
        "%YAML 9.0\n---\nserver: {}\n",
        ["1: a %YAML directive that cannot be honoured; leave it out"],
    ),
    Bad("two documents", "server: {}\n---\nops: {}\n", ["2: a second document; a file holds one"]),
    Bad(
        "text after the end",
        "server: {}\n...\nops: {}\n",
        ["3: text after the end of the document"],
    ),
    Bad("a list as a name", "? [a, b]\n: 1\n", ["1: a list or mapping where a name belongs"]),
    Bad(
        "a list as the file", "- server\n- ops\n", ["1: must be a mapping of sections"], whole=True
    ),
    Bad("one word as the file", "server\n", ["1: must be a mapping of sections"], whole=True),
    Bad("nesting without end", "server: " + "[" * 500 + "\n", ["1: nested deeper than 24 levels"]),
    Bad(
        "a dash too many",
        "server: - a\n",
        ["1: a dash that does not fit here"],
    ),
    Bad("a bracket too many", "server: ]\n", ["1: a value is missing or misplaced"]),
]

NAMES = [
    Bad(
        "a slip in a section",
        "sever: {port: 1}\n",
        ["1: sever: unknown name; did you mean server?"],
    ),
    Bad(
        "a slip in a setting",
        "server:\n  prot: 1\n",
        ["2: server.prot: unknown name; did you mean port?"],
    ),
    Bad(
        "a slip in a file of a secret",
        "ops:\n  token_fil: x\n",
        ["2: ops.token_fil: unknown name; did you mean token_file?"],
    ),
    Bad(
        "a setting outside its section",
        "port: 1\n",
        ["1: port: unknown name here; did you mean server.port?"],
    ),
    Bad(
        "a setting of another section",
        "log: {max_references: 4}\n",
        ["1: log.max_references: unknown name here; did you mean models.<name>.max_references?"],
    ),
    Bad(
        "nothing like it",
        "log: {zzz: 1}\n",
        ["1: log.zzz: unknown name; known here: format, level"],
    ),
    Bad(
        "a file for what is no secret",
        "log: {level_file: x}\n",
        ["1: log.level_file: unknown name; did you mean level?"],
    ),
    Bad(
        "a name with odd characters",
        'log: {"a\\u001bb": 1}\n',
        ["1: log.…: unknown name; known here: format, level"],
    ),
    Bad(
        "a section twice",
        "server: {}\nserver: {port: 1}\n",
        ["2: server: given twice, first in line 1"],
    ),
    Bad(
        "a setting twice",
        "server:\n  port: 1\n  host: localhost\n  port: 2\n",
        ["4: server.port: given twice, first in line 2"],
    ),
    Bad(
        "two of them twice",
        "log:\n  level: info\n  level: info\n  format: json\n  format: json\n",
        [
            "3: log.level: given twice, first in line 2",
            "5: log.format: given twice, first in line 4",
        ],
    ),
    Bad(
        "a setting twice within a list",
        "upstream: {api_key: vendor-key}\nkeys:\n  - name: a\n    key: abcdefgh\n    name: b\n",
        ["5: keys[0].name: given twice, first in line 3"],
        whole=True,
    ),
    Bad(
        "a merge key",
        "log: &log {level: info}\nserver:\n  <<: *log\n",
        ["3: server: merge keys (<<) are not part of YAML 1.2"],
    ),
]

VALUES = [
    Bad("a word for a port", "server: {port: http}\n", ["1: server.port: must be a whole number"]),
    Bad("a quoted number", 'server: {port: "8080"}\n', ["1: server.port: must be a whole number"]),
    Bad(
        "a truth value for a port",
        "server: {port: true}\n",
        ["1: server.port: must be a whole number"],
    ),
    Bad(
        "a fraction for a port",
        "server: {port: 80.5}\n",
        ["1: server.port: must be a whole number"],
    ),
    Bad("a port too high", "server: {port: 65536}\n", ["1: server.port: must be at most 65535"]),
    Bad("a port below zero", "server: {port: -1}\n", ["1: server.port: must be 0 or more"]),
    Bad("no port", "server:\n  port:\n", ["2: server.port: must be a whole number, not empty"]),
    Bad(
        "a port of 5000 digits",
        f"server: {{port: {'9' * 5000}}}\n",
        ["1: server.port: must be a whole number"],
    ),
    Bad("a sexagesimal port", "server: {port: 1:30}\n", ["1: server.port: must be a whole number"]),
    Bad("a list for a port", "server: {port: [1]}\n", ["1: server.port: must be a whole number"]),
    Bad(
        "a word for a section",
        "server: yes\n",
        ["1: server: must be a mapping of names to settings"],
    ),
    Bad("a list for a section", "log: []\n", ["1: log: must be a mapping of names to settings"]),
    Bad(
        "no, which is a word",
        "models: {gpt-image-2: {masks: no}}\n",
        ["1: models.gpt-image-2.masks: must be true or false"],
    ),
    Bad(
        "one for a truth value",
        "requests: {partial_results: 1}\n",
        ["1: requests.partial_results: must be true or false"],
    ),
    Bad(
        "on, which is a word",
        "requests: {partial_results: on}\n",
        ["1: requests.partial_results: must be true or false"],
    ),
    Bad(
        "a number for text",
        "server: {host: 1}\n",
        ["1: server.host: must be text; put it in quotes"],
    ),
    Bad(
        "a truth value for text",
        "images: {folder: true}\n",
        ["1: images.folder: must be text; put it in quotes"],
    ),
    Bad("no text", "images:\n  folder:\n", ["2: images.folder: must be text, not empty"]),
    Bad(
        "empty text",
        'images: {folder: ""}\n',
        ["1: images.folder: must be at least 1 character long"],
    ),
    Bad(
        "text for a list",
        "server: {trusted_proxies: 10.0.0.1}\n",
        ["1: server.trusted_proxies: must be a list"],
    ),
    Bad(
        "nobody's level",
        "log: {level: loud}\n",
        ["1: log.level: must be 'debug', 'info', 'warning' or 'error'"],
    ),
    Bad(
        "nobody's policy",
        "requests: {sizes: any}\n",
        ["1: requests.sizes: must be 'exact', 'nearest' or 'strict'"],
    ),
    Bad(
        "infinite time",
        "images: {lifetime: .inf}\n",
        ["1: images.lifetime: must be a finite number"],
    ),
    Bad(
        "time that is no number",
        "images: {lifetime: .nan}\n",
        ["1: images.lifetime: must be a finite number"],
    ),
    Bad(
        "a float beyond floats",
        "images: {lifetime: 1e999}\n",
        ["1: images.lifetime: must be a finite number"],
    ),
    Bad(
        "an unknown unit",
        "images: {lifetime: 2weeks}\n",
        ["1: images.lifetime: must be a number with a unit, such as 24h or 90s"],
    ),
    Bad(
        "time below zero",
        "images: {lifetime: -1h}\n",
        ["1: images.lifetime: must be a number with a unit, such as 24h or 90s"],
    ),
    Bad(
        "time below zero without unit",
        "images: {lifetime: -1}\n",
        ["1: images.lifetime: must be 0 or more"],
    ),
    Bad(
        "a size in hours",
        "images: {shelf: 24h}\n",
        ["1: images.shelf: must be a number with a unit, such as 64MB or 10GB"],
    ),
    Bad(
        "half a byte",
        "images: {shelf: 0.5B}\n",
        ["1: images.shelf: must come to a whole number of bytes"],
    ),
    Bad(
        "more than ten",
        "upstream: {api_key: k, polling: {scale: 11}}\n" + CLIENT,
        ["1: upstream.polling.scale: must be at most 10"],
        whole=True,
    ),
    Bad(
        "nothing per second",
        "upstream: {api_key: k, submit_per_second: 0}\n" + CLIENT,
        ["1: upstream.submit_per_second: must be more than 0"],
        whole=True,
    ),
    Bad(
        "no model",
        "models: {}\nrequests: {default_model: x}\n",
        ["1: models: must have at least 1 entry"],
    ),
    Bad(
        "models as a list",
        "models: [gpt-image-2]\n",
        ["1: models: must be a mapping of names to settings"],
    ),
    Bad(
        "a model without a name",
        'models: {"": {}, gpt-image-2: {}}\n',
        ["1: models: a name must be at least 1 character long"],
    ),
    Bad(
        "a long name",
        f"models: {{gpt-image-2: {{upstream_model: {'x' * 101}}}}}\n",
        ["1: models.gpt-image-2.upstream_model: must be at most 100 characters"],
    ),
    Bad(
        "an unknown background",
        "models: {gpt-image-2: {backgrounds: [opaque, pink]}}\n",
        ["1: models.gpt-image-2.backgrounds[1]: must be 'opaque' or 'transparent'"],
    ),
]

ADDRESSES = [
    Bad(
        "a proxy by name",
        "server:\n  trusted_proxies:\n    - 10.0.0.0/8\n    - proxy.example\n",
        ["4: server.trusted_proxies[1]: must be an IP address or a network such as 10.0.0.0/8"],
    ),
    Bad(
        "a relative link",
        "server: {public_url: images.example}\n",
        [f"1: server.public_url: {NO_URL}"],
    ),
    Bad(
        "a link of files",
        "server: {public_url: 'file:///x'}\n",
        [f"1: server.public_url: {NO_URL}"],
    ),
    Bad(
        "a link with a slash",
        "server: {public_url: 'https://x.example/'}\n",
        ["1: server.public_url: must not end in a slash"],
    ),
    Bad(
        "a link with a query",
        "server: {public_url: 'https://x.example?a'}\n",
        ["1: server.public_url: must not have a query or a fragment"],
    ),
    Bad(
        "a link with a password",
        "server: {public_url: 'https://u:hunter2@x.example'}\n",
        ["1: server.public_url: must not hold a user name or password"],
    ),
    Bad(
        "a port beyond ports",
        "server: {public_url: 'https://x.example:99999'}\n",
        ["1: server.public_url: must be a URL with a valid host and port"],
    ),
    Bad(
        "a space in a link",
        "server: {public_url: 'https://x .example'}\n",
        ["1: server.public_url: must be a URL without spaces or control characters"],
    ),
    Bad(
        "a host with a scheme",
        "images: {fetch_from: ['https://x.example']}\n",
        [f"1: images.fetch_from[0]: {NO_HOST}"],
    ),
    Bad(
        "a ledger on another machine",
        "state: {url: 'sqlite://data/state.db'}\n",
        [f"1: state.url: {NO_PATH}"],
    ),
    Bad(
        "a ledger with options",
        "state: {url: 'sqlite:///data/state.db?mode=ro'}\n",
        [f"1: state.url: {NO_PATH}"],
    ),
    Bad(
        "a ledger that is a folder",
        "state: {url: 'sqlite:///data/'}\n",
        [f"1: state.url: {NO_FILE}"],
    ),
    Bad(
        "a ledger elsewhere",
        "state: {url: 'postgresql://u:hunter2@db/x'}\n",
        [f"1: state.url: {NO_POSTGRES}"],
    ),
    Bad("a ledger of nobody", "state: {url: 'redis://x'}\n", [f"1: state.url: {NO_LEDGER}"]),
    Bad(
        "a ledger forgotten within a day",
        "state: {keep: 23h}\n",
        ["1: state.keep: must be 86400 or more"],
    ),
    Bad(
        "a breaker that looks back at nothing",
        "upstream: {api_key: k, breaker: {window: 0s}}\nkeys: [{name: a, key: abcdefgh}]\n",
        ["1: upstream.breaker.window: must be more than 0"],
        whole=True,
    ),
    Bad(
        "an open ops listener",
        "ops: {host: 0.0.0.0}\n",
        ["1: ops.token: is required where ops.host is not loopback"],
    ),
    Bad(
        "one port for two",
        "server: {port: 9000}\nops: {port: 9000}\n",
        ["2: ops.port: is the port of server too"],
    ),
    Bad(
        "the other's default port",
        "server: {port: 9464}\n",
        ["1: ops.port: is the port of server too"],
    ),
]

MODELS = [
    Bad(
        "one alias for two models",
        "models:\n  gpt-image-2: {aliases: [a]}\n  other:\n    aliases:\n      - x\n      - a\n",
        ["6: models.other.aliases[1]: is an alias of gpt-image-2 already"],
    ),
    Bad(
        "an alias twice",
        "models: {gpt-image-2: {aliases: [a, a]}}\n",
        ["1: models.gpt-image-2.aliases[1]: is an alias of gpt-image-2 already"],
    ),
    Bad(
        "an alias that is a model",
        "models:\n  gpt-image-2: {aliases: [other]}\n  other: {}\n",
        ["2: models.gpt-image-2.aliases[0]: is the name of another model"],
    ),
    Bad(
        "no such default model",
        "requests:\n  default_model: gpt-image-3\n",
        [f"2: requests.default_model: it is {NO_MODEL}; did you mean gpt-image-2?"],
    ),
    Bad(
        "a default that is gone",
        "models:\n  flux: {aliases: [pro]}\n",
        [
            f"1: {DEFAULT} is gpt-image-2 by default, which is {NO_MODEL}; known: flux, pro",
        ],
    ),
]

KEYS = [
    Bad(
        "nothing at all",
        "",
        ["1: upstream.api_key: is required (or api_key_file)", "1: keys: is required"],
        whole=True,
    ),
    Bad(
        "comments alone",
        "# nothing\n",
        ["1: upstream.api_key: is required (or api_key_file)", "1: keys: is required"],
        whole=True,
    ),
    Bad(
        "an empty vendor",
        "upstream:\n" + CLIENT,
        ["1: upstream.api_key: is required (or api_key_file)"],
        whole=True,
    ),
    Bad("no keys", VENDOR + "keys: []\n", ["2: keys: must have at least 1 entry"], whole=True),
    Bad(
        "keys as a mapping",
        VENDOR + "keys: {studio: abcdefgh}\n",
        ["2: keys: must be a list"],
        whole=True,
    ),
    Bad(
        "keys as words",
        VENDOR + "keys: [sk-hunter2hunter2]\n",
        ["2: keys[0]: must be a mapping of names to settings"],
        whole=True,
    ),
    Bad(
        "a key without a name",
        VENDOR + "keys:\n  - key: abcdefgh\n",
        ["3: keys[0].name: is required"],
        whole=True,
    ),
    Bad(
        "a name without a key",
        VENDOR + "keys:\n  - name: a\n",
        [f"3: keys[0].key: {NO_CREDENTIAL}"],
        whole=True,
    ),
    Bad(
        "a short key",
        VENDOR + "keys: [{name: a, key: hunter2}]\n",
        ["2: keys[0].key: must be 8 characters or longer"],
        whole=True,
    ),
    Bad(
        "an empty key",
        VENDOR + "keys: [{name: a, key: ''}]\n",
        ["2: keys[0].key: must not be empty"],
        whole=True,
    ),
    Bad(
        "a key with a space",
        VENDOR + "keys: [{name: a, key: hunter2 hunter2}]\n",
        [f"2: keys[0].key: {UNFIT}"],
        whole=True,
    ),
    Bad(
        "a key with a line break",
        VENDOR + 'keys: [{name: a, key: "hunter2\\nhunter2"}]\n',
        [f"2: keys[0].key: {UNFIT}"],
        whole=True,
    ),
    Bad(
        "a key of digits",
        VENDOR + "keys: [{name: a, key: 1234567890}]\n",
        ["2: keys[0].key: must be text; put it in quotes"],
        whole=True,
    ),
    Bad(
        "an empty vendor's key",
        "upstream: {api_key: ' '}\n" + CLIENT,
        ["1: upstream.api_key: must not be empty"],
        whole=True,
    ),
    Bad(
        "a short token",
        "ops: {token: fifteen-letters}\n",
        ["1: ops.token: must be 16 characters or longer"],
    ),
    Bad(
        "a short secret of webhooks",
        "server: {public_url: 'https://a.example'}\n"
        "upstream: {api_key: vendor-key, webhook_secret: hunter2}\n" + CLIENT,
        ["2: upstream.webhook_secret: must be 16 characters or longer"],
        whole=True,
    ),
    Bad(
        "a secret of webhooks with spaces",
        "server: {public_url: 'https://a.example'}\n"
        "upstream: {api_key: vendor-key, webhook_secret: 'hunter2 hunter2 hunter2'}\n" + CLIENT,
        [f"2: upstream.webhook_secret: {UNFIT}"],
        whole=True,
    ),
    Bad(
        "webhooks that cannot arrive",
        "upstream: {api_key: vendor-key, webhook_secret: hunter2-hunter2-hunter2}\n" + CLIENT,
        [
            (
                "1: upstream.webhook_secret: needs server.public_url, under which the vendor "
                "reaches the gateway"
            )
        ],
        whole=True,
    ),
    Bad(
        "a vendor's key in Greek",
        "upstream: {api_key: κλειδί}\n" + CLIENT,
        [f"1: upstream.api_key: {UNFIT}"],
        whole=True,
    ),
    Bad(
        "one name for two keys",
        VENDOR + "keys:\n  - {name: a, key: abcdefgh}\n  - {name: a, key: hgfedcba}\n",
        ["4: keys[1].name: is the name of keys[0] too"],
        whole=True,
    ),
    Bad(
        "one key under two names",
        VENDOR + "keys:\n  - {name: a, key: abcdefgh}\n  - {name: b, key: abcdefgh}\n",
        ["4: keys[1].key: is the key of keys[0] too"],
        whole=True,
    ),
    Bad(
        "a limit of none",
        VENDOR + "keys: [{name: a, key: abcdefgh, limits: {concurrent: 0}}]\n",
        ["2: keys[0].limits.concurrent: must be 1 or more"],
        whole=True,
    ),
    Bad(
        "a key as a name",
        VENDOR + "keys:\n  - {sk-hunter2: a, name: a, key: abcdefgh}\n",
        [f"3: keys[0].…: unknown name; known here: {KEY_NAMES}"],
        whole=True,
    ),
    Bad(
        "plain http to the world",
        "upstream: {api_key: k, base_url: 'http://toapis.com'}\n" + CLIENT,
        [f"1: upstream.base_url: {PLAIN_HTTP}"],
        whole=True,
    ),
]

VARIABLES = [
    Bad(
        "an unset variable",
        "ops: {token: ${NOPE}}\n",
        ["1: ops.token: environment variable NOPE is not set"],
    ),
    Bad(
        "an unset variable with a message",
        "ops: {token: '${NOPE:?ask Ada}'}\n",
        ["1: ops.token: environment variable NOPE is not set: ask Ada"],
    ),
    Bad(
        "an unset variable without a message",
        "ops: {token: '${NOPE:?}'}\n",
        ["1: ops.token: environment variable NOPE is not set: required"],
    ),
    Bad("a bare dollar", "ops: {token: a$b}\n", [f"1: ops.token: {DOLLAR}"]),
    Bad("an open variable", "ops: {token: '${NOPE'}\n", [f"1: ops.token: {DOLLAR}"]),
    Bad(
        "a variable in a variable",
        "ops: {token: '${A:-${B}}'}\n",
        ["1: ops.token: a variable within a variable; they cannot be nested"],
    ),
    Bad("an unknown mode", "ops: {token: '${A:+x}'}\n", [f"1: ops.token: {UNNAMED}"]),
    Bad("an empty name", "ops: {token: '${}'}\n", [f"1: ops.token: {UNNAMED}"]),
    Bad(
        "a variable as a name",
        "log: {'${A}': 1}\n",
        ["1: log.…: unknown name; known here: format, level"],
    ),
    Bad(
        "an unset variable in a list",
        "server:\n  trusted_proxies:\n    - 10.0.0.1\n    - ${NOPE}\n",
        ["4: server.trusted_proxies[1]: environment variable NOPE is not set"],
    ),
]

ALL = [*SYNTAX, *NAMES, *VALUES, *ADDRESSES, *MODELS, *KEYS, *VARIABLES]


@pytest.mark.parametrize("bad", ALL, ids=[bad.what for bad in ALL])
def test_a_bad_file_is_refused_with_its_line_and_plain_words(bad: Bad, told: Faults) -> None:
    text = bad.text if bad.whole else bad.text + REQUIRED

    assert told(text, needed=False) == [f"config.yaml:{fault}" for fault in bad.faults]


@pytest.mark.parametrize("bad", ALL, ids=[bad.what for bad in ALL])
def test_no_fault_repeats_a_secret(bad: Bad, told: Faults) -> None:
    text = bad.text if bad.whole else bad.text + REQUIRED
    secrets = ("hunter2", "abcdefgh", "1234567890", "vendor-key", "client-key", "κλειδί")

    assert not [secret for secret in secrets for line in told(text, needed=False) if secret in line]


def test_the_table_is_long_enough() -> None:
    assert len(ALL) >= 100
    assert len({bad.what for bad in ALL}) == len(ALL)


def test_all_faults_of_all_kinds_are_told_at_once_in_the_order_of_the_file(told: Faults) -> None:
    text = """\
server:
  port: eighty
  prot: 1
ops: {host: 0.0.0.0}
upstream:
  api_key: ${NOPE}
  base_url: http://toapis.com
models:
  a: {aliases: [c]}
  b: {aliases: [c]}
keys:
  - {name: x, key: short}
  - {name: x, key_file: /nonexistent}
  - {key: abcdefgh}
requests: {default_model: d}
state: {url: sqlite:x}
log: {level: info, level: debug}
"""
    environ = {"GATEWAY__IMAGES__SHELF": "huge", "GATEWAY__ELSEWHERE": "1"}

    lines = [line.removeprefix("config.yaml:") for line in told(text, environ, needed=False)]

    assert [line.rpartition(": ")[0] for line in lines[:-2]] == [
        "2: server.port",
        "3: server.prot",
        "4: ops.token",
        "6: upstream.api_key",
        "7: upstream.base_url",
        "10: models.b.aliases[0]",
        "12: keys[0].key",
        "13: keys[1].name",
        "13: keys[1].key_file: the file cannot be read",
        "14: keys[2].name",
        f"15: requests.default_model: it is {NO_MODEL}; known",
        "16: state.url",
        "17: log.level",
    ]
    assert lines[-2:] == [
        "GATEWAY__ELSEWHERE: names no setting",
        "GATEWAY__IMAGES__SHELF: images.shelf: must be a number with a unit, such as 64MB or 10GB",
    ]
