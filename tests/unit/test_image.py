"""The image of a node: what it copies is there, what it runs is nobody's root, and its ports are ours."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from deploy.ports import Ports
from radius.health import DEFAULT_PORT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "image" / "Dockerfile").read_text()


def steps() -> list[tuple[str, str]]:
    """Each instruction and its words."""
    kept = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", kept).splitlines()]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def of(word: str) -> list[str]:
    return [rest for name, rest in steps() if name == word]


def test_what_is_copied_is_in_the_clone_and_let_through() -> None:
    ignored = (ROOT / "deploy/image/Dockerfile.dockerignore").read_text().split("\n")
    for rest in of("COPY"):
        *sources, _ = shlex.split(rest)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source
    assert "*" in ignored
    assert "deploy/.state" in ignored, "a box's key is no part of an image"


def test_it_serves_as_nobody_and_hears_that_it_is_to_stop() -> None:
    words = [word for word, _ in steps()]
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert json.loads(of("ENTRYPOINT")[0])[-2:] == ["-m", "deploy.node"], "a list: a shell would not pass SIGTERM on"
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_it_opens_what_routers_and_the_load_balancer_ask() -> None:
    ports = Ports()
    wanted = {f"{port}/udp" for port in (ports.auth, ports.acct, ports.auth_rotated, ports.acct_rotated)}
    assert set(of("EXPOSE")[0].split()) == wanted | {f"{DEFAULT_PORT}/tcp"}
    assert f":{DEFAULT_PORT}/health" in of("HEALTHCHECK")[0]


def test_packages_are_the_locked_ones_and_nothing_secret_is_given_to_the_build() -> None:
    pip = next(rest for rest in of("RUN") if "pip install" in rest)
    assert "--require-hashes" in pip
    assert "--only-binary :all:" in pip
    assert [rest.split("=")[0] for rest in of("ARG")] == ["BASE"]
    assert not re.search(r"(?i)secret|password|token", TEXT)


def test_a_node_needs_nothing_of_the_clone_that_is_not_copied() -> None:
    copied = {source.rstrip("/") for rest in of("COPY") for source in shlex.split(rest)[:-1]}
    tell = "import deploy.node, radius.health, radius.worker, radius.rlm.hooks, sys\n"
    tell += "print(*{name.partition('.')[0] for name, m in sys.modules.items() if str(m).find(sys.argv[1]) > 0})"
    stub = f"import sys, types\nsys.modules['radiusd'] = types.ModuleType('radiusd')\n{tell}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", stub, f"'{ROOT}/"], capture_output=True, text=True, check=True, cwd="/"
    )
    ours = {name for name in done.stdout.split() if (ROOT / name).is_dir()}
    assert {"deploy", "radius"} <= ours <= copied
