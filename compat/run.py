#!/usr/bin/env python3
"""Runs the public SDKs, unmodified, against a realtime server, and says what works.

    compat/run.py --url http://127.0.0.1:8090 --key KEY --broke-key A --broke-key B --broke-key C --broke-key D

What the clients need is installed under --cache when it is not there yet: two Python environments, the npm packages
and, as root on Debian, a browser. README.md says what the server must have.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Frames are checked by a client that is no SDK, in the environment of the newer one.
PYTHON = {
    "python-0.0.21": ("0.0.21", "scenario.py"),
    "python-0.0.40": ("0.0.40", "scenario.py"),
    "raw": ("0.0.40", "raw.py"),
}
JAVASCRIPT = "javascript-0.0.46"
CLIENTS = (*PYTHON, JAVASCRIPT)


def main() -> int:
    options = parse()
    cache = options.cache.resolve()
    broke = list(options.broke_key)
    summaries = []
    failed = False
    for client in options.client or CLIENTS:
        print(f"== {client}", flush=True)
        given = [f"--url={options.url.rstrip('/')}", f"--key={options.key}", f"--model={options.model}"]
        given += [f"--operator-key={options.operator_key}"] if options.operator_key else []
        given += [f"--only={options.only}"] if options.only else []
        given += [f"--skip={options.skip}"] if options.skip else []
        if broke:
            given += [f"--broke-key={broke.pop(0)}", f"--broke-seconds={options.broke_seconds}"]
        if client == JAVASCRIPT:
            folder = javascript(cache)
            command = ["node", str(folder / "scenario.mjs"), f"--chromium={options.chromium or browser()}"]
        else:
            version, script = PYTHON[client]
            command = [str(python(cache, version)), "-B", str(HERE / "python" / script)]
        last = f"compat {client}: it did not come to its end"
        with subprocess.Popen([*command, *given], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line.strip() if line.startswith("compat ") else last
        failed = failed or process.returncode != 0
        summaries.append(last)
    print("==", *summaries, sep="\n", flush=True)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--url", required=True, help="of the server, as http://127.0.0.1:8090")
    add("--key", default="good", help="a key with credit for some minutes (default: good)")
    add(
        "--broke-key",
        action="append",
        default=[],
        help="a key with credit for some seconds, which is used up: one for each client, in their order; "
        "a client without one skips that check",
    )
    add("--broke-seconds", type=int, default=0, help="for how many; then the ticks are counted")
    add("--operator-key", default="", help="a key that may DELETE sessions (default: --key)")
    add("--model", default="mirage_v2", help="the model to ask for (default: mirage_v2, which all versions know)")
    add("--client", action="append", choices=CLIENTS, help="only this client; can be repeated")
    add("--only", default="", help="only these checks, with commas between them")
    add("--skip", default="", help="all but these checks")
    add("--cache", type=pathlib.Path, default=HERE.parent / "target" / "compat", help="default: target/compat")
    add("--chromium", default=os.environ.get("CHROMIUM", ""), help="the browser's program (default: looked for)")
    return parser.parse_args()


def python(cache: pathlib.Path, version: str) -> pathlib.Path:
    """The interpreter of the environment that has that version of the SDK."""
    folder = cache / f"python-{version}"
    interpreter = folder / "bin" / "python"
    requirements = HERE / "python" / "requirements.txt"
    wanted = f"decart[realtime]=={version}\n{requirements.read_text()}"
    # Written last: an environment without it was left half made.
    stamp = folder / "installed.txt"
    if stamp.is_file() and stamp.read_text() == wanted and interpreter.exists():
        return interpreter
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
        debian("python3-venv", "Python's venv module is missing")
    say(f"making {folder} with decart {version}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"decart[realtime]=={version}", "--requirement", str(requirements)], check=True)
    stamp.write_text(wanted)
    return interpreter


def javascript(cache: pathlib.Path) -> pathlib.Path:
    """The folder with the checks and the packages they need beside them, where node looks for packages."""
    folder = cache / "javascript"
    folder.mkdir(parents=True, exist_ok=True)
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            debian("npm" if tool == "npm" else "nodejs", f"{tool} is missing")
    for file in [*(HERE / "js").iterdir(), HERE / "pattern.json"]:
        if file.is_file():
            shutil.copy(file, folder)
    wanted = (HERE / "js" / "package-lock.json").read_text()
    stamp = folder / "installed.txt"
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"installing npm packages in {folder}")
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        stamp.write_text(wanted)
    return folder


def browser() -> str:
    """Chromium, or one like it."""
    if not any(map(shutil.which, BROWSERS)):
        debian("chromium", "no Chromium was found (name one with --chromium or in the variable CHROMIUM)")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or sys.exit("Chromium was installed and is still not found; name it with --chromium")


def debian(package: str, why: str) -> None:
    """Installs a package where that can be done without asking, and else says what to do."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"{why}; install it (on Debian: apt-get install {package}) and run this again")
    say(f"{why}: installing the Debian package {package}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], check=True, env=quiet)


def say(what: str) -> None:
    print(f"   {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
