"""A real Neovim without a window, driven by keys as a person types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.editors.terminal import until

PLUGIN = Path(__file__).parents[2] / "editors" / "neovim"


def find() -> str | None:
    """The program: `FIMD_NVIM`, else the one on the path."""
    return os.environ.get("FIMD_NVIM") or shutil.which("nvim")


class Neovim:
    """One that runs, with one file open."""

    def __init__(self, program: str, socket: Path, environment: dict[str, str]) -> None:
        self._remote = [program, "--server", str(socket)]
        self._environment = environment

    def type(self, keys: str) -> None:
        """Send keys, in Neovim's notation for special ones."""
        self._ask("--remote-send", keys)

    def lua(self, expression: str) -> Any:
        """What a Lua expression gives, as JSON can say it."""
        code = f"vim.json.encode({{ value = {expression} }})"
        return json.loads(self._ask("--remote-expr", f"luaeval({json.dumps(code)})")).get("value")

    def text(self) -> list[str]:
        """Lines of the buffer."""
        return self.lua("vim.api.nvim_buf_get_lines(0, 0, -1, true)")

    def ghost(self) -> str:
        """The ghost text that is drawn, its lines joined; empty for none."""
        return self.lua("_G.drawn()")

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first true value of `condition`."""
        return until(condition, lambda: f"the buffer is {self.text()!r}, the ghost text {self.ghost()!r}")

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._remote, *arguments], env=self._environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout or done.stderr  # answers go to either, by version


INIT = """
vim.opt.runtimepath:prepend({plugin})
vim.opt.swapfile = false
function _G.drawn()
  local found = {{}}
  for _, id in pairs(vim.api.nvim_get_namespaces()) do
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, id, 0, -1, {{ details = true }})) do
      for _, chunk in ipairs(mark[4].virt_text or {{}}) do
        if chunk[2] == "ComplHint" then table.insert(found, chunk[1]) end
      end
      for _, line in ipairs(mark[4].virt_lines or {{}}) do table.insert(found, "\\n" .. line[1][1]) end
    end
  end
  return table.concat(found)
end
require("fimd").setup(vim.json.decode({options}))
"""


@contextmanager
def started(folder: Path, text: str, options: dict[str, Any]) -> Generator[Neovim]:
    """A Neovim with the plugin set up, and a Python file that holds `text` open."""
    program = find() or "nvim"
    file, socket, init = folder / "example.py", folder / "socket", folder / "init.lua"
    file.write_bytes(text.encode())
    init.write_text(
        INIT.format(plugin=json.dumps(str(PLUGIN)), options=json.dumps(json.dumps(options))), encoding="utf-8"
    )
    places = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE", "DATA")}
    environment = {**os.environ, **places}
    command = [program, "-u", str(init), "--headless", "--listen", str(socket), str(file)]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        neovim = Neovim(program, socket, environment)
        until(socket.exists, (folder / "log").read_text)
        yield neovim
    finally:
        process.kill()
        process.wait()
        log.close()
