# Runs Python's re over texts the way fail2ban does: tags expanded, search(), the text ends in a line feed.
# stdin: {"cases": [{"pattern": ..., "multiline": bool, "bare": bool, "texts": [...]}]}; stdout: per case null (refused) or a list of
# null | {"groups": {name: text}, "content": ...} per text.
import json
import re
import sys

IP4 = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
IP6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))"
DNS = r"(?P<dns>[\w\-.^_]*\w)"
CIDR = r"(?P<cidr>\d+)"
TAGS = {
    "HOST": rf"(?:\[?(?:{IP4}|{IP6})\]?|{DNS})",
    "ADDR": rf"(?:\[?(?:{IP4}|{IP6})\]?)",
    "IP4": IP4,
    "IP6": IP6,
    "DNS": DNS,
    "CIDR": CIDR,
    "SUBNET": rf"\[?(?:{IP4}|{IP6})(?:/{CIDR})?\]?",
    "SKIPLINES": r"\n(?:(?:.*\n)*?)",
}


def name(tag):
    low = tag.lower().replace("-", "_")
    return "fid" if low == "id" else low


def expand(pattern):
    pattern = re.sub(r"<(%s)>" % "|".join(TAGS), lambda m: TAGS[m.group(1)], pattern)
    pattern = re.sub(r"<F-([A-Z0-9_\-]+)/>", lambda m: r"(?P<%s>\S+)" % name(m.group(1)), pattern)
    pattern = re.sub(r"<F-([A-Z0-9_\-]+)>", lambda m: "(?P<%s>" % name(m.group(1)), pattern)
    pattern = re.sub(r"</F-[A-Z0-9_\-]+>", ")", pattern)
    # fail2ban itself turns a flag that begins a group into a flag of that group.
    return re.sub(r"\((?:\?:)?\(\?([aiLmsux]+)\)", r"(?\1:", pattern)


result = []
for case in json.load(sys.stdin)["cases"]:
    try:
        compiled = re.compile(expand(case["pattern"]), re.MULTILINE if case.get("multiline") else 0)
    except Exception as error:
        result.append({"error": str(error)})
        continue
    rows = []
    for text in case["texts"]:
        found = compiled.search(text if case.get("bare") else text + "\n")
        if found is None:
            rows.append(None)
        else:
            groups = found.groupdict()
            rows.append({key: value for key, value in groups.items() if value is not None})
    result.append({"rows": rows})
json.dump(result, sys.stdout)
