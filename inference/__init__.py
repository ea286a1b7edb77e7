"""Infilling with language models: requests in, completions out.

Knows models, tokens and tensors. Knows nothing of editors, documents or the Language Server Protocol, and never imports
`lsp_server`. torch is imported only below `engines.local`, so that importing `worker` or `request` stays cheap.
"""
