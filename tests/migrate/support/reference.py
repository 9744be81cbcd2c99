# Prints what the real fail2ban resolves for a directory (`fail2ban-client -c DIR -d`) as JSON: jail -> settings.
import ast
import json
import subprocess
import sys

out = subprocess.run(["fail2ban-client", "-c", sys.argv[1], "-d"], capture_output=True, text=True)
jails = {}
for line in out.stdout.splitlines():
    if not line.startswith("["):
        continue
    words = ast.literal_eval(line)
    if words[0] == "add":
        jails[words[1]] = {"backend": words[2]}
    elif words[0] in ("set", "multi-set") and words[1] in jails:
        jail, key, values = jails[words[1]], words[2], words[3:]
        if key in ("addfailregex", "addignoreregex"):
            jail.setdefault(key, []).extend(values[0] if words[0] == "multi-set" else [values[0]])
        elif key == "addignoreip":
            jail[key] = values
        elif key in ("addjournalmatch", "addlogpath"):
            jail.setdefault(key, []).append(values)
        elif key == "addaction":
            jail.setdefault("actions", {})[values[0]] = {}
        elif key == "action":
            pairs = values[1] if words[0] == "multi-set" else [values[1:3]]
            jail["actions"][values[0]] = {name: value for name, value in pairs}
        else:
            jail[key] = values[0]
errors = [line for line in (out.stderr + out.stdout).splitlines() if "ERROR" in line]
json.dump({"jails": jails, "errors": errors, "code": out.returncode}, sys.stdout)
