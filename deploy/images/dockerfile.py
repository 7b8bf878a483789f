"""Reads Dockerfiles and says what in them is not as images are made here."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

COMPILERS = frozenset({"build-essential", "gcc", "g++", "clang", "make", "python3-pip", "python3.11-dev"})


@dataclass(frozen=True)
class Instruction:
    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Without the options of the instruction itself (`--from=build`)."""
        return [word for word in self.rest.split() if not word.startswith("--")]

    @property
    def from_a_stage(self) -> bool:
        return "--from=" in self.rest

    def commands(self) -> list[list[str]]:
        """Of a RUN: the shell's commands, each as words."""
        lexer = shlex.shlex(self.rest, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        commands: list[list[str]] = [[]]
        for word in lexer:
            if set(word) <= set(";&|"):
                commands.append([])
            else:
                commands[-1].append(word)
        return [command for command in commands if command]


def read(file: Path) -> list[Instruction]:
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [Instruction(name.upper(), " ".join(rest.split())) for name, _, rest in found]


def findings(file: Path, *, root: Path) -> list[str]:
    """One sentence each; empty for a file that is as it should be."""
    instructions = read(file)
    starts = [index for index, one in enumerate(instructions) if one.name == "FROM"]
    last = instructions[starts[-1] :]
    return [
        *_of_bases(instructions),
        *_of_sources(instructions, root),
        *_of_packages(instructions, root),
        *_of_the_last_stage(last),
    ]


def _of_bases(instructions: list[Instruction]) -> list[str]:
    found = []
    bases = [one.rest.partition("=")[2] for one in instructions if one.name == "ARG" and one.rest.startswith("BASE=")]
    if len(bases) != 1:
        return ["the base image is no single ARG BASE"]
    tag = re.fullmatch(r"[\w./-]+:(?P<tag>[\w.-]+)(@sha256:[0-9a-f]{64})?", bases[0])
    if tag is None or tag["tag"] == "latest":
        found.append(f"the base {bases[0]} has no tag, or one that moves with every release")
    strangers = [one.rest for one in instructions if one.name == "FROM" and one.words[0] != "${BASE}"]
    return found + [f"FROM {rest} is not the base" for rest in strangers]


def _of_sources(instructions: list[Instruction], root: Path) -> list[str]:
    found = [f"ADD {one.rest}: COPY does what is needed" for one in instructions if one.name == "ADD"]
    copies = [one for one in instructions if one.name == "COPY" and not one.from_a_stage]
    for source in [source for one in copies for source in one.words[:-1]]:
        if not list(root.glob(source)):
            found.append(f"COPY {source}: there is no such file")
        elif not reaches_a_builder(source, root=root):
            found.append(f"COPY {source}: .dockerignore keeps it from the builder")
    return found


def reaches_a_builder(source: str, *, root: Path) -> bool:
    """.dockerignore refuses everything and lets some through: folders, or names in a folder."""
    rules = (root / ".dockerignore").read_text().splitlines()
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    return any(source == rule or source.startswith(f"{rule}/") for rule in allowed)


def _of_packages(instructions: list[Instruction], root: Path) -> list[str]:
    found = []
    commands = [command for one in instructions if one.name == "RUN" for command in one.commands()]
    for command in commands:
        if "apt-get" in command and "install" in command and "--no-install-recommends" not in command:
            found.append(f"{' '.join(command)}: brings what it only recommends")
        if "pip" in command and "install" in command:
            missing = [option for option in ("--require-hashes", "--only-binary", "--no-deps") if option not in command]
            found += [f"pip install without {option}" for option in missing]
    if any("apt-get" in command for command in commands) and not any("/var/lib/apt/lists/*" in c for c in commands):
        found.append("apt's lists stay in a layer")
    return found


def _of_the_last_stage(last: list[Instruction]) -> list[str]:
    found = []
    users = [one.rest for one in last if one.name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        found.append("the last USER is no number of somebody else than root")
    installed = {word for one in last if one.name == "RUN" for command in one.commands() for word in command}
    found += [f"{name} is in the last stage" for name in sorted(installed & COMPILERS)]
    starts = [one for one in last if one.name == "ENTRYPOINT"]
    if not starts or not starts[-1].rest.startswith("["):
        found.append("no ENTRYPOINT as a list: a shell would take the signals")
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY)\w*=")
    return found + [
        f"{one.name} {one.rest}: a secret in an image"
        for one in last
        if one.name in ("ARG", "ENV") and secret.search(one.rest)
    ]
