"""`python -m lsp_server` is `fimd`: how the demo and tests start the daemon without relying on PATH."""

from lsp_server.cli import main

main()
