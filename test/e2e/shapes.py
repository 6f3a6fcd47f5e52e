# SPDX-License-Identifier: MIT
"""Every answer of `edgectl --json` that a test sees is held against docs/schema/edgectl.json."""
import json
import os
import re

import jsonschema

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
with open(os.path.join(TOP, "docs", "schema", "edgectl.json")) as f:
    SCHEMA = json.load(f)
SEEN = set()


def command(words):
    """The command of the schema that these words ask for."""
    names = [k[8:] for k in SCHEMA["$defs"] if k.startswith("command ")]
    return max((n for n in names if list(words[:len(n.split())]) == n.split()), key=len)


def validate(name, value):
    at = {"$ref": "#/$defs/" + name, "$defs": SCHEMA["$defs"]}
    for e in jsonschema.Draft202012Validator(at).iter_errors(value):
        raise AssertionError("%s: %s: %s" % (name, "/".join(map(str, e.absolute_path)), e.message[:300]))


def check(argv, code, out):
    """argv as given to edgectl; nothing to do without --json."""
    words = [w for w in argv if not w.startswith("--")]
    if "--json" not in argv or code not in (0, 1) or not out:
        return
    name = command(words)
    if name == "trace":
        for line in out.splitlines():
            validate("command trace", json.loads(line))
        return
    value = json.loads(out)
    if isinstance(value, dict) and value.get("ok") is False:
        assert code == 1
        validate("refusal", value)
        return
    validate("command " + name, value)
    SEEN.add(name)


def commands_of_help(text):
    return set(re.findall(r"^  ([a-z-]+) ", text, re.M))
