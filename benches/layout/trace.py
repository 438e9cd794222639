#!/usr/bin/env python3
"""Writes plain.ld anew: trace.py PROGRAM > plain.ld, or `make layout`.

Plays one plain message under callgrind, takes the functions that ran, and writes their sections as a linker script's.
Hashes in their names are left out, so that the script outlives a compiler; a name that is no longer there does no harm.
"""

import collections
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

SESSION = """
client_name = "client.example"
[message]
from = "a@example.com"
to = ["b@example.com"]
subject = "layout"
text = "hello\\n"
"""


def answer(listener):
    """A server that takes one message."""
    stream, _ = listener.accept()
    stream.settimeout(60)
    lines = stream.makefile("rb")
    stream.sendall(b"220 mx.example ESMTP\r\n")
    content = False
    for line in lines:
        if content and line != b".\r\n":
            continue
        replies = {b"DATA": b"354 go ahead\r\n", b"QUIT": b"221 bye\r\n"}
        verb = line.strip()
        content = verb == b"DATA"
        stream.sendall(replies.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            return


def functions_that_ran(program, folder):
    session, profile = folder / "layout.toml", folder / "profile"
    session.write_text(SESSION)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={profile}"]
        command = [*callgrind, program, "run", "--server", url, str(session)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
            answer(listener)
        if child.returncode != 0:
            sys.exit(f"the session ended with {child.returncode}")
    names = re.findall(r"^c?fn=\(\d+\) (\S+)$", profile.read_text(), re.MULTILINE)
    return {re.sub(r"'\d+$", "", name) for name in names}  # 'N: the Nth level of a recursion


def with_other_names(program, ran):
    """A function's section has one of its names, which need not be the one that callgrind tells."""
    listing = subprocess.run(["nm", "--defined-only", program], check=True, capture_output=True, text=True).stdout
    at = collections.defaultdict(set)
    for line in listing.splitlines():
        address, kind, name = line.split(maxsplit=2)
        if kind in "tTwW":
            at[address].add(name)
    return {name for names in at.values() if names & ran for name in names}


def pattern(name):
    name = re.sub(r"17h[0-9a-f]{16}E.*", "17h*", name)
    if name.startswith("_R"):
        name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name) + "*"
    return re.sub(r"\.\d+\*?$", "*", name)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        ran = functions_that_ran(program, pathlib.Path(folder))
    patterns = sorted({pattern(name) for name in with_other_names(program, ran)})
    print("/* Written by `make layout`: the functions that a plain session runs. See build.rs beside it. */")
    print("SECTIONS {\n  .text.plain : {")
    for name in patterns:
        print(f"    *(.text.{name} .text.unlikely.{name})")
    print("  }\n}\nINSERT BEFORE .text;")


main()
